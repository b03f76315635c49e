"""How large a segment was on each day, and who joined and left."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from segmentation.domain.errors import BadRequest
from segmentation.domain.sizes import Day, days_of
from segmentation.ports import Sizes

MOST_DAYS = 1_100


@dataclass(frozen=True, slots=True)
class SegmentHistory:
    """Reads the history of segments."""

    sizes: Sizes

    def __call__(self, audience: str, segment: str, time_zone: str, first: str, last: str) -> list[Day]:
        """The days from `first` to `last` (ISO 8601, both inclusive) on which a run computed the segment."""
        begin, end = _date("from", first), _date("to", last)
        if not dt.timedelta(0) <= end - begin < dt.timedelta(days=MOST_DAYS):
            raise BadRequest(f"'from' is at or before 'to', and they are less than {MOST_DAYS} days apart")
        zone = ZoneInfo(time_zone)
        since = int(dt.datetime.combine(begin, dt.time(), zone).timestamp())
        until = int(dt.datetime.combine(end + dt.timedelta(days=1), dt.time(), zone).timestamp())
        return days_of(self.sizes.of(audience, segment, max(since, 0), max(until, 0)), time_zone)


def _date(name: str, text: str) -> dt.date:
    try:
        date = dt.date.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"{name!r} is a day such as 2024-01-31") from error
    if not 1970 <= date.year < 9999:
        raise BadRequest(f"{name!r} is a day from 1970 on")
    return date
