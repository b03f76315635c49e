"""What a function's code is, read off its source: composition, settings, adapters, and the AWS calls it can make."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import cast

from segmentation.runtime import settings

from tests.template.templates import ROOT, Template

Call = tuple[str, str]

PACKAGE = ROOT / "layers/core/python/segmentation"

# The client's method -> what IAM calls it, where the two differ by more than their spelling.
IAM_NAMES = {
    "list_objects_v2": "ListBucket",
    "delete_objects": "DeleteObject",
    "send_message_batch": "SendMessage",
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

    @cached_property
    def calls(self) -> set[str]:
        """The AWS actions that it can come to: from the use cases through the adapters that it is composed of."""
        used = called(parse(ROOT / "functions" / self.folder / "app.py"))
        for module in imported(self.composition).values():
            if ".usecases." in module:
                for source in _use_case_modules(module):
                    used |= called(parse(source))
        adapters = list(self._adapters())
        reached: dict[int, ast.FunctionDef] = {}
        actions: set[str] = set()
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
                actions |= set(_client_calls(method, adapter.services))

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
            yield Adapter(found, dict(zip(attributes, services, strict=True)), self._names(node, name))

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
    for node in ast.walk(method):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value
        if isinstance(owner, ast.Attribute) and owner.attr in services:
            name = node.func.attr
            if name == "get_paginator" and isinstance(node.args[0], ast.Constant):
                name = cast(str, node.args[0].value)
            yield f"{services[owner.attr]}:{iam_name(name)}"


def every_function(template: Template) -> dict[str, Code]:
    """Logical id -> code."""
    return {
        name: Code(resource["Properties"]["Handler"].split(".")[0])
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
