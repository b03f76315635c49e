"""Provisioners of what runs: functions and what starts them, which this cloud does itself; and stacks in stacks."""

from __future__ import annotations

import hashlib

from infra.local.errors import TemplateError
from infra.local.invocations import FunctionSpec
from infra.local.provision.properties import Properties, text
from infra.local.provision.stack import Stack
from infra.local.provision.world import Api, Mapped, Physical, function_name
from infra.local.template import Resource, load


def layer(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    name = properties.take("LayerName", resource.logical_id)
    folder = stack.template.local_path(properties.need("Content"), resource.logical_id)
    for words in ("Description", "LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures"):
        properties.take(words)
    arn = stack.world.arn("lambda", f"layer:{name}:1")
    stack.world.layers[arn] = folder
    return Physical(resource.logical_id, resource.type, arn, {"LayerVersionArn": arn})


def function(stack: Stack, resource: Resource, properties: Properties) -> Physical:
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
        environment={key: text(value) for key, value in environment.items()},
        code=code,
        layers=tuple(world.layers[layer] for layer in layers),
        log_group=logging.get("LogGroup", ""),
        log_format=logging.get("LogFormat", "Text"),
        max_concurrency=min(2, int(reserved)) if reserved is not None else 2,
    )
    return Physical(where, resource.type, name, {"Arn": arn})


def event_source_mapping(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    stack.world.mappings.append(Mapped(resource.logical_id, properties.take_all()))
    return Physical(resource.logical_id, resource.type, resource.logical_id, {"Id": resource.logical_id})


def event_invoke_config(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    function = function_name(properties.need("FunctionName"))
    names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    stack.world.invoke_configs[function] = {name: properties.take(name) for name in names}
    return Physical(resource.logical_id, resource.type, resource.logical_id)


def api(stack: Stack, resource: Resource, properties: Properties) -> Physical:
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


def schedule(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    name = properties.take("Name", stack.physical_name(resource))
    arn = stack.world.arn("scheduler", f"schedule/default/{name}")
    stack.world.schedules.append(Mapped(resource.logical_id, properties.take_all(), arn))
    return Physical(resource.logical_id, resource.type, name, {"Arn": arn})


def rule(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    name = properties.take("Name", stack.physical_name(resource))
    arn = stack.world.arn("events", f"rule/{name}")
    stack.world.rules.append(Mapped(resource.logical_id, properties.take_all(), arn))
    return Physical(resource.logical_id, resource.type, name, {"Arn": arn})


def nested(stack: Stack, resource: Resource, properties: Properties) -> Physical:
    path = stack.template.local_path(properties.need("TemplateURL"), resource.logical_id)
    parameters = {
        name: ",".join(value) if isinstance(value, list) else text(value)
        for name, value in properties.take("Parameters", {}).items()
    }
    made = stack.nest(load(path, parameters, stack.world.region), resource.logical_id)
    stack_id = stack.world.arn("cloudformation", f"stack/{made.name}/local")
    outputs = {f"Outputs.{name}": value for name, value in made.outputs().items()}
    return Physical(resource.logical_id, resource.type, stack_id, outputs)
