"""What is accepted and does nothing on one machine, each with its reason."""

WITHOUT_EFFECT = {
    "AWS::IAM::Role": "nothing here checks permissions",
    "AWS::IAM::Policy": "nothing here checks permissions",
    "AWS::IAM::ManagedPolicy": "nothing here checks permissions",
    "AWS::S3::BucketPolicy": "nothing here checks permissions (and moto denies without reading conditions)",
    "AWS::Lambda::Permission": "nothing here checks permissions",
    "AWS::Lambda::Version": "there is one version of the code: the one on disk",
    "AWS::Lambda::Alias": "there is one version of the code: the one on disk",
    "AWS::ApiGatewayV2::Stage": "the $default stage is the only one, and nothing is throttled",
    "AWS::CloudWatch::Alarm": "nobody looks at metrics here; the log shows failures",
    "AWS::CloudWatch::CompositeAlarm": "nobody looks at metrics here; the log shows failures",
    "AWS::CloudWatch::Dashboard": "there are no metrics to show",
    "AWS::Logs::MetricFilter": "there are no metrics",
}
"""Types of resources."""

IGNORED_PROPERTIES: dict[str, dict[str, str]] = {
    "AWS::DynamoDB::Table": {"ContributorInsightsSpecification": "a report that nobody reads here"},
    "AWS::S3::Bucket": {
        "BucketEncryption": "the objects live in memory",
        "LifecycleConfiguration": "the objects live no longer than the cloud",
        "MetricsConfigurations": "there are no metrics",
        "LoggingConfiguration": "there are no access logs",
    },
    "AWS::Kinesis::Stream": {"StreamEncryption": "the records live in memory"},
    "AWS::Lambda::Function": {
        "Architectures": "functions run on this machine's processor",
        "Description": "words",
        "EphemeralStorage": "functions share this machine's disk",
        "PackageType": "only Zip is known, and checked",
        "SnapStart": "a cold start here is a process start",
        "Tags": "nothing bills by tags",
        "TracingConfig": "there are no traces",
    },
    "AWS::ApiGatewayV2::Api": {"Description": "words", "Tags": "nothing bills by tags"},
    "AWS::Lambda::EventSourceMapping": {
        "ParallelizationFactor": "one batch per shard at a time",
        "ScalingConfig": "one batch per queue at a time",
        "Tags": "nothing bills by tags",
        "MetricsConfig": "there are no metrics",
    },
    "AWS::Lambda::EventInvokeConfig": {"Qualifier": "there is one version of the code: the one on disk"},
    "AWS::Scheduler::Schedule": {
        "FlexibleTimeWindow": "schedules fire on the dot",
        "Description": "words",
        "GroupName": "groups only name things",
    },
    "AWS::Events::Rule": {"Description": "words", "RoleArn": "nothing here checks permissions"},
    "AWS::Athena::WorkGroup": {"RecursiveDeleteOption": "it goes with the cloud"},
    "AWS::Logs::LogGroup": {
        "RetentionInDays": "the log is the console",
        "LogGroupClass": "the log is the console",
    },
    "AWS::CloudFormation::Stack": {"Tags": "nothing bills by tags", "TimeoutInMinutes": "it is quick"},
}
"""Properties, by the type of their resource."""
