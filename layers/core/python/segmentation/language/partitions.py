"""How a behavior's events are divided by time, so that a query reads only the part that its windows reach.

A table has one more column, a date: the first day (UTC) of the event's partition. Partitions are given by their
borders alone, so they may be as fine as one likes where it pays and coarse elsewhere; what lies before the first
border is one partition. A partition never begins after its events, so a lower bound of the events is one of the
partitions too, and no event can be lost, however the borders were chosen.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DAY = 86_400
BEFORE_ALL = "0001-01-01"
"""The partition before the first border."""
MOST = 100
"""Partitions that one statement of Athena writes."""
RECENT_DAYS = 40
RECENT_MONTHS: Mapping[str, int] = {"day": 25, "month": 60, "year": 0}
"""How many of the last days and months are partitions of their own."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """The date column of a partitioned table, and where partitions begin (Unix seconds of midnights, ascending)."""

    borders: tuple[int, ...]
    column: str = "period"

    def of(self, time: int) -> str:
        """The partition of an event, as its date."""
        index = bisect_right(self.borders, time)
        return day_of(self.borders[index - 1]) if index else BEFORE_ALL

    def sql(self, time: str) -> str:
        """The same in SQL: a balanced tree of comparisons."""

        def tree(low: int, high: int) -> str:
            if low == high:
                return f"DATE '{day_of(self.borders[low - 1]) if low else BEFORE_ALL}'"
            middle = (low + high + 1) // 2
            return f"CASE WHEN {time} < {self.borders[middle - 1]} THEN {tree(low, middle - 1)} ELSE {tree(middle, high)} END"

        return tree(0, len(self.borders))

    def reaching(self, low: int | None) -> str | None:
        """The condition on the column that every event after `low` fulfils; `None`: all partitions count."""
        first = BEFORE_ALL if low is None else self.of(low + 1)
        return None if first == BEFORE_ALL else f"\"{self.column}\" >= DATE '{first}'"

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {"column": self.column, "borders": [day_of(border) for border in self.borders]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Partitions":
        """From JSON that `to_document` made."""
        return cls(
            tuple(_midnight(dt.date.fromisoformat(day)) for day in document["borders"]), document["column"]
        )


def borders(grain: str, now: int) -> tuple[int, ...]:
    """Where partitions begin by `day`, `month` or `year`, seen from a moment; `none` has no borders.

    What is long ago lies in coarser partitions: before the last days (for `day`) months, before the last months
    years. So they are never more than one statement writes, whatever times the events have, and need not be known.
    """
    if grain == "none":
        return ()
    day = dt.date.fromisoformat(day_of(min(max(now, _EARLIEST), _LATEST)))
    found: list[int] = []
    if grain == "day":
        for _ in range(RECENT_DAYS):
            found.append(_midnight(day))
            day -= dt.timedelta(days=1)
    for _ in range(RECENT_MONTHS[grain]):
        found.append(_midnight(day.replace(day=1)))
        day = day.replace(day=1) - dt.timedelta(days=1)
    while len(found) < MOST - 1 and day.year >= 1970:
        found.append(_midnight(day.replace(month=1, day=1)))
        day = day.replace(month=1, day=1) - dt.timedelta(days=1)
    return tuple(reversed(found))


def day_of(time: int) -> str:
    """The day (UTC) of a moment, as ISO 8601."""
    return (dt.date(1970, 1, 1) + dt.timedelta(days=time // DAY)).isoformat()


def _midnight(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days * DAY


_EARLIEST = _midnight(dt.date(100, 1, 1))
_LATEST = _midnight(dt.date(9999, 12, 31))
