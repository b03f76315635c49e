"""Rules written in Python: each expression makes the rule that it reads like, and mistakes are explained."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonlogic import Variable
from segmentation.language import Schema, Type, check_segment
from segmentation.language.sentence import sentence

from infra.author import (
    AuthoringError,
    all_of,
    any_of,
    attribute,
    behavior,
    bucket,
    define,
    normalize,
    segment,
)
from infra.author.documents import as_rule

SCHEMA = Schema(
    attributes={
        "age": Type.NUMBER,
        "income": Type.NUMBER,
        "country": Type.STRING,
        "email": Type.STRING,
        "subscribed": Type.BOOLEAN,
        "signed_up": Type.TIMESTAMP,
        "birthday": Type.DATE,
        "tags": Type.STRINGS,
        "scores": Type.NUMBERS,
    },
    behaviors={
        "purchases": {"department": Type.STRING, "price": Type.NUMBER, "brand": Type.STRING},
        "page_views": {"path": Type.STRING},
    },
)


def var(path: str) -> dict[str, str]:
    return {"var": path}


AGE, PURCHASES = var("attributes.age"), var("behaviors.purchases")
GROCERY = {"==": [var("department"), "GROCERY"]}
NEW_YEAR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

WORDS: list[tuple[Any, Any]] = [
    (attribute.age >= 18, {">=": [AGE, 18]}),
    (attribute["age"] < 65.5, {"<": [AGE, 65.5]}),
    (attribute.age >= 18, {">=": [AGE, 18]}),
    (attribute.age.between(18, 65), {"<=": [18, AGE, 65]}),
    (attribute.age.is_missing(), {"==": [AGE, None]}),
    (attribute.age.is_present(), {"!=": [AGE, None]}),
    (attribute.country == "None", {"==": [var("attributes.country"), "None"]}),
    (attribute.country.in_("US", "CA"), {"in": [var("attributes.country"), ["US", "CA"]]}),
    (attribute.country.in_({"US", "CA"}), {"in": [var("attributes.country"), ["CA", "US"]]}),
    (attribute.age.in_([1, 2]), {"in": [AGE, [1, 2]]}),
    (attribute.email.contains("@"), {"in": ["@", var("attributes.email")]}),
    (
        attribute.email.lower().ends_with(".de"),
        {"ends_with": [{"lower": [var("attributes.email")]}, ".de"]},
    ),
    (attribute.email.starts_with("a"), {"starts_with": [var("attributes.email"), "a"]}),
    (attribute.email.matches("^a+$"), {"matches": [var("attributes.email"), "^a+$"]}),
    (attribute.country.upper() != "US", {"!=": [{"upper": [var("attributes.country")]}, "US"]}),
    (attribute.signed_up.within("30d"), {"within": [var("attributes.signed_up"), "30d"]}),
    (attribute.signed_up.within("14d", "7d"), {"within": [var("attributes.signed_up"), "14d", "7d"]}),
    (
        attribute.signed_up.within(dt.timedelta(days=30), dt.timedelta(hours=12)),
        {"within": [var("attributes.signed_up"), "30d", "12h"]},
    ),
    (attribute.signed_up.older_than("1h"), {"older_than": [var("attributes.signed_up"), "1h"]}),
    (attribute.signed_up > NEW_YEAR, {">": [var("attributes.signed_up"), "2026-01-01T00:00:00+00:00"]}),
    (attribute.birthday.within_next("7d"), {"within_next": [var("attributes.birthday"), "7d"]}),
    (attribute.birthday.during("next month"), {"during": [var("attributes.birthday"), "next month"]}),
    (attribute.birthday == dt.date(2000, 2, 29), {"==": [var("attributes.birthday"), "2000-02-29"]}),
    (
        attribute.birthday.in_(dt.date(2000, 2, 29)),
        {"in": [var("attributes.birthday"), ["2000-02-29"]]},
    ),
    (attribute.age.in_(n * 10 for n in (2, 3)), {"in": [AGE, [20, 30]]}),
    ((attribute.age >= 18) & (attribute.age < 65), {"and": [{">=": [AGE, 18]}, {"<": [AGE, 65]}]}),
    (attribute.tags.contains("vip"), {"in": ["vip", var("attributes.tags")]}),
    (attribute.tags.some(lambda x: x == "vip"), {"some": [var("attributes.tags"), {"==": [var(""), "vip"]}]}),
    (attribute.scores.all(lambda x: x > 3), {"all": [var("attributes.scores"), {">": [var(""), 3]}]}),
    (attribute.scores.none(lambda x: x > 3), {"none": [var("attributes.scores"), {">": [var(""), 3]}]}),
    (attribute.tags.count() >= 2, {">=": [{"count": [var("attributes.tags")]}, 2]}),
    (
        attribute.scores.count(lambda x: x > 3) == 1,
        {"==": [{"count": [{"filter": [var("attributes.scores"), {">": [var(""), 3]}]}]}, 1]},
    ),
    (attribute.subscribed & (attribute.age > 1), {"and": [var("attributes.subscribed"), {">": [AGE, 1]}]}),
    (~attribute.subscribed, {"!": [var("attributes.subscribed")]}),
    (
        1 - attribute.age * 2 > -attribute.income,
        {">": [{"-": [1, {"*": [AGE, 2]}]}, {"-": [var("attributes.income")]}]},
    ),
    (100 / attribute.age % 7 + 1 < 5, {"<": [{"+": [{"%": [{"/": [100, AGE]}, 7]}, 1]}, 5]}),
    (
        behavior.purchases.within("30d").count() >= 3,
        {">=": [{"count": [{"within": [PURCHASES, "30d"]}]}, 3]},
    ),
    (
        behavior.purchases.filter(lambda e: e.department == "GROCERY").sum("price") > 100,
        {">": [{"sum": [{"filter": [PURCHASES, GROCERY]}, "price"]}, 100]},
    ),
    (
        behavior.purchases.where(department="GROCERY", brand=["A", "B"]).during("last month").avg("price")
        < 3,
        {
            "<": [
                {
                    "avg": [
                        {
                            "during": [
                                {
                                    "filter": [
                                        PURCHASES,
                                        {"and": [GROCERY, {"in": [var("brand"), ["A", "B"]]}]},
                                    ]
                                },
                                "last month",
                            ]
                        },
                        "price",
                    ]
                },
                3,
            ]
        },
    ),
    (
        behavior.purchases.where(lambda e: (e.price > 5) & e.time.older_than("1d")).count() == 0,
        {
            "==": [
                {
                    "count": [
                        {
                            "filter": [
                                PURCHASES,
                                {"and": [{">": [var("price"), 5]}, {"older_than": [var("time"), "1d"]}]},
                            ]
                        }
                    ]
                },
                0,
            ]
        },
    ),
    (behavior.purchases.last("brand") == "A", {"==": [{"last": [PURCHASES, "brand"]}, "A"]}),
    (
        behavior.purchases.first("time").older_than("1d"),
        {"older_than": [{"first": [PURCHASES, "time"]}, "1d"]},
    ),
    (
        behavior.purchases.max("price") > behavior.purchases.min("price"),
        {">": [{"max": [PURCHASES, "price"]}, {"min": [PURCHASES, "price"]}]},
    ),
    (
        behavior.purchases.older_than("90d").count_distinct("brand") > 2,
        {">": [{"count_distinct": [{"older_than": [PURCHASES, "90d"]}, "brand"]}, 2]},
    ),
    (
        behavior.page_views.followed_by(behavior.purchases, "3d").within("7d").count() >= 1,
        {
            ">=": [
                {
                    "count": [
                        {"within": [{"followed_by": [var("behaviors.page_views"), PURCHASES, "3d"]}, "7d"]}
                    ]
                },
                1,
            ]
        },
    ),
    (
        behavior.page_views.not_followed_by(behavior.purchases, within="1h").within("7d").count() >= 1,
        {
            ">=": [
                {
                    "count": [
                        {
                            "within": [
                                {"not_followed_by": [var("behaviors.page_views"), PURCHASES, "1h"]},
                                "7d",
                            ]
                        }
                    ]
                },
                1,
            ]
        },
    ),
    (segment("vip"), {"in": ["vip", var("segments")]}),
    (
        segment(define("vip", "V", audience="a", kind="list", description="")),
        {"in": ["vip", var("segments")]},
    ),
    (~segment("vip"), {"!": [{"in": ["vip", var("segments")]}]}),
    (bucket("spring-test") < 10, {"<": [{"bucket": ["spring-test"]}, 10]}),
    (
        (attribute.age > 1) & (attribute.age < 9) & segment("vip"),
        {"and": [{">": [AGE, 1]}, {"<": [AGE, 9]}, {"in": ["vip", var("segments")]}]},
    ),
    (
        (attribute.age > 1) | segment("vip") | segment("x"),
        {"or": [{">": [AGE, 1]}, {"in": ["vip", var("segments")]}, {"in": ["x", var("segments")]}]},
    ),
    (all_of(attribute.age > n for n in (1, 2)), {"and": [{">": [AGE, 1]}, {">": [AGE, 2]}]}),
    (
        any_of(segment("x"), segment("vip")),
        {"or": [{"in": ["x", var("segments")]}, {"in": ["vip", var("segments")]}]},
    ),
    # The package's own expressions mix with these.
    (
        (Variable("attributes.age") >= 18) & segment("x"),
        {"and": [{">=": [AGE, 18]}, {"in": ["x", var("segments")]}]},
    ),
]


@pytest.mark.parametrize(("expression", "rule"), WORDS, ids=[json.dumps(rule)[:60] for _, rule in WORDS])
def test_an_expression_makes_the_rule_that_it_reads_like(expression: Any, rule: Any) -> None:
    written = as_rule(expression)
    # Boolean columns write `var` with its path in a list or without, which is the same.
    assert json.dumps(written) == json.dumps(rule)
    document = {"id": "y", "name": "Y", "audience": "a", "kind": "batch", "rule": written}
    tree = check_segment(document, SCHEMA, "a", {"vip": "batch", "x": "batch"}).rule
    assert tree is not None
    assert sentence(tree)


MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (lambda: attribute.age == None, "None is no value; write .is_missing()"),  # noqa: E711
    (lambda: attribute.age != None, "None is no value"),  # noqa: E711
    (lambda: attribute.country.in_("US", None), "None is no value"),
    (lambda: attribute.age > 1 and attribute.age < 3, "join conditions with &"),
    (lambda: not attribute.age, "join conditions with &"),
    (lambda: 1 < attribute.age < 3, r"\.between\(a, b\)"),
    (lambda: attribute.country in ("US", "CA"), r"\.in_\(\.\.\.\) for x in"),
    (lambda: 1 if attribute.subscribed else 2, "a rule has no if"),
    (lambda: max(attribute.age, attribute.income), "Python would decide this now"),
    (lambda: attribute.age == attribute.income == 3, "Python would decide this now"),
    (lambda: behavior.purchases.where(lambda e: e.price > 5 and e.brand == "A"), "join conditions with &"),
    (lambda: attribute.country == "US" | attribute.subscribed, "put parentheses"),
    (lambda: ~attribute.age >= 18, "put parentheses around comparisons that & | ~ join"),
    (lambda: attribute.email.startswith("a"), r"no \.startswith here; write \.starts_with"),
    (lambda: attribute.email.strip() == "", "a rule does not trim text"),
    (lambda: attribute.age.betwen(1, 2), "did you mean 'between'"),
    (lambda: behavior.purchases.department == "A", r"read in where or in a figure, e\.g\. \.where\(lambda e"),
    (lambda: behavior.purchases.sum(lambda e: e.price), "sum takes the name of a column, e.g. .sum"),
    (lambda: len(behavior.purchases) > 3, r"write \.count\(\) instead of len"),
    (lambda: behavior.purchases.within(30), r'30 is no duration; write text such as "30d"'),
    (lambda: behavior.purchases.within(dt.timedelta(seconds=-1)), "is no duration"),
    (lambda: behavior.purchases.within(dt.timedelta(milliseconds=1_500)), "is no duration"),
    (lambda: attribute.country.in_([]), "the list is empty, so nobody matches"),
    (lambda: attribute[3] > 1, "a name is text, not 3"),
    (lambda: as_rule(attribute.age is None), "False is no rule .Python decides `is None` and `in` by itself"),
    (lambda: "x" in attribute.tags, r"x\.contains\(y\)"),
    (lambda: list(attribute.tags), "cannot loop"),
    (lambda: (attribute.age > 1) == True, "put parentheses"),  # noqa: E712
    (lambda: attribute.age > 1 & attribute.age, "put parentheses around comparisons"),
    (lambda: behavior.purchases >= 3, r"events are no value.*\.count\(\)"),
    (lambda: segment("x") & behavior.purchases, "events are no condition"),
    (lambda: segment("x") & True, "Python decided a comparison by itself"),
    (lambda: segment("x") & "y", "'y' is no condition"),
    (lambda: attribute.age > float("nan"), "no number"),
    (lambda: attribute.age > object(), "cannot stand in a rule"),
    (lambda: attribute.signed_up > dt.datetime(2026, 1, 1), "no time zone"),  # noqa: DTZ001
    (lambda: attribute.country.in_(attribute.tags), "in_ takes constants"),
    (lambda: attribute.country.in_([attribute.age]), "a list holds constants"),
    (lambda: segment(attribute.age), "named by its id"),
    (lambda: behavior.purchases.where(), "where needs a condition"),
    (lambda: all_of([]), "an empty group says nothing"),
    (lambda: as_rule("age >= 18"), "'age >= 18' is no rule; write a comparison"),
]


@pytest.mark.parametrize(("write", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_explained(write: Callable[[], Any], message: str) -> None:
    with pytest.raises(AuthoringError, match=message):
        write()


def test_what_the_package_writes_is_put_in_the_words_of_the_language() -> None:
    written = {"and": [{"and": [{"not": [{"==": [{"var": "a"}, 1]}]}, {"var": "b"}]}, {"or": [{"var": "c"}]}]}
    assert normalize(written) == {
        "and": [{"!": [{"==": [{"var": "a"}, 1]}]}, {"var": "b"}, {"or": [{"var": "c"}]}]
    }
