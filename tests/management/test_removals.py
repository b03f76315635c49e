"""The removal of an audience, asked for through the API."""

import json
from dataclasses import replace

import pytest
from segmentation.domain.pipeline import Job, Run
from segmentation.domain.removal import Removal, removal_path, removed_path
from segmentation.ports import Stored

from tests.fakes import MemoryLake
from tests.management.support import SHOP, Office


def tag(office: Office) -> str:
    return office.ask("GET", SHOP).etag


def note(office: Office) -> Removal:
    return Removal.from_document(office.lake.json(removal_path("shop")))


def test_it_is_refused_with_what_stands_in_the_way(office: Office) -> None:
    run = Run("shop", Job.MATERIALIZE, "r7", "hand", office.clock.now(), version=1)
    lock = office.runs.lock("shop", Job.MATERIALIZE)
    office.runs.begin(run, replace(lock, holder="r7", version=lock.version + 1))
    refused = office.ask("DELETE", SHOP, if_match=tag(office))
    assert refused.status == 409
    said = refused.body["detail"]
    for part in ("segment 'adults'", "and 1 more", "run materialize/r7 is under way", "force=true"):
        assert part in said, said
    assert office.ask("GET", f"{SHOP}/removal").status == 404
    assert office.remover.started == 0


def test_one_that_nobody_uses_needs_no_force(office: Office) -> None:
    for kind in ("destinations", "write-keys", "tokens", "partners"):
        for one in office.ask("GET", f"{SHOP}/{kind}").body["items"]:
            assert office.ask("DELETE", f"{SHOP}/{kind}/{one['id']}", if_match="*").status == 204
    while items := office.ask("GET", f"{SHOP}/segments").body["items"]:
        done = [office.ask("DELETE", f"{SHOP}/segments/{one['id']}", if_match="*").status for one in items]
        assert 204 in done  # those that others name go last
    assert office.ask("DELETE", SHOP, if_match=tag(office)).status == 202


def test_it_is_bound_to_the_version_that_the_admin_saw(office: Office) -> None:
    force = {"query": "force=true"}
    assert office.ask("DELETE", SHOP, **force).status == 428
    seen = tag(office)
    document = office.ask("GET", SHOP).body["document"]
    changed = office.ask("PUT", SHOP, {"document": {**document, "name": "New"}}, if_match=seen)
    assert changed.status == 200
    assert office.ask("DELETE", SHOP, if_match=seen, **force).status == 412
    assert office.ask("DELETE", SHOP, if_match=changed.etag, role="editor", **force).status == 403
    assert office.lake.get(removal_path("shop")) is None
    asked = office.ask("DELETE", SHOP, if_match=changed.etag, **force)
    assert (asked.status, asked.headers["location"]) == (202, f"{SHOP}/removal")
    assert (asked.body["state"], asked.body["step"], asked.body["by"]) == ("removing", "rules", "admin-sub")
    assert "adults" in note(office).segments
    assert office.remover.started == 1


def test_while_it_is_being_removed_nothing_of_it_is_changed_or_made_anew(office: Office) -> None:
    audience = office.ask("GET", SHOP).body["document"]
    assert office.ask("DELETE", SHOP, if_match="*", query="force=true").status == 202
    one = office.ask("GET", f"{SHOP}/segments/adults")
    edited = office.ask(
        "PUT", f"{SHOP}/segments/adults", {"document": one.body["document"]}, if_match=one.etag
    )
    assert edited.status == 409
    office.lake.delete_prefix("rules/shop/")  # as the function does at once
    assert office.ask("POST", "/v1/audiences", {"document": audience}).status == 409
    assert office.ask("GET", SHOP).status == 404
    # The state can be read all the same, and to ask again answers it and has it carried on.
    again = office.ask("DELETE", SHOP)
    assert (again.status, again.body["state"], office.remover.started) == (202, "removing", 2)
    done = replace(note(office), step="done", ended=office.clock.now())
    office.lake.put(removed_path("shop"), json.dumps(done.to_document()).encode())
    office.lake.delete([removal_path("shop")])
    told = office.ask("GET", f"{SHOP}/removal", role="viewer").body
    assert (told["state"], told["step"], told["ended"]) == ("removed", "done", "2023-11-14T22:13:20Z")
    assert office.ask("POST", "/v1/audiences", {"document": audience}).status == 201


def test_remains_without_rules_are_removed_too(office: Office) -> None:
    for more in ({}, {"if_match": "*"}):
        assert office.ask("DELETE", "/v1/audiences/old", **more).status == 404
    office.lake.put("events/old/purchases/date=2023-01-01/a.parquet", b"x")
    assert office.ask("DELETE", "/v1/audiences/old").status == 428
    assert office.ask("DELETE", "/v1/audiences/old", if_match="*").status == 202
    assert office.ask("DELETE", "/v1/audiences/..%2Fold", if_match="*").status == 404


def test_a_function_that_cannot_be_started_looks_by_itself(office: Office) -> None:
    office.remover.closed = True
    assert office.ask("DELETE", SHOP, if_match="*", query="force=true").status == 202
    assert note(office).by == "admin-sub"


def test_of_two_who_ask_at_once_the_first_counts(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Removal("shop", 5, by="somebody", since=5)
    put = MemoryLake.put

    def late(self: MemoryLake, path: str, data: bytes, *, expected: str | None = None) -> bool:
        if path == removal_path("shop"):
            put(self, path, json.dumps(first.to_document()).encode())
        return put(self, path, data, expected=expected)

    monkeypatch.setattr(MemoryLake, "put", late)
    assert office.ask("DELETE", SHOP, if_match="*", query="force=true").body["by"] == "somebody"
    stored = office.lake.get(removal_path("shop"))
    assert isinstance(stored, Stored)
