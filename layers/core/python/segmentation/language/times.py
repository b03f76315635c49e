"""Durations, calendar periods and the windows that rules are written with.

All bounds are whole Unix seconds. A window at a given `now` is a half-open interval `low < t <= high`.
"""

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from .values import FIRST_SECOND, LAST_SECOND

_DURATION = re.compile(r"([1-9][0-9]{0,11})([smhdw])", re.ASCII)
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LONGEST = 36_500 * 86_400
"""The longest duration of the language, in seconds."""

PERIODS = ("day", "week", "month", "quarter", "year")
PHRASES = (
    "today",
    "yesterday",
    "tomorrow",
    *(f"{which} {period}" for which in ("this", "last", "next") for period in PERIODS),
)
_AS_DAYS = {"today": "this day", "yesterday": "last day", "tomorrow": "next day"}
_OFFSET = {"last": -1, "this": 0, "next": 1}
_SEEN_FROM = {"last": "next", "this": "this", "next": "last"}
"""Where a moment's period lies, seen from the moment: the period in which it counts as last is its next."""


def parse_duration(text: object) -> int | None:
    """Seconds of a duration such as `30d`; `None` where it is not one or is longer than 36,500 days."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    seconds = int(match[1]) * UNIT_SECONDS[match[2]]
    return seconds if seconds <= LONGEST else None


def say_duration(seconds: int) -> str:
    """The shortest duration literal of a number of seconds: 259200 -> `3d`."""
    for unit in ("d", "h", "m"):
        if seconds % UNIT_SECONDS[unit] == 0:
            return f"{seconds // UNIT_SECONDS[unit]}{unit}"
    return f"{seconds}s"


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name."""
    return ZoneInfo(name)


def local_date(second: int, time_zone: ZoneInfo) -> dt.date:
    """The calendar day of a moment, within the range of the calendar."""
    clamped = min(max(second, FIRST_SECOND + 86_400), LAST_SECOND - 86_400)
    return dt.datetime.fromtimestamp(clamped, time_zone).date()


def first_second(day: dt.date, time_zone: ZoneInfo) -> int:
    """The moment at which a day begins, also where daylight saving skips or repeats its midnight."""
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=time_zone).timestamp())


def period_days(phrase: str, today: dt.date) -> tuple[dt.date, dt.date]:
    """First day and first day after the calendar period that `phrase` names on `today`."""
    which, period = _AS_DAYS.get(phrase, phrase).split()
    offset = _OFFSET[which]
    if period in ("day", "week"):
        length = 1 if period == "day" else 7
        start = today - dt.timedelta(days=today.weekday() if period == "week" else 0)
        start += dt.timedelta(days=offset * length)
        return start, start + dt.timedelta(days=length)
    months = {"month": 1, "quarter": 3, "year": 12}[period]
    index = (today.year * 12 + today.month - 1) // months + offset
    return _month(index * months), _month((index + 1) * months)


def _month(index: int) -> dt.date:
    return dt.date(index // 12, index % 12 + 1, 1)


def period_bounds(phrase: str, now: int, time_zone: ZoneInfo) -> tuple[int, int]:
    """The calendar period at `now` as the interval `low < t <= high`."""
    start, end = period_days(phrase, local_date(now, time_zone))
    return first_second(start, time_zone) - 1, first_second(end, time_zone) - 1


@dataclass(frozen=True, slots=True)
class Window:
    """Which moments count, relative to `now`.

    `kind`: `within` (the last `longest` seconds, or from `longest` to `shortest` ago), `older_than`
    (`shortest` or more ago), `within_next` (the coming `longest` seconds), `during` (a calendar `phrase`).
    """

    kind: str
    longest: int = 0
    shortest: int = 0
    phrase: str = ""

    def bounds(self, now: int, time_zone: ZoneInfo) -> tuple[int | None, int]:
        """`(low, high)` of `low < t <= high`; a `low` of `None` is the beginning of time."""
        match self.kind:
            case "within":
                return now - self.longest, now - self.shortest
            case "older_than":
                return None, now - self.shortest
            case "within_next":
                return now, now + self.longest
            case _:
                return period_bounds(self.phrase, now, time_zone)

    def days(self, now: int, time_zone: ZoneInfo) -> tuple[str | None, str]:
        """`(low, high)` of `low < day <= high`, as ISO dates: the days that are in the window.

        A day is in a sliding window just if its first second is, and in a calendar period just if it is one of
        its days, though it may have no seconds there (Apia's 30th of December 2011).
        """
        if self.kind == "during":
            start, end = period_days(self.phrase, local_date(now, time_zone))
            one = dt.timedelta(days=1)
            return (start - one).isoformat(), (end - one).isoformat()
        low, high = self.bounds(now, time_zone)
        before = None if low is None else local_date(low, time_zone).isoformat()
        return before, local_date(high, time_zone).isoformat()

    def moments(self, time: int, now: int, time_zone: ZoneInfo) -> list[int]:
        """When, after `now`, a moment `time` may enter or leave this window."""
        match self.kind:
            case "within":
                moments = [time + self.shortest, time + self.longest]
            case "older_than":
                moments = [time + self.shortest]
            case "within_next":
                moments = [time - self.longest, time]
            case _:
                moments = self._borders(local_date(time, time_zone), time_zone)
        return [moment for moment in moments if moment > now]

    def moments_of_day(self, day: dt.date, now: int, time_zone: ZoneInfo) -> list[int]:
        """When, after `now`, a day may enter or leave this window."""
        if self.kind != "during":
            return self.moments(first_second(day, time_zone), now, time_zone)
        return [moment for moment in self._borders(day, time_zone) if moment > now]

    def _borders(self, day: dt.date, time_zone: ZoneInfo) -> list[int]:
        """When the calendar period of a day becomes the one that the phrase names, and ceases to be it."""
        which, unit = _AS_DAYS.get(self.phrase, self.phrase).split()
        try:
            # A moment is in "last month" all through the month after its own.
            start, end = period_days(f"{_SEEN_FROM[which]} {unit}", day)
        except (OverflowError, ValueError):  # beyond the calendar: that never comes
            return []
        return [first_second(start, time_zone), first_second(end, time_zone)]

    @property
    def ends_now(self) -> bool:
        """Whether the window reaches up to `now`, so that the latest events are in it first."""
        return self.kind == "within" and self.shortest == 0

    @property
    def reach(self) -> int | None:
        """How many seconds back from `now` it can reach; `None`: to the beginning of time."""
        match self.kind:
            case "within":
                return self.longest
            case "during":
                days = {"day": 2, "week": 14, "month": 62, "quarter": 184, "year": 732}
                return days[_AS_DAYS.get(self.phrase, self.phrase).split()[1]] * 86_400
            case _:
                return None
