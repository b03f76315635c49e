"""Schedules as AWS writes them."""

import datetime as dt

import pytest
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
