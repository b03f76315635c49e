"""Edits of real-time segments: what answers until the new version is computed, and when it need not be."""

from dataclasses import replace
from typing import Any

import pytest
from segmentation.domain.errors import Refused
from segmentation.domain.fill import Fill, Step
from segmentation.domain.programs import compiled
from segmentation.domain.published import number_of
from segmentation.domain.rulebook import Edit
from segmentation.usecases.edit_rules import Author, EditRules

from tests.fakes import FixedClock
from tests.fakes.edited_rules import Rules, count, events, segment


@pytest.fixture
def rules() -> Rules:
    made = Rules()
    made.publish(segment("s", count("7d", 3)), segment("adults", {">=": [{"var": "attributes.age"}, 18]}))
    return made


def test_the_first_rules_answer_at_once(rules: Rules) -> None:
    assert dict(rules.read().standing) == {}


@pytest.mark.parametrize(
    ("rule", "pending"),
    [
        (count("7d", 4), True),
        (count("8d", 3), True),
        (count("7d", 3, "a"), True),
        ({">": [{"sum": [{"within": [events(), "7d"]}, "amount"]}, 1]}, True),
        (count("7d", 2), False),
        (count("1d", 3), False),
        ({"or": [count("7d", 3), {"==": [{"var": "attributes.country"}, "DE"]}]}, False),
        ({"==": [{"var": "attributes.country"}, "DE"]}, False),
        ({"in": ["adults", {"var": "segments"}]}, False),
    ],
)
def test_a_version_waits_if_it_needs_events_that_were_not_kept(
    rules: Rules, rule: Any, pending: bool
) -> None:
    old = segment("s", count("7d", 3))
    adults = segment("adults", {">=": [{"var": "attributes.age"}, 18]})
    published = rules.publish(segment("s", rule), adults)
    assert dict(published.standing) == ({"s": old} if pending else {})
    read = rules.read()
    answering = {one.id: one.version for one in read.answering}
    wanted = {one.id: one.version for one in read.rules}
    assert (answering["s"] != wanted["s"]) == pending
    # The events of both are kept from now on, as long as both are wanted.
    assert {"s", "adults"} <= compiled(read).names


def test_a_new_segment_and_one_that_asks_for_it_have_nobody_until_then(rules: Rules) -> None:
    s, adults = segment("s", count("7d", 3)), segment("adults", {">=": [{"var": "attributes.age"}, 18]})
    new = segment("new", count("30d", 1))
    asking = segment("asking", {"in": ["new", {"var": "segments"}]})
    batch = segment("batch", {"in": ["new", {"var": "segments"}]}, "batch")
    published = rules.publish(s, adults, new, asking, batch)
    assert dict(published.standing) == {"new": None, "asking": None}
    assert {one.id for one in published.rules} == {"s", "adults", "new", "asking", "batch"}


def test_an_edit_that_is_taken_back_waits_for_nothing(rules: Rules) -> None:
    s, adults = segment("s", count("7d", 3)), segment("adults", {">=": [{"var": "attributes.age"}, 18]})
    assert rules.publish(segment("s", count("7d", 9)), adults).standing
    assert not rules.publish(s, adults).standing


def test_a_second_edit_keeps_what_answers(rules: Rules) -> None:
    s, adults = segment("s", count("7d", 3)), segment("adults", {">=": [{"var": "attributes.age"}, 18]})
    rules.publish(segment("s", count("7d", 9)), adults)
    published = rules.publish(segment("s", count("30d", 9)), adults)
    assert dict(published.standing) == {"s": s}


def test_what_an_old_version_still_needs_cannot_be_taken_away(rules: Rules) -> None:
    adults = segment("adults", {">=": [{"var": "attributes.age"}, 18]})
    rules.publish(segment("s", {"and": [count("7d", 3), {"in": ["adults", {"var": "segments"}]}]}), adults)
    with pytest.raises(Refused, match="answers by its version before until the new one is computed"):
        rules.publish(segment("s", count("9d", 3)))


def test_versions_are_counted(rules: Rules) -> None:
    first = rules.read()
    second = rules.publish(segment("s", count("7d", 4)))
    assert (first.number, second.number) == (1, 2)
    assert number_of("0123456789abcdef") == 0


def test_a_note_that_changes_no_rule_leaves_what_stands(rules: Rules) -> None:
    adults = segment("adults", {">=": [{"var": "attributes.age"}, 18]})
    rules.publish(segment("s", count("7d", 9)), adults)
    edit = Edit("segments", "adults", "edited", {**adults, "description": "of age"})
    edited = EditRules(rules.lake, FixedClock())("shop", [edit], Author("me"))
    assert set(edited.published.standing) == {"s"}


def test_a_fill_takes_out_what_it_was_made_for() -> None:
    fill = Fill("f", "shop", 0, {"a": "1", "b": "2"}, {"purchases": None})
    standing: dict[str, Any] = {"a": None, "b": None, "c": None}
    assert fill.remaining(standing, {"a": "1", "b": "3", "c": "4"}) == {"b": None, "c": None}
    marked = replace(fill.at(Step.WAIT, 9), marks=("s1",))
    assert Fill.from_document(marked.to_document()) == marked
