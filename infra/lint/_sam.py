"""What the rules share: walking a SAM template. (The underscore keeps cfn-lint from loading it as rules.)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]
FUNCTION = "AWS::Serverless::Function"


def resources(template: Node, *types: str) -> Iterator[tuple[str, Node]]:
    """The resources of these types (all, without types), by logical id. cfn-lint has expanded Fn::ForEach before."""
    for name, resource in template.get("Resources", {}).items():
        if isinstance(resource, Mapping) and (not types or resource.get("Type") in types):
            yield name, resource


def properties(resource: Node) -> Node:
    """A resource's properties, also where it declares none."""
    found: Node = resource.get("Properties") or {}
    return found


def target(template: Node, value: Any) -> tuple[str, Node] | None:
    """The resource of this template that `!Ref X` or `!GetAtt X.Attribute` points at."""
    if not isinstance(value, Mapping):
        return None
    name = value.get("Ref")
    if name is None and (attribute := value.get("Fn::GetAtt")) is not None:
        name = attribute.split(".")[0] if isinstance(attribute, str) else attribute[0]
    resource = template.get("Resources", {}).get(name)
    return (str(name), resource) if resource else None


def events(function: Node, *types: str) -> Iterator[tuple[str, Node]]:
    """A function's event sources of these types: name and properties."""
    for name, event in (properties(function).get("Events") or {}).items():
        if event.get("Type") in types:
            yield name, event.get("Properties") or {}


def event_path(function: str, event: str) -> list[str]:
    """Where an event source stands, for cfn-lint to point at."""
    return ["Resources", function, "Properties", "Events", event]


def as_list(value: Any) -> list[Any]:
    """IAM takes one item or a list of them."""
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def text(value: Any) -> str:
    """A string as written, `!Sub` seen through; anything else (a whole ARN by reference) is empty."""
    if isinstance(value, Mapping):
        value = value.get("Fn::Sub")
        value = value[0] if isinstance(value, list) else value
    return value if isinstance(value, str) else ""


def policy_documents(resource: Node) -> Iterator[Node]:
    """The policy documents that a role, a managed policy or a function grants from."""
    own = properties(resource)
    if "PolicyDocument" in own:
        yield own["PolicyDocument"]
    for policy in as_list(own.get("Policies")):
        if isinstance(policy, Mapping):
            yield policy.get("PolicyDocument", policy)


def statements(resource: Node) -> Iterator[Node]:
    """The statements of all a resource's policy documents."""
    for document in policy_documents(resource):
        yield from as_list(document.get("Statement"))
