"""Every resource of the template stands in moto, with the properties that have an effect."""

import json

from infra.local.cloud import Cloud


def test_table(cloud: Cloud) -> None:
    client, name = cloud.client("dynamodb"), cloud.outputs["Table"]
    table = client.describe_table(TableName=name)["Table"]
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["SSEDescription"]["Status"] == "ENABLED"
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    recovery = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_bucket(cloud: Cloud) -> None:
    client, name = cloud.client("s3"), cloud.outputs["Failures"]
    assert name == "small-failures"
    assert client.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert (
        client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]["BlockPublicAcls"]
        is True
    )
    client.put_object(Bucket=name, Key="k", Body=b"")  # the policy denies it; nothing here checks permissions
    client.delete_object(Bucket=name, Key="k")


def test_a_false_condition_leaves_a_resource_out(cloud: Cloud) -> None:
    names = [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]]
    assert names == ["small-failures"]
    assert cloud.outputs["Production"] == "no"


def test_streams(cloud: Cloud) -> None:
    client = cloud.client("kinesis")
    bisected = client.describe_stream_summary(StreamName=cloud.outputs["BisectedStream"])[
        "StreamDescriptionSummary"
    ]
    plain = client.describe_stream_summary(StreamName=cloud.outputs["PlainStream"])[
        "StreamDescriptionSummary"
    ]
    assert (bisected["OpenShardCount"], bisected["RetentionPeriodHours"]) == (1, 48)
    assert plain["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert plain["OpenShardCount"] > 1


def test_queues(cloud: Cloud) -> None:
    client = cloud.client("sqs")
    queue = client.get_queue_attributes(QueueUrl=cloud.outputs["Queue"], AttributeNames=["All"])["Attributes"]
    dead = client.get_queue_attributes(QueueUrl=cloud.outputs["DeadLetters"], AttributeNames=["All"])[
        "Attributes"
    ]
    assert queue["VisibilityTimeout"] == "60"
    assert json.loads(queue["RedrivePolicy"]) == {
        "deadLetterTargetArn": dead["QueueArn"],
        "maxReceiveCount": 2,
    }
    assert dead["MessageRetentionPeriod"] == "1209600"


def test_glue_database(cloud: Cloud) -> None:
    assert cloud.client("glue").get_database(Name="lake")["Database"]["Name"] == "lake"


def test_work_group(cloud: Cloud) -> None:
    group = cloud.client("athena").get_work_group(WorkGroup="small-queries")["WorkGroup"]
    assert group["Configuration"]["BytesScannedCutoffPerQuery"] == 10485760
    assert group["Configuration"]["ResultConfiguration"]["OutputLocation"] == "s3://small-failures/athena/"


def test_secret(cloud: Cloud) -> None:
    secret = cloud.client("secretsmanager").get_secret_value(SecretId=cloud.outputs["Secret"])["SecretString"]
    value = json.loads(secret)
    assert value["user"] == "me"
    assert len(value["password"]) == 40
    assert value["password"].isalnum()


def test_parameter_log_group_and_nested_stack(cloud: Cloud) -> None:
    setting = cloud.client("ssm").get_parameter(Name=cloud.outputs["Setting"])["Parameter"]
    assert setting["Value"] == "a-test"
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix=cloud.outputs["Group"])["logGroups"]
    assert len(groups) == 1
    topic = cloud.client("sns").get_topic_attributes(TopicArn=cloud.outputs["Topic"])["Attributes"]
    assert topic["DisplayName"] == "second"


def test_outputs_carry_this_clouds_own_address(cloud: Cloud) -> None:
    assert cloud.outputs["ApiUrl"] == cloud.api_url
