"""Uploads to list segments through the API."""

import pytest

from tests.management.support import SHOP, Office

VIP = f"{SHOP}/segments/vip"


@pytest.fixture(autouse=True)
def vip(office: Office) -> None:
    document = {"id": "vip", "name": "VIP", "audience": "shop", "kind": "list"}
    assert office.ask("POST", f"{SHOP}/segments", {"document": document}).status == 201


def test_an_upload_is_begun_put_and_taken_in(office: Office) -> None:
    begun = office.ask("POST", f"{VIP}/uploads", {"mode": "append", "files": 2}, role="editor")
    assert begun.status == 201
    place, urls = begun.headers["location"], begun.body["urls"]
    assert (begun.body["upload"]["state"], len(urls)) == ("waiting", 2)
    assert office.ask("POST", f"{place}/complete").status == 400
    path = urls[0].removeprefix("https://lake.example/").partition("?")[0]
    office.lake.put(path, b"person_id\np1\n")
    done = office.ask("POST", f"{place}/complete", role="editor")
    assert (done.status, done.body["state"]) == (202, "reading")
    assert [one["segment"] for one in office.imports.messages] == ["vip"]
    assert office.ask("GET", place, role="viewer").body["mode"] == "append"
    assert [one["id"] for one in office.ask("GET", f"{VIP}/uploads").body["items"]] == [done.body["id"]]
    assert office.ask("GET", f"{place}/rejected", role="viewer").status == 403
    assert office.ask("GET", f"{place}/rejected", role="editor").body == {
        "malformed": [],
        "unmatched": [],
        "seconds": 3600,
    }
    assert office.ask("POST", f"{place}/cancel").body["state"] == "cancelled"
    assert office.ask("POST", f"{VIP}/empty").status == 204


def test_what_is_no_upload_is_told(office: Office) -> None:
    wrong = office.ask("POST", f"{VIP}/uploads", {"format": "xls", "files": 0, "delimiter": "::"})
    assert sorted(wrong.pointers) == ["/delimiter", "/files", "/format"]  # type: ignore[type-var]
    assert office.ask("POST", f"{VIP}/uploads", {"identity": "shoe_size"}).status == 400
    assert office.ask("POST", f"{SHOP}/segments/adults/uploads", {}).status == 400
    assert office.ask("GET", f"{VIP}/uploads/none").status == 404
    for path in (f"{VIP}/uploads", f"{VIP}/empty"):
        body = {} if path.endswith("uploads") else None
        assert office.ask("POST", path, body, role="viewer").status == 403
