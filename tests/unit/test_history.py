"""Membership changes, read off what was written of a visitor."""

import base64
import random
from dataclasses import replace

import pytest
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.profile_items import realtime_item
from segmentation.domain.event import Event
from segmentation.domain.history import Link, Standing, Written, changes_of, link_of
from segmentation.domain.membership import Change, change_id
from segmentation.domain.profile import RealtimePart
from segmentation.domain.visitor import Program, Visitor, evaluate
from segmentation.runtime.streams import writes
from segmentation.usecases.archive_changes import ArchiveChanges

from tests.fakes import MemoryLake, MemoryTables
from tests.fakes.documents import published

NOON = 1_704_110_400  # 2024-01-01T12:00:00Z
HOUR = 3_600


def standing(members: str, *changes: Change, rules: str = "r1", revision: int = 1) -> Standing:
    return Standing(tuple(members), changes, NOON, rules, revision)


def written(before: Standing | None, after: Standing | None, at: int = NOON, sequence: str = "1") -> Written:
    return Written(sequence, "shop#person_id:1", before, after, at)


def said(one: Written) -> list[tuple[str, bool, int]]:
    return [(change.segment, change.joined, change.moment - NOON) for change in changes_of(one)]


def test_a_write_says_what_it_changed() -> None:
    after = standing("a", Change("a", True, NOON - 60), Change("b", False, NOON, "e1"), revision=2)
    assert said(written(standing("b"), after)) == [("a", True, -60), ("b", False, 0)]
    first, _ = changes_of(written(standing("b"), after))
    assert (first.audience, first.profile, first.segment) == ("shop", "person_id:1", "a")
    assert (first.joined, first.moment, first.computed, first.rules) == (True, NOON - 60, NOON, "r1")


def test_a_write_of_the_same_revision_says_nothing() -> None:
    """That changes were told writes the item once more."""
    one = standing("a", Change("a", True, NOON))
    assert said(written(one, one)) == []


def test_who_is_forgotten_has_left() -> None:
    assert said(written(standing("ab"), None)) == [("a", False, 0), ("b", False, 0)]


def test_ids_are_the_same_however_often_and_differ_otherwise() -> None:
    changes = (
        Change("a", True, NOON),
        Change("a", False, NOON),
        Change("a", True, NOON, "e1"),
        Change("b", True, NOON),
    )
    one = written(standing(""), standing("ab", *changes, revision=2))
    ids = [change.id for change in changes_of(one)]
    assert ids == [change.id for change in changes_of(one)]
    assert ids == [change_id("shop#person_id:1", "r1", change) for change in changes]
    assert len(set(ids)) == 4
    other = [
        change.id for change in changes_of(written(None, standing("ab", *changes, rules="r2", revision=2)))
    ]
    assert not set(ids) & set(other)


@pytest.mark.parametrize("seed", range(5))
def test_history_tells_what_readers_were_told(seed: int) -> None:
    """At every moment up to the last write, the changes so far give the membership that was served then."""
    chance = random.Random(seed)
    program = Program(published().rules)
    visitor, before, now = Visitor.new(), None, NOON
    served: list[tuple[int, frozenset[str]]] = []
    told = []
    for revision in range(1, 30):
        event = Event(
            f"e{revision}", "shop", "purchases", "person_id:1", now - chance.randrange(HOUR), now, {}
        )
        served += [
            (moment, evaluate(program, "1", visitor, None, [], moment).visitor.members)
            for moment in range(visitor.computed, now, 97)
            if before
        ]
        outcome = evaluate(program, "1", visitor, None, [event], now)
        visitor = outcome.visitor
        after = Standing(tuple(visitor.members), outcome.changes, now, "r", revision)
        told += list(changes_of(written(before, after)))
        before, now = after, now + chance.randrange(1, 3 * HOUR)
    assert len(told) > 10
    for moment, expected in served:
        members: set[str] = set()
        for change in sorted(told, key=lambda one: one.moment):
            if change.moment <= moment:
                members = members | {change.segment} if change.joined else members - {change.segment}
        assert members == expected


def test_changes_are_kept_by_the_day_of_their_moment_and_a_redelivery_overwrites_itself() -> None:
    tables = MemoryTables()
    left, joined = Change("a", False, NOON - 86_400), Change("b", True, NOON)
    batch = [
        written(standing("a"), standing("b", left, joined, revision=2), sequence="7"),
        written(None, standing("a", Change("a", True, NOON)), sequence="8"),
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


def test_a_key_that_becomes_an_alias_is_kept_with_whom_it_leads_to() -> None:
    tables = MemoryTables()
    alias = replace(standing("", Change("a", False, NOON), revision=2), alias="person_id:1")
    cookie = replace(written(standing("a"), alias, sequence="7"), profile="shop#td_client_id:c")
    result = ArchiveChanges(tables)([cookie, written(None, standing("a", Change("a", True, NOON)))])
    assert (result.changes, result.links, result.objects) == (2, 1, 2)
    (path,) = [one for one in tables.objects if one.startswith("links/")]
    assert path.startswith("links/shop/date=2024-01-01/7-7-")
    (row,) = tables.objects[path]
    assert row == {
        "profile": "td_client_id:c",
        "owner": "person_id:1",
        "moment": NOON,
        "sequence": "7".zfill(56),
    }


def test_that_an_aliass_changes_were_told_says_nothing_anew() -> None:
    alias = replace(standing("", revision=2), alias="person_id:1")
    assert link_of(written(alias, alias)) is None
    assert link_of(written(alias, None)) is None
    assert link_of(written(standing("a"), standing("b", revision=2))) is None


def test_an_alias_is_read_off_the_tables_stream() -> None:
    part = RealtimePart(2, b"", (), (), NOON, "r1", alias="person_id:1")
    item = realtime_item("shop#td_client_id:c", part)
    image = {
        name: {kind: base64.b64encode(value).decode() if kind == "B" else value}
        for name, cell in item.items()
        for kind, value in cell.items()
    }
    keys = {"profile": item["profile"], "part": item["part"]}
    change = {"Keys": keys, "NewImage": image, "SequenceNumber": "7", "ApproximateCreationDateTime": NOON}
    (one,), bad = writes({"Records": [{"dynamodb": change}]}, LakeNumberings(MemoryLake()))
    assert bad == []
    link = link_of(one)
    assert link == Link("shop", "td_client_id:c", "person_id:1", NOON, "7")
