"""Documents as resources: versions, preconditions, folders, secrets, problems with their places."""

import hashlib
from typing import Any

import pytest

from tests.management.support import SHOP, Office

ADULTS = f"{SHOP}/segments/adults"


def segment(office: Office, identifier: str = "solo", **changes: Any) -> dict[str, Any]:
    rule = office.ask("GET", ADULTS).body["document"]["rule"]
    return {"id": identifier, "name": "Solo", "audience": "shop", "kind": "batch", "rule": rule, **changes}


def test_a_segment_is_created_changed_rolled_back_and_deleted(office: Office) -> None:
    made = office.ask(
        "POST", f"{SHOP}/segments", {"document": segment(office), "folder": "a/b", "note": "first"}
    )
    assert (made.status, made.headers["location"]) == (201, f"{SHOP}/segments/solo")
    assert made.etag == f'"{made.body["etag"]}"'
    assert (made.body["version"], made.body["folder"], made.body["created"]["by"]) == (1, "a/b", "admin-sub")
    solo = made.headers["location"]
    changed = office.ask(
        "PUT", solo, {"document": segment(office, name="Duo")}, if_match=made.etag, role="editor"
    )
    assert (changed.status, changed.body["version"], changed.body["updated"]["by"]) == (200, 2, "editor-sub")
    assert changed.body["folder"] == "a/b"
    back = office.ask("POST", f"{solo}/rollback", {"version": 1, "note": "no"}, if_match=changed.etag)
    assert (back.status, back.body["document"]["name"], back.body["version"]) == (200, "Solo", 3)
    told = office.ask("GET", f"{solo}/versions").body
    assert [(one["version"], one["what"], one["note"], one["current"]) for one in told["items"]] == [
        (3, "rolled back to version 1", "no", True),
        (2, "edited", "", False),
        (1, "created", "first", False),
    ]
    assert office.ask("GET", f"{solo}/versions/2").body["document"]["name"] == "Duo"
    assert office.ask("GET", f"{solo}/versions/9").status == 404
    assert office.ask("DELETE", solo, if_match=back.etag).status == 204
    assert office.ask("GET", solo).status == 404
    assert office.ask("GET", f"{solo}/versions").body["items"][0]["what"] == "deleted"


def test_a_change_must_say_of_which_version_it_is(office: Office) -> None:
    body = {"document": segment(office, "adults")}
    missing = office.ask("PUT", ADULTS, body)
    assert (missing.status, missing.headers["content-type"]) == (428, "application/problem+json")
    assert "If-Match" in missing.body["detail"]
    stale = office.ask("PUT", ADULTS, body, if_match='"1.000000000000"')
    assert (stale.status, stale.body["documents"]) == (412, ["segments/adults"])
    assert office.ask("PUT", ADULTS, body, if_match="*").status == 200
    assert office.ask("DELETE", f"{SHOP}/segments/none", if_match="*").status == 404


def test_an_unchanged_document_is_not_sent_again(office: Office) -> None:
    first = office.ask("GET", ADULTS)
    again = office.ask("GET", ADULTS, headers={"If-None-Match": first.etag})
    assert (again.status, again.body) == (304, "")


def test_all_problems_come_at_once_with_pointers_into_the_body(office: Office) -> None:
    draft = segment(
        office, rule={"and": [{"sometimes": []}, {"==": [{"var": "attributes.colour"}, 1]}]}, extra=1
    )
    refused = office.ask("POST", f"{SHOP}/segments", {"document": draft, "folder": "x"})
    assert refused.status == 422
    assert set(refused.pointers) >= {
        "/document/extra",
        "/document/rule/and/0",
        "/document/rule/and/1/==/0/var",
    }
    assert refused.body["type"] == "/v1/problems/refused"


@pytest.mark.parametrize("identifier", ["Two Words", "../../rules", "", "x" * 65])
def test_a_bad_id_is_told_with_all_the_rest(office: Office, identifier: str) -> None:
    stood = set(office.lake.objects)
    draft = segment(office, "draft", id=identifier, rule={"like": 1})
    answer = office.ask("POST", f"{SHOP}/segments", {"document": draft})
    assert (answer.status, set(answer.pointers)) == (422, {"/document/id", "/document/rule"})
    assert set(office.lake.objects) == stood


def test_problems_of_other_documents_name_them(office: Office) -> None:
    """A list that others refer to becomes what refers to them: a circle is told where it is seen."""
    loop = {"in": ["adults-buying", {"var": "segments"}]}
    refused = office.ask("PUT", ADULTS, {"document": segment(office, "adults", rule=loop)}, if_match="*")
    assert refused.status == 422
    assert any("circle" in one["message"] for one in refused.body["problems"])


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ("{", [""]),
        ("[]", [""]),
        ("{}", [""]),
        ('{"document": 1, "folder": 2, "colour": 3}', ["/colour", "/document", "/folder"]),
        ('{"document": {}, "document": {}}', [""]),
        ('{"document": {"id": "NO SPACES"}}', ["/document"] * 4 + ["/document/id"]),
        ('{"document": {"id": 5}}', ["/document/id"]),
        ('{"document": ' + '{"a":' * 150 + "1" + "}" * 150 + "}", [""]),
        ('{"document": ' + "[" * 100_000 + "]" * 100_000 + "}", [""]),
    ],
)
def test_a_body_that_is_none_is_told_where(office: Office, body: str, pointers: list[str]) -> None:
    answer = office.ask("POST", f"{SHOP}/segments", body)
    assert answer.status in (400, 422)
    assert sorted(answer.pointers) == pointers  # type: ignore[type-var]


def test_a_body_over_the_limit_is_refused(office: Office) -> None:
    answer = office.ask("POST", f"{SHOP}/segments", '{"document": {"id": "' + "x" * 1_000_000 + '"}}')
    assert (answer.status, answer.body["type"]) == (413, "/v1/problems/too-large")


def test_an_unknown_path_method_or_parameter_says_what_is_known(office: Office) -> None:
    assert "did you mean 'segments'" in office.ask("GET", f"{SHOP}/segmnts").body["detail"]
    wrong = office.ask("POST", ADULTS, {})
    assert (wrong.status, wrong.headers["allow"]) == (405, "DELETE, GET, PATCH, PUT")
    bad = office.ask("GET", f"{SHOP}/segments", query="limit=0x&cursr=1")
    assert bad.status == 400
    assert [one["parameter"] for one in bad.body["problems"]] == ["cursr", "limit"]
    assert office.ask("GET", f"{SHOP}/segments", query="limit=0").status == 400
    assert office.ask("GET", f"{SHOP}/segments", query="cursor=%21").status == 400
    assert office.ask("GET", "/v1/audiences/..%2Fother/segments").status == 404


def test_pages_lead_through_all(office: Office) -> None:
    found, query = [], "limit=2"
    while True:
        answer = office.ask("GET", f"{SHOP}/segments", query=query, role="viewer").body
        found += [one["id"] for one in answer["items"]]
        if answer["next"] is None:
            break
        query = f"limit=2&cursor={answer['next']}"
    assert found == ["adults", "adults-buying", "buyers", "buying-now", "germans-buying"]


def test_segments_are_found_by_folder_kind_text_and_archive(office: Office) -> None:
    office.ask("POST", f"{SHOP}/segments", {"document": segment(office), "folder": "people/single"})
    office.ask("PATCH", f"{SHOP}/segments/solo", {"archived": True}, if_match="*")

    def ids(query: str) -> list[str]:
        return [one["id"] for one in office.ask("GET", f"{SHOP}/segments", query=query).body["items"]]

    assert ids("folder=people") == ["solo"]
    assert ids("folder=peop") == []
    assert ids("archived=true") == ["solo"]
    assert "solo" not in ids("archived=false")
    assert ids("q=SOLO") == ["solo"]
    assert ids("kind=list") == []


def test_folders_are_listed_and_renamed_with_what_is_below(office: Office) -> None:
    for identifier, folder in (("one", "a"), ("two", "a/b"), ("three", "ab")):
        office.ask("POST", f"{SHOP}/segments", {"document": segment(office, identifier), "folder": folder})
    moved = office.ask("POST", f"{SHOP}/folders/move", {"source": "a", "target": "c/d"}, role="editor")
    assert moved.body["items"] == [
        {"path": "ab", "documents": 1},
        {"path": "c/d", "documents": 1},
        {"path": "c/d/b", "documents": 1},
    ]
    assert office.ask("POST", f"{SHOP}/folders/move", {"source": "none", "target": "x"}).status == 404


def test_what_others_use_is_not_deleted_and_the_answer_names_them(office: Office) -> None:
    refused = office.ask("DELETE", ADULTS, if_match="*")
    assert refused.status == 409
    assert "'adults-buying'" in refused.body["detail"]
    users = office.ask("GET", f"{ADULTS}/dependents", role="viewer").body["items"]
    assert {"kind": "segments", "id": "adults-buying"}.items() <= {**users[0]}.items() or len(users) > 1


def test_a_write_that_is_sent_twice_is_made_once(office: Office) -> None:
    body = {"document": segment(office)}
    first = office.ask("POST", f"{SHOP}/segments", body, key="k1")
    again = office.ask("POST", f"{SHOP}/segments", body, key="k1")
    assert (again.status, again.body, again.etag) == (201, first.body, first.etag)
    assert office.ask("POST", f"{SHOP}/segments", body).status == 409
    other = office.ask("POST", f"{SHOP}/segments", {"document": segment(office, "else")}, key="k1")
    assert other.status == 409
    # Somebody else's key is another key.
    assert office.ask("POST", f"{SHOP}/segments", body, key="k1", role="editor").status == 409


@pytest.mark.parametrize(
    ("path", "kind", "more"),
    [
        ("tokens", "tokens", {"key_column": "person_id", "segments": ["adults"]}),
        ("write-keys", "write_keys", {}),
        ("partners", "partners", {"segments": ["adults"]}),
    ],
)
def test_a_key_is_shown_once_and_kept_as_a_hash(
    office: Office, path: str, kind: str, more: dict[str, Any]
) -> None:
    made = office.ask("POST", f"{SHOP}/{path}", {"document": {"id": "new", **more}}, key="k")
    secret = made.body["secret"]
    assert made.status == 201
    assert secret
    kept = office.lake.json("rules/shop/ruleset.json")["access"][kind][-1]
    assert kept == {"id": "new", **more, "sha256": hashlib.sha256(secret.encode()).hexdigest()}
    assert all(secret.encode() not in data for data in office.lake.objects.values())
    assert "sha256" in office.ask("GET", f"{SHOP}/{path}/new").body["document"]
    assert "sha256" not in office.ask("GET", f"{SHOP}/{path}/new", role="editor").body["document"]
    assert "sha256" not in str(office.ask("GET", f"{SHOP}/{path}/new/versions", role="viewer").body)


def test_a_rotated_key_works_beside_its_successor_and_no_rollback_brings_it_back(office: Office) -> None:
    one = f"{SHOP}/tokens/web"
    before = office.ask("GET", one)
    old = before.body["document"]["sha256"]
    rotated = office.ask("POST", f"{one}/rotate", if_match=before.etag)
    new = hashlib.sha256(rotated.body["secret"].encode()).hexdigest()
    assert rotated.body["document"]["document"]["sha256"] == [old, new]
    described = {**before.body["document"], "description": "x"}
    del described["sha256"]
    changed = office.ask("PUT", one, {"document": described}, if_match="*")
    assert changed.body["document"]["sha256"] == [old, new]
    retired = office.ask("POST", f"{one}/retire", if_match="*")
    assert retired.body["document"]["sha256"] == new
    back = office.ask("POST", f"{one}/rollback", {"version": 1}, if_match="*")
    assert back.body["document"]["sha256"] == new
    again = [office.ask("POST", f"{one}/rotate", if_match="*") for _ in range(2)]
    latest = [hashlib.sha256(each.body["secret"].encode()).hexdigest() for each in again]
    assert again[1].body["document"]["document"]["sha256"] == latest


@pytest.mark.parametrize("path", ["tokens", "write-keys", "partners"])
def test_a_lost_answer_is_told_again_to_the_same_request_alone(office: Office, path: str) -> None:
    more = {
        "tokens": {"key_column": "person_id", "segments": ["adults"]},
        "partners": {"segments": ["adults"]},
    }
    body = {"document": {"id": "new", **more.get(path, {})}}
    base, one = f"{SHOP}/{path}", f"{SHOP}/{path}/new"
    made = office.ask("POST", base, body, key="k")
    again = office.ask("POST", base, body, key="k")
    assert (again.status, again.body, again.etag) == (201, made.body, made.etag)
    rotated = office.ask("POST", f"{one}/rotate", if_match=made.etag, key="r")
    assert rotated.body["secret"] not in (None, made.body["secret"])
    # Also after others came, in the version that it made.
    office.ask("POST", f"{one}/rotate", if_match="*")
    office.ask("POST", f"{one}/retire", if_match="*")
    for _ in range(2):
        repeated = office.ask("POST", f"{one}/rotate", if_match=made.etag, key="r")
        assert (repeated.status, repeated.body, repeated.etag) == (200, rotated.body, rotated.etag)
        assert office.ask("POST", base, body, key="k").body == made.body
        office.ask("DELETE", one, if_match="*")
    # Of somebody else, or under another key, it is another request.
    assert office.ask("POST", f"{one}/rotate", if_match="*", key="r2").status == 404
    claims = {"jwt": {"claims": {"sub": "eve", "cognito:groups": "[admin]"}, "scopes": None}}
    stolen = office.ask("POST", base, body, key="k", authorizer=claims)
    assert stolen.body.get("secret") not in (made.body["secret"], rotated.body["secret"])
    kept = b"".join(office.lake.objects.values())
    for secret in (made.body["secret"], rotated.body["secret"]):
        assert secret.encode() not in kept


def test_a_secret_is_told_again_while_the_stack_s_secret_is_rotated_and_not_after_a_day(
    office: Office,
) -> None:
    body = {"document": {"id": "new"}}
    made = office.ask("POST", f"{SHOP}/write-keys", body, key="k")
    office.signing.secrets = (b"the next one", office.signing.secret)
    assert office.ask("POST", f"{SHOP}/write-keys", body, key="k").body == made.body
    office.signing.secrets = (b"the one after", b"the next one")
    assert office.ask("POST", f"{SHOP}/write-keys", body, key="k").body == {**made.body, "secret": None}
    office.clock.time += 86_401
    office.ask("POST", f"{SHOP}/write-keys", {"document": {"id": "another"}}, key="k2")
    assert office.ask("POST", f"{SHOP}/write-keys", body, key="k").status == 409
    assert office.lake.json("rules/shop/ruleset.json")["requests"][0]["id"] == "another"


def test_several_edits_are_made_together_or_not_at_all(office: Office) -> None:
    edits: list[dict[str, Any]] = [
        {
            "action": "put",
            "kind": "segments",
            "id": "one",
            "document": segment(office, "one"),
            "expected": "",
        },
        {
            "action": "put",
            "kind": "segments",
            "id": "two",
            "document": segment(office, "two", rule={"no": 1}),
        },
    ]
    refused = office.ask("POST", f"{SHOP}/changes", {"edits": edits})
    assert (refused.status, refused.pointers) == (422, ["/edits/1/document/rule"])
    assert office.ask("GET", f"{SHOP}/segments/one").status == 404
    edits[1]["document"]["rule"] = {"in": ["one", {"var": "segments"}]}
    assert office.ask("POST", f"{SHOP}/changes", {"edits": edits, "dry_run": True}).status == 200
    assert office.ask("GET", f"{SHOP}/segments/one").status == 404
    done = office.ask("POST", f"{SHOP}/changes", {"edits": edits, "note": "batch"}, role="editor")
    assert [one["id"] for one in done.body["documents"]] == ["one", "two"]
    both = [{"action": "delete", "kind": "segments", "id": one} for one in ("one", "two")]
    assert [one["id"] for one in office.ask("POST", f"{SHOP}/changes", {"edits": both}).body["deleted"]] == [
        "one",
        "two",
    ]
    token = {"action": "delete", "kind": "tokens", "id": "web"}
    assert office.ask("POST", f"{SHOP}/changes", {"edits": [token]}, role="editor").status == 403


def test_an_audience_is_created_and_changed(office: Office) -> None:
    document = {**office.ask("GET", SHOP).body["document"], "id": "store"}
    made = office.ask("POST", "/v1/audiences", {"document": document})
    assert (made.status, made.headers["location"]) == (201, "/v1/audiences/store")
    assert office.ask("POST", "/v1/audiences", {"document": document}).status == 409
    assert [one["id"] for one in office.ask("GET", "/v1/audiences").body["items"]] == ["shop", "store"]
    renamed = office.ask(
        "PUT", "/v1/audiences/store", {"document": {**document, "name": "S"}}, if_match=made.etag
    )
    assert renamed.body["document"]["name"] == "S"
    broken = office.ask(
        "PUT", "/v1/audiences/store", {"document": {**document, "time_zone": "Mars"}}, if_match="*"
    )
    assert broken.pointers == ["/document/time_zone"]


def test_a_change_that_is_sent_again_after_its_answer_was_lost_is_no_conflict(office: Office) -> None:
    before = office.ask("GET", ADULTS)
    body = {"document": segment(office, "adults", name="New")}
    first = office.ask("PUT", ADULTS, body, if_match=before.etag, key="k")
    again = office.ask("PUT", ADULTS, body, if_match=before.etag, key="k")
    assert (again.status, again.body) == (200, first.body)
    assert office.ask("PUT", ADULTS, body, if_match=before.etag).status == 412
    token = f"{SHOP}/tokens/web"
    before = office.ask("GET", token)
    secret = office.ask("POST", f"{token}/rotate", if_match=before.etag, key="r").body["secret"]
    assert secret == office.ask("POST", f"{token}/rotate", if_match=before.etag, key="r").body["secret"]
    assert office.ask("DELETE", token, if_match="*", key="d").status == 204
    assert office.ask("DELETE", token, if_match="*", key="d").status == 204
    assert office.ask("DELETE", token, if_match="*").status == 404
