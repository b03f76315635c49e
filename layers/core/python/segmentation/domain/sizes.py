"""How large segments were: a point for each run that computed one, and what that makes of each day."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from .run import RunRecord

KEPT_SECONDS = 1_100 * 86_400
"""How long a point is kept: three years, whatever becomes of its run."""


@dataclass(frozen=True, slots=True)
class SizePoint:
    """A segment as one run found it at its logical `now`, with who joined and left since the run before.

    A `backfill` is of a moment before other runs, and is compared with the last one before that moment.
    """

    segment: str
    run: str
    now: int
    size: int
    joined: int
    left: int
    backfill: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A segment on one day of the audience's time zone: its size at the last run of the day, and who joined and left in
    all runs of it. `backfilled`: the day has no run of its own, and this was computed later."""

    date: str
    size: int
    joined: int
    left: int
    runs: int
    backfilled: bool


def points_of(record: RunRecord) -> list[SizePoint]:
    """The points of a run: of the segments that it computed, and of carried ones that changed all the same (a profile
    that vanished leaves them too).

    Where a backfill is compared with nothing, since no run before its moment is kept, nobody knows who joined: it counts none,
    or a plot would have everybody join on that day.
    """
    known = not record.backfill or record.previous is not None
    return [
        SizePoint(
            one.id, record.run, record.now, one.size, one.joined * known, one.left * known, record.backfill
        )
        for one in record.segments
        if one.joined or one.left or (one.failed is None and one.computed == record.started)
    ]


def days_of(points: Iterable[SizePoint], time_zone: str) -> list[Day]:
    """The days with points, oldest first. Where a day has runs of its own, backfills say nothing of it."""
    zone = ZoneInfo(time_zone)
    by_date: dict[str, list[SizePoint]] = {}
    for point in points:
        date = dt.datetime.fromtimestamp(point.now, zone).date().isoformat()
        by_date.setdefault(date, []).append(point)
    days = []
    for date, found in sorted(by_date.items()):
        own = [one for one in found if not one.backfill]
        # Of backfills of one moment the latest knows best; they are not each other's successors.
        chosen = own or [max(found, key=lambda one: (one.now, one.run))]
        last = max(chosen, key=lambda one: (one.now, one.run))
        joined, left = (sum(getattr(one, side) for one in chosen) for side in ("joined", "left"))
        days.append(Day(date, last.size, joined, left, len(chosen), not own))
    return days
