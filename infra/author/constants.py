"""Python values as JSON-Logic takes them; what would silently become something else is refused."""

import datetime as dt
import math
from collections.abc import Iterable
from typing import Any

from jsonlogic import Literal, Operand
from segmentation.language.times import say_duration

COLLECTIONS = (list, tuple, set, frozenset, range)
"""What stands for a list of constants."""


class AuthoringError(Exception):
    """A rule that cannot be written so; says how to write it."""


def constant(value: Any) -> Any:
    """A Python value as an operand; expressions stay what they are."""
    if isinstance(value, Operand):
        return value
    if value is None:
        raise AuthoringError("None is no value; write .is_missing() or .is_present()")
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise AuthoringError(
                f"{value!r} has no time zone; pass tzinfo=..., or ISO text for the audience's zone"
            )
        return Literal(value.isoformat())
    if isinstance(value, dt.date):
        return Literal(value.isoformat())
    if isinstance(value, COLLECTIONS):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return Literal([_plain(constant(item)) for item in items])
    if isinstance(value, float) and not math.isfinite(value):
        raise AuthoringError(f"{value!r} is no number of the rule language")
    if isinstance(value, bool | int | float | str):
        return Literal(value)
    raise AuthoringError(
        f"{value!r} ({type(value).__name__}) cannot stand in a rule; write text, a number or a date"
    )


def _plain(literal: Any) -> Any:
    if not isinstance(literal, Literal):
        raise AuthoringError("a list holds constants; for expressions join comparisons with |")
    return literal._prepare()


def listed(values: tuple[Any, ...]) -> list[Any]:
    """Constants that are given one by one, or as one collection; sets in an order of their own."""
    one = values[0] if len(values) == 1 else None
    if isinstance(one, Operand):
        raise AuthoringError("in_ takes constants; write y.contains(x) for an array or text y")
    many = one if isinstance(one, Iterable) and not isinstance(one, str) else values
    items = sorted(many, key=repr) if isinstance(many, set | frozenset) else list(many)
    if not items:
        raise AuthoringError("the list is empty, so nobody matches; give in_ a value")
    return items


def duration(span: "str | dt.timedelta") -> str:
    """`30d`, or a `timedelta` of whole seconds, as the language writes it."""
    if isinstance(span, str):
        return span
    if isinstance(span, dt.timedelta):
        seconds = span // dt.timedelta(seconds=1)
        if seconds > 0 and span == dt.timedelta(seconds=seconds):
            return say_duration(seconds)
    raise AuthoringError(f'{span!r} is no duration; write text such as "30d", "12h" or "45m"')


class Null(Literal):  # type: ignore[misc]  # the package is untyped
    """JSON's null, which only ever asks whether a value is missing; the package would write "None"."""

    def __init__(self) -> None:
        super().__init__("")

    def _prepare(self) -> None:
        return None
