"""Schedules as AWS writes them, beside an independent reading of cron."""

import datetime as dt
import itertools
import random
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from segmentation.language import Problem
from segmentation.language.schedule import BadSchedule, Schedule, check, read_schedule


def moment(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


def test_a_rate_counts_from_the_last_time() -> None:
    assert Schedule("rate(6 hours)").next(1_000) == 1_000 + 6 * 3_600
    assert Schedule("rate(1 minute)").next(7) == 67
    assert Schedule("rate(2 days)").next(0) == 172_800


def test_after_build_has_no_moment_of_its_own() -> None:
    assert Schedule("after build").after_build
    assert Schedule("after build").next(0) is None


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("cron(0 6 * * ? *)", "America/New_York", "2024-01-01T10:59:59Z", "2024-01-01T11:00:00Z"),
        ("cron(0 6 * * ? *)", "America/New_York", "2024-01-01T11:00:00Z", "2024-01-02T11:00:00Z"),
        ("cron(30 2 * * ? *)", "America/New_York", "2024-03-10T05:00:00Z", "2024-03-10T07:00:00Z"),  # skipped
        ("cron(30 1 * * ? *)", "America/New_York", "2024-11-03T04:00:00Z", "2024-11-03T05:30:00Z"),
        ("cron(30 1 * * ? *)", "America/New_York", "2024-11-03T05:30:00Z", "2024-11-04T06:30:00Z"),  # once
        ("cron(0 0 L * ? *)", "UTC", "2024-02-01T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("cron(0 0 15W * ? *)", "UTC", "2024-06-01T00:00:00Z", "2024-06-14T00:00:00Z"),
        ("cron(0 0 1W * ? *)", "UTC", "2024-06-01T01:00:00Z", "2024-06-03T00:00:00Z"),
        ("cron(0 0 ? * 6L *)", "UTC", "2024-05-01T00:00:00Z", "2024-05-31T00:00:00Z"),
        ("cron(0 0 ? * TUE#2 *)", "UTC", "2024-05-01T00:00:00Z", "2024-05-14T00:00:00Z"),
        ("cron(0 0 ? * L *)", "UTC", "2024-05-01T00:00:00Z", "2024-05-04T00:00:00Z"),
        ("cron(0/20 8-9 ? * MON-FRI *)", "UTC", "2024-05-03T09:40:00Z", "2024-05-06T08:00:00Z"),
        ("cron(0 0 1 JAN ? 2026)", "UTC", "2024-05-03T09:40:00Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_cron_by_hand(expression: str, zone: str, after: str, expected: str) -> None:
    assert Schedule(expression, zone).next(moment(after)) == moment(expected)


def test_a_year_that_has_passed_is_never_due() -> None:
    assert Schedule("cron(0 0 1 1 ? 2020)").next(moment("2024-01-01T00:00:00Z")) is None


def test_cron_beside_another_reading() -> None:
    """Random expressions without what the two writings differ in: AWS's years, ? and days from 1."""
    rng = random.Random(4)
    zones = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"]

    def field(low: int, high: int) -> str:
        first = rng.randint(low, high)
        return rng.choice(
            ["*", str(first), f"{first}/{rng.randint(1, 9)}", f"{low}-{first}", f"{first},{high}"]
        )

    for _ in range(150):
        minute, hour, day, month = field(0, 59), field(0, 23), field(1, 28), field(1, 12)
        zone = rng.choice(zones)
        begin = dt.datetime(
            2023, rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), tzinfo=ZoneInfo(zone)
        )
        theirs = [
            int(one.timestamp())
            for one in itertools.islice(CronSim(f"{minute} {hour} {day} {month} *", begin), 20)
        ]
        schedule = Schedule(f"cron({minute} {hour} {day} {month} ? *)", zone)
        ours, after = [], int(begin.timestamp())
        for _ in range(20):
            found = schedule.next(after)
            assert found is not None
            ours.append(found)
            after = found
        assert set(_steady(ours, zone)) == set(_steady(theirs, zone)), (schedule, begin)


def _steady(moments: list[int], zone: str) -> list[int]:
    """Without days on which clocks change, where cron programs differ, and without a cut-off end."""
    tz = ZoneInfo(zone)

    def steady(moment: int) -> bool:
        offsets = {
            dt.datetime.fromtimestamp(moment + hours * 3_600, tz).utcoffset() for hours in (-27, 0, 27)
        }
        return len(offsets) == 1

    return [one for one in moments if steady(one)][:10]


@pytest.mark.parametrize(
    "expression",
    [
        "hourly",
        "rate(0 hours)",
        "rate(5 weeks)",
        "cron(0 6 * * *)",
        "cron(0 6 * * * *)",
        "cron(0 6 ? * ? *)",
        "cron(60 6 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 6 31 2 ? *)",
        "cron(0 6 ? * FUNDAY *)",
        "cron(0 6 9-3 * ? *)",
        "cron(0 6 */0 * ? *)",
        "at(2024-01-01T00:00:00)",
    ],
)
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(BadSchedule, match=r"write|is|has|there"):
        check(expression)


def test_a_document_hears_all_that_is_wrong() -> None:
    problems: list[Problem] = []
    assert read_schedule({"expression": "rate(1 hour)"}, "/schedule", "Europe/Berlin", problems) == Schedule(
        "rate(1 hour)", "Europe/Berlin"
    )
    assert problems == []
    assert (
        read_schedule({"expression": "x", "time_zone": "Mars", "often": 1}, "/schedule", "UTC", problems)
        is None
    )
    assert [one.pointer for one in problems] == ["/schedule/often", "/schedule/time_zone", "/schedule"]
    problems.clear()
    assert read_schedule(7, "/schedule", "UTC", problems) is None
    assert [one.code for one in problems] == ["bad-schedule"]
