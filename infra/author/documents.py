"""Segment documents of Python expressions."""

import json
import sys
import traceback
import warnings
from collections.abc import Mapping
from typing import Any

from jsonlogic import Literal, Operand

from .constants import AuthoringError


class Document(dict[str, Any]):
    """A segment document that `define` made. `calls`: the files and lines it was called from, nearest first."""

    calls: tuple[tuple[str, int], ...] = ()


def define(
    identifier: str,
    name: str,
    *,
    audience: str,
    kind: str,
    description: str,
    rule: Any = None,
    limit: Mapping[str, Any] | None = None,
    schedule: str | Mapping[str, str] | None = None,
) -> Document:
    """A segment document. `rule` is an expression; so is the `by` of a `limit`. A list has no rule."""
    document = Document(id=identifier, name=name, audience=audience, kind=kind, description=description)
    frames = traceback.walk_stack(sys._getframe(1))
    document.calls = tuple((frame.f_code.co_filename, line) for frame, line in frames)
    if rule is not None:
        document["rule"] = as_rule(rule)
    if limit is not None:
        document["limit"] = {
            key: as_rule(value) if isinstance(value, Operand) else value for key, value in limit.items()
        }
    if schedule is not None:
        document["schedule"] = schedule
    return document


def as_rule(expression: Any) -> Any:
    """An expression of `jsonlogic-py` as JSON-Logic in the words of the language."""
    if not isinstance(expression, Operand) or isinstance(expression, Literal):
        decided = " (Python decides `is None` and `in` by itself)" if isinstance(expression, bool) else ""
        message = f"{expression!r} is no rule{decided}; write a comparison, e.g. attribute.age >= 18"
        raise AuthoringError(message)
    with warnings.catch_warnings():
        # The package writes what it does not know (None above all) as text, with a warning.
        warnings.simplefilter("error", UserWarning)
        try:
            # Its text is the one thing that the package promises to be JSON.
            return normalize(json.loads(str(expression)))
        except (ValueError, TypeError, UserWarning) as error:
            raise AuthoringError(f"a part of the rule is no JSON-Logic: {error}") from error


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
