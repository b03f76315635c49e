"""Conditions on figures of behaviors, and what becomes of them."""

from typing import Any

from .sources import CATEGORY, ORDERS, TIME, column, figure, group, last, no, op, present, value

BEHAVIORS: dict[str, tuple[Any, Any]] = {
    "count": (value(figure("Count"), op("GreaterEqual", rightValue=3)), {">=": [{"count": [ORDERS]}, 3]}),
    "count-by-table-name": (
        value(figure("Count", source="behavior_order_lines"), op("Equal", rightValue=0)),
        {"==": [{"count": [ORDERS]}, 0]},
    ),
    "count-not-equal": (
        value(figure("Count"), no("Equal", rightValue=0)),
        {"!=": [{"count": [ORDERS]}, 0]},
    ),
    "count-excluded": (
        value(figure("Count"), op("GreaterEqual", rightValue=1), exclude=True),
        {"!": [{">=": [{"count": [ORDERS]}, 1]}]},
    ),
    "count-in-a-window": (
        value(figure("Count", window={"day": 30, "hour": 0}), op("Greater", rightValue=1)),
        {">": [{"count": [{"within": [ORDERS, "30d"]}]}, 1]},
    ),
    "count-filtered": (
        value(
            figure("Count", group("And", column("category", op("Equal", rightValue="FOOD")))),
            op("Greater", rightValue=1),
        ),
        {">": [{"count": [{"filter": [ORDERS, {"==": [CATEGORY, "FOOD"]}]}]}, 1]},
    ),
    "nested-filters": (
        value(
            figure(
                "Sum",
                group(
                    "And",
                    group(
                        "Or",
                        column("category", op("Equal", rightValue="FOOD")),
                        column("price", op("Between", minValue=1, maxValue=2, rightValue=0)),
                    ),
                    column("category", no("StartWith", rightValues=["X"])),
                ),
                column="price",
            ),
            op("Greater", rightValue=100),
        ),
        {
            ">": [
                {
                    "sum": [
                        {
                            "filter": [
                                ORDERS,
                                {
                                    "and": [
                                        {
                                            "or": [
                                                {"==": [CATEGORY, "FOOD"]},
                                                {"<=": [1, {"var": "price"}, 2]},
                                            ]
                                        },
                                        present(CATEGORY),
                                        {"!": [{"starts_with": [CATEGORY, "X"]}]},
                                    ]
                                },
                            ]
                        },
                        "price",
                    ]
                },
                100,
            ]
        },
    ),
    "time-filters-become-windows": (
        value(
            figure(
                "Count",
                group(
                    "And",
                    column("timestamp", {"type": "TimeWithinPast", "value": "30", "unit": "day"}),
                    column("category", op("In", rightValues=["A"])),
                    column("ordered_at", {"type": "TimeThis", "from": {"unit": "year"}}),
                ),
            ),
            op("GreaterEqual", rightValue=1),
        ),
        {
            ">=": [
                {
                    "count": [
                        {
                            "during": [
                                {"within": [{"filter": [ORDERS, {"in": [CATEGORY, ["A"]]}]}, "30d"]},
                                "this year",
                            ]
                        }
                    ]
                },
                1,
            ]
        },
    ),
    "time-filters-since": (
        value(
            figure("Count", group("And", column("timestamp", op("GreaterEqual", rightValue=last(3))))),
            op("GreaterEqual", rightValue=1),
        ),
        {">=": [{"count": [{"within": [ORDERS, "3d"]}]}, 1]},
    ),
    "time-filters-under-or-stay": (
        value(
            figure(
                "Count",
                group(
                    "Or",
                    column("timestamp", op("Less", rightValue=last(3))),
                    column("timestamp", no("Between", minValue=last(2), maxValue=last(1))),
                ),
            ),
            op("GreaterEqual", rightValue=1),
        ),
        {
            ">=": [
                {
                    "count": [
                        {
                            "filter": [
                                ORDERS,
                                {
                                    "or": [
                                        {"older_than": [TIME, "3d"]},
                                        {"!": [{"within": [TIME, "2d", "1d"]}]},
                                    ]
                                },
                            ]
                        }
                    ]
                },
                1,
            ]
        },
    ),
    "filter-on-an-array": (
        value(
            figure("Count", group("And", column("labels", op("Equal", rightValue="x"), "any"))),
            op("GreaterEqual", rightValue=1),
        ),
        {
            ">=": [
                {"count": [{"filter": [ORDERS, {"some": [{"var": "labels"}, {"==": [{"var": ""}, "x"]}]}]}]},
                1,
            ]
        },
    ),
    "count-distinct": (
        value(figure("CountDistinct", columns=["category"]), op("GreaterEqual", rightValue=2)),
        {">=": [{"count_distinct": [ORDERS, "category"]}, 2]},
    ),
    "min": (
        value(figure("Min", column="price"), op("Less", rightValue=5)),
        {"<": [{"min": [ORDERS, "price"]}, 5]},
    ),
    "max-of-time": (
        value(figure("Max", column="delivered"), {"type": "TimeWithinPast", "value": "1", "unit": "day"}),
        {"within": [{"max": [ORDERS, "delivered"]}, "1d"]},
    ),
    "average": (
        value(figure("Average", column="price"), no("Less", rightValue=5)),
        {
            "and": [
                present({"avg": [ORDERS, "price"]}),
                {"!": [{"<": [{"avg": [ORDERS, "price"]}, 5]}]},
            ]
        },
    ),
    "first": (
        value(figure("First", column="category", orderColumn="timestamp"), op("Equal", rightValue="FOOD")),
        {"==": [{"first": [ORDERS, "category"]}, "FOOD"]},
    ),
    "last": (
        value(figure("Last", column="category", orderColumn="time"), op("In", rightValues=["A", "B"])),
        {"in": [{"last": [ORDERS, "category"]}, ["A", "B"]]},
    ),
}
