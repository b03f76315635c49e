"""How a behavior's events are divided by time, so that a query reads only the part that its windows reach.

A table has one more column, a date: the first day (UTC) of the event's partition. Partitions are given by their
borders alone, so they may be as fine as one likes where it pays and coarse elsewhere; what lies before the first
border is one partition. A partition never begins after its events, so a lower bound of the events is one of the
partitions too, and no event can be lost, however the borders were chosen.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DAY = 86_400
BEFORE_ALL = "0001-01-01"
"""The partition before the first border."""
MOST = 100
"""Partitions that one statement of Athena writes."""
RECENT_DAYS = 40
"""With days as partitions: how many of the last ones; before them months stand."""


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
        return cls(tuple(_midnight(day) for day in document["borders"]), document["column"])


def borders(grain: str, first: int, last: int) -> tuple[int, ...]:
    """Where partitions begin for events from `first` to `last`, by `day`, `month` or `year`.

    The newest ones, as many as a statement writes; days only for the last ones, with months before them.
    """
    found: list[int] = []
    for start in _starts(grain, min(max(last, _EARLIEST), _LATEST)):
        found.append(start)
        if start <= first or len(found) == MOST - 1:
            break
    return tuple(reversed(found))


def _starts(grain: str, last: int) -> Iterator[int]:
    """Beginnings of partitions from that of `last` back."""
    day = dt.date.fromisoformat(day_of(last))
    if grain == "day":
        for _ in range(RECENT_DAYS):
            yield _midnight(day.isoformat())
            day -= dt.timedelta(days=1)
    while day.year > 1:
        day = day.replace(month=1, day=1) if grain == "year" else day.replace(day=1)
        yield _midnight(day.isoformat())
        day -= dt.timedelta(days=1)


def day_of(time: int) -> str:
    """The day (UTC) of a moment, as ISO 8601."""
    return (dt.date(1970, 1, 1) + dt.timedelta(days=time // DAY)).isoformat()


def _midnight(day: str) -> int:
    return (dt.date.fromisoformat(day) - dt.date(1970, 1, 1)).days * DAY


_EARLIEST = _midnight("0010-01-01")
_LATEST = _midnight("9999-12-31")
