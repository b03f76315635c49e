"""Provisioners of what keeps and carries data, in moto."""

from __future__ import annotations

import json

from infra.local.provision.properties import Properties, truth, typed
from infra.local.provision.stack import Stack
from infra.local.provision.world import Physical
from infra.local.template import Resource


def table(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("dynamodb")
    name = properties.take("TableName", stack.physical_name(resource))
    ttl = properties.take("TimeToLiveSpecification")
    recovery = properties.take("PointInTimeRecoverySpecification")
    stream = properties.take("StreamSpecification")
    encryption = properties.take("SSESpecification")
    arguments = properties.for_operation(client, "CreateTable")
    if stream:
        arguments["StreamSpecification"] = {"StreamEnabled": True, **stream}
    if encryption:
        arguments["SSESpecification"] = {
            "Enabled" if key == "SSEEnabled" else key: value for key, value in encryption.items()
        }
    made = client.create_table(TableName=name, **typed(client, "CreateTable", arguments))["TableDescription"]
    if ttl:
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification={**ttl, "Enabled": truth(ttl.get("Enabled", True))}
        )
    if recovery:
        client.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification=typed(
                client, "UpdateContinuousBackups", {"PointInTimeRecoverySpecification": recovery}
            )["PointInTimeRecoverySpecification"],
        )
    attributes = {"Arn": made["TableArn"], "StreamArn": made.get("LatestStreamArn", "")}
    return Physical(resource.logical_id, resource.type, name, attributes)


def bucket(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("s3")
    name = properties.take("BucketName", stack.physical_name(resource, lower=True, limit=63))
    where = {} if stack.world.region == "us-east-1" else {"LocationConstraint": stack.world.region}
    client.create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
    if versioning := properties.take("VersioningConfiguration"):
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if block := properties.take("PublicAccessBlockConfiguration"):
        client.put_public_access_block(
            Bucket=name,
            PublicAccessBlockConfiguration={key: truth(value) for key, value in block.items()},
        )
    if owner := properties.take("OwnershipControls"):
        client.put_bucket_ownership_controls(Bucket=name, OwnershipControls=owner)
    if tags := properties.take("Tags"):
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    domain = f"{name}.s3.amazonaws.com"
    attributes = {"Arn": f"arn:aws:s3:::{name}", "DomainName": domain, "RegionalDomainName": domain}
    return Physical(resource.logical_id, resource.type, name, attributes)


def stream(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("kinesis")
    name = properties.take("Name", stack.physical_name(resource))
    retention = int(properties.take("RetentionPeriodHours", 24))
    arguments = properties.for_operation(client, "CreateStream")
    arguments["Tags"] = {tag["Key"]: tag["Value"] for tag in arguments.pop("Tags", [])}
    if arguments.get("StreamModeDetails", {}).get("StreamMode") != "ON_DEMAND":
        arguments.setdefault("ShardCount", 1)
    client.create_stream(StreamName=name, **typed(client, "CreateStream", arguments))
    if retention > 24:
        client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=retention)
    arn = stack.world.arn("kinesis", f"stream/{name}")
    return Physical(resource.logical_id, resource.type, name, {"Arn": arn})


def queue(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("sqs")
    fifo = truth(properties.take("FifoQueue", False))
    name = properties.take("QueueName", stack.physical_name(resource, limit=75) + (".fifo" if fifo else ""))
    tags = {tag["Key"]: tag["Value"] for tag in properties.take("Tags", [])}
    attributes = {
        key: json.dumps(value)
        if isinstance(value, dict)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for key, value in properties.take_all().items()
    }
    if fifo:
        attributes["FifoQueue"] = "true"
    url = client.create_queue(QueueName=name, Attributes=attributes, tags=tags)["QueueUrl"]
    arn = stack.world.arn("sqs", name)
    return Physical(resource.logical_id, resource.type, url, {"Arn": arn, "QueueName": name, "QueueUrl": url})


def queue_policy(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    policy = json.dumps(properties.need("PolicyDocument"), default=str)
    for url in properties.need("Queues"):
        stack.world.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return Physical(resource.logical_id, resource.type, stack.physical_name(resource))


def topic(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("sns")
    name = properties.take("TopicName", stack.physical_name(resource))
    subscriptions = properties.take("Subscription", [])
    display = properties.take("DisplayName")
    arn = client.create_topic(Name=name, **({"Attributes": {"DisplayName": display}} if display else {}))[
        "TopicArn"
    ]
    for subscription in subscriptions:
        client.subscribe(TopicArn=arn, Protocol=subscription["Protocol"], Endpoint=subscription["Endpoint"])
    return Physical(resource.logical_id, resource.type, arn, {"TopicArn": arn, "TopicName": name})


def glue_database(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("glue")
    name = properties.take("DatabaseName")
    database = {**properties.need("DatabaseInput")}
    database["Name"] = (name or database.get("Name") or stack.physical_name(resource)).lower()
    client.create_database(DatabaseInput=database, CatalogId=str(properties.need("CatalogId")))
    return Physical(resource.logical_id, resource.type, database["Name"])


def glue_table(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("glue")
    arguments = properties.for_operation(client, "CreateTable")
    client.create_table(**typed(client, "CreateTable", arguments))
    return Physical(resource.logical_id, resource.type, arguments["TableInput"]["Name"])


def work_group(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("athena")
    name = properties.need("Name")
    state = properties.take("State", "ENABLED")
    configuration = properties.take("WorkGroupConfiguration", {})
    arguments = {"Configuration": configuration, **properties.for_operation(client, "CreateWorkGroup")}
    client.create_work_group(Name=name, **typed(client, "CreateWorkGroup", arguments))
    if state != "ENABLED":
        client.update_work_group(WorkGroup=name, State=state)
    return Physical(resource.logical_id, resource.type, name)


def secret(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("secretsmanager")
    name = properties.take("Name", stack.physical_name(resource))
    generate = properties.take("GenerateSecretString")
    value = properties.take("SecretString")
    if generate is not None:
        rest = dict(generate)
        frame, key = rest.pop("SecretStringTemplate", None), rest.pop("GenerateStringKey", None)
        rest = typed(client, "GetRandomPassword", rest)
        value = client.get_random_password(**rest)["RandomPassword"]
        if frame is not None:
            value = json.dumps({**json.loads(frame), key: value})
    arguments = properties.for_operation(client, "CreateSecret")
    arn = client.create_secret(Name=name, SecretString=value or "", **arguments)["ARN"]
    return Physical(resource.logical_id, resource.type, arn, {"Id": arn})


def parameter(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("ssm")
    name = properties.take("Name", stack.physical_name(resource))
    kind, value = properties.need("Type"), properties.need("Value")
    client.put_parameter(
        Name=name, Type=kind, Value=value, **properties.for_operation(client, "PutParameter")
    )
    return Physical(resource.logical_id, resource.type, name, {"Type": kind, "Value": value})


def log_group(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    name = properties.take("LogGroupName", stack.physical_name(resource))
    stack.world.client("logs").create_log_group(logGroupName=name)
    return Physical(
        resource.logical_id, resource.type, name, {"Arn": stack.world.arn("logs", f"log-group:{name}:*")}
    )
