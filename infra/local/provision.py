"""Creates the resources of a template: in moto through boto3, or as functions and event sources of this cloud.

A resource type, or a property of one, that stands in no table here stops the cloud: nothing is skipped.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.local.errors import TemplateError
from infra.local.runtime import FunctionSpec
from infra.local.template import Resolver, Resource, Template, load

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
"""Accepted, and nothing happens: each with its reason."""

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


@dataclass(frozen=True, slots=True)
class Physical:
    """A created resource: what Ref answers, and what Fn::GetAtt answers."""

    logical_id: str
    type: str
    ref: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mapped:
    """An event source mapping or a schedule: its logical id and its resolved properties."""

    logical_id: str
    properties: Mapping[str, Any]
    arn: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """An HTTP API: its routes and authorizers as SAM writes them, and where this cloud serves it."""

    logical_id: str
    id: str
    url: str
    paths: Mapping[str, Any]
    authorizers: Mapping[str, Any]


@dataclass
class World:
    """Where resources are created, and what this cloud itself must run. `main_url`: where the template's own HTTP API is served;
    `open_api`: a new address for one of a nested stack."""

    endpoint_url: str
    main_url: str
    open_api: Callable[[], str]
    region: str
    account: str
    functions: dict[str, FunctionSpec] = field(default_factory=dict)
    mappings: list[Mapped] = field(default_factory=list)
    schedules: list[Mapped] = field(default_factory=list)
    rules: list[Mapped] = field(default_factory=list)
    invoke_configs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    layers: dict[str, Path] = field(default_factory=dict)
    apis: list[Api] = field(default_factory=list)
    _session: boto3.Session | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud."""
        if service not in self._clients:
            self._session = self._session or boto3.Session(
                aws_access_key_id="local",
                aws_secret_access_key="local",
                aws_session_token="local",
                region_name=self.region,
            )
            make: Any = self._session.client  # its stubs know literal names only
            self._clients[service] = make(
                service,
                endpoint_url=self.endpoint_url,
                config=Config(max_pool_connections=64, retries={"mode": "standard"}, read_timeout=900),
            )
        return self._clients[service]

    def close(self) -> None:
        """Close the connections of the clients."""
        for client in self._clients.values():
            client.close()

    def arn(self, service: str, resource: str, region: bool = True) -> str:
        """An ARN in this cloud."""
        return f"arn:aws:{service}:{self.region if region else ''}:{self.account}:{resource}"


class Stack:
    """Provisions one template; a nested stack is another one."""

    def __init__(self, template: Template, name: str, world: World, nested: bool = False) -> None:
        self.template = template
        self.nested = nested
        self.name = name
        self.world = world
        self.resources: dict[str, Physical] = {}
        self._under_way: list[str] = []
        self._resolver = Resolver(
            template,
            {
                "AWS::Region": world.region,
                "AWS::AccountId": world.account,
                "AWS::Partition": "aws",
                "AWS::URLSuffix": "amazonaws.com",
                "AWS::StackName": name,
                "AWS::StackId": world.arn("cloudformation", f"stack/{name}/local"),
            },
            self,
        )

    def provision(self) -> None:
        """Create everything; unknown types that are wanted are refused before anything is."""
        unknown = [
            f"{resource.logical_id} ({resource.type})"
            for resource in self.template.resources.values()
            if resource.type not in PROVISIONERS
            and resource.type not in WITHOUT_EFFECT
            and self._wanted(resource)
        ]
        if unknown:
            raise TemplateError(
                f"{self.template.path}: the embedded cloud does not know the resource type of {', '.join(unknown)}. "
                "Add a provisioner to infra/local/provision.py, or, if the type has no effect on one machine, "
                "a line with the reason to WITHOUT_EFFECT."
            )
        for resource in self.template.resources.values():
            if self._wanted(resource):
                self._physical(resource.logical_id)

    def outputs(self) -> dict[str, str]:
        """The outputs of the template."""
        resolved = {}
        for name, body in self.template.outputs.items():
            where = f"output {name}"
            if "Condition" not in body or self._resolver.condition(body["Condition"], where):
                resolved[name] = self._localized(str(self._resolver.resolve(body["Value"], where)))
        return resolved

    def ref(self, logical_id: str) -> Any:
        """The value of Ref."""
        return self._physical(logical_id).ref

    def get_att(self, logical_id: str, attribute: str) -> Any:
        """The value of Fn::GetAtt."""
        physical = self._physical(logical_id)
        if attribute not in physical.attributes:
            raise TemplateError(
                f"{logical_id} ({physical.type}) has no attribute {attribute} in the embedded cloud; "
                f"it has {', '.join(physical.attributes) or 'none'}"
            )
        return physical.attributes[attribute]

    def physical_name(self, resource: Resource, lower: bool = False, limit: int = 64) -> str:
        """A name like CloudFormation's, but the same at every start."""
        name = f"{self.name}-{resource.logical_id}"
        if len(name) > limit:
            name = name[: limit - 9] + "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
        return name.lower() if lower else name

    def _localized(self, value: str) -> str:
        """The address that API Gateway would have, as the address of this cloud's own HTTP server."""
        for api in self.world.apis:
            value = value.replace(f"https://{api.id}.execute-api.{self.world.region}.amazonaws.com", api.url)
        return value

    def _wanted(self, resource: Resource) -> bool:
        return resource.condition is None or self._resolver.condition(resource.condition, resource.logical_id)

    def _physical(self, logical_id: str) -> Physical:
        if logical_id in self.resources:
            return self.resources[logical_id]
        resource = self.template.resources[logical_id]
        if not self._wanted(resource):
            raise TemplateError(f"{logical_id} is used, but its condition {resource.condition} is false")
        if logical_id in self._under_way:
            circle = " -> ".join([*self._under_way, logical_id])
            raise TemplateError(f"these resources need each other: {circle}")
        self._under_way.append(logical_id)
        for other in resource.depends_on:
            if self._wanted(self.template.resources[other]):
                self._physical(other)
        resolved = self._resolver.resolve(resource.properties, f"{logical_id} ({resource.type})")
        created = self._create(resource, Properties(resource, resolved))
        self._under_way.pop()
        self.resources[logical_id] = created
        return created

    def _create(self, resource: Resource, properties: Properties) -> Physical:
        if resource.type in WITHOUT_EFFECT:
            return _recorded(self, resource, properties)
        physical = PROVISIONERS[resource.type](self, resource, properties)
        properties.done()
        return physical


class Properties:
    """The resolved properties of a resource, each to be taken or refused."""

    def __init__(self, resource: Resource, values: Mapping[str, Any]) -> None:
        self._resource = resource
        ignored = IGNORED_PROPERTIES.get(resource.type, {})
        self._rest = {name: value for name, value in values.items() if name not in ignored}

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a property that has an effect."""
        return self._rest.pop(name, default)

    def need(self, name: str) -> Any:
        """The value of a property that must be there."""
        if name not in self._rest:
            raise TemplateError(f"{self._where} needs {name}")
        return self._rest.pop(name)

    def take_all(self) -> dict[str, Any]:
        """Every property that is left."""
        rest, self._rest = self._rest, {}
        return rest

    def for_operation(self, client: Any, operation: str) -> dict[str, Any]:
        """The properties that an AWS operation takes under the same names."""
        shape = client.meta.service_model.operation_model(operation).input_shape
        return {name: self._rest.pop(name) for name in shape.members if name in self._rest}

    def done(self) -> None:
        """Refuse what nobody took."""
        if self._rest:
            raise TemplateError(
                f"{self._where}: the embedded cloud does not know {', '.join(self._rest)}. "
                "Give it a meaning in infra/local/provision.py, or a reason in IGNORED_PROPERTIES."
            )

    @property
    def _where(self) -> str:
        return f"{self._resource.logical_id} ({self._resource.type})"


def _recorded(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    """A resource without an effect still has a name and an ARN for others to use."""
    world, values = stack.world, properties.take_all()
    kind = resource.type.rsplit("::", 1)[1]
    name = values.get(f"{kind}Name") or values.get("Name") or stack.physical_name(resource)
    if resource.type == "AWS::IAM::Role":
        attributes = {"Arn": world.arn("iam", f"role/{name}", region=False), "RoleId": name}
        return Physical(resource.logical_id, resource.type, name, attributes)
    if resource.type == "AWS::IAM::ManagedPolicy":
        arn = world.arn("iam", f"policy/{name}", region=False)
        return Physical(resource.logical_id, resource.type, arn, {"PolicyArn": arn})
    if resource.type in {"AWS::Lambda::Version", "AWS::Lambda::Alias"}:
        version = values.get("Name", "1")
        arn = world.arn("lambda", f"function:{function_name(values['FunctionName'])}:{version}")
        attributes = {"FunctionArn": arn, "Version": "1", "AliasArn": arn}
        return Physical(resource.logical_id, resource.type, arn, attributes)
    if resource.type == "AWS::CloudWatch::Alarm":
        return Physical(
            resource.logical_id, resource.type, name, {"Arn": world.arn("cloudwatch", f"alarm:{name}")}
        )
    return Physical(resource.logical_id, resource.type, name)


def _table(stack: Stack, resource: Resource, properties: Properties) -> Physical:
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
    made = client.create_table(TableName=name, **_typed(client, "CreateTable", arguments))["TableDescription"]
    if ttl:
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification={**ttl, "Enabled": _truth(ttl.get("Enabled", True))}
        )
    if recovery:
        client.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification=_typed(
                client, "UpdateContinuousBackups", {"PointInTimeRecoverySpecification": recovery}
            )["PointInTimeRecoverySpecification"],
        )
    attributes = {"Arn": made["TableArn"], "StreamArn": made.get("LatestStreamArn", "")}
    return Physical(resource.logical_id, resource.type, name, attributes)


def _bucket(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("s3")
    name = properties.take("BucketName", stack.physical_name(resource, lower=True, limit=63))
    where = {} if stack.world.region == "us-east-1" else {"LocationConstraint": stack.world.region}
    client.create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
    if versioning := properties.take("VersioningConfiguration"):
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if block := properties.take("PublicAccessBlockConfiguration"):
        client.put_public_access_block(
            Bucket=name,
            PublicAccessBlockConfiguration={key: _truth(value) for key, value in block.items()},
        )
    if owner := properties.take("OwnershipControls"):
        client.put_bucket_ownership_controls(Bucket=name, OwnershipControls=owner)
    if tags := properties.take("Tags"):
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    domain = f"{name}.s3.amazonaws.com"
    attributes = {"Arn": f"arn:aws:s3:::{name}", "DomainName": domain, "RegionalDomainName": domain}
    return Physical(resource.logical_id, resource.type, name, attributes)


def _stream(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("kinesis")
    name = properties.take("Name", stack.physical_name(resource))
    retention = int(properties.take("RetentionPeriodHours", 24))
    arguments = properties.for_operation(client, "CreateStream")
    arguments["Tags"] = {tag["Key"]: tag["Value"] for tag in arguments.pop("Tags", [])}
    if arguments.get("StreamModeDetails", {}).get("StreamMode") != "ON_DEMAND":
        arguments.setdefault("ShardCount", 1)
    client.create_stream(StreamName=name, **_typed(client, "CreateStream", arguments))
    if retention > 24:
        client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=retention)
    arn = stack.world.arn("kinesis", f"stream/{name}")
    return Physical(resource.logical_id, resource.type, name, {"Arn": arn})


def _queue(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("sqs")
    fifo = _truth(properties.take("FifoQueue", False))
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


def _queue_policy(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    policy = json.dumps(properties.need("PolicyDocument"), default=str)
    for url in properties.need("Queues"):
        stack.world.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return Physical(resource.logical_id, resource.type, stack.physical_name(resource))


def _topic(stack: Stack, resource: Resource, properties: Properties) -> Physical:
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


def _glue_database(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("glue")
    name = properties.take("DatabaseName")
    database = {**properties.need("DatabaseInput")}
    database["Name"] = (name or database.get("Name") or stack.physical_name(resource)).lower()
    client.create_database(DatabaseInput=database, CatalogId=str(properties.need("CatalogId")))
    return Physical(resource.logical_id, resource.type, database["Name"])


def _glue_table(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("glue")
    arguments = properties.for_operation(client, "CreateTable")
    client.create_table(**_typed(client, "CreateTable", arguments))
    return Physical(resource.logical_id, resource.type, arguments["TableInput"]["Name"])


def _work_group(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("athena")
    name = properties.need("Name")
    state = properties.take("State", "ENABLED")
    configuration = properties.take("WorkGroupConfiguration", {})
    arguments = {"Configuration": configuration, **properties.for_operation(client, "CreateWorkGroup")}
    client.create_work_group(Name=name, **_typed(client, "CreateWorkGroup", arguments))
    if state != "ENABLED":
        client.update_work_group(WorkGroup=name, State=state)
    return Physical(resource.logical_id, resource.type, name)


def _secret(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("secretsmanager")
    name = properties.take("Name", stack.physical_name(resource))
    generate = properties.take("GenerateSecretString")
    value = properties.take("SecretString")
    if generate is not None:
        rest = dict(generate)
        frame, key = rest.pop("SecretStringTemplate", None), rest.pop("GenerateStringKey", None)
        rest = _typed(client, "GetRandomPassword", rest)
        value = client.get_random_password(**rest)["RandomPassword"]
        if frame is not None:
            value = json.dumps({**json.loads(frame), key: value})
    arguments = properties.for_operation(client, "CreateSecret")
    arn = client.create_secret(Name=name, SecretString=value or "", **arguments)["ARN"]
    return Physical(resource.logical_id, resource.type, arn, {"Id": arn})


def _parameter(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    client = stack.world.client("ssm")
    name = properties.take("Name", stack.physical_name(resource))
    kind, value = properties.need("Type"), properties.need("Value")
    client.put_parameter(
        Name=name, Type=kind, Value=value, **properties.for_operation(client, "PutParameter")
    )
    return Physical(resource.logical_id, resource.type, name, {"Type": kind, "Value": value})


def _log_group(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    name = properties.take("LogGroupName", stack.physical_name(resource))
    stack.world.client("logs").create_log_group(logGroupName=name)
    return Physical(
        resource.logical_id, resource.type, name, {"Arn": stack.world.arn("logs", f"log-group:{name}:*")}
    )


def _layer(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    name = properties.take("LayerName", resource.logical_id)
    folder = stack.template.local_path(properties.need("Content"), resource.logical_id)
    for words in ("Description", "LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures"):
        properties.take(words)
    arn = stack.world.arn("lambda", f"layer:{name}:1")
    stack.world.layers[arn] = folder
    return Physical(resource.logical_id, resource.type, arn, {"LayerVersionArn": arn})


def _function(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    world, where = stack.world, resource.logical_id
    name = properties.take("FunctionName", stack.physical_name(resource))
    arn = world.arn("lambda", f"function:{name}")
    runtime = properties.need("Runtime")
    if not runtime.startswith("python"):
        raise TemplateError(f"{where}: the embedded cloud runs Python only, not {runtime}")
    code = stack.template.local_path(properties.need("Code"), where)
    layers = properties.take("Layers", [])
    if foreign := [layer for layer in layers if layer not in world.layers]:
        raise TemplateError(f"{where}: these layers are not part of the template: {', '.join(foreign)}")
    for folder in [code, *(world.layers[layer] for layer in layers)]:
        if not folder.is_dir():
            raise TemplateError(f"{where}: its code should stand in {folder}, but there is no such folder")
    logging = properties.take("LoggingConfig", {})
    environment = properties.take("Environment", {}).get("Variables", {})
    reserved = properties.take("ReservedConcurrentExecutions")
    world.functions[name] = FunctionSpec(
        logical_id=where,
        name=name,
        arn=arn,
        handler=properties.need("Handler"),
        runtime=runtime,
        role=properties.take("Role", ""),
        memory=int(properties.take("MemorySize", 128)),
        timeout=float(properties.take("Timeout", 3)),
        environment={key: _text(value) for key, value in environment.items()},
        code=code,
        layers=tuple(world.layers[layer] for layer in layers),
        log_group=logging.get("LogGroup", ""),
        log_format=logging.get("LogFormat", "Text"),
        max_concurrency=min(2, int(reserved)) if reserved is not None else 2,
    )
    return Physical(where, resource.type, name, {"Arn": arn})


def _event_source_mapping(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    stack.world.mappings.append(Mapped(resource.logical_id, properties.take_all()))
    return Physical(resource.logical_id, resource.type, resource.logical_id, {"Id": resource.logical_id})


def _event_invoke_config(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    function = function_name(properties.need("FunctionName"))
    names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    stack.world.invoke_configs[function] = {name: properties.take(name) for name in names}
    return Physical(resource.logical_id, resource.type, resource.logical_id)


def _api(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    body = properties.need("Body")
    if "x-amazon-apigateway-cors" in body:
        raise TemplateError(
            f"{resource.logical_id}: the embedded cloud does not answer CorsConfiguration; answer CORS in the functions"
        )
    if not stack.nested and any(one.url == stack.world.main_url for one in stack.world.apis):
        raise TemplateError(
            f"{resource.logical_id}: the embedded cloud serves one HTTP API a stack, and there is one already"
        )
    api = Api(
        resource.logical_id,
        hashlib.sha256(stack.physical_name(resource).encode()).hexdigest()[:10],
        stack.world.open_api() if stack.nested else stack.world.main_url,
        body["paths"],
        body.get("components", {}).get("securitySchemes", {}),
    )
    stack.world.apis.append(api)
    return Physical(resource.logical_id, resource.type, api.id, {"ApiId": api.id, "ApiEndpoint": api.url})


def _schedule(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    name = properties.take("Name", stack.physical_name(resource))
    arn = stack.world.arn("scheduler", f"schedule/default/{name}")
    stack.world.schedules.append(Mapped(resource.logical_id, properties.take_all(), arn))
    return Physical(resource.logical_id, resource.type, name, {"Arn": arn})


def _rule(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    name = properties.take("Name", stack.physical_name(resource))
    arn = stack.world.arn("events", f"rule/{name}")
    stack.world.rules.append(Mapped(resource.logical_id, properties.take_all(), arn))
    return Physical(resource.logical_id, resource.type, name, {"Arn": arn})


def _nested(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    path = stack.template.local_path(properties.need("TemplateURL"), resource.logical_id)
    parameters = {
        name: ",".join(value) if isinstance(value, list) else _text(value)
        for name, value in properties.take("Parameters", {}).items()
    }
    nested = Stack(
        load(path, parameters, stack.world.region),
        f"{stack.name}-{resource.logical_id}",
        stack.world,
        nested=True,
    )
    nested.provision()
    stack_id = stack.world.arn("cloudformation", f"stack/{nested.name}/local")
    outputs = {f"Outputs.{name}": value for name, value in nested.outputs().items()}
    return Physical(resource.logical_id, resource.type, stack_id, outputs)


PROVISIONERS: dict[str, Callable[[Stack, Resource, Properties], Physical]] = {
    "AWS::ApiGatewayV2::Api": _api,
    "AWS::Athena::WorkGroup": _work_group,
    "AWS::CloudFormation::Stack": _nested,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::Rule": _rule,
    "AWS::Glue::Database": _glue_database,
    "AWS::Glue::Table": _glue_table,
    "AWS::Kinesis::Stream": _stream,
    "AWS::Lambda::EventInvokeConfig": _event_invoke_config,
    "AWS::Lambda::EventSourceMapping": _event_source_mapping,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::LayerVersion": _layer,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SSM::Parameter": _parameter,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::SecretsManager::Secret": _secret,
}


def function_name(reference: str) -> str:
    """The name in a function's ARN, in that of a version or alias, in an integration's URI, or the name itself."""
    found = re.search(r":function:([A-Za-z0-9_-]+)", reference)
    return found.group(1) if found else reference


def _typed(client: Any, operation: str, values: dict[str, Any]) -> dict[str, Any]:
    """Values in the types that the operation takes: parameters of a template are strings, whatever they mean."""
    return _cast(values, client.meta.service_model.operation_model(operation).input_shape)  # type: ignore[no-any-return]


def _cast(value: Any, shape: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return {
            name: _cast(item, shape.members[name]) if name in shape.members else item
            for name, item in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [_cast(item, shape.member) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {name: _cast(item, shape.value) for name, item in value.items()}
    if kind in {"integer", "long"}:
        return int(value)
    if kind == "boolean":
        return _truth(value)
    return _text(value) if kind == "string" and not isinstance(value, dict | list) else value


def _truth(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
