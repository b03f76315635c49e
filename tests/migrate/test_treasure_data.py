"""Treasure Data's segment rules, written by hand after its schema, and what becomes of them here."""

import json
from pathlib import Path
from typing import Any

import pytest
from segmentation.domain.audience_document import parse_audience
from segmentation.language import check_segment

from infra.migrate.__main__ import main
from infra.migrate.match_logic import MatchLogicError, parse_match_logic
from infra.migrate.treasure_data import OPERATORS, Migration, Options, convert

AUDIENCE_DOCUMENT: dict[str, Any] = {
    "id": "shop",
    "name": "Shop",
    "database": "shop",
    "time_zone": "Europe/Berlin",
    "master": {"table": "customers", "key": "customer_id"},
    "identities": ["customer_id"],
    "attributes": [
        {
            "table": "customers",
            "key": "customer_id",
            "columns": {
                "age": {"type": "number"},
                "country": {"type": "string"},
                "email": {"type": "string"},
                "subscribed": {"type": "boolean"},
                "signed_up": {"type": "timestamp"},
                "birthday": {"type": "date"},
                "tags": {"type": "strings"},
                "scores": {"type": "numbers"},
            },
        }
    ],
    "behaviors": {
        "orders": {
            "table": "order_lines",
            "key": "customer_id",
            "time": "ordered_at",
            "id": ["line_id"],
            "columns": {
                "line_id": {"type": "string"},
                "category": {"type": "string"},
                "price": {"type": "number"},
                "delivered": {"type": "timestamp"},
                "labels": {"type": "strings"},
            },
        }
    },
}
AUDIENCE = parse_audience(AUDIENCE_DOCUMENT)
REFERENCES = {"1001": "vip", "1002": "staff"}
ORDERS = {"var": "behaviors.orders"}
DAY = {"unit": "day"}


def attribute(name: str) -> dict[str, str]:
    return {"var": f"attributes.{name}"}


def op(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "not": False, **more}


def no(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "not": True, **more}


def value(left: Any, operator: Any, *, exclude: bool = False, matching: Any = None) -> dict[str, Any]:
    left = {"name": left} if isinstance(left, str) else left
    return {
        "type": "Value",
        "leftValue": left,
        "operator": operator,
        "exclude": exclude,
        "arrayMatching": matching,
    }


def rule(*conditions: Any, kind: str = "And", **more: Any) -> dict[str, Any]:
    return {"type": "And", "conditions": [{"type": kind, "conditions": list(conditions), **more}]}


def figure(kind: str, filter: Any = None, window: Any = None, source: str = "orders", **more: Any) -> Any:
    aggregation = {"type": kind, **({"groupingColumns": []} if kind == "Count" else {}), **more}
    left = {"source": {"name": source}, "aggregation": aggregation, "filter": filter}
    return left if window is None else left | {"window": {"type": "TimeSliding", "duration": window}}


def column(name: str, operator: Any, matching: Any = None) -> dict[str, Any]:
    return {"type": "Column", "column": name, "operator": operator, "arrayMatching": matching}


def group(kind: str, *conditions: Any) -> dict[str, Any]:
    return {"type": kind, "conditions": list(conditions)}


def last(number: Any, unit: str = "day") -> dict[str, Any]:
    return {"last": number, "unit": unit}


def run(source: Any, **options: Any) -> Migration:
    return convert(source, AUDIENCE, Options(references=REFERENCES, **options))


def present(expression: Any) -> Any:
    return {"!=": [expression, None]}


AGE, COUNTRY, EMAIL = attribute("age"), attribute("country"), attribute("email")
SIGNED_UP, BIRTHDAY, TAGS, SCORES = (attribute(n) for n in ("signed_up", "birthday", "tags", "scores"))
CATEGORY, TIME = {"var": "category"}, {"var": "time"}
FUTURE = "36500d"

CARRIED: dict[str, tuple[Any, Any]] = {
    # Values
    "equal": (value("country", op("Equal", rightValue="DE")), {"==": [COUNTRY, "DE"]}),
    "equal-number": (value("age", op("Equal", rightValue=30)), {"==": [AGE, 30]}),
    "equal-number-as-text": (value("age", op("Equal", rightValue="30")), {"==": [AGE, 30]}),
    "equal-text-as-number": (value("country", op("Equal", rightValue=49)), {"==": [COUNTRY, "49"]}),
    "equal-boolean": (
        value("subscribed", op("Equal", rightValue=True)),
        {"==": [attribute("subscribed"), True]},
    ),
    "equal-timestamp": (
        value("signed_up", op("Equal", rightValue={"timestamp": "2026-01-31T09:00:00Z"})),
        {"==": [SIGNED_UP, "2026-01-31T09:00:00Z"]},
    ),
    "not-equal": (
        value("country", no("Equal", rightValue="DE")),
        {"and": [present(COUNTRY), {"!=": [COUNTRY, "DE"]}]},
    ),
    "is-null": (value("email", op("IsNull", rightValue="")), {"==": [EMAIL, None]}),
    "is-not-null": (value("email", no("IsNull", rightValue="")), {"!=": [EMAIL, None]}),
    "in": (value("country", op("In", rightValues=["DE", "AT"])), {"in": [COUNTRY, ["DE", "AT"]]}),
    "in-numbers": (value("age", op("In", rightValues=[1, 2.5])), {"in": [AGE, [1, 2.5]]}),
    "not-in": (
        value("country", no("In", rightValues=["DE"])),
        {"and": [present(COUNTRY), {"!": [{"in": [COUNTRY, ["DE"]]}]}]},
    ),
    "greater": (value("age", op("Greater", rightValue=18)), {">": [AGE, 18]}),
    "greater-equal": (value("age", op("GreaterEqual", rightValue=18)), {">=": [AGE, 18]}),
    "less": (value("age", op("Less", rightValue=18)), {"<": [AGE, 18]}),
    "less-equal": (value("age", op("LessEqual", rightValue=18)), {"<=": [AGE, 18]}),
    "not-less": (value("age", no("Less", rightValue=18)), {"and": [present(AGE), {"!": [{"<": [AGE, 18]}]}]}),
    "between": (
        value("age", op("Between", minValue=18, maxValue=65, rightValue=0)),
        {"<=": [18, AGE, 65]},
    ),
    "not-between": (
        value("age", no("Between", minValue=18, maxValue=65, rightValue=0)),
        {"and": [present(AGE), {"!": [{"<=": [18, AGE, 65]}]}]},
    ),
    "contain": (value("email", op("Contain", rightValues=["@example."])), {"in": ["@example.", EMAIL]}),
    "contain-any": (
        value("email", op("Contain", rightValues=["a", "b"])),
        {"or": [{"in": ["a", EMAIL]}, {"in": ["b", EMAIL]}]},
    ),
    "not-contain": (
        value("email", no("Contain", rightValues=["a", "b"])),
        {"and": [present(EMAIL), {"!": [{"or": [{"in": ["a", EMAIL]}, {"in": ["b", EMAIL]}]}]}]},
    ),
    "start-with": (value("email", op("StartWith", rightValues=["a"])), {"starts_with": [EMAIL, "a"]}),
    "end-with": (
        value("email", op("EndWith", rightValues=[".de", ".at"])),
        {"or": [{"ends_with": [EMAIL, ".de"]}, {"ends_with": [EMAIL, ".at"]}]},
    ),
    "regexp": (value("email", op("Regexp", rightValue="^[a-c]+@")), {"matches": [EMAIL, "^[a-c]+@"]}),
    "excluded": (value("country", op("Equal", rightValue="DE"), exclude=True), {"!=": [COUNTRY, "DE"]}),
    "excluded-negation": (
        value("age", no("Less", rightValue=18), exclude=True),
        {"!": [{"and": [present(AGE), {"!": [{"<": [AGE, 18]}]}]}]},
    ),
    # Moments
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
    # Arrays
    "array-any": (
        value("tags", op("Equal", rightValue="new"), matching="any"),
        {"some": [TAGS, {"==": [{"var": ""}, "new"]}]},
    ),
    "array-all": (
        value("scores", op("Greater", rightValue=3), matching="all"),
        {"all": [SCORES, {">": [{"var": ""}, 3]}]},
    ),
    "array-unsaid": (
        value("tags", op("StartWith", rightValues=["n"])),
        {"some": [TAGS, {"starts_with": [{"var": ""}, "n"]}]},
    ),
    "array-at-least": (
        value("scores", op("Less", rightValue=3), matching={"atLeast": 2}),
        {">=": [{"count": [{"filter": [SCORES, {"<": [{"var": ""}, 3]}]}]}, 2]},
    ),
    "array-at-most": (
        value("tags", op("In", rightValues=["a", "b"]), matching={"atMost": 1}),
        {"<=": [{"count": [{"filter": [TAGS, {"in": [{"var": ""}, ["a", "b"]]}]}]}, 1]},
    ),
    "array-exactly": (
        value("tags", no("Equal", rightValue="a"), matching={"exactly": 0}),
        {
            "==": [
                {"count": [{"filter": [TAGS, {"and": [present({"var": ""}), {"!=": [{"var": ""}, "a"]}]}]}]},
                0,
            ]
        },
    ),
    "array-missing": (value("tags", op("IsNull", rightValue=""), matching="any"), {"==": [TAGS, None]}),
    # Behaviors
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
    # References
    "reference": (
        {"type": "Reference", "id": "1001", "exclude": False},
        {"in": ["vip", {"var": "segments"}]},
    ),
    "reference-excluded": (
        {"type": "Reference", "id": "1002", "exclude": True},
        {"!": [{"in": ["staff", {"var": "segments"}]}]},
    ),
}


@pytest.mark.parametrize("name", CARRIED)
def test_a_condition_is_carried(name: str) -> None:
    condition, expected = CARRIED[name]
    migration = run(rule(condition))
    assert migration.problems == ()
    assert migration.document is not None
    assert migration.document["rule"] == expected
    checked = check_segment(migration.document, AUDIENCE.schema(), "shop", {"vip": "batch", "staff": "batch"})
    assert checked.rule is not None


def test_every_operator_of_the_schema_is_carried_somewhere() -> None:
    def operators(item: Any) -> set[str]:
        if isinstance(item, list):
            return {found for part in item for found in operators(part)}
        if not isinstance(item, dict):
            return set()
        inner = operators(list(item.values()))
        operator = item.get("operator")
        return inner | {operator["type"]} if isinstance(operator, dict) else inner

    assert operators([condition for condition, _ in CARRIED.values()]) == set(OPERATORS)
    assert len(CARRIED) >= 40


DE, ADULT, NEW = (
    value("country", op("Equal", rightValue="DE")),
    value("age", op("GreaterEqual", rightValue=18)),
    value("tags", op("Equal", rightValue="new"), matching="any"),
)
IS_DE, IS_ADULT, IS_NEW = (
    CARRIED_RULE[1]
    for CARRIED_RULE in (
        (DE, {"==": [COUNTRY, "DE"]}),
        (ADULT, {">=": [AGE, 18]}),
        (NEW, {"some": [TAGS, {"==": [{"var": ""}, "new"]}]}),
    )
)


class TestGroups:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (rule(DE, ADULT), {"and": [IS_DE, IS_ADULT]}),
            (rule(DE, ADULT, kind="Or"), {"or": [IS_DE, IS_ADULT]}),
            (
                {"type": "Or", "conditions": [group("And", DE, ADULT), group("And", NEW)]},
                {"or": [{"and": [IS_DE, IS_ADULT]}, IS_NEW]},
            ),
            (
                {"type": "And", "conditions": [group("And", DE), group("And", ADULT, NEW)]},
                {"and": [IS_DE, IS_ADULT, IS_NEW]},
            ),
            (
                rule(DE, ADULT, NEW, kind="Composite", expr="A AND (B OR NOT C)"),
                {"and": [IS_DE, {"or": [IS_ADULT, {"!": [IS_NEW]}]}]},
            ),
            (
                {
                    "type": "Composite",
                    "expr": "1 or 2 and 3",
                    "conditions": [group("And", DE), group("And", ADULT), group("And", NEW)],
                },
                {"or": [IS_DE, {"and": [IS_ADULT, IS_NEW]}]},
            ),
        ],
    )
    def test_groups_are_carried(self, source: Any, expected: Any) -> None:
        migration = run(source)
        assert (migration.problems, migration.document and migration.document["rule"]) == ((), expected)

    def test_a_condition_that_the_match_logic_leaves_out_is_noted(self) -> None:
        migration = run(rule(DE, ADULT, NEW, kind="Composite", expr="A and C"))
        assert migration.document is not None
        assert migration.document["rule"] == {"and": [IS_DE, IS_NEW]}
        assert ("/conditions/0/conditions/1", "unused-condition") in [
            (n.pointer, n.code) for n in migration.notes
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "a condition is missing"),
            ("A and", "a condition is missing"),
            ("(A or B", "not closed"),
            ("A B", "stands where"),
            ("A and D", "no condition 'D' among 3"),
            ("0 or 1", "no condition '0'"),
            ("A + B", "neither a condition"),
            ("AA", "no condition 'AA'"),
        ],
    )
    def test_match_logic_that_cannot_be_read_is_refused(self, text: str, message: str) -> None:
        with pytest.raises(MatchLogicError, match=message):
            parse_match_logic(text, 3)

    def test_match_logic_takes_marks_for_words(self) -> None:
        assert parse_match_logic("!(A && B) || c", 3) == ("or", [("not", [("and", [0, 1])]), 2])


REFUSED: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "everyone": ({}, [("", "empty-rule")]),
    "empty-set": (rule(), [("/conditions/0", "empty-group")]),
    "group": ({"type": "Xor", "conditions": [DE]}, [("", "unknown-group")]),
    "attribute": (
        rule(value("ages", op("Equal", rightValue=1))),
        [("/conditions/0/conditions/0/leftValue/name", "unknown-attribute")],
    ),
    "operator": (
        rule(value("age", op("Sounds", rightValue=1))),
        [("/conditions/0/conditions/0/operator", "unknown-operator")],
    ),
    "customer-group": (
        rule(value({"name": "x", "customerGroup": "g"}, op("Equal", rightValue=1))),
        [("/conditions/0/conditions/0/leftValue", "customer-group")],
    ),
    "funnel": (
        rule({"type": "FunnelStageReference", "id": "1", "exclude": False}),
        [("/conditions/0/conditions/0", "reference")],
    ),
    "ab-test": (
        rule({"type": "AbTestVariantReference", "id": "1", "exclude": False}),
        [("/conditions/0/conditions/0", "reference")],
    ),
    "score": (
        rule(
            {"type": "PredictiveScoreReference", "id": "1", "includeConvertedCustomers": True, "minGrade": 1}
        ),
        [("/conditions/0/conditions/0", "reference")],
    ),
    "ml": (
        rule({"type": "MlAttributeReference", "id": "1", "leftValue": {"attribute": "rfm_score"}}),
        [("/conditions/0/conditions/0", "reference")],
    ),
    "reference": (
        rule({"type": "Reference", "id": "77", "exclude": False}),
        [("/conditions/0/conditions/0/id", "unknown-reference")],
    ),
    "condition-limit": (
        rule(DE | {"limit": {"type": "Count", "number": 5}}),
        [("/conditions/0/conditions/0/limit", "condition-limit")],
    ),
    "match-logic": (
        rule(DE, kind="Composite", expr="A and B"),
        [("/conditions/0/expr", "match-logic")],
    ),
    "pattern": (
        rule(value("email", op("Regexp", rightValue="(a+)+$"))),
        [("/conditions/0/conditions/0/operator/rightValue", "pattern")],
    ),
    "value": (
        rule(value("age", op("Equal", rightValue="old"))),
        [("/conditions/0/conditions/0/operator/rightValue", "bad-value")],
    ),
    "values": (
        rule(value("age", op("In", rightValues=[1, "x", True]))),
        [
            ("/conditions/0/conditions/0/operator/rightValues/1", "bad-value"),
            ("/conditions/0/conditions/0/operator/rightValues/2", "bad-value"),
        ],
    ),
    "empty-list": (
        rule(value("age", op("In", rightValues=[]))),
        [("/conditions/0/conditions/0/operator/rightValues", "empty-list")],
    ),
    "text-operator": (
        rule(value("age", op("Contain", rightValues=["1"]))),
        [("/conditions/0/conditions/0/operator", "not-text")],
    ),
    "time-operator": (
        rule(value("age", {"type": "TimeToday"})),
        [("/conditions/0/conditions/0/operator", "not-a-moment")],
    ),
    "months": (
        rule(value("signed_up", {"type": "TimeWithinPast", "value": "3", "unit": "month"})),
        [("/conditions/0/conditions/0/operator", "calendar-window")],
    ),
    "hours-of-the-clock": (
        rule(value("signed_up", op("TimeRange", **{"from": {"unit": "hour"}}))),
        [("/conditions/0/conditions/0/operator/from", "no-such-period")],
    ),
    "range-into-the-future": (
        rule(
            value("signed_up", op("TimeRange", **{"from": last(1), "duration": {"day": 2}, "reverse": False}))
        ),
        [("/conditions/0/conditions/0/operator", "empty-range")],
    ),
    "matching-without-array": (
        rule(value("age", op("Equal", rightValue=1), matching={"atLeast": 1})),
        [("/conditions/0/conditions/0/arrayMatching", "no-array")],
    ),
    "behavior": (
        rule(value(figure("Count", source="clicks"), op("Equal", rightValue=1))),
        [("/conditions/0/conditions/0/leftValue/source/name", "unknown-behavior")],
    ),
    "grouping": (
        rule(
            value(
                figure("Count") | {"aggregation": {"type": "Count", "groupingColumns": ["x"]}},
                op("Equal", rightValue=1),
            )
        ),
        [("/conditions/0/conditions/0/leftValue/aggregation/groupingColumns", "grouped")],
    ),
    "several-distinct-columns": (
        rule(value(figure("CountDistinct", columns=["category", "price"]), op("Equal", rightValue=1))),
        [("/conditions/0/conditions/0/leftValue/aggregation/columns", "several-columns")],
    ),
    "order-of-first": (
        rule(value(figure("First", column="category", orderColumn="price"), op("Equal", rightValue="A"))),
        [("/conditions/0/conditions/0/leftValue/aggregation/orderColumn", "other-order")],
    ),
    "future-events": (
        rule(
            value(
                figure("Count", group("And", column("timestamp", {"type": "TimeNext", "from": DAY}))),
                op("Equal", rightValue=1),
            )
        ),
        [("/conditions/0/conditions/0/leftValue/filter/conditions/0/operator/from", "future-events")],
    ),
    "sum-of-text": (
        rule(value(figure("Sum", column="category"), op("Greater", rightValue=1))),
        [("", "type-mismatch")],
    ),
    "ordering-by-the-aggregation": (
        rule(DE)
        | {
            "limit": {
                "type": "Count",
                "number": 5,
                "orderColumns": [{"type": "Aggregation", "order": "ascending"}],
            }
        },
        [("/limit/orderColumns/0", "limit-order")],
    ),
    "everything-at-once": (
        {
            "type": "And",
            "conditions": [
                group("And", value("nope", op("Equal", rightValue=1)), DE),
                group(
                    "Or",
                    {"type": "Reference", "id": "5", "exclude": True},
                    value("age", op("Equal", rightValue="x")),
                ),
            ],
        },
        [
            ("/conditions/0/conditions/0/leftValue/name", "unknown-attribute"),
            ("/conditions/1/conditions/0/id", "unknown-reference"),
            ("/conditions/1/conditions/1/operator/rightValue", "bad-value"),
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_equal_is_refused_with_its_place(name: str) -> None:
    source, expected = REFUSED[name]
    migration = run(source)
    assert migration.document is None
    assert [(problem.pointer, problem.code) for problem in migration.problems] == expected


def notes(source: Any, **options: Any) -> set[str]:
    migration = run(source, **options)
    assert migration.document is not None
    return {note.code for note in migration.notes}


class TestDifferences:
    def test_negations_keep_the_missing_out_and_say_so(self) -> None:
        source = rule(value("country", no("Equal", rightValue="DE")))
        assert notes(source) == {"missing-kept-out"}
        assert notes(source, keep_missing_out=False) == {"missing-let-in"}
        document = run(source, keep_missing_out=False).document
        assert document is not None
        assert document["rule"] == {"!=": [COUNTRY, "DE"]}

    @pytest.mark.parametrize(
        ("condition", "code"),
        [
            (value(figure("Count"), op("Less", rightValue=3)), "nothing-is-zero"),
            (value(figure("Count", window={"day": 1}), op("Greater", rightValue=3)), "sliding-window"),
            (value("country", op("Equal", rightValue="DE"), exclude=True), "excluded"),
            (value("tags", op("Equal", rightValue="a"), matching="all"), "array-all"),
            (value("tags", op("Equal", rightValue="a")), "array-any"),
            (value("signed_up", op("Less", rightValue=last(1))), "window-border"),
            (value("signed_up", {"type": "TimeToday"}), "period-ends"),
            (value("signed_up", {"type": "TimeThis", "from": {"unit": "week"}}), "audience-zone"),
            (
                value(
                    "signed_up",
                    op("TimeRange", **{"from": last(7), "duration": {"day": 7}, "reverse": False}),
                ),
                "range-from-now",
            ),
        ],
    )
    def test_differences_are_noted(self, condition: Any, code: str) -> None:
        assert code in notes(rule(condition))

    def test_months_may_be_approximated(self) -> None:
        source = rule(value("signed_up", {"type": "TimeWithinPast", "value": "3", "unit": "month"}))
        document = run(source, approximate_months=True).document
        assert document is not None
        assert document["rule"] == {"within": [SIGNED_UP, "90d"]}
        assert "approximate-window" in notes(source, approximate_months=True)

    def test_what_is_carried_alike_has_no_notes(self) -> None:
        assert notes(rule(DE, ADULT, NEW)) == set()


class TestLimits:
    def test_a_limit_is_carried(self) -> None:
        order = [{"type": "Column", "column": "age", "order": "ascending"}]
        source = rule(DE) | {"limit": {"type": "Percent", "number": 10, "orderColumns": order}}
        document = run(source).document
        assert document is not None
        assert document["limit"] == {"percent": 10, "by": AGE, "order": "ascending"}

    def test_a_limit_without_order_draws_a_stable_share(self) -> None:
        source = rule(DE) | {"limit": {"type": "Count", "number": 100}}
        migration = run(source)
        assert migration.document is not None
        assert migration.document["limit"] == {"count": 100, "by": {"bucket": ["limit"]}}
        assert [note.code for note in migration.notes] == ["unordered-limit"]


class TestCommand:
    @pytest.fixture
    def files(self, tmp_path: Path) -> Path:
        (tmp_path / "audience.json").write_text(json.dumps(AUDIENCE_DOCUMENT))
        (tmp_path / "references.json").write_text(json.dumps(REFERENCES))
        return tmp_path

    def run(self, folder: Path, source: Any, *options: str) -> int:
        (folder / "rule.json").write_text(json.dumps(source))
        return main(
            [
                "treasure-data",
                str(folder / "rule.json"),
                "--audience",
                str(folder / "audience.json"),
                "--references",
                str(folder / "references.json"),
                "-o",
                str(folder / "out.json"),
                *options,
            ]
        )

    def test_a_segment_becomes_a_document(self, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = {"name": "Adults, Germany!", "description": "grown up", "rule": rule(DE, ADULT)}
        assert self.run(files, source) == 0
        assert json.loads((files / "out.json").read_text()) == {
            "id": "adults-germany",
            "name": "Adults, Germany!",
            "audience": "shop",
            "kind": "batch",
            "description": "grown up",
            "rule": {"and": [IS_DE, IS_ADULT]},
        }
        assert capsys.readouterr().err == ""

    def test_pointers_lead_into_the_segment(self, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = {"name": "X", "rule": rule(value("agee", op("Equal", rightValue=1)))}
        assert self.run(files, source, "--report", str(files / "report.json")) == 1
        assert not (files / "out.json").exists()
        error = capsys.readouterr().err
        assert "cannot be carried: /rule/conditions/0/conditions/0/leftValue/name" in error
        assert "did you mean 'age'?" in error
        report = json.loads((files / "report.json").read_text())
        assert [problem["code"] for problem in report["problems"]] == ["unknown-attribute"]
        assert report["notes"] == []

    def test_differences_are_told(self, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert (
            self.run(files, rule(value("age", no("Less", rightValue=1))), "--id", "old", "--name", "Old") == 0
        )
        assert (
            "differs: /conditions/0/conditions/0/operator: people whose value is missing"
            in capsys.readouterr().err
        )
        assert json.loads((files / "out.json").read_text())["id"] == "old"

    def test_files_that_cannot_be_read_are_named(
        self, files: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(files, []) == 2
        (files / "audience.json").write_text("{")
        assert self.run(files, rule(DE)) == 2
        assert "cannot start" in capsys.readouterr().err
