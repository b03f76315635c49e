"""`python -m infra.rule_schema`: write rules/schema/segment.schema.json from the operators of the language.

Editors complete and validate segment documents with it. It knows shapes: operators, how many operands they
take and of which kind, durations, periods, names. Types, the audience's own names and sizes are checked when
rules are published.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from segmentation.language import document, limits
from segmentation.language.caps import MAX_LIST
from segmentation.language.operators import FORMS
from segmentation.language.operators.base import Form
from segmentation.language.patterns import MAX_LENGTH
from segmentation.language.times import PHRASES
from segmentation.language.types import NAME, SEGMENT_ID

from .layout import pretty

TARGET = Path("rules/schema/segment.schema.json")
_NAME = NAME.pattern
_ONE_OPERATOR = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False}


def ref(name: str) -> dict[str, str]:
    """A reference to a definition of the schema."""
    return {"$ref": f"#/$defs/{name}"}


def one_or_listed(schema: dict[str, Any]) -> dict[str, Any]:
    """A single operand, which need not stand in a list."""
    return {"anyOf": [{"type": "array", "prefixItems": [schema], "items": False, "minItems": 1}, schema]}


def operands(form: Form) -> dict[str, Any]:
    """The operands of a form."""
    *fixed, last = form.takes.split()
    name = last.rstrip("?+")
    items = [ref(kind) for kind in (*fixed, name)]
    if last == name and not fixed:
        return one_or_listed(items[0])
    least = len(items) - last.endswith("?")
    more: dict[str, Any] = {"items": False}
    if last.endswith("+"):
        more = {"items": items[-1], "maxItems": MAX_LIST}
    listed = {"type": "array", "prefixItems": items, "minItems": least} | more
    # A group of one and a number with its sign turned may do without the list.
    return listed if least > 1 else {"anyOf": [listed, items[0]]}


def expressions(gives: str) -> dict[str, Any]:
    """An object with one of the operators that give something."""
    properties = {
        name: {"description": form.says} | operands(form)
        for name, forms in sorted(FORMS.items())
        for form in forms
        if form.gives == gives
    }
    return _ONE_OPERATOR | {"properties": properties}


def definitions() -> dict[str, Any]:
    """Everything that forms refer to, by the names that `Form.takes` uses."""
    duration = {
        "description": "A positive integer and one of s m h d w, at most 36,500 d.",
        "type": "string",
        "pattern": "^[1-9][0-9]{0,11}[smhdw]$",
    }
    variable = _ONE_OPERATOR | {"properties": {"var": one_or_listed(ref("path"))}}
    segments = _ONE_OPERATOR | {"properties": {"var": one_or_listed({"const": "segments"})}}
    return {
        "condition": {
            "description": "What is true or false: a comparison, a test, a group, or a boolean column.",
            "anyOf": [ref("condition_operator"), variable],
        },
        "condition_operator": expressions("condition"),
        "element_condition": ref("condition"),
        "value": {
            "description": "A value: a literal, a column, a figure over events, arithmetic.",
            "anyOf": [{"type": ["string", "number", "boolean"]}, ref("value_operator")],
        },
        "value_or_null": {"anyOf": [ref("value"), {"type": "null"}]},
        "value_operator": expressions("value"),
        "events": {"description": "Events of a behavior, which of them, and of when."}
        | expressions("events"),
        "elements": expressions("elements"),
        "collection": {"anyOf": [ref("events"), ref("elements"), ref("value_operator")]},
        "container": {
            "anyOf": [
                {
                    "description": "A list of literals.",
                    "type": "array",
                    "items": {"type": ["string", "number", "boolean"]},
                    "minItems": 1,
                    "maxItems": MAX_LIST,
                },
                {"description": "The segments that the profile is in."} | segments,
                ref("value"),
            ]
        },
        "duration": duration,
        "period": {"enum": list(PHRASES)},
        "past_period": {
            "enum": [phrase for phrase in PHRASES if not phrase.startswith(("next", "tomorrow"))]
        },
        "column": {"description": "A column of the events.", "type": "string", "pattern": f"^{_NAME}$"},
        "pattern": {
            "description": "A regular expression of the linear-time subset; it may occur anywhere in the text.",
            "type": "string",
            "maxLength": MAX_LENGTH,
        },
        "seed": {"description": "Any text; equal seeds give equal shares.", "type": "string", "minLength": 1},
        "path": {"type": "string", "pattern": f"^((attributes\\.)?{_NAME})?$"},
        "events_path": {"type": "string", "pattern": f"^behaviors\\.{_NAME}$"},
    }


def segment_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a segment document."""
    identifier = {"type": "string", "pattern": f"^{SEGMENT_ID.pattern}$"}
    text = {"type": "string", "maxLength": 1_000}
    properties: dict[str, Any] = {
        "id": {"description": "How rules and readers call the segment."} | identifier,
        "name": {"description": "What people call it."} | text,
        "audience": {"description": "The id of the audience that it selects from."} | identifier,
        "kind": {
            "description": "batch: computed by runs; realtime: right at the moment of reading; list: uploaded.",
            "enum": list(document.KINDS),
        },
        "description": {"description": "Who is in it, in a sentence."} | text,
        "rule": ref("condition"),
        "limit": {
            "description": "Only the first so many members, or so many percent of them (batch segments).",
            "type": "object",
            "properties": {
                "count": {"type": "integer", "minimum": 1, "maximum": limits.MOST},
                "percent": {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
                "by": ref("value_operator"),
                "order": {"enum": list(limits.ORDERS)},
            },
            "required": ["by"],
            "oneOf": [{"required": ["count"]}, {"required": ["percent"]}],
            "additionalProperties": False,
        },
    }
    expression = {
        "description": "after build, rate(6 hours), or cron(minutes hours day month weekday year).",
        "type": "string",
        "pattern": r"^(after build|rate\([0-9]{1,6} (minute|hour|day)s?\)|cron\(.+\))$",
    }
    properties["schedule"] = {
        "description": "When a batch segment is computed, where that is not the audience's own schedule.",
        "anyOf": [
            expression,
            {
                "type": "object",
                "properties": {
                    "expression": expression,
                    "time_zone": {
                        "description": "An IANA name; the audience's if left out.",
                        "type": "string",
                    },
                },
                "required": ["expression"],
                "additionalProperties": False,
            },
        ],
    }
    unknown = set(document.FIELDS) - properties.keys()
    if unknown:
        raise NotImplementedError(f"the schema does not describe the fields {sorted(unknown)}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Segment",
        "description": (
            "Who is in a segment. The shapes only: types, names and sizes are checked when the rules are published. "
            "Written by `python -m infra.rule_schema`."
        ),
        "type": "object",
        "properties": properties,
        "required": ["id", "name", "audience", "kind"],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": "list"}}},
                "then": {"not": {"required": ["rule"]}},
                "else": {"required": ["rule"]},
            },
            {
                "if": {"properties": {"kind": {"const": "batch"}}},
                "else": {"not": {"anyOf": [{"required": ["limit"]}, {"required": ["schedule"]}]}},
            },
        ],
        "$defs": definitions(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the schema; with `--check`, only say whether it differs."""
    parser = argparse.ArgumentParser(prog="python -m infra.rule_schema", description=__doc__)
    parser.add_argument("target", nargs="?", type=Path, default=TARGET)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file differs")
    options = parser.parse_args(arguments)
    text = pretty(segment_schema())
    current = options.target.read_text(encoding="utf-8") if options.target.exists() else None
    if current == text:
        return 0
    print(f"{'differs' if options.check else 'written'}    {options.target}")
    if options.check:
        return 1
    options.target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
