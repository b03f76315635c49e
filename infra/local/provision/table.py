"""Which provisioner makes which type of resource."""

from infra.local.provision import running, stores
from infra.local.provision.stack import Provisioners

PROVISIONERS: Provisioners = {
    "AWS::ApiGatewayV2::Api": running.api,
    "AWS::Athena::WorkGroup": stores.work_group,
    "AWS::CloudFormation::Stack": running.nested,
    "AWS::DynamoDB::Table": stores.table,
    "AWS::Events::Rule": running.rule,
    "AWS::Glue::Database": stores.glue_database,
    "AWS::Glue::Table": stores.glue_table,
    "AWS::Kinesis::Stream": stores.stream,
    "AWS::Lambda::EventInvokeConfig": running.event_invoke_config,
    "AWS::Lambda::EventSourceMapping": running.event_source_mapping,
    "AWS::Lambda::Function": running.function,
    "AWS::Lambda::LayerVersion": running.layer,
    "AWS::Logs::LogGroup": stores.log_group,
    "AWS::S3::Bucket": stores.bucket,
    "AWS::SNS::Topic": stores.topic,
    "AWS::SQS::Queue": stores.queue,
    "AWS::SQS::QueuePolicy": stores.queue_policy,
    "AWS::SSM::Parameter": stores.parameter,
    "AWS::Scheduler::Schedule": running.schedule,
    "AWS::SecretsManager::Secret": stores.secret,
}
