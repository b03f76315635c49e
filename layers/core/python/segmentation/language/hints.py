"""How to mend what was refused: the part of a message that begins with a semicolon."""

import json
import re
from collections.abc import Iterable
from typing import Any

from .problems import did_you_mean
from .times import LONGEST
from .types import Type

_ELSEWHERE = {
    **dict.fromkeys(("=", "eq", "equal", "equals", "is"), "write =="),
    **dict.fromkeys(("<>", "ne", "not_equals", "is_not"), "write !="),
    **dict.fromkeys(("gt", "gte", "lt", "lte"), "write < <= > or >="),
    **dict.fromkeys(("&&", "all_of"), "write and"),
    **dict.fromkeys(("||", "any_of", "any"), "write or, or some for elements of an array"),
    **dict.fromkeys(("if", "?:", "case"), "a rule has no branches; join conditions with and, or and !"),
    **dict.fromkeys(
        ("reduce", "map", "merge"), "aggregate events with count, sum, avg, min, max, first or last"
    ),
    **dict.fromkeys(
        ("cat", "concat", "substr"), "compare parts of texts with in, starts_with, ends_with or matches"
    ),
    **dict.fromkeys(
        ("missing", "missing_some", "is_null", "exists"), 'write {"==": [x, null]} or {"!=": [x, null]}'
    ),
    **dict.fromkeys(("contains", "includes", "has"), 'write {"in": [part, whole]}'),
    **dict.fromkeys(("not_in", "nin"), 'write {"!": [{"in": [x, [...]]}]}'),
    **dict.fromkeys(("regex", "regexp", "match", "like"), "write matches"),
    "between": 'write {"<=": [low, x, high]}',
    "average": "write avg",
    "mean": "write avg",
    "total": "write sum",
    "log": "take it out",
}
"""Words of other languages, and what to write here."""

BAD_TEXT = "the text holds a NUL or half a surrogate pair, which no table can hold; take it out"

_UNITS = {
    **dict.fromkeys(("second", "seconds", "sec", "secs"), "s"),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), "m"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("week", "weeks"), "w"),
}
_RECENT = re.compile(r"(last|past|next|coming)[ _]+([0-9]{1,6})[ _]*([A-Za-z]+)", re.ASCII | re.IGNORECASE)
_AMOUNT = re.compile(r"\s*\+?([1-9][0-9]{0,5})\s*([A-Za-z]*)\s*", re.ASCII)


def show(item: Any) -> str:
    """A piece of a rule as JSON, shortened."""
    try:
        text = repr(item) if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    except (RecursionError, TypeError, ValueError):
        text = repr(item)
    return text if len(text) <= 40 else text[:37] + "..."


def quoted(item: Any) -> str:
    """A literal as JSON, to write it back into a hint."""
    return json.dumps(item, ensure_ascii=False) if isinstance(item, str | int | float) else "..."


def for_operator(name: str, known: Iterable[str]) -> str:
    """What to write for an unknown operator."""
    word = _ELSEWHERE.get(name.lower().replace(" ", "_"))
    return f"; {word}" if word else did_you_mean(name, known)


def for_duration(item: Any) -> str:
    """What to write for something that is no duration."""
    grammar = f"; write a positive integer and one of s m h d w, at most {LONGEST // 86_400:,}d"
    match = _AMOUNT.fullmatch(item) if isinstance(item, str) else None
    if isinstance(item, int) and not isinstance(item, bool) and 0 < item < 1_000_000:
        return f"{grammar}; did you mean '{item}d'?"
    if isinstance(item, dict):
        return f"{grammar}; it stands behind what it is about"
    if match is None:
        return grammar
    amount, unit = match[1], match[2].lower()
    if (
        match[2] == "M"
        or unit in ("y", "yr", "mo", "mon", "q")
        or unit.startswith(("month", "year", "quarter"))
    ):
        return (
            "; months, quarters and years have no fixed length: write days, or a calendar period with during"
        )
    short = _UNITS.get(unit, unit)
    if short in ("", "s", "m", "h", "d", "w") and f"{amount}{short or 'd'}" != item:
        return f"{grammar}; did you mean '{amount}{short or 'd'}'?"
    return grammar


def for_period(item: Any, known: Iterable[str]) -> str:
    """What to write for something that is no calendar period."""
    match = _RECENT.fullmatch(item) if isinstance(item, str) else None
    if match is None:
        return did_you_mean(str(item), known)
    name = "within_next" if match[1].lower() in ("next", "coming") else "within"
    unit = _UNITS.get(match[3].lower())
    if unit is None:
        return "; count in days with within, or name one period, such as last month"
    return f'; write {{"{name}": [..., "{int(match[2])}{unit}"]}}'


def for_text(item: Any, attributes: Iterable[str], behaviors: Iterable[str]) -> str:
    """What to write for a text that is the name of something to read."""
    if isinstance(item, str):
        name = item.rpartition(".")[2]
        if name in attributes:
            return f'; did you mean {{"var": "attributes.{name}"}}?'
        if name in behaviors:
            return f'; did you mean {{"var": "behaviors.{name}"}}?'
    return ""


def operands(count: int) -> str:
    """How many operands there are."""
    return "1 operand" if count == 1 else f"{count} operands"


def for_literal(item: Any, expected: Type) -> str:
    """How to write a literal so that it is of the type that stands beside it."""
    one_type = "; both sides need one type"
    if isinstance(item, str) and expected is Type.NUMBER:
        try:
            float(item)
        except ValueError:
            return one_type
        return f"{one_type}: write {item.strip()} without quotation marks"
    if isinstance(item, str) and expected is Type.BOOLEAN and item.lower() in ("true", "false"):
        return f"{one_type}: write {item.lower()} without quotation marks"
    if expected is Type.STRING and isinstance(item, bool | int | float):
        return f'{one_type}: write "{json.dumps(item)}" in quotation marks'
    if expected is Type.BOOLEAN and item in (0, 1):
        return f"{one_type}: write {json.dumps(bool(item))}"
    if expected is Type.DATE:
        return f'{one_type}: write "YYYY-MM-DD"'
    if expected is Type.TIMESTAMP:
        return f"{one_type}: write Unix seconds or ISO 8601"
    if expected.is_array:
        return "; an array is not compared as a whole: use some, all, none or in"
    return one_type


def for_path(path: str, attributes: Iterable[str], behaviors: Iterable[str]) -> str:
    """What to write for a path that reads nothing at profile level."""
    attributes = list(attributes)
    if path in attributes:
        return f"; did you mean 'attributes.{path}'?"
    behaviors = list(behaviors)
    if path in behaviors:
        return f"; did you mean 'behaviors.{path}' inside an aggregate, such as count?"
    return did_you_mean(path, [f"attributes.{name}" for name in attributes])
