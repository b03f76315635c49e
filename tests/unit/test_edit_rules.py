"""Editing documents: versions, who and when, races, crashes, dependents, history."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from segmentation.domain.errors import Conflict, NotFound, Outdated, Refused
from segmentation.domain.published import Published
from segmentation.domain.rulebook import Edit, Entry, Rulebook, history_path
from segmentation.usecases.edit_rules import (
    Author,
    Edited,
    EditRules,
    earlier_version,
    earlier_versions,
    read_book,
    rule_set_path,
)

from tests.fakes import FixedClock, MemoryLake
from tests.fakes.documents import documents
from tests.publishing import PublishRules

PARTS = ("audience", "segments", "access", "destinations")


class Desk:
    """A published audience, and somebody who edits it."""

    def __init__(self) -> None:
        self.lake, self.clock = MemoryLake(), FixedClock()
        document = documents()
        self.publish(document)

    def publish(self, document: dict[str, Any]) -> Published:
        return PublishRules(self.lake, self.clock)(*(document[name] for name in PARTS))

    @property
    def book(self) -> Rulebook:
        return read_book("shop", self.lake.objects[rule_set_path("shop")])

    def entry(self, identifier: str, kind: str = "segments") -> Entry:
        found = self.book.get(kind, identifier)
        assert found is not None
        return found

    def edit(self, *edits: Edit, by: str = "ann", key: str = "", content: str = "") -> Edited:
        self.clock.time += 60
        return EditRules(self.lake, self.clock)("shop", edits, Author(by, key, content))

    def rename(self, name: str, **more: Any) -> Edit:
        document = {**self.entry("adults").document, "name": name}
        return Edit("segments", "adults", "edited", document, **more)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_edit_makes_a_version_that_says_who_and_when(desk: Desk) -> None:
    before = desk.entry("adults")
    assert (before.record.version, before.record.created_by) == (1, "publish")
    desk.edit(desk.rename("Grown-ups", expected=before.tag, note="as marketing says"))
    after = desk.entry("adults")
    assert after.document["name"] == "Grown-ups"
    assert after.record.version == 2
    assert (after.record.updated_by, after.record.note, after.record.what) == (
        "ann",
        "as marketing says",
        "edited",
    )
    assert after.record.created == before.record.created < after.record.updated
    assert after.tag != before.tag


def test_what_changes_nothing_makes_no_version_and_no_put(desk: Desk) -> None:
    puts: list[str] = []
    desk.lake.before_put = puts.append
    assert desk.edit(desk.rename(desk.entry("adults").document["name"])).changed == ()
    assert puts == []


def test_a_stale_edit_is_refused_and_names_what_was_changed(desk: Desk) -> None:
    stale = desk.entry("adults").tag
    desk.edit(desk.rename("one"))
    with pytest.raises(Outdated, match="segments/adults") as caught:
        desk.edit(desk.rename("two", expected=stale))
    assert caught.value.documents == (("segments", "adults"),)
    assert desk.entry("adults").document["name"] == "one"


def test_two_edits_at_once_are_both_kept(desk: Desk) -> None:
    """Between the read and the put of one, another document is edited: the loser of the race begins anew."""
    other = EditRules(desk.lake, desk.clock)
    folder = Edit("segments", "adults", "moved", folder="people")

    def intrude(path: str) -> None:
        if path == rule_set_path("shop"):
            desk.lake.before_put = lambda _: None
            other("shop", [folder], Author("bob"))

    desk.lake.before_put = intrude
    destination = {**desk.entry("hook", "destinations").document, "description": "new"}
    desk.edit(Edit("destinations", "hook", "edited", destination))
    assert desk.entry("adults").record.folder == "people"
    assert desk.entry("hook", "destinations").document["description"] == "new"


def test_the_loser_of_a_race_for_one_document_leaves_a_true_history(desk: Desk) -> None:
    first = desk.entry("adults")

    def intrude(path: str) -> None:
        if path == rule_set_path("shop"):
            desk.lake.before_put = lambda _: None
            desk.edit(desk.rename("bob's", expected=first.tag), by="bob")

    desk.lake.before_put = intrude
    with pytest.raises(Outdated):
        desk.edit(desk.rename("ann's", expected=first.tag))
    current = desk.entry("adults")
    assert current.document["name"] == "bob's"
    assert earlier_version(desk.lake, "shop", current, 1) == first


def test_a_crash_before_the_put_leaves_everything_as_it_was(desk: Desk) -> None:
    stood = desk.lake.objects[rule_set_path("shop")]

    def crash(path: str) -> None:
        if path == rule_set_path("shop"):
            raise KeyboardInterrupt

    desk.lake.before_put = crash
    with pytest.raises(KeyboardInterrupt):
        desk.edit(desk.rename("lost"))
    desk.lake.before_put = lambda _: None
    assert desk.lake.objects[rule_set_path("shop")] == stood
    current = desk.entry("adults")
    assert earlier_versions(desk.lake, "shop", current, 100, 10) == [current]
    desk.edit(desk.rename("kept"))
    assert [
        one.document["name"] for one in earlier_versions(desk.lake, "shop", desk.entry("adults"), 100, 10)
    ] == [
        "kept",
        current.document["name"],
    ]


def test_history_goes_through_deletion_and_comes_back(desk: Desk) -> None:
    solo = {**desk.entry("adults").document, "id": "solo", "name": "first"}
    desk.edit(Edit("segments", "solo", "created", solo, expected=""))
    desk.edit(Edit("segments", "solo", "deleted", delete=True), by="bob")
    assert desk.book.get("segments", "solo") is None
    desk.edit(Edit("segments", "solo", "created", {**solo, "name": "second"}, expected=""))
    current = desk.entry("solo")
    assert current.record.version == 3
    told = [
        (one.record.what, one.record.updated_by)
        for one in earlier_versions(desk.lake, "shop", current, 99, 9)
    ]
    assert told == [("created", "ann"), ("deleted", "bob"), ("created", "ann")]
    with pytest.raises(NotFound, match="the current one is 3"):
        earlier_version(desk.lake, "shop", current, 4)


def test_what_others_use_is_neither_deleted_nor_archived(desk: Desk) -> None:
    users = {(one.kind, one.id) for one in desk.book.dependents("adults")}
    assert users
    for edit in (
        Edit("segments", "adults", "deleted", delete=True),
        Edit("segments", "adults", "archived", archived=True),
    ):
        with pytest.raises(Conflict) as caught:
            desk.edit(edit)
        assert all(repr(identifier) in str(caught.value) for _, identifier in users)


def test_an_archived_segment_is_kept_but_nothing_runs_it(desk: Desk) -> None:
    solo = {**desk.entry("adults").document, "id": "solo"}
    desk.edit(Edit("segments", "solo", "created", solo))
    desk.edit(Edit("segments", "solo", "archived", archived=True))
    document = desk.lake.json(rule_set_path("shop"))
    assert "solo" not in [one["id"] for one in document["segments"]]
    assert desk.entry("solo").record.archived
    with pytest.raises(Conflict, match="restore it"):
        desk.edit(Edit("segments", "solo", "edited", {**solo, "name": "x"}))
    result = desk.edit(Edit("segments", "solo", "restored", archived=False))
    assert "solo" in {one.id for one in result.published.rules}


def test_problems_are_told_of_the_document_that_has_them(desk: Desk) -> None:
    broken = {**desk.entry("adults").document, "rule": {"sometimes": []}}
    destination = {**desk.entry("hook", "destinations").document, "segments": ["nobody"]}
    with pytest.raises(Refused) as caught:
        desk.edit(
            Edit("segments", "adults", "edited", broken), Edit("destinations", "hook", "edited", destination)
        )
    places = {(one.kind, one.id, one.problem.pointer) for one in caught.value.problems}
    assert ("segments", "adults", "/rule") in places
    assert ("destinations", "hook", "/segments/0") in places
    assert desk.entry("adults").record.version == 1


@pytest.mark.parametrize(
    ("edit", "pointer"),
    [
        (Edit("segments", "adults", "moved", folder="a//b"), "/folder"),
        (Edit("segments", "adults", "moved", folder="x" * 201), "/folder"),
        (Edit("segments", "adults", "moved", folder="a\nb"), "/folder"),
        (Edit("segments", "adults", "edited", {"id": "other"}), "/id"),
        (Edit("segments", "adults", "edited", note="x" * 1_001), "/note"),
    ],
)
def test_an_edit_that_is_no_edit_is_refused(desk: Desk, edit: Edit, pointer: str) -> None:
    with pytest.raises(Refused) as caught:
        desk.edit(edit)
    assert [one.problem.pointer for one in caught.value.problems] == [pointer]


def test_creating_what_exists_is_a_conflict(desk: Desk) -> None:
    with pytest.raises(Conflict, match="segment 'adults'"):
        desk.edit(desk.rename("x", expected=""))
    with pytest.raises(Conflict, match="there is no segment 'none'"):
        desk.edit(Edit("segments", "none", "moved", folder="x"))


def test_a_request_that_comes_twice_is_made_once(desk: Desk) -> None:
    first = desk.edit(desk.rename("x"), key="k", content="c")
    assert first.repeated is None
    again = desk.edit(desk.rename("y"), key="k", content="c")
    assert again.repeated is not None
    assert (again.repeated.kind, again.repeated.id) == ("segments", "adults")
    assert desk.entry("adults").document["name"] == "x"
    with pytest.raises(Conflict, match="Idempotency-Key"):
        desk.edit(desk.rename("y"), key="k", content="other")
    desk.clock.time += 86_400
    assert desk.edit(desk.rename("z"), key="k2", content="c").book.requests[0].key == "k2"


def test_a_set_without_records_begins_at_version_one(desk: Desk) -> None:
    """As it was published before documents had records."""
    document = {
        name: desk.lake.json(rule_set_path("shop"))[name] for name in (*PARTS, "version", "published")
    }
    desk.lake.objects[rule_set_path("shop")] = json.dumps(document).encode()
    entry = desk.entry("adults")
    assert (entry.record.version, entry.record.created) == (1, document["published"])
    desk.edit(desk.rename("x", expected=entry.tag))
    assert desk.entry("adults").record.version == 2


def test_publishing_takes_out_what_is_no_longer_there(desk: Desk) -> None:
    solo = {**desk.entry("adults").document, "id": "solo"}
    desk.edit(Edit("segments", "solo", "created", solo))
    document = documents()
    desk.publish(document)
    assert desk.book.get("segments", "solo") is None
    stood = copy.copy(desk.lake.objects)
    desk.publish(document)
    assert desk.lake.objects == stood


def test_an_id_with_a_slash_has_a_history_of_its_own() -> None:
    assert history_path("a", "tokens", "x/y", 1) == "history/a/tokens/x%2Fy/00000001.json"


def test_edits_are_made_of_what_stands_now(desk: Desk) -> None:
    seen: list[int] = []

    def edits(book: Rulebook) -> list[Edit]:
        entry = book.get("segments", "adults")
        assert entry is not None
        seen.append(entry.record.version)
        return [Edit("segments", "adults", "moved", folder=f"f{entry.record.version}")]

    make: Callable[..., Edited] = EditRules(desk.lake, desk.clock)
    intruded: list[bool] = []

    def intrude(path: str) -> None:
        if path == rule_set_path("shop") and not intruded:
            intruded.append(True)
            desk.edit(desk.rename("other"))

    desk.lake.before_put = intrude
    make("shop", edits, Author("ann"))
    assert seen == [1, 2]
    assert desk.entry("adults").record.folder == "f2"


def test_an_audience_that_is_not_there_is_not_made_by_the_way(desk: Desk) -> None:
    with pytest.raises(NotFound, match="no audience 'else'"):
        EditRules(desk.lake, desk.clock)("else", [], Author("ann"), found=True)
