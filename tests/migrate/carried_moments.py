"""Conditions on moments, and what becomes of them."""

from typing import Any

from .sources import BIRTHDAY, DAY, FUTURE, SIGNED_UP, last, no, op, present, value

MOMENTS: dict[str, tuple[Any, Any]] = {
    "greater-timestamp": (
        value("signed_up", op("Greater", rightValue={"timestamp": "2026-01-31"})),
        {">": [SIGNED_UP, "2026-01-31"]},
    ),
    "between-timestamps": (
        value(
            "signed_up",
            op(
                "Between",
                minValue={"timestamp": "1767225600"},
                maxValue={"timestamp": "2026-02-01T00:00:00Z"},
            ),
        ),
        {"<=": [1767225600, SIGNED_UP, "2026-02-01T00:00:00Z"]},
    ),
    "less-than-days-ago": (
        value("signed_up", op("Less", rightValue=last(30))),
        {"older_than": [SIGNED_UP, "30d"]},
    ),
    "greater-than-days-ago": (
        value("signed_up", op("GreaterEqual", rightValue=last(2, "hour"))),
        {"or": [{"within": [SIGNED_UP, "2h"]}, {"within_next": [SIGNED_UP, FUTURE]}]},
    ),
    "ago-in-parts": (
        value("signed_up", op("LessEqual", rightValue=last({"day": 1, "hour": 12}))),
        {"older_than": [SIGNED_UP, "36h"]},
    ),
    "between-days-ago": (
        value("signed_up", op("Between", minValue=last(14), maxValue=last(7))),
        {"within": [SIGNED_UP, "14d", "7d"]},
    ),
    "not-between-days-ago": (
        value("signed_up", no("Between", minValue=last(14), maxValue=last(7))),
        {"and": [present(SIGNED_UP), {"!": [{"within": [SIGNED_UP, "14d", "7d"]}]}]},
    ),
    "between-a-moment-and-days-ago": (
        value("signed_up", op("Between", minValue={"timestamp": "2026-01-01"}, maxValue=last(1, "week"))),
        {"and": [{"<=": ["2026-01-01", SIGNED_UP]}, {"older_than": [SIGNED_UP, "7d"]}]},
    ),
    "within-past": (
        value("signed_up", {"type": "TimeWithinPast", "value": "7", "unit": "day"}),
        {"within": [SIGNED_UP, "7d"]},
    ),
    "within-next": (
        value("birthday", {"type": "TimeWithinNext", "value": "2", "unit": "week"}),
        {"within_next": [BIRTHDAY, "14d"]},
    ),
    "between-next": (
        value("birthday", op("TimeInBetweenNext", **{"from": {"next": 3, **DAY}, "to": {"next": 7, **DAY}})),
        {"and": [{"within_next": [BIRTHDAY, "7d"]}, {"!": [{"within_next": [BIRTHDAY, "3d"]}]}]},
    ),
    "today": (value("birthday", {"type": "TimeToday"}), {"during": [BIRTHDAY, "today"]}),
    "this-month": (
        value("birthday", {"type": "TimeThis", "from": {"unit": "month"}}),
        {"during": [BIRTHDAY, "this month"]},
    ),
    "next-day": (value("birthday", {"type": "TimeNext", "from": DAY}), {"during": [BIRTHDAY, "tomorrow"]}),
    "next-quarter": (
        value("birthday", {"type": "TimeNext", "from": {"unit": "quarter"}}),
        {"during": [BIRTHDAY, "next quarter"]},
    ),
    "last-week": (
        value("signed_up", op("TimeRange", **{"from": {"unit": "week"}})),
        {"during": [SIGNED_UP, "last week"]},
    ),
    "range": (
        value("signed_up", op("TimeRange", **{"from": last(14), "duration": {"day": 7}, "reverse": False})),
        {"within": [SIGNED_UP, "14d", "7d"]},
    ),
    "range-up-to-now": (
        value("signed_up", op("TimeRange", **{"from": last(7), "duration": {"week": 1}, "reverse": False})),
        {"within": [SIGNED_UP, "7d"]},
    ),
    "range-reversed": (
        value("signed_up", op("TimeRange", **{"from": last(1), "duration": {"hour": 6}, "reverse": True})),
        {"within": [SIGNED_UP, "30h", "1d"]},
    ),
}
