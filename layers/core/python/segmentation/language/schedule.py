"""When something is due: `cron(...)` or `rate(...)` as AWS writes them, in a time zone, or `after build`.

Months and days of the week may be numbers or names, days count from 1 = Sunday; `?`, `L`, `W` and `#` mean what
they mean to AWS. A wall-clock time that a change of the clocks skips comes at the change; one that occurs twice
comes once.
"""

import calendar
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from .problems import Problem, did_you_mean, step

AFTER_BUILD = "after build"
_UNITS = {"minute": 60, "hour": 3_600, "day": 86_400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_YEARS = (1970, 2199)
_FIELDS = ("minutes", "hours", "day-of-month", "month", "day-of-week", "year")


class BadSchedule(ValueError):
    """An expression that is no schedule; says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a segment or an audience is due. `expression` is `after build`, `rate(...)` or `cron(...)`."""

    expression: str
    time_zone: str = "UTC"

    @property
    def after_build(self) -> bool:
        """Due whenever the audience was built anew."""
        return self.expression == AFTER_BUILD

    def next(self, after: int) -> int | None:
        """The first moment after a moment at which it is due; a rate counts from there."""
        if self.after_build:
            return None
        if self.expression.startswith("rate"):
            return after + _rate(self.expression)
        return _cron(self.expression).next(after, ZoneInfo(self.time_zone))


def read_schedule(value: Any, pointer: str, time_zone: str, problems: list[Problem]) -> Schedule | None:
    """The schedule of a document: an expression, or `{"expression": ..., "time_zone": ...}`."""
    fields: Mapping[str, Any] = {"expression": value} if isinstance(value, str) else value
    if not isinstance(value, str | Mapping) or not isinstance(fields.get("expression"), str):
        said = (
            "a schedule is 'after build', 'rate(6 hours)', 'cron(0 6 * * ? *)' or an object with 'expression'"
        )
        problems.append(Problem(pointer, "bad-schedule", said))
        return None
    before = len(problems)
    for name in fields:
        if name not in ("expression", "time_zone"):
            hint = did_you_mean(str(name), ("expression", "time_zone"))
            problems.append(Problem(step(pointer, name), "unknown-field", f"unknown field {name!r}{hint}"))
    zone = fields.get("time_zone", time_zone)
    try:
        ZoneInfo(zone)
    except (KeyError, OSError, ValueError, TypeError):
        said = f"{zone!r} is no IANA time zone such as 'America/New_York'"
        problems.append(Problem(step(pointer, "time_zone"), "bad-time-zone", said))
    try:
        check(fields["expression"])
    except BadSchedule as error:
        problems.append(Problem(pointer, "bad-schedule", str(error)))
    return Schedule(fields["expression"], zone) if len(problems) == before else None


def check(expression: str) -> None:
    """Raise `BadSchedule` unless it is one."""
    if expression == AFTER_BUILD:
        return
    if expression.startswith("rate("):
        _rate(expression)
    elif expression.startswith("cron("):
        _cron(expression)
    else:
        raise BadSchedule(
            f"{expression!r} is no schedule; write 'after build', 'rate(6 hours)' or 'cron(0 6 * * ? *)'"
        )


def _rate(expression: str) -> int:
    found = re.fullmatch(r"rate\((\d{1,6}) (minute|hour|day)s?\)", expression)
    if not found or int(found[1]) < 1:
        raise BadSchedule(f"{expression!r}: a rate is a positive number of minutes, hours or days")
    return int(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class _Days:
    """Which days of a month: numbers, and the forms that depend on the month."""

    numbers: frozenset[int]
    last: bool = False
    near: frozenset[int] = frozenset()
    last_weekdays: frozenset[int] = frozenset()
    nth: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Cron:
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: _Days | None
    months: frozenset[int]
    weekdays: _Days | None
    years: frozenset[int]

    def next(self, after: int, zone: ZoneInfo) -> int | None:
        """The first matching moment after one."""
        start = dt.datetime.fromtimestamp(after, zone)
        # A day earlier: where clocks go back, a later wall-clock day begins at an earlier moment.
        day = start.date() - dt.timedelta(days=1)
        last = max(self.years)
        while day.year <= last:
            if day.year not in self.years or day.month not in self.months:
                day = _first_of_next_month(day)
                continue
            if self._on(day):
                found = [moment for moment in self._moments(day, zone) if moment > after]
                if found:
                    return min(found)
            if day == dt.date.max:
                return None
            day += dt.timedelta(days=1)
        return None

    def _moments(self, day: dt.date, zone: ZoneInfo) -> list[int]:
        moments = []
        for hour in self.hours:
            for minute in self.minutes:
                wall = dt.datetime.combine(day, dt.time(hour, minute), zone)
                moment = int(wall.timestamp())
                if dt.datetime.fromtimestamp(moment, zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
                    moment = _end_of_gap(wall)  # skipped: the clocks jump over it
                moments.append(moment)
        return moments

    def _on(self, day: dt.date) -> bool:
        if self.days is not None:
            return day.day in self.days.numbers or day.day in _in_month(self.days, day.year, day.month)
        if self.weekdays is None:
            return True
        weekday = day.isoweekday() % 7 + 1
        length = calendar.monthrange(day.year, day.month)[1]
        return (
            weekday in self.weekdays.numbers
            or (weekday in self.weekdays.last_weekdays and day.day > length - 7)
            or (weekday, (day.day - 1) // 7 + 1) in self.weekdays.nth
        )


def _end_of_gap(wall: dt.datetime) -> int:
    """The moment at which clocks jump over a wall-clock time."""
    low, high = int(wall.timestamp()) - 86_400, int(wall.timestamp()) + 86_400
    zone = wall.tzinfo
    before = dt.datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        same = dt.datetime.fromtimestamp(middle, zone).utcoffset() == before
        low, high = (middle, high) if same else (low, middle)
    return high


def _first_of_next_month(day: dt.date) -> dt.date:
    return dt.date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _in_month(days: _Days, year: int, month: int) -> set[int]:
    length = calendar.monthrange(year, month)[1]
    found = {length} if days.last else set()
    for number in days.near:
        number = min(number, length)
        weekday = dt.date(year, month, number).isoweekday()
        if weekday == 6:
            number += -1 if number > 1 else 2
        elif weekday == 7:
            number += 1 if number < length else -2
        found.add(number)
    return found


@lru_cache(maxsize=512)
def _cron(expression: str) -> _Cron:
    found = re.fullmatch(r"cron\((.*)\)", expression)
    fields = found[1].split() if found else []
    if len(fields) != len(_FIELDS):
        raise BadSchedule(f"{expression!r}: cron has six fields: {', '.join(_FIELDS)}")
    minute, hour, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise BadSchedule(
            f"{expression!r}: write ? as day-of-month or as day-of-week, and only as one of them"
        )
    made = _Cron(
        minutes=tuple(sorted(_numbers(minute, 0, 59, expression))),
        hours=tuple(sorted(_numbers(hour, 0, 23, expression))),
        days=None if day in ("?", "*") else _days(day, expression),
        months=frozenset(_numbers(month, 1, 12, expression, _MONTHS)),
        weekdays=None if weekday in ("?", "*") else _weekdays(weekday, expression),
        years=frozenset(_numbers(year, *_YEARS, expression)),
    )
    if made.next(0, ZoneInfo("UTC")) is None:
        raise BadSchedule(f"{expression!r}: there is no such day")
    return made


def _days(field: str, expression: str) -> _Days:
    plain, near, last = [], set(), False
    for part in field.split(","):
        if part == "L":
            last = True
        elif found := re.fullmatch(r"(\d{1,2})W", part):
            near |= _numbers(found[1], 1, 31, expression)
        else:
            plain.append(part)
    numbers = _numbers(",".join(plain), 1, 31, expression) if plain else set()
    return _Days(frozenset(numbers), last, frozenset(near))


def _weekdays(field: str, expression: str) -> _Days:
    plain, lasts, nth = [], set(), set()
    for part in field.split(","):
        if part == "L":
            plain.append("7")
        elif found := re.fullmatch(r"(\w{1,3})L", part):
            lasts |= _numbers(found[1], 1, 7, expression, _DAYS)
        elif found := re.fullmatch(r"(\w{1,3})#([1-5])", part):
            nth |= {(one, int(found[2])) for one in _numbers(found[1], 1, 7, expression, _DAYS)}
        else:
            plain.append(part)
    numbers = _numbers(",".join(plain), 1, 7, expression, _DAYS) if plain else set()
    return _Days(frozenset(numbers), last_weekdays=frozenset(lasts), nth=frozenset(nth))


def _numbers(
    field: str, low: int, high: int, expression: str, names: Mapping[str, int] | None = None
) -> set[int]:
    numbers: set[int] = set()
    for part in field.split(","):
        found = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", part)
        if not found:
            raise BadSchedule(f"{expression!r}: {part!r} is not understood")
        begin, end, every = found[1], found[2], found[3]
        first = low if begin == "*" else _number(begin, low, high, expression, names or {})
        last = first if begin != "*" and every is None else high
        if end is not None:
            last = _number(end, low, high, expression, names or {})
        if (begin == "*" and end is not None) or last < first or (every is not None and int(every) < 1):
            raise BadSchedule(f"{expression!r}: {part!r} is not understood")
        numbers |= set(range(first, last + 1, int(every or 1)))
    return numbers


def _number(text: str, low: int, high: int, expression: str, names: Mapping[str, int]) -> int:
    number = names.get(text.upper(), int(text) if text.isdigit() else None)
    if number is None or not low <= number <= high:
        raise BadSchedule(f"{expression!r}: {text!r} is not in {low}-{high}")
    return number
