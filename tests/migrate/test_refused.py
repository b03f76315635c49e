"""What has no equal is refused with its place; what is carried with a difference says so."""

from typing import Any

import pytest

from .sources import (
    ADULT,
    COUNTRY,
    DAY,
    DE,
    NEW,
    SIGNED_UP,
    column,
    figure,
    group,
    last,
    no,
    op,
    rule,
    run,
    value,
)

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
        [("/conditions/0/conditions/0/leftValue/aggregation/column", "type-mismatch")],
    ),
    "order-of-booleans": (
        rule(value("subscribed", op("Greater", rightValue=False))),
        [("/conditions/0/conditions/0/operator", "not-ordered")],
    ),
    "a-number-with-underscores": (
        rule(value("age", op("Equal", rightValue="1_000"))),
        [("/conditions/0/conditions/0/operator/rightValue", "bad-value")],
    ),
    "milliseconds": (
        rule(value("signed_up", op("Greater", rightValue={"timestamp": "1767225600000"}))),
        [("/conditions/0/conditions/0/operator/rightValue", "bad-value")],
    ),
    "a-flag-as-text": (
        rule(value("age", {"type": "Equal", "rightValue": 1, "not": "false"}) | {"exclude": 0}),
        [
            ("/conditions/0/conditions/0/operator/not", "bad-flag"),
            ("/conditions/0/conditions/0/exclude", "bad-flag"),
        ],
    ),
    "unknown-fields": (
        {
            "type": "And",
            "conditions": [
                group("And", DE | {"negate": True}) | {"minimum": 1},
                group(
                    "And",
                    value({"name": "age", "table": "x"}, op("Equal", rightValue=1, ignoreCase=True)),
                    value(
                        figure("Count", window={"day": 1}) | {"sample": 1},
                        op("Equal", rightValue=1, rightValues=[2]),
                    ),
                    {"type": "Reference", "id": "1001", "exclude": False, "asOf": "2026-01-01"},
                ),
            ],
            "limit": {"type": "Count", "number": 5, "offset": 10},
            "having": {},
        },
        [
            ("/having", "unknown-field"),
            ("/conditions/0/minimum", "unknown-field"),
            ("/conditions/0/conditions/0/negate", "unknown-field"),
            ("/conditions/1/conditions/0/leftValue/table", "unknown-field"),
            ("/conditions/1/conditions/0/operator/ignoreCase", "unknown-field"),
            ("/conditions/1/conditions/1/leftValue/sample", "unknown-field"),
            ("/conditions/1/conditions/1/operator/rightValues", "unknown-field"),
            ("/conditions/1/conditions/2/asOf", "unknown-field"),
            ("/limit/offset", "unknown-field"),
        ],
    ),
    "limit-of-more-than-all": (
        rule(DE) | {"limit": {"type": "Percent", "number": 110}},
        [("/limit/number", "bad-limit")],
    ),
    "kind-of-limit": (
        rule(DE) | {"limit": {"type": "Top", "number": 5}},
        [("/limit/type", "unknown-limit")],
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

    def test_the_description_of_a_group_is_left_out(self) -> None:
        assert notes(rule(DE, description="Germans")) == {"description-left-out"}

    def test_months_may_be_approximated(self) -> None:
        source = rule(value("signed_up", {"type": "TimeWithinPast", "value": "3", "unit": "month"}))
        document = run(source, approximate_months=True).document
        assert document is not None
        assert document["rule"] == {"within": [SIGNED_UP, "90d"]}
        assert "approximate-window" in notes(source, approximate_months=True)

    def test_what_is_carried_alike_has_no_notes(self) -> None:
        assert notes(rule(DE, ADULT, NEW)) == set()
