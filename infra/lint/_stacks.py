"""The stack and the stacks nested in it, as one: what a value in one template is of a resource in another.

(The underscore keeps cfn-lint from loading this as rules.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

from cfnlint.decode.decode import decode_str

from infra.lint._sam import Node, properties, resources, text

ROOT = "template.yaml"
"""The outermost template, beside the folder that its nested ones stand in."""
APPLICATION = "AWS::Serverless::Application"


class Found(NamedTuple):
    """A resource, and the stack that it stands in."""

    name: str
    resource: Node
    stack: Stack


@dataclass(frozen=True)
class Stack:
    """One template in its place: under its parent, over those nested in it."""

    path: Path
    template: Node
    parent: Stack | None = None
    name: str = ""
    """The logical id in the parent; empty for the outermost."""
    nested: dict[str, Stack] = field(default_factory=dict)

    @classmethod
    def load(
        cls, path: Path, instead: Stack | None = None, parent: Stack | None = None, name: str = ""
    ) -> Self:
        """Read a template and those nested in it, but `instead` where that one stands."""
        same = instead is not None and instead.path == path
        stack = cls(path, instead.template if same and instead else read(path), parent, name)
        for logical_id, application in resources(stack.template, APPLICATION):
            location = properties(application).get("Location")
            if isinstance(location, str):
                stack.nested[logical_id] = cls.load(path.parent / location, instead, stack, logical_id)
        return stack

    @classmethod
    def of(cls, cfn: Any) -> Stack:
        """The template that cfn-lint looks at, among those that it is nested in; alone, if it is in none."""
        alone = cls(Path(cfn.filename or "").resolve(), cfn.template)
        for folder in alone.path.parents[:2]:
            if (folder / ROOT).is_file():
                whole = cls.load(folder / ROOT, alone)
                return next((one for one in whole.walk() if one.path == alone.path), alone)
        return alone

    def walk(self) -> Iterator[Stack]:
        """This stack and all below it."""
        yield self
        for stack in self.nested.values():
            yield from stack.walk()

    def every(self, *types: str) -> Iterator[Found]:
        """The resources of these types, here and below."""
        for stack in self.walk():
            for name, resource in resources(stack.template, *types):
                yield Found(name, resource, stack)

    def find(self, value: Any) -> Found | None:
        """The resource that `!Ref`, `!GetAtt` or a `!Sub` of nothing else points at, through parameters and outputs."""
        if not isinstance(value, dict):
            return None
        if "Fn::Sub" in value:
            whole = text(value)
            return (
                self.named(whole[2:-1]) if whole[:2] == "${" and whole.find("}") == len(whole) - 1 else None
            )
        found = value.get("Ref") or value.get("Fn::GetAtt")
        return self.named(".".join(found) if isinstance(found, list) else str(found)) if found else None

    def named(self, reference: str) -> Found | None:
        """The resource behind `X`, `X.Attribute`, `Nested.Outputs.X` or a parameter."""
        name, _, attribute = reference.partition(".")
        if name in self.nested and attribute.startswith("Outputs."):
            below = self.nested[name]
            output = below.template.get("Outputs", {}).get(attribute.removeprefix("Outputs."), {})
            return below.find(output.get("Value"))
        if resource := self.template.get("Resources", {}).get(name):
            return Found(name, resource, self)
        if self.parent is not None and name in self.template.get("Parameters", {}):
            application = self.parent.template["Resources"][self.name]
            return self.parent.find(properties(application).get("Parameters", {}).get(name))
        return None


def read(path: Path) -> Node:
    """A template as cfn-lint reads it."""
    return _decoded(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _decoded(content: str) -> Node:
    template, problems = decode_str(content)
    if template is None or problems:
        raise ValueError(f"not a template: {problems}")
    found: Node = template
    return found
