"""Refusals tell how to mend what they refuse."""

import re
from typing import Any

import pytest
from segmentation.language import (
    Problem,
    RuleError,
    Schema,
    Type,
    check_segment,
    load_rule_set,
    parse_document,
)

from tests.conformance.suite import AUDIENCE, Suite, segment, suites

SCHEMA = Schema(
    attributes={
        "age": Type.NUMBER,
        "country": Type.STRING,
        "subscribed": Type.BOOLEAN,
        "signed_up": Type.TIMESTAMP,
        "birthday": Type.DATE,
        "tags": Type.STRINGS,
    },
    behaviors={"purchases": {"department": Type.STRING, "price": Type.NUMBER, "quantity": Type.NUMBER}},
)
AGE, PURCHASES = {"var": "attributes.age"}, {"var": "behaviors.purchases"}


def said(rule: Any) -> str:
    document = {"id": "x", "name": "X", "audience": "a", "kind": "batch", "rule": rule}
    with pytest.raises(RuleError) as caught:
        check_segment(document, SCHEMA, "a", {})
    (problem,) = caught.value.problems
    return problem.message


def compared(name: str, literal: Any) -> Any:
    return {"==": [{"var": f"attributes.{name}"}, literal]}


def within(duration: Any) -> Any:
    return {"within": [{"var": "attributes.signed_up"}, duration]}


MESSAGES: list[tuple[Any, str]] = [
    # Words of other languages
    ({"equals": [AGE, 1]}, "unknown operator 'equals'; write =="),
    ({"contains": [AGE, 1]}, "unknown operator 'contains'; write {\"in\": [part, whole]}"),
    ({"between": [AGE, 1, 2]}, "unknown operator 'between'; write {\"<=\": [low, x, high]}"),
    (
        {"if": [AGE, 1, 2]},
        "unknown operator 'if'; a rule has no branches; join conditions with and, or and !",
    ),
    ({"start_with": [AGE, 1]}, "unknown operator 'start_with'; did you mean 'starts_with'?"),
    ({"within_last": [AGE, 1]}, "unknown operator 'within_last'; did you mean 'within_next'?"),
    # Names
    (
        {"==": [{"var": "age"}, 1]},
        "'age' is no path here; write attributes.NAME or behaviors.NAME; did you mean 'attributes.age'?",
    ),
    ({"==": [{"var": "attributes.agee"}, 1]}, "the audience has no attribute 'agee'; did you mean 'age'?"),
    (
        {">": [{"sum": [PURCHASES, "department"]}, 1]},
        "'sum' takes a column of type number, 'department' is a string; columns that fit: price, quantity",
    ),
    (
        {">": [{"sum": [PURCHASES, {"var": "prices"}]}, 1]},
        "behavior 'purchases' has no column {\"var\": \"prices\"}; name the column by text alone; did you mean 'price'?",
    ),
    # Literals
    (
        compared("age", "18"),
        "a number is compared with a string, '18'; both sides need one type: write 18 without quotation marks",
    ),
    (compared("age", "old"), "a number is compared with a string, 'old'; both sides need one type"),
    (
        compared("country", 49),
        'a string is compared with a number, 49; both sides need one type: write "49" in quotation marks',
    ),
    (
        compared("subscribed", "True"),
        "a boolean is compared with a string, 'True'; both sides need one type: write true without quotation marks",
    ),
    (
        compared("subscribed", 1),
        "a boolean is compared with a number, 1; both sides need one type: write true",
    ),
    (
        compared("birthday", 20260101),
        'a date is compared with a number, 20260101; both sides need one type: write "YYYY-MM-DD"',
    ),
    (
        compared("signed_up", True),
        "a timestamp is compared with a boolean, true; both sides need one type: write Unix seconds or ISO 8601",
    ),
    (
        compared("tags", "vip"),
        "a string array is compared with a string, 'vip'; an array is not compared as a whole: use some, all, none or in",
    ),
    (
        compared("signed_up", "last week"),
        "'last week' is no moment; write ISO 8601, e.g. 2026-01-31T09:00:00Z (relative to now: within, during)",
    ),
    (
        compared("age", [1]),
        '[1] is no value here; write text, a number, true, false or an expression (a list stands only in {"in": [x, [...]]})',
    ),
    (True, "true is no condition; write a comparison, a membership test or a boolean column"),
    (None, "null is no condition; write a comparison, a membership test or a boolean column"),
    # Durations
    (
        within("30 days"),
        "'30 days' is no duration; write a positive integer and one of s m h d w, at most 36,500d; did you mean '30d'?",
    ),
    (
        within("30D"),
        "'30D' is no duration; write a positive integer and one of s m h d w, at most 36,500d; did you mean '30d'?",
    ),
    (
        within(30),
        "30 is no duration; write a positive integer and one of s m h d w, at most 36,500d; did you mean '30d'?",
    ),
    (within("1.5d"), "'1.5d' is no duration; write a positive integer and one of s m h d w, at most 36,500d"),
    (
        within("99999d"),
        "'99999d' is no duration; write a positive integer and one of s m h d w, at most 36,500d",
    ),
    (
        within("3 months"),
        "'3 months' is no duration; months, quarters and years have no fixed length: write days, or a calendar period with during",
    ),
    (
        within("3M"),
        "'3M' is no duration; months, quarters and years have no fixed length: write days, or a calendar period with during",
    ),
    (
        {"within": ["30d", {"var": "attributes.signed_up"}]},
        '{"var": "attributes.signed_up"} is no duration; write a positive integer and one of s m h d w, at most 36,500d; '
        "it stands behind what it is about",
    ),
    (
        {"during": [{"var": "attributes.signed_up"}, "Last 30 days"]},
        '\'Last 30 days\' is no calendar period; write {"within": [..., "30d"]}',
    ),
    (
        {"during": [{"var": "attributes.signed_up"}, "next 3 months"]},
        "'next 3 months' is no calendar period; count in days with within, or name one period, such as last month",
    ),
    # Names as text, and names in part
    (
        {">=": ["age", 18]},
        'a string is compared with a number; did you mean {"var": "attributes.age"}?',
    ),
    (
        {">": [{"count": ["purchases"]}, 1]},
        '\'count\' takes events or an array, this is a string; did you mean {"var": "behaviors.purchases"}?',
    ),
    (
        {">": [{"count": [{"within": ["behaviors.purchases", "7d"]}]}, 1]},
        '\'within\' takes a timestamp or a date, this is a string; did you mean {"var": "behaviors.purchases"}?',
    ),
    (
        {">": [{"var": "behaviors.purchases.price"}, 1]},
        "the events of 'behaviors.purchases.price' are no value; aggregate them, e.g. with "
        '{"sum": [{"var": "behaviors.purchases"}, "price"]}',
    ),
    (
        {">": [{"sum": [{"var": "behaviors.purchases.price"}, "price"]}, 1]},
        "the audience has no behavior 'purchases.price'; a figure names the column apart, e.g. "
        '{"sum": [{"var": "behaviors.purchases"}, "price"]}',
    ),
    (
        {"some": [PURCHASES, {">": [{"var": "behaviors.purchases.price"}, 1]}]},
        "inside a filter var reads the event's columns, not the profile ('behaviors.purchases.price'); did you mean 'price'?",
    ),
    ({"AND": [AGE]}, "unknown operator 'AND'; did you mean 'and'?"),
    ({"==": [{"var": "attributes.Age"}, 1]}, "the audience has no attribute 'Age'; did you mean 'age'?"),
    # Arrays
    (
        {"some": [{"var": "attributes.tags"}, "vip"]},
        '\'vip\' is no condition; the element is {"var": ""}, e.g. {"==": [{"var": ""}, "vip"]}',
    ),
    (
        {"in": [{"var": "attributes.tags"}, ["vip"]]},
        "'in' a list takes a single value, this is a string array; "
        'write {"some": [ARRAY, {"in": [{"var": ""}, [...]]}]}',
    ),
    (
        compared("country", ["US", "CA"]),
        '["US", "CA"] is no value here; write text, a number, true, false or an expression '
        '(a list stands only in {"in": [x, [...]]})',
    ),
    # Shapes
    ({}, "the expression is empty; write an operator and its operands, e.g. a comparison"),
    (
        {">": [{"count": [PURCHASES, {"==": [{"var": "department"}, "A"]}]}, 1]},
        "'count' takes one operand, events or an array, with a condition "
        '{"count": [{"filter": [EVENTS, CONDITION]}]}, not 2 operands',
    ),
    (
        {"==": [AGE, 1], ">": [AGE, 2]},
        "an expression is an object with one operator, this one has 2: '==', '>'; join several conditions with and / or",
    ),
    (
        {"during": [{"var": "attributes.signed_up"}]},
        "'during' takes a moment and a calendar period, e.g. \"last month\", not 1 operand",
    ),
    (
        {">": [{"count": [{"filter": [PURCHASES, {"==": [{"var": "attributes.age"}, 1]}]}]}, 1]},
        "inside a filter var reads the event's columns, not the profile ('attributes.age'); join a condition on the profile to the aggregate's with and",
    ),
]


@pytest.mark.parametrize(("rule", "message"), MESSAGES, ids=[message[:60] for _, message in MESSAGES])
def test_a_message_tells_how_to_mend_it(rule: Any, message: str) -> None:
    assert said(rule) == message


MENDS = re.compile(
    r";|\bwrite\b|\btakes?\b|\bneeds?\b|\bat most\b|\bare wanted\b|\bis a JSON object\b|e\.g\.|"
    r"\bare only read as\b|\bis named by\b|\bis text of\b|\bat line \d"
)
"""What a message that only complains has none of."""


def problems_of(suite: Suite, own: tuple[Any, ...], text: str | None) -> tuple[Problem, ...]:
    try:
        documents = [parse_document(text)] if text is not None else [*suite.documents, *own]
        load_rule_set(documents, suite.schema, AUDIENCE)
    except RuleError as error:
        return error.problems
    return ()


def test_every_refused_conformance_case_says_what_to_do() -> None:
    bare = set()
    messages = 0
    for suite in suites():
        for case in suite.cases:
            if case.problems is None:
                continue
            own = case.documents if case.documents is not None else (segment("x", case.rule),)
            for problem in problems_of(suite, own, case.text):
                messages += 1
                if not MENDS.search(problem.message):
                    bare.add(f"{problem.code}: {problem.message}")
    assert messages > 150
    assert bare == set()
