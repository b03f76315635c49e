"""How JSON documents are laid out: as people read them, always the same bytes for the same content."""

import json
from typing import Any

WIDTH = 100
"""Longest line of a document, where a line can be broken."""


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
