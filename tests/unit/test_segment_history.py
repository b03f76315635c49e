"""What a day is, and what backfills say of it."""

from dataclasses import replace

import pytest
from segmentation.domain.errors import BadRequest
from segmentation.domain.run import RunRecord, SegmentCount
from segmentation.domain.sizes import Day, SizePoint, points_of
from segmentation.usecases.segment_history import SegmentHistory

from tests.fakes import MemorySizes

NOON = 1_704_128_400  # 2024-01-01T17:00:00Z, noon in New York
HOUR, DAY = 3_600, 86_400


def history(*points: SizePoint, first: str = "2023-12-01", last: str = "2024-02-01") -> list[Day]:
    sizes = MemorySizes()
    sizes.add("shop", points, NOON)
    return SegmentHistory(sizes)("shop", "s", "America/New_York", first, last)


def point(
    now: int, size: int, joined: int, left: int, *, backfill: bool = False, run: str = "r"
) -> SizePoint:
    return SizePoint("s", run, now, size, joined, left, backfill)


def test_a_day_is_of_the_time_zone_and_sums_its_runs() -> None:
    late = point(NOON + 11 * HOUR, 7, 3, 0)  # 23:00 in New York, the next day in London
    assert history(point(NOON, 4, 4, 0), late, point(NOON + 13 * HOUR, 6, 1, 2)) == [
        Day("2024-01-01", 7, 7, 0, 2, False),
        Day("2024-01-02", 6, 1, 2, 1, False),
    ]
    assert history(point(NOON, 4, 4, 0), late, last="2023-12-31") == []
    assert len(history(point(NOON, 4, 4, 0), late, first="2024-01-01", last="2024-01-01")) == 1


def test_a_backfill_speaks_only_for_days_without_a_run() -> None:
    own, other = point(NOON, 4, 4, 0), point(NOON + 2 * DAY, 9, 5, 0)
    filled = point(NOON + DAY, 6, 2, 0, backfill=True, run="r1")
    again = point(NOON + DAY, 5, 1, 0, backfill=True, run="r2")
    besides = point(NOON + HOUR, 100, 100, 0, backfill=True)
    assert history(own, other, filled, again, besides) == [
        Day("2024-01-01", 4, 4, 0, 1, False),
        Day("2024-01-02", 5, 1, 0, 1, True),
        Day("2024-01-03", 9, 5, 0, 1, False),
    ]


def test_points_are_of_what_a_run_computed_or_changed() -> None:
    def count(name: str, computed: int, joined: int = 0, failed: str | None = None) -> SegmentCount:
        return SegmentCount(name, name, "batch", 3, joined, 0, "v", NOON, computed, failed=failed)

    segments = (
        count("fresh", NOON),
        count("carried", NOON - DAY),
        count("carried-changed", NOON - DAY, 1),
        count("broken", NOON, failed="x"),
    )
    record = RunRecord("r", "shop", NOON, NOON, NOON, "v", "v", 3, segments, (), backfill=True, previous="r0")
    assert [(one.segment, one.joined, one.backfill) for one in points_of(record)] == [
        ("fresh", 0, True),
        ("carried-changed", 1, True),
    ]


def test_a_backfill_that_nothing_is_compared_with_has_nobody_join() -> None:
    segment = SegmentCount("s", "s", "batch", 50_000, 50_000, 0, "v", NOON, NOON)
    record = RunRecord("r", "shop", NOON, NOON, NOON, "v", "v", 90_000, (segment,), (), backfill=True)
    assert points_of(record) == [point(NOON, 50_000, 0, 0, backfill=True)]
    first = replace(record, backfill=False)  # the first run of all: they are new
    assert points_of(first) == [point(NOON, 50_000, 50_000, 0)]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2024-01-02", "2024-01-01"),
        ("x", "2024-01-01"),
        ("1960-01-01", "1960-01-02"),
        ("1990-01-01", "2024-01-01"),
    ],
)
def test_days_that_are_none_are_said(first: str, last: str) -> None:
    with pytest.raises(BadRequest, match="'from'"):
        history(first=first, last=last)
