"""Conditions on attributes and on segments, and what becomes of them."""

from typing import Any

from .sources import AGE, COUNTRY, EMAIL, SCORES, SIGNED_UP, TAGS, attribute, no, op, present, value

VALUES: dict[str, tuple[Any, Any]] = {
    "equal": (value("country", op("Equal", rightValue="DE")), {"==": [COUNTRY, "DE"]}),
    "equal-number": (value("age", op("Equal", rightValue=30)), {"==": [AGE, 30]}),
    "equal-number-as-text": (value("age", op("Equal", rightValue="30")), {"==": [AGE, 30]}),
    "equal-text-as-number": (value("country", op("Equal", rightValue=49)), {"==": [COUNTRY, "49"]}),
    "equal-text-as-a-long-number": (
        value("country", op("Equal", rightValue=12345678)),
        {"==": [COUNTRY, "12345678"]},
    ),
    "in-text-as-numbers": (
        value("country", op("In", rightValues=[7.5, 1000000.0])),
        {"in": [COUNTRY, ["7.5", "1000000"]]},
    ),
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
}

ARRAYS: dict[str, tuple[Any, Any]] = {
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
}

REFERENCED: dict[str, tuple[Any, Any]] = {
    "reference": (
        {"type": "Reference", "id": "1001", "exclude": False},
        {"in": ["vip", {"var": "segments"}]},
    ),
    "reference-excluded": (
        {"type": "Reference", "id": "1002", "exclude": True},
        {"!": [{"in": ["staff", {"var": "segments"}]}]},
    ),
}
