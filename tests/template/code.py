"""What a function's code is, read off its source: composition, settings, adapters, and the AWS calls it can make."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

from msgspec.structs import fields
from segmentation.runtime import settings

from infra.lint._sam import properties
from tests.template.templates import FUNCTIONS, ROOT

Call = tuple[str, str]
Action = tuple[str, frozenset[str]]
"""What IAM calls it, and the environment variables that its adapter is given: one of them names the resource."""

PACKAGE = ROOT / "layers/core/python/segmentation"

# The client's method -> what IAM calls it, where the two differ by more than their spelling.
IAM_NAMES = {
    "list_objects_v2": "ListBucket",
    "list_object_versions": "ListBucketVersions",
    "delete_objects": "DeleteObject",
    "send_message_batch": "SendMessage",
    "invoke": "InvokeFunction",
}
# IAM asks for what a transaction is made of, and knows no action for the whole.
NO_ACTIONS = {
    "get_paginator",
    "generate_presigned_url",
    "transact_write_items",
    "transact_get_items",
    "meta",
    "exceptions",
}
TRANSACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "ConditionCheck": "ConditionCheckItem",
}


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_path(name: str) -> Path:
    """The file of a module `segmentation.x.y`."""
    return PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")


def imported(tree: ast.Module) -> dict[str, str]:
    """Name in this module -> module that it comes from."""
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def called(tree: ast.AST) -> set[Call]:
    """Methods that are called or passed on, each with the name of what it is called on: self.tables.read -> tables."""
    return {
        (owner.strip("_"), node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and (owner := getattr(node.value, "attr", None) or getattr(node.value, "id", None))
    }


def iam_name(method: str) -> str:
    return IAM_NAMES.get(method) or "".join(word.capitalize() for word in method.split("_"))


@dataclass(frozen=True)
class Adapter:
    """An adapter as a composition makes it."""

    tree: ast.ClassDef
    services: Mapping[str, str]
    names: set[str]
    variables: frozenset[str]
    """The environment variables that it is given: the names of its table, bucket or queue."""
    reached: list[ast.FunctionDef] = field(default_factory=list)


@dataclass(frozen=True)
class Code:
    """One function's code."""

    folder: str

    @cached_property
    def composition(self) -> ast.Module:
        return parse(PACKAGE / f"runtime/composition/{self.folder}.py")

    @cached_property
    def variables(self) -> set[str]:
        """The environment variables that its settings read."""
        (loaded,) = {
            node.args[0].id
            for node in ast.walk(self.composition)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "load"
            and isinstance(node.args[0], ast.Name)
        }
        return {one.name.upper() for one in fields(getattr(settings, loaded))}

    @property
    def actions(self) -> set[str]:
        """The actions alone."""
        return {action for action, _ in self.calls}

    @cached_property
    def calls(self) -> set[Action]:
        """The AWS actions that it can come to: from the use cases through the adapters that it is composed of."""
        used = called(parse(ROOT / "functions" / self.folder / "app.py"))
        for module in imported(self.composition).values():
            if ".usecases." in module:
                for source in _use_case_modules(module):
                    used |= called(parse(source))
        adapters = list(self._adapters())
        reached: dict[int, ast.FunctionDef] = {}
        actions: set[Action] = set()
        while True:
            more = [
                (adapter, method)
                for adapter in adapters
                for method in _methods(adapter.tree)
                if id(method) not in reached
                and (
                    any((name, method.name) in used for name in adapter.names)
                    or any(("self", method.name) in called(other) for other in adapter.reached)
                )
            ]
            if not more:
                return actions
            for adapter, method in more:
                reached[id(method)] = method
                adapter.reached.append(method)
                used |= {(owner, name) for owner, name in called(method) if owner != "self"}
                actions |= {(action, adapter.variables) for action in _client_calls(method, adapter.services)}

    def _adapters(self) -> Iterator[Adapter]:
        """The adapters that the composition makes, each with the services behind its clients."""
        origin = imported(self.composition)
        for node in ast.walk(self.composition):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            name = node.func.id
            if ".adapters." not in origin.get(name, ""):
                continue
            tree = parse(module_path(origin[name]))
            (found,) = [one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name]
            services = [
                cast(str, argument.args[0].value)
                for argument in node.args
                if isinstance(argument, ast.Call)
                and isinstance(argument.func, ast.Name)
                and argument.func.id == "client"
                and isinstance(argument.args[0], ast.Constant)
            ]
            attributes = ["_client"] if len(services) == 1 else [f"_{service}" for service in services]
            variables = frozenset(
                argument.attr.upper()
                for argument in node.args
                if isinstance(argument, ast.Attribute) and argument.attr.upper() in self.variables
            )
            yield Adapter(
                found, dict(zip(attributes, services, strict=True)), self._names(node, name), variables
            )

    def _names(self, made: ast.Call, name: str) -> set[str]:
        """What the made adapter is called: its variable, its keyword, else its class's last word."""
        names = {re.findall(r"[A-Z][a-z]+", name)[-1].lower()}
        for node in ast.walk(self.composition):
            if isinstance(node, ast.keyword) and node.value is made and node.arg:
                names.add(node.arg)
            if isinstance(node, ast.Assign) and node.value is made and isinstance(node.targets[0], ast.Name):
                names.add(node.targets[0].id)
        return names


def _use_case_modules(module: str) -> Iterator[Path]:
    """A use case and those that it takes functions from."""
    path = module_path(module)
    yield path
    for other in re.findall(r"^from \.(\w+) import", path.read_text(encoding="utf-8"), re.M):
        yield path.with_name(f"{other}.py")


def _methods(tree: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    yield from (node for node in tree.body if isinstance(node, ast.FunctionDef))


def _client_calls(method: ast.FunctionDef, services: Mapping[str, str]) -> Iterator[str]:
    """Methods of clients that are called or passed on, and what a transaction is made of."""
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "get_paginator" and isinstance(node.args[0], ast.Constant):
                owner = node.func.value
                assert isinstance(owner, ast.Attribute)
                yield f"{services[owner.attr]}:{iam_name(cast(str, node.args[0].value))}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            if node.value.attr in services and node.attr not in NO_ACTIONS:
                yield f"{services[node.value.attr]}:{iam_name(node.attr)}"
        elif isinstance(node, ast.Dict) and "dynamodb" in services.values():
            words = (key.value for key in node.keys if isinstance(key, ast.Constant))
            yield from (f"dynamodb:{TRANSACTIONS[word]}" for word in words if word in TRANSACTIONS)


def every_function() -> dict[str, Code]:
    """Logical id -> code."""
    return {
        name: Code(properties(found.resource)["Handler"].split(".")[0]) for name, found in FUNCTIONS.items()
    }
