"""Attributes that events set: one meaning in every reading, the latest by event time."""

import json
from typing import Any

import pytest
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.profile import Profile
from segmentation.domain.programs import Programs
from segmentation.domain.published import parse_published
from segmentation.language import RuleError
from segmentation.usecases.collect_calls import CallRequest, CollectCalls

from tests.fakes import MemoryEventLog
from tests.fakes.documents import documents
from tests.fakes.doors import NOW, make_door


def document(*rules: Any) -> dict[str, Any]:
    made = documents()
    made["audience"]["behaviors"]["traits"] = {
        "source": "events",
        "columns": {
            "plan": {"type": "string"},
            "seats": {"type": "number"},
            "trial": {"type": "boolean"},
            "tags": {"type": "strings"},
            "country": {"type": "string"},
        },
    }
    made["audience"]["calls"] = {"user_id": "person_id", "identify": {"behavior": "traits"}}
    made["audience"]["event_attributes"] = {"traits": ["plan", "seats", "trial"]}
    made["segments"] = [
        {"id": f"s{number}", "name": "s", "audience": "shop", "kind": "realtime", "rule": rule}
        for number, rule in enumerate(rules)
    ]
    made["access"], made["destinations"] = {}, []
    return made


PRO = {"==": [{"var": "attributes.plan"}, "pro"]}
KNOWN = {"filter": [{"var": "behaviors.traits"}, {"!=": [{"var": "plan"}, None]}]}


def test_it_is_the_rule_that_asks_for_the_latest_value() -> None:
    written_out = {"==": [{"last": [KNOWN, "plan"]}, "pro"]}
    short, long = parse_published(document(PRO, written_out)).rules
    assert short.rule == long.rule


@pytest.mark.parametrize(
    ("said", "members"),
    [
        ([], {"s1", "s3"}),
        ([(0, {"plan": "pro", "trial": True})], {"s0", "s2", "s3"}),
        ([(0, {"plan": "pro"}), (60, {"plan": "free"})], {"s1", "s3"}),
        ([(60, {"plan": "pro"}), (0, {"plan": "free"})], {"s0", "s3"}),  # event time decides, not arrival
        ([(0, {"plan": "pro"}), (60, {"seats": 7})], {"s0"}),  # an event without a plan says nothing of it
        ([(0, {"plan": "pro"}), (60, {"plan": 3})], {"s0", "s3"}),  # nor does one of another type
    ],
)
def test_identify_sets_them(said: list[tuple[int, dict[str, Any]]], members: set[str]) -> None:
    rules = (
        PRO,
        {"!": [PRO]},
        {"==": [{"var": "attributes.trial"}, True]},
        {"==": [{"var": "attributes.seats"}, None]},
    )
    made, log = document(*rules), MemoryEventLog()
    made["access"] = {"write_keys": documents()["access"]["write_keys"]}
    collect = CollectCalls(make_door(log, **made))
    for seconds, traits in said:
        call = {"userId": 1, "writeKey": "write-key", "traits": traits, "timestamp": NOW - 100 + seconds}
        collect(CallRequest("identify", json.dumps(call).encode()))
    published = parse_published(made)
    visitor = Programs().visitor_at(published, "person_id:1", Profile(), NOW, log.events)
    assert visitor.members == members


def test_what_cannot_be_set_is_said_with_its_place() -> None:
    made = document()
    made["audience"]["event_attributes"] = {
        "traits": ["tags", "country", "plam", "plan", "plan"],
        "trait": ["plan"],
    }
    with pytest.raises(RuleError) as caught:
        parse_audience(made["audience"])
    assert [(one.pointer, one.code) for one in caught.value.problems] == [
        ("/event_attributes/traits/4", "duplicate"),
        ("/event_attributes/traits/0", "type-mismatch"),
        ("/event_attributes/traits/1", "duplicate"),
        ("/event_attributes/traits/2", "unknown-column"),
        ("/event_attributes/traits/4", "duplicate"),
        ("/event_attributes/trait", "unknown-behavior"),
    ]


def test_a_token_does_not_expose_them() -> None:
    made = document()
    token = {"id": "t", "sha256": "0" * 64, "key_column": "person_id", "attributes": ["plan"]}
    made["access"] = {"tokens": [token]}
    with pytest.raises(RuleError, match="unknown attribute 'plan'"):
        parse_published(made)
