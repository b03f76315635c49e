"""Membership changes, read off what was written of a visitor."""

import random
from typing import Any

import pytest
from segmentation.domain.event import Event
from segmentation.domain.history import Standing, Written, changes_of
from segmentation.domain.membership import members_at
from segmentation.domain.visitor import Program, Visitor, evaluate
from segmentation.usecases.archive_changes import ArchiveChanges

from tests.fakes import MemoryTables
from tests.fakes.documents import published

NOON = 1_704_110_400  # 2024-01-01T12:00:00Z
HOUR = 3_600


def standing(members: str, computed: int, flips: Any = (), rules: str = "r1", revision: int = 1) -> Standing:
    return Standing(frozenset(members), tuple(flips), computed, rules, revision)


def written(before: Standing | None, after: Standing | None, at: int = NOON, sequence: str = "1") -> Written:
    return Written(sequence, "shop#person_id:1", before, after, at)


def said(one: Written) -> list[tuple[str, bool, int]]:
    return [(change.segment, change.joined, change.moment - NOON) for change in changes_of(one)]


def test_the_first_write_joins() -> None:
    (change,) = changes_of(written(None, standing("a", NOON)))
    assert (change.audience, change.profile, change.segment) == ("shop", "person_id:1", "a")
    assert (change.joined, change.moment, change.computed, change.rules) == (True, NOON, NOON, "r1")


def test_what_an_event_changed_is_of_its_evaluation() -> None:
    after = standing("bc", NOON, revision=2)
    assert said(written(standing("ab", NOON - 60), after)) == [("c", True, 0), ("a", False, 0)]


def test_what_time_changed_is_of_its_own_moment() -> None:
    flips = [(NOON - 900, ["b"], []), (NOON - 600, [], ["a"]), (NOON + 600, [], ["b"])]
    before = standing("a", NOON - HOUR, flips)
    assert said(written(before, standing("b", NOON, revision=2))) == [("b", True, -900), ("a", False, -600)]
    assert said(written(before, standing("ab", NOON, revision=2))) == [
        ("b", True, -900),
        ("a", False, -600),
        ("a", True, 0),  # came back with the event
    ]


def test_what_other_rules_foretold_did_not_come_true() -> None:
    before = standing("a", NOON - HOUR, [(NOON - 900, ["b"], [])])
    assert said(written(before, standing("a", NOON, rules="r2", revision=2))) == []


def test_a_write_of_the_same_state_says_nothing() -> None:
    """Emptying the outbox writes the item once more."""
    flips = [(NOON + 60, [], ["a"])]
    assert said(written(standing("a", NOON, flips), standing("a", NOON, flips))) == []


def test_who_is_forgotten_has_left() -> None:
    before = standing("ab", NOON - HOUR, [(NOON - 60, [], ["a"])])
    assert said(written(before, None)) == [("a", False, -60), ("b", False, 0)]


def test_ids_are_the_same_however_often_and_differ_otherwise() -> None:
    one = written(standing("a", NOON - 60), standing("b", NOON, revision=2))
    ids = [change.id for change in changes_of(one)]
    assert ids == [change.id for change in changes_of(one)]
    again = written(standing("a", NOON - 60, revision=3), standing("b", NOON, revision=4))
    assert not set(ids) & {change.id for change in changes_of(again)}
    assert len(set(ids)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_history_tells_what_readers_were_told(seed: int) -> None:
    """At every moment up to the last write, the changes so far give the membership that was served then."""
    chance = random.Random(seed)
    program = Program(published().rules)
    visitor, before, now = Visitor.new(), None, NOON
    served: list[tuple[int, int, Standing]] = []
    told = []
    for revision in range(1, 30):
        event = Event(
            f"e{revision}", "shop", "purchases", "person_id:1", now - chance.randrange(HOUR), now, {}
        )
        visitor = evaluate(program, "1", visitor, None, [event], now).visitor
        after = Standing(visitor.members, visitor.flips, now, "r", revision)
        told += list(changes_of(written(before, after)))
        following = now + chance.randrange(1, 3 * HOUR)
        served.append((now, following, after))
        before, now = after, following
    assert len(told) > 10
    for begin, end, state in served[:-1]:
        for moment in range(begin, end, 97):
            members: set[str] = set()
            for change in sorted(told, key=lambda one: one.moment):
                if change.moment <= moment:
                    members = members | {change.segment} if change.joined else members - {change.segment}
            assert members == members_at(state.members, state.flips, moment)


def test_changes_are_kept_by_the_day_of_their_moment_and_a_redelivery_overwrites_itself() -> None:
    tables = MemoryTables()
    flips = [(NOON - 86_400, [], ["a"])]
    batch = [
        written(standing("a", NOON - 2 * 86_400, flips), standing("b", NOON, revision=2), sequence="7"),
        written(None, standing("a", NOON), sequence="8"),
    ]
    result = ArchiveChanges(tables)(batch)
    assert (result.changes, result.objects) == (3, 2)
    whole = dict(tables.objects)
    days = [path.split("/")[:3] for path in sorted(whole)]
    assert days == [["changes", "shop", "date=2023-12-31"], ["changes", "shop", "date=2024-01-01"]]
    ArchiveChanges(tables)(batch)
    assert tables.objects == whole
    rows = [row for rows in whole.values() for row in rows]
    assert {(row["segment"], row["joined"], row["moment"]) for row in rows} == {
        ("a", False, NOON - 86_400),
        ("b", True, NOON),
        ("a", True, NOON),
    }
    assert all(row["change_id"] and row["rules"] == "r1" and row["computed"] == NOON for row in rows)
