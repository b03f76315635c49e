"""Fn::ForEach of AWS::LanguageExtensions, expanded as CloudFormation does before it looks at anything else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.local.errors import TemplateError

TRANSFORM = "AWS::LanguageExtensions"
_LOOP = "Fn::ForEach::"
_SECTIONS = ("Resources", "Conditions", "Outputs")


def transforms(document: Mapping[str, Any]) -> list[str]:
    """The transforms that a template asks for."""
    found = document.get("Transform", [])
    return [found] if isinstance(found, str) else list(found)


def expand(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The template with its loops written out; `parameters` are those that a loop may take its values from."""
    asked = TRANSFORM in transforms(document)
    expanded = dict(document)
    for section in _SECTIONS:
        body = document.get(section)
        if not isinstance(body, Mapping):
            continue
        if not asked and any(key.startswith(_LOOP) for key in body):
            raise TemplateError(f"{section}: Fn::ForEach needs Transform: {TRANSFORM}")
        if asked:
            expanded[section] = _section(body, parameters)
    return expanded


def _section(body: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for key, value in body.items():
        for name, item in _items(key, value, parameters) if key.startswith(_LOOP) else [(key, value)]:
            if name in written:
                raise TemplateError(f"{key} makes {name} a second time")
            written[name] = item
    return written


def _items(loop: str, body: Any, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if not isinstance(body, list) or len(body) != 3 or not isinstance(body[2], Mapping):
        raise TemplateError(f"{loop} is [a name, a list of values, what each of them makes]")
    identifier, values, made = body
    if isinstance(values, Mapping):
        values = parameters.get(values.get("Ref", ""))
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TemplateError(
            f"{loop}: its values are a list of strings, or !Ref of a CommaDelimitedList parameter"
        )
    for value in values:
        yield from _section(_replaced(made, identifier, value), parameters).items()


def _replaced(node: Any, identifier: str, value: str) -> Any:
    """`${X}` is the value, `&{X}` (in a logical id) its letters and digits, and so is `!Ref X`."""
    if isinstance(node, str):
        plain = re.sub("[^A-Za-z0-9]", "", value)
        return node.replace("${" + identifier + "}", value).replace("&{" + identifier + "}", plain)
    if isinstance(node, list):
        return [_replaced(item, identifier, value) for item in node]
    if isinstance(node, Mapping):
        if node == {"Ref": identifier}:
            return value
        return {
            _replaced(key, identifier, value): _replaced(item, identifier, value)
            for key, item in node.items()
        }
    return node
