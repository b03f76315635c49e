"""Rules in plain English: golden sentences over the whole language, and over the rules that are committed.

After a change of wording: look at the difference, then write the new text into `sentences.json` or
`segment_sentences.json`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from segmentation.domain.audience_document import parse_audience
from segmentation.language import RuleSet, Schema, Type, check_segment, load_rule_set
from segmentation.language.operators import OPERATORS
from segmentation.language.sentence import Names, outline, segment_outline, segment_sentence, sentence
from segmentation.language.tree import Node

HERE = Path(__file__).parent
RULES = HERE.parents[2] / "rules"
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
        "purchases": {
            "department": Type.STRING,
            "brand": Type.STRING,
            "sales_value": Type.NUMBER,
            "quantity": Type.NUMBER,
            "basket_id": Type.STRING,
            "shipped": Type.DATE,
            "gift": Type.BOOLEAN,
        },
        "page_views": {"path": Type.STRING},
        "deliveries": {},
    },
    time_zone="America/New_York",
)
NAMES = Names(segments={"vip": "Very important"})
CASES = json.loads((HERE / "sentences.json").read_text(encoding="utf-8"))


def tree(rule: Any) -> Node:
    document = {"id": "x", "name": "X", "audience": "a", "kind": "batch", "rule": rule}
    checked = check_segment(document, SCHEMA, "a", {"vip": "batch", "staff": "batch"}).rule
    assert checked is not None
    return checked


def demo_rules() -> RuleSet:
    audience = json.loads((RULES / "audiences" / "complete-journey.json").read_text(encoding="utf-8"))
    documents = [
        json.loads(p.read_text(encoding="utf-8")) for p in sorted((RULES / "segments").glob("*.json"))
    ]
    return load_rule_set(documents, parse_audience(audience).schema(), "complete-journey")


@pytest.mark.parametrize("case", CASES, ids=[json.dumps(case["rule"])[:70] for case in CASES])
def test_a_rule_is_said_in_plain_english(case: dict[str, Any]) -> None:
    rule = tree(case["rule"])
    assert sentence(rule, SCHEMA.time_zone, NAMES) == case["says"]
    lines = [str(line) for line in outline(rule, SCHEMA.time_zone, NAMES)]
    assert lines == case.get("lines", [case["says"]])


def test_every_operator_is_said_somewhere() -> None:
    said = {node.op for case in CASES for node in tree(case["rule"]).walk()}
    assert said >= OPERATORS.keys()


def test_the_committed_segments_read_as_they_should() -> None:
    rule_set = demo_rules()
    names = Names(segments={segment.id: segment.name for segment in rule_set})
    golden = json.loads((HERE / "segment_sentences.json").read_text(encoding="utf-8"))
    assert {s.id: segment_sentence(s, rule_set.schema.time_zone, names) for s in rule_set} == golden


def test_names_that_people_give_are_used() -> None:
    rule = tree(
        {
            "and": [
                {">": [{"var": "attributes.age"}, 3]},
                {"==": [{"count": {"var": "behaviors.page_views"}}, 0]},
            ]
        }
    )
    names = Names(attributes={"age": "age in years"}, behaviors={"page_views": "visits of pages"})
    assert sentence(rule, "UTC", names) == "has no visits of pages, and age in years is more than 3"


def test_a_list_and_a_limit_are_said() -> None:
    def said(**fields: Any) -> str:
        document = {"id": "x", "name": "X", "audience": "a", **fields}
        segment = check_segment(document, SCHEMA, "a", {})
        sentence = segment_sentence(segment)
        assert "; ".join(map(str, segment_outline(segment))) == sentence
        return sentence

    rule = {">": [{"var": "attributes.age"}, 3]}
    by = {"sum": [{"var": "behaviors.purchases"}, "sales_value"]}
    assert said(kind="list") == "is on the uploaded list"
    assert said(kind="batch", rule=rule, limit={"count": 1500, "by": by}) == (
        "age is more than 3; of these only the 1,500 with the highest total sales value of purchases"
    )
    assert said(kind="batch", rule=rule, limit={"percent": 2.5, "by": by, "order": "ascending"}) == (
        "age is more than 3; of these only the 2.5% with the lowest total sales value of purchases"
    )
