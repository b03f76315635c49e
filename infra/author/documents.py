"""From Python expressions to the documents in `rules/segments/`: always the same bytes for the same source."""

import json
import runpy
import warnings
from pathlib import Path
from typing import Any

WIDTH = 100
"""Longest line of an emitted document, where a line can be broken."""


class AuthoringError(Exception):
    """A file of segments that cannot be emitted; says which and why."""


def segment(
    identifier: str, name: str, *, audience: str, kind: str, description: str, rule: Any
) -> dict[str, Any]:
    """A segment document. `rule` is an expression of `jsonlogic-py`."""
    return {
        "id": identifier,
        "name": name,
        "audience": audience,
        "kind": kind,
        "description": description,
        # Its text is the one thing that the package promises to be JSON.
        "rule": normalize(json.loads(str(rule))),
    }


def normalize(rule: Any) -> Any:
    """What `jsonlogic-py` writes, in the words of the language: `!` for `not`, and flat `and` and `or`."""
    if isinstance(rule, list):
        return [normalize(item) for item in rule]
    if not isinstance(rule, dict):
        return rule
    result = {}
    for name, operands in rule.items():
        name = "!" if name == "not" else name
        operands = normalize(operands)
        if name in ("and", "or"):
            operands = [inner for item in operands for inner in _same(name, item)]
        result[name] = operands
    return result


def _same(name: str, item: Any) -> list[Any]:
    """The operands of a nested group of the same kind: `a & b & c` comes as `(a & b) & c`."""
    return list(item[name]) if isinstance(item, dict) and set(item) == {name} else [item]


def load(path: Path) -> list[dict[str, Any]]:
    """The segments of one Python file, in the order in which they stand there."""
    with warnings.catch_warnings():
        # `x == None` becomes the string "None" with a warning; such a rule must not get any further.
        warnings.simplefilter("error", UserWarning)
        try:
            names = runpy.run_path(str(path))
        except Exception as error:
            raise AuthoringError(f"{path}: {type(error).__name__}: {error}") from error
    found = [
        value
        for name, value in names.items()
        if name.isupper() and isinstance(value, dict) and "rule" in value
    ]
    if not found:
        raise AuthoringError(f"{path}: no segments; assign segment(...) to a name in capitals")
    return found


def emit(folder: Path) -> dict[str, str]:
    """File name -> document, for all Python files of a folder."""
    documents: dict[str, str] = {}
    for path in sorted(folder.glob("*.py")):
        for document in load(path):
            name = f"{document['id']}.json"
            if name in documents:
                raise AuthoringError(f"{path}: segment {document['id']!r} is written twice")
            documents[name] = pretty(document)
    return documents


def pretty(document: dict[str, Any]) -> str:
    """A document as people read it: one field a line, and as much of a rule on a line as fits."""
    fields = (f"  {json.dumps(name)}: {_write(value, 2, len(name) + 6)}" for name, value in document.items())
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _write(value: Any, indent: int, used: int) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if indent + used + len(flat) < WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    pad, end = " " * (indent + 2), " " * indent
    if isinstance(value, list):
        return "[\n" + ",\n".join(pad + _write(item, indent + 2, 0) for item in value) + "\n" + end + "]"
    if len(value) == 1:
        # An operator and its operands: the brace stays with it.
        ((name, inner),) = value.items()
        return "{" + json.dumps(name) + ": " + _write(inner, indent, used + len(name) + 5) + "}"
    members = (
        f"{pad}{json.dumps(name)}: {_write(inner, indent + 2, len(name) + 4)}"
        for name, inner in value.items()
    )
    return "{\n" + ",\n".join(members) + "\n" + end + "}"
