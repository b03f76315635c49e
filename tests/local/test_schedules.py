"""Schedules: when they fire, and that they do on a clock that is turned."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from infra.local.clock import TurnableClock
from infra.local.cloud import Cloud
from infra.local.errors import TemplateError
from infra.local.schedules import occurrences
from tests.local.support import Journal

START = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)  # a Saturday


def first(expression: str, count: int = 2, zone: str = "UTC") -> list[str]:
    return [
        moment.strftime("%Y-%m-%d %H:%M") for moment in islice(occurrences(expression, zone, START), count)
    ]


@pytest.mark.parametrize(
    ("expression", "moments"),
    [
        ("rate(5 minutes)", ["2026-01-10 12:05", "2026-01-10 12:10"]),
        ("rate(1 day)", ["2026-01-11 12:00", "2026-01-12 12:00"]),
        ("cron(0 2 * * ? *)", ["2026-01-11 02:00", "2026-01-12 02:00"]),
        ("cron(0/20 13 * * ? *)", ["2026-01-10 13:00", "2026-01-10 13:20"]),
        ("cron(0 8 ? * 2 *)", ["2026-01-12 08:00", "2026-01-19 08:00"]),  # 2 is Monday on AWS
        ("cron(0 8 ? * MON-FRI *)", ["2026-01-12 08:00", "2026-01-13 08:00"]),
        ("cron(0 8 ? * 1,7 *)", ["2026-01-11 08:00", "2026-01-17 08:00"]),  # Sunday and Saturday
        ("cron(0 8 ? * 6#2 *)", ["2026-02-13 08:00", "2026-03-13 08:00"]),  # the second Friday
        ("cron(0 8 L * ? *)", ["2026-01-31 08:00", "2026-02-28 08:00"]),
        ("cron(0 0 1 1 ? 2027-2028)", ["2027-01-01 00:00", "2028-01-01 00:00"]),
        ("cron(0 0 1 1 ? 2025)", []),
        ("at(2026-01-10T13:00:00)", ["2026-01-10 13:00"]),
        ("at(2026-01-10T11:00:00)", []),
    ],
)
def test_expressions(expression: str, moments: list[str]) -> None:
    assert first(expression) == moments


def test_time_zones() -> None:
    assert first("cron(30 2 * * ? *)", 1, "America/New_York") == ["2026-01-11 07:30"]
    assert first("at(2026-01-11T00:00:00)", 1, "America/New_York") == ["2026-01-11 05:00"]


@pytest.mark.parametrize(
    ("expression", "zone", "says"),
    [
        ("every day", "UTC", "is not a schedule"),
        ("rate(0 minutes)", "UTC", "a rate is like"),
        ("rate(5 fortnights)", "UTC", "a rate is like"),
        ("cron(0 2 * * *)", "UTC", "six fields"),
        ("cron(0 2 * * * *)", "UTC", r"wants \? as day-of-month or as day-of-week"),
        ("cron(99 2 * * ? *)", "UTC", "minute"),
        ("cron(0 2 * * ? often)", "UTC", "is not a year"),
        ("rate(1 hour)", "Mars/Olympus", "is not a time zone"),
    ],
)
def test_wrong_expressions(expression: str, zone: str, says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        occurrences(expression, zone, START)


def test_schedules_fire_when_the_clock_is_turned(
    cloud: Cloud, journal: Journal, clock: TurnableClock
) -> None:
    cloud.idle()
    assert journal.entries("ticks") == [tick for tick in journal.entries("ticks") if "fail" in tick]
    clock.turn(timedelta(hours=47))  # from 2026-01-10 00:00 to 2026-01-11 23:00
    cloud.idle()
    ticks = [tick for tick in journal.entries("ticks") if "fail" not in tick]
    assert sorted(tick["at"] for tick in ticks if "at" in tick) == [
        "2026-01-10T07:30:00Z",
        "2026-01-11T07:30:00Z",
    ]
    events = sorted((tick for tick in ticks if "source" in tick), key=lambda tick: str(tick["time"]))
    assert [event["time"] for event in events] == ["2026-01-10T20:00:00Z", "2026-01-11T16:00:00Z"]
    assert events[0]["source"] == "aws.events"
    assert events[0]["detail-type"] == "Scheduled Event"
    assert len(ticks) == 4  # and nothing from the disabled one
