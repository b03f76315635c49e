"""Provisions a template: each resource after those that it names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from infra.local.errors import TemplateError
from infra.local.provision.properties import Properties
from infra.local.provision.without_effect import WITHOUT_EFFECT
from infra.local.provision.world import Physical, World, function_name
from infra.local.template import Resolver, Resource, Template

Provisioner: TypeAlias = "Callable[[Stack, Resource, Properties], Physical]"
Provisioners: TypeAlias = Mapping[str, Provisioner]


class Stack:
    """Provisions one template; a nested stack is another one."""

    def __init__(
        self,
        template: Template,
        name: str,
        world: World,
        provisioners: Provisioners,
        nested: bool = False,
    ) -> None:
        self.template = template
        self._provisioners = provisioners
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
            if resource.type not in self._provisioners
            and resource.type not in WITHOUT_EFFECT
            and self._wanted(resource)
        ]
        if unknown:
            raise TemplateError(
                f"{self.template.path}: the embedded cloud does not know the resource type of {', '.join(unknown)}. "
                "Add a provisioner to infra/local/provision/table.py, or, if the type has no effect on one machine, "
                "a line with the reason to WITHOUT_EFFECT."
            )
        for resource in self.template.resources.values():
            if self._wanted(resource):
                self._physical(resource.logical_id)

    def nest(self, template: Template, name: str) -> Stack:
        """A stack within this one, provisioned."""
        nested = Stack(template, f"{self.name}-{name}", self.world, self._provisioners, nested=True)
        nested.provision()
        return nested

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
            return recorded(self, resource, properties)
        physical = self._provisioners[resource.type](self, resource, properties)
        properties.done()
        return physical


def recorded(stack: Stack, resource: Resource, properties: Properties) -> Physical:
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
