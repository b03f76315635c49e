"""Values at run time: typed, or missing (`None`).

| type | in Python |
|---|---|
| string | `str` |
| number | finite `float` |
| boolean | `bool` |
| timestamp | `int`, Unix seconds |
| date | `str`, ISO `YYYY-MM-DD` (so that order is the order of text) |
| strings, numbers | `tuple` of `str | None`, of `float | None` |

A value of the wrong type counts as missing: nothing is coerced (rule-language, decision 2).
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from .types import Type

Value = str | float | bool | int | tuple[str | float | None, ...] | None

FIRST_SECOND = -62_135_596_800
"""0001-01-01T00:00:00Z: the first moment that every engine can hold."""
LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: the last one."""

SUM_LIMIT = 1e15
"""Magnitudes from here on count as missing in `sum` and `avg`."""
MICRO = 1_000_000

_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d{1,9})?(Z|z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EXACT = Context(prec=60)


def parse_value(type_: Type, raw: Any) -> Value:
    """`raw` (from JSON, DynamoDB or Parquet) as a value of `type_`; `None` where it is not one."""
    return _PARSERS[type_](raw)


def is_text(raw: str) -> bool:
    """Whether it is text that tables and JSON can hold: no NUL, no half of a surrogate pair."""
    return "\x00" not in raw and not any("\ud800" <= char <= "\udfff" for char in raw)


def parse_time(raw: Any) -> int | None:
    """Unix seconds of a number of seconds or of ISO 8601 text with an offset; fractions are cut off."""
    if isinstance(raw, str):
        return parse_instant(raw, None)
    if isinstance(raw, dt.datetime):
        return _in_range(math.floor(raw.timestamp())) if raw.tzinfo else None
    number = _number(raw)
    return None if number is None else _in_range(math.floor(number))


def parse_instant(text: str, zone: dt.tzinfo | None) -> int | None:
    """Unix seconds of ISO 8601 text. Without an offset it is of `zone`; with no zone, it is missing.

    A bare date is the first second of that day in `zone`.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    day, clock, offset = match.groups()
    try:
        moment = dt.datetime.fromisoformat(f"{day}T{clock or '00:00:00'}")
        if offset in ("Z", "z"):
            moment = moment.replace(tzinfo=dt.UTC)
        elif offset:
            moment = dt.datetime.fromisoformat(f"{moment.isoformat()}{offset}")
        elif zone is not None:
            moment = moment.replace(tzinfo=zone)
        else:
            return None
        return _in_range(math.floor(moment.timestamp()))
    except (ValueError, OverflowError):
        return None


def parse_date(raw: Any) -> str | None:
    """An ISO date of text or of a `datetime.date`; `None` where it is no day of the calendar."""
    if isinstance(raw, dt.datetime):
        return None
    if isinstance(raw, dt.date):
        return raw.isoformat()
    if not isinstance(raw, str) or not _DATE.fullmatch(raw):
        return None
    try:
        return dt.date.fromisoformat(raw).isoformat()
    except ValueError:
        return None


def _in_range(second: int) -> int | None:
    return second if FIRST_SECOND <= second <= LAST_SECOND else None


def _string(raw: Any) -> str | None:
    return raw if isinstance(raw, str) else None


_NUMBERS = (int, float, Decimal)
_NO_ARRAYS = (str, bytes, Mapping)


def _number(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, _NUMBERS):
        return None
    try:
        number = float(raw)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _boolean(raw: Any) -> bool | None:
    return raw if isinstance(raw, bool) else None


def _array(element: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...] | None]:
    def parse(raw: Any) -> tuple[Any, ...] | None:
        if isinstance(raw, _NO_ARRAYS) or not isinstance(raw, Iterable):
            return None
        return tuple(element(item) for item in raw)

    return parse


_PARSERS: Mapping[Type, Callable[[Any], Value]] = {
    Type.STRING: _string,
    Type.NUMBER: _number,
    Type.BOOLEAN: _boolean,
    Type.TIMESTAMP: parse_time,
    Type.DATE: parse_date,
    Type.STRINGS: _array(_string),
    Type.NUMBERS: _array(_number),
}


def micros(number: float) -> int | None:
    """The shortest decimal form of `number`, rounded to six places half away from zero, in millionths.

    `None` from a magnitude of 1e15 on: such values count as missing in sums (decision 3).
    """
    if abs(number) >= SUM_LIMIT:
        return None
    scaled = Decimal(repr(number)).scaleb(6, _EXACT)
    return int(scaled.to_integral_value(rounding=ROUND_HALF_UP))


def exact_sum(numbers: Iterable[float | None]) -> tuple[float, int]:
    """The sum, independent of order, and how many values went into it."""
    total = count = 0
    for number in numbers:
        part = None if number is None else micros(number)
        if part is not None:
            total += part
            count += 1
    return total / MICRO, count


def simple_lower(text: str) -> str:
    """Unicode's simple lower-case mapping, code point by code point."""
    return text.lower() if text.isascii() else "".join(map(_lower_one, text))


def simple_upper(text: str) -> str:
    """Unicode's simple upper-case mapping, code point by code point."""
    return text.upper() if text.isascii() else "".join(map(_upper_one, text))


def _lower_one(char: str) -> str:
    # U+0130 is the only code point whose full lower-case mapping is longer than one.
    return "i" if char == "\u0130" else char.lower()


def _upper_one(char: str) -> str:
    upper = char.upper()
    if len(upper) == 1:
        return upper
    # Where the full mapping expands, the simple one is the title-case letter if that is a single one.
    title = char.title()
    return title if len(title) == 1 else char
