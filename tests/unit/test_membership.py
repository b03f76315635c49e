"""Members and changes as bits, and as they are stored."""

import json
from collections.abc import Collection, Sequence

import pytest
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.profile_items import realtime_item, realtime_of
from segmentation.domain.errors import CorruptObject
from segmentation.domain.event import Event
from segmentation.domain.membership import Change, Changes, Members, Turn, changes_of
from segmentation.domain.packed import pack
from segmentation.domain.profile import Profile, RealtimePart
from segmentation.domain.programs import Programs
from segmentation.domain.published import program_path, read_published
from segmentation.domain.stored_membership import decode, encode, numbering_path
from segmentation.language.index import Numbering

from tests.fakes import FixedClock, MemoryLake
from tests.fakes.documents import documents
from tests.publishing import PublishRules

NAMES = [f"segment-{number * 7 % 3_000}" for number in range(3_000)]
KEPT = Numbering(NAMES, kept=True)


def again(
    members: Collection[str], changes: Sequence[Change], numbering: Numbering | None = KEPT
) -> tuple[Collection[str], Sequence[Change]]:
    """Stored and read."""
    found = decode(encode(members, changes), "shop", lambda *_: numbering)
    assert found is not None
    return found


def test_few_members_take_few_bytes_and_many_a_bit_each() -> None:
    assert len(encode(Members(KEPT, KEPT.bits(NAMES[2_998:])), ()).members) == 9
    assert len(encode(Members(KEPT, KEPT.bits(NAMES)), ()).members) == 1 + 3_000 // 8
    assert len(encode(Members(KEPT, 0), ()).members) <= 1


def test_changes_are_told_by_moment_then_segment() -> None:
    turns = [
        Turn(3, None, 0, KEPT.bits([NAMES[5], NAMES[7]])),
        Turn(9, "e1", KEPT.bits([NAMES[0], NAMES[5]]), KEPT.bits([NAMES[1]]), ("removed",)),
    ]
    changes = Changes(KEPT, turns)
    expected = [
        Change("removed", False, 9, "e1"),
        Change("segment-0", True, 9, "e1"),
        Change("segment-35", True, 9, "e1"),
        Change("segment-7", False, 9, "e1"),
    ]
    before = [Change("segment-35", False, 3), Change("segment-49", False, 3)]
    assert list(changes) == [*before, *expected]
    assert len(changes) == 6
    wanted = frozenset({"segment-35", "removed", "unknown"})
    assert list(changes.of(wanted)) == [before[0], expected[0], expected[2]]
    assert list(changes_of(tuple(changes), wanted)) == list(changes.of(wanted))
    members = Members(KEPT, KEPT.bits(["segment-0", "segment-35"]))
    read, told = again(members, changes)
    assert (read, list(told)) == (members, list(changes))
    # Of different numberings nothing can be said by bits of one.
    other = Numbering(NAMES[::-1], kept=True)
    names, mixed = again(Members(other, other.bits(["segment-0", "segment-35"])), changes, None)
    assert (names, sorted(map(repr, mixed))) == (("segment-0", "segment-35"), sorted(map(repr, changes)))


def test_items_of_earlier_layouts_are_read() -> None:
    item = realtime_item("shop#person_id:1", RealtimePart(3, b"state", (), (), 8, "v1"))
    packed = pack([[8, "e1", [0], ["gone"]]])
    names = {**item, "members": {"B": pack(["a", "b"])}, "changes": {"B": packed}}
    part = realtime_of(names, lambda *_: None)
    assert (part.members, part.rules) == (("a", "b"), "v1")
    assert list(part.changes) == [Change("a", True, 8, "e1"), Change("gone", False, 8, "e1")]
    lists = {**item, "members": {"L": [{"S": "a"}]}}
    part = realtime_of(lists, lambda *_: None)
    assert (part.members, part.due) == (("a",), 8)


def test_a_numbering_is_read_of_the_lake_once_and_missed_if_it_is_gone() -> None:
    lake = MemoryLake()
    part = RealtimePart(3, b"state", Members(KEPT, KEPT.bits(["segment-0"])), (), 8, "v1")
    item = realtime_item("shop#person_id:1", part)
    # The state is all there, so membership is computed anew: what it was is of rules that nobody has.
    found = realtime_of(item, LakeNumberings(lake))
    assert (found.members, found.changes, found.rules, found.state) == ((), (), "", b"state")
    lake.put(numbering_path("shop", KEPT.id), KEPT.dump())
    numberings = LakeNumberings(lake)
    assert realtime_of(item, numberings).members == ("segment-0",)
    lake.objects.clear()
    assert realtime_of(item, numberings).members == ("segment-0",)
    lake.put(numbering_path("shop", KEPT.id), b"nothing of the kind")
    with pytest.raises(CorruptObject, match=f"programs/shop/numberings/{KEPT.id} cannot be read"):
        realtime_of(item, LakeNumberings(lake))


def test_a_numbering_stays_itself() -> None:
    assert Numbering.load(KEPT.dump()).names == KEPT.names
    assert Numbering.load(KEPT.dump()).id == KEPT.id
    assert Numbering.load(Numbering((), kept=True).dump()).names == ()
    assert len({KEPT.id, Numbering(NAMES[::-1], kept=True).id, Numbering(NAMES[1:], kept=True).id}) == 3


def test_rules_change_under_a_visitor_whose_membership_is_bits() -> None:
    lake = MemoryLake()
    programs, numberings = Programs(), LakeNumberings(lake)

    def evaluated(names: Sequence[str], part: RealtimePart | None, *events: Event) -> RealtimePart:
        """The next part as another process reads it, by the rules as published."""
        document = documents()
        rules = [
            dict(next(one for one in document["segments"] if one["id"] == "buying-now"), id=n) for n in names
        ]
        PublishRules(lake, FixedClock())(document["audience"], rules, {}, [])
        published = json.loads(lake.objects["rules/shop/ruleset.json"])
        program = lake.objects[program_path("shop", published["version"])]
        found = programs.evaluate(
            read_published(published, program), "person_id:1", Profile(part), list(events), 200
        ).part
        assert found is not None
        item = realtime_item("shop#person_id:1", found)
        assert item["numbering"]["S"] in "".join(lake.list("programs/shop/numberings/"))
        return realtime_of(item, numberings)

    event = Event("e", "shop", "purchases", "person_id:1", 100, 100, {})
    first = evaluated(["a", "b", "c"], None, event)
    assert first.members == ("a", "b", "c")
    assert [(one.segment, one.joined) for one in first.changes] == [("a", True), ("b", True), ("c", True)]
    second = evaluated(["d", "c", "b"], first)
    assert second.members == ("b", "c", "d")
    assert [(one.segment, one.joined) for one in second.changes] == [("a", False), ("d", True)]
    # Another process, for which both numberings are the lake's.
    programs = Programs()
    again = Event("f", "shop", "purchases", "person_id:1", 101, 101, {})
    assert evaluated(["d", "c", "b"], second, again).changes == ()
