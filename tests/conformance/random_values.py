"""Random values that sit on every border, and values that are none."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from random import Random
from typing import Any

from segmentation.language import Schema, Type
from segmentation.language.times import PHRASES, local_date, parse_duration, period_bounds, zone

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia")
NIGHTS = (
    "2026-03-15T12:00:00Z",
    "2026-03-08T05:00:00Z",  # New York: the day that loses an hour begins
    "2026-03-09T03:59:59Z",  # ... and ends
    "2026-11-01T06:00:00Z",  # New York: 01:00 for the second time
    "2026-03-29T00:59:59Z",  # Berlin: the last second before summer time
    "2026-10-25T01:00:00Z",  # Berlin: 02:00 for the second time
    "2018-11-04T03:00:00Z",  # São Paulo: midnight is skipped
    "2018-02-18T02:59:59Z",  # São Paulo: 23:59:59 for the second time
    "2011-12-30T10:00:00Z",  # Apia: a day is skipped
    "2026-12-31T23:59:59Z",
    "2024-02-29T18:29:59Z",
)
DURATIONS = ("1s", "60s", "1h", "1d", "7d", "30d", "52w")
LONG = "36500d"
STRINGS = (
    "",
    "a",
    "b",
    "ab",
    "A",
    "ä",
    "ß",
    "10",
    "9",
    "1d",
    "2h",
    "2026-01-01",
    "O'x",
    "a\nb",
    "😀",
    "\uffff",
    "é",
    "İ",
)
SMALL = (0, 1, -1, 2, 3, 0.1, 0.2, 0.5, 7.25, 100, -2.5)
LARGE = (1e15, -1e15, 999999999999999, 1e-7, 5e-7, 2.675, 1e308, -1e308, 1e-308, 123456789.123456, 1e7)
JUNK: tuple[Any, ...] = (None, "x", 5, True, [], {}, "2026-13-01", [None, "a", 1])
PATTERNS = ("a", "^a", "b$", "^[a-b]+$", "^.$", "\\d", "^$", "(a|b)", "\\s", "^.{1,2}$", "x?", "\\.")
SCALARS = (Type.STRING, Type.NUMBER, Type.BOOLEAN, Type.TIMESTAMP, Type.DATE)


@dataclass
class Values:
    """Draws values for one audience."""

    random: Random
    schema: Schema
    now: int
    large: bool

    def pick(self, items: Any) -> Any:
        return self.random.choice(items)

    def shuffled(self, items: list[Any]) -> list[Any]:
        return self.random.sample(items, len(items))

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    # Values

    def moment(self) -> int:
        """A moment on, or a second beside, the border of some window or period."""
        step = self.pick((-1, 0, 1))
        match self.random.randint(0, 4):
            case 0:
                return int(self.now + step)
            case 1 | 2:
                back = parse_duration(self.pick(DURATIONS)) or 0
                return int(self.now - back * self.pick((1, 1, 2, -1)) + step)
            case 3:
                low, high = period_bounds(self.pick(PHRASES), self.now, zone(self.schema.time_zone))
                return int(self.pick((low, high)) + step)
            case _:
                return int(self.pick((0, -1, 10**9, self.now - 5 * 86_400, self.now - 40 * 86_400)))

    def day(self) -> str:
        today = local_date(self.now, zone(self.schema.time_zone))
        return (
            today + dt.timedelta(days=self.pick((0, 1, -1, -2, -6, -7, -8, 7, -31, 31, -400)))
        ).isoformat()

    def number(self) -> float:
        return float(self.pick(SMALL + LARGE if self.large else SMALL))

    def scalar(self, type_: Type) -> Any:
        match type_:
            case Type.STRING:
                return self.pick(STRINGS)
            case Type.NUMBER:
                return self.number()
            case Type.BOOLEAN:
                return self.pick((True, False))
            case Type.TIMESTAMP:
                return self.moment()
            case _:
                return self.day()

    def raw(self, type_: Type) -> Any:
        """A value as it may arrive: mostly right, sometimes missing or of another type."""
        if self.chance(6):
            return self.pick(JUNK)
        if type_ in (Type.STRINGS, Type.NUMBERS):
            element = Type.STRING if type_ is Type.STRINGS else Type.NUMBER
            count = self.random.randint(0, 3)
            return [self.pick(JUNK[:4]) if self.chance(6) else self.scalar(element) for _ in range(count)]
        value = self.scalar(type_)
        if type_ is Type.TIMESTAMP and self.chance(3):
            return dt.datetime.fromtimestamp(value, dt.UTC).isoformat()
        return value

    def literal(self, type_: Type) -> Any:
        value = self.scalar(type_)
        if type_ is Type.TIMESTAMP and self.chance(2):
            return dt.datetime.fromtimestamp(value, dt.UTC).isoformat().replace("+00:00", "Z")
        return int(value) if type_ is Type.NUMBER and value == int(value) and self.chance(2) else value
