"""Durations, calendar periods and windows, against a calendar that is walked hour by hour."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmentation.language.times import (
    LONGEST,
    PHRASES,
    Window,
    first_second,
    local_date,
    parse_duration,
    period_bounds,
    say_duration,
    zone,
)
from segmentation.language.values import FIRST_SECOND, LAST_SECOND

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Pacific/Apia", "Asia/Kathmandu")  # fmt: skip


def instant(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("60s", 60),
        ("1m", 60),
        ("1h", 3_600),
        ("30d", 30 * 86_400),
        ("2w", 14 * 86_400),
        ("36500d", LONGEST),
        ("36501d", None),
        ("0d", None),
        ("01d", None),
        ("-1d", None),
        ("1.5d", None),
        ("1", None),
        ("d", None),
        ("1y", None),
        ("1D", None),
        ("1d ", None),
        ("1d\n", None),
        ("١d", None),
        (30, None),
        (None, None),
    ],
)
def test_durations(text: object, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@given(st.integers(1, LONGEST))
def test_a_duration_is_said_as_it_is_read(seconds: int) -> None:
    assert parse_duration(say_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("name", "day", "expected"),
    [
        ("America/New_York", "2026-03-08", "2026-03-08T05:00:00+00:00"),
        ("America/New_York", "2026-03-09", "2026-03-09T04:00:00+00:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00+00:00"),  # 00:00 is skipped: 01:00 is first
        ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00+00:00"),  # the hour before came twice
        ("America/Havana", "2018-11-04", "2018-11-04T04:00:00+00:00"),  # 00:00 comes twice: the first counts
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00+00:00"),  # the day was skipped
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00+00:00"),
        ("Asia/Kathmandu", "2026-01-01", "2025-12-31T18:15:00+00:00"),
    ],
)
def test_where_days_begin(name: str, day: str, expected: str) -> None:
    assert first_second(dt.date.fromisoformat(day), zone(name)) == instant(expected)


moments = st.integers(instant("1990-01-01T00:00:00Z"), instant("2037-01-01T00:00:00Z"))


@given(st.sampled_from(ZONES), moments)
def test_today_begins_at_the_first_second_of_its_date(name: str, now: int) -> None:
    """Walked apart from the code: the day's first second is one whose predecessor has another date."""
    low, high = period_bounds("today", now, zone(name))
    where = ZoneInfo(name)

    def date(second: int) -> dt.date:
        return dt.datetime.fromtimestamp(second, where).date()

    assert low < now <= high
    assert date(low) < date(low + 1) == date(now) == date(high) < date(high + 1)


@given(st.sampled_from(ZONES), moments, st.sampled_from(("day", "week", "month", "quarter", "year")))
def test_periods_follow_upon_each_other(name: str, now: int, unit: str) -> None:
    last, this, following = (
        period_bounds(f"{which} {unit}", now, zone(name)) for which in ("last", "this", "next")
    )
    assert last[1] == this[0] < now <= this[1] == following[0]
    where = ZoneInfo(name)
    first, end = (dt.datetime.fromtimestamp(second + 1, where) for second in this)
    if unit == "week":
        assert first.weekday() == 0 or (name, first.date()) == ("Pacific/Apia", dt.date(2011, 12, 31))
    else:
        months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
        assert months is None or (first.day == 1 and (first.month - 1) % months == 0 and end.day == 1)


@given(
    st.sampled_from(ZONES),
    moments,
    st.integers(-800 * 86_400, 800 * 86_400),
    st.sampled_from(
        [
            Window("within", 86400),
            Window("within", 604800, 3600),
            Window("older_than", 0, 86400),
            Window("within_next", 86400),
            *(Window("during", phrase=phrase) for phrase in PHRASES),
        ]
    ),
)
def test_nothing_changes_between_the_moments_of_a_window(
    name: str, now: int, distance: int, window: Window
) -> None:
    """A moment enters or leaves a window only when `moments` says so."""
    where, time = zone(name), now + distance

    def inside(at: int) -> bool:
        low, high = window.bounds(at, where)
        return (low is None or time > low) and time <= high

    for moment in window.moments(time, now, where):
        assert moment > now
    following = min(window.moments(time, now, where), default=now + 900 * 86_400)
    assert inside(following - 1) is inside(now)
    assert inside((now + following) // 2) is inside(now)


@given(st.sampled_from(ZONES), moments, st.sampled_from([phrase for phrase in PHRASES if phrase[:4] not in ("next", "tomo")]))  # fmt: skip
def test_the_reach_of_a_window_is_far_enough(name: str, now: int, phrase: str) -> None:
    window = Window("during", phrase=phrase)
    low, _ = window.bounds(now, zone(name))
    assert low is not None
    assert window.reach is not None
    assert low >= now - window.reach


def test_the_ends_of_time() -> None:
    for name in ZONES:
        for second in (FIRST_SECOND, LAST_SECOND):
            assert isinstance(local_date(second, zone(name)), dt.date)
