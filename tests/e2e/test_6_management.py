"""The management API over the whole path: what it tells agrees with what everybody else is told."""

import csv
import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from infra.demo.stage import AUDIENCE, SITE_TOKEN, WRITE_KEY, Stage

from .conftest import Path
from .support import post, wait_until

BASE = f"/v1/audiences/{AUDIENCE}"
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def ask(stage: Stage) -> Ask:
    def asked(
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "admin",
        token: str = "",
        if_match: str = "",
        key: str = "",
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token or stage.cloud.issuer.token('ann', role)}"}
        if key:
            headers["Idempotency-Key"] = key
        if if_match:
            headers["If-Match"] = if_match
        data = json.dumps(body).encode() if body is not None else None
        url = stage.cloud.outputs["ManagementApiUrl"] + path
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    return asked


def members(ask: Ask, segment: str) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        query = f"?cursor={cursor}" if cursor else ""
        status, page = ask("GET", f"{BASE}/segments/{segment}/members{query}", role="editor")
        assert status == 200, page
        found += page["members"]
        if page["next"] is None:
            return found
        cursor = page["next"]


def explained(ask: Ask, segment: str, key: str) -> tuple[int, Any]:
    base = f"{BASE}/segments/{segment}/explanations"
    status, told = ask("POST", base, {"key": key}, role="editor")
    while told.get("state") == "running":
        time.sleep(0.2)
        status, told = ask("GET", f"{base}/{told['id']}", role="editor")
    return status, told.get("why") or told


def test_api_gateway_verifies_who_calls_and_the_function_what_they_may(stage: Stage, ask: Ask) -> None:
    now = int(time.time())
    issuer = stage.cloud.issuer
    assert ask("GET", "/v1/me", role="viewer")[1] == {"id": "ann", "role": "viewer"}
    for bad in (
        issuer.token(exp=now - 10),
        issuer.token(aud="another"),
        issuer.token(iss="https://evil.example"),
        "x",
    ):
        assert ask("GET", "/v1/me", token=bad)[0] == 401
    assert ask("POST", f"{BASE}/runs", {"job": "build"}, role="viewer")[0] == 403
    assert ask("GET", f"{BASE}/segments/mailed/members", role="viewer")[0] == 403
    assert ask("GET", "/v1/me", role="root")[0] == 403


def test_members_are_those_that_partners_get_and_can_be_fetched_as_a_file(path: Path, ask: Ask) -> None:
    segment = "coupon-lovers"
    found = members(ask, segment)
    assert sorted(found) == sorted(path.stage.members(segment))
    status, export = ask("POST", f"{BASE}/segments/{segment}/exports", {"exact": True}, role="editor")
    assert status == 202
    while export["state"] == "running":
        time.sleep(0.2)
        export = ask("GET", f"{BASE}/segments/{segment}/exports/{export['id']}", role="editor")[1]
    assert export["state"] == "done", export
    with urllib.request.urlopen(export["url"], timeout=30) as answer:
        rows = list(csv.reader(io.StringIO(answer.read().decode())))
    assert rows[0] == ["profile_key"]
    assert [row[0] for row in rows[1:]] == sorted(found)


@pytest.mark.parametrize("segment", ["lapsed-high-spenders", "coupon-lovers", "mailed-never-redeemed"])
def test_an_explanation_says_what_the_run_found(path: Path, ask: Ask, segment: str) -> None:
    inside = members(ask, segment)
    outside = next(one for one in [*members(ask, "mailed"), "1", "2", "3", "4"] if one not in set(inside))
    for household, holds in ((inside[0], True), (inside[-1], True), (outside, False)):
        status, why = explained(ask, segment, household)
        assert (status, why["holds"]) == (200, holds), why
        assert why["text"]


def test_a_real_time_segment_is_explained_as_a_website_sees_it(path: Path, ask: Ask) -> None:
    household = members(ask, "mailed")[0]
    seen = path.stage.ask(household).segments
    for segment in ("big-spenders-today", "never-mailed-shoppers"):
        status, why = explained(ask, segment, household)
        assert (status, why["holds"]) == (200, segment in seen), why


def test_states_sizes_and_runs_agree_with_the_run_s_record(path: Path, ask: Ask) -> None:
    sizes = {one["id"]: one["size"] for one in path.record["segments"]}
    state = ask("GET", f"{BASE}/state", role="viewer")[1]
    told = {one["segment"]: one["size"] for one in state["segments"] if one["kind"] == "batch"}
    assert told == sizes
    history = ask("GET", f"{BASE}/segments/mailed/sizes", role="viewer")[1]["items"]
    assert sizes["mailed"] in [one["size"] for one in history]
    assert (state["stream"]["status"], state["stream"]["errors"]) != ("unknown", None)
    runs = ask("GET", f"{BASE}/runs", role="viewer")[1]["items"]
    assert path.record["run"] in [one["id"] for one in runs]


def test_a_segment_goes_from_draft_to_members(path: Path, ask: Ask) -> None:
    draft = {
        "id": "older-couples", "name": "Couples", "audience": AUDIENCE, "kind": "batch",
        "rule": {"==": [{"var": "attributes.household_size"}, "2"]},
    }  # fmt: skip
    status, told = ask("POST", f"{BASE}/validate", {"document": draft}, role="viewer")
    if not told["valid"]:  # as the audience types it
        draft["rule"] = {"==": [{"var": "attributes.household_size"}, 2]}
    _, preview = ask("POST", f"{BASE}/previews", {"document": draft, "exact": True}, role="editor")
    while preview["state"] == "running":
        time.sleep(0.2)
        preview = ask("GET", f"{BASE}/previews/{preview['id']}", role="editor")[1]
    assert preview["state"] == "done", preview
    assert preview["count"]
    status, made = ask("POST", f"{BASE}/segments", {"document": draft}, role="editor")
    assert status == 201, made
    try:
        status, run = ask(
            "POST", f"{BASE}/runs", {"job": "materialize", "segments": ["older-couples"]}, role="editor"
        )
        assert status == 202, run
        path.stage.finish({"audience": AUDIENCE, "job": "materialize", "run": run["id"]})
        state = {one["segment"]: one for one in ask("GET", f"{BASE}/state")[1]["segments"]}
        assert (state["older-couples"]["status"], state["older-couples"]["size"]) == (
            "fresh",
            preview["count"],
        )
    finally:
        path.stage.settle()
        assert (
            ask("DELETE", f"{BASE}/segments/older-couples", if_match=f'"{made["etag"]}"', role="editor")[0]
            == 204
        )


def test_the_command_line_speaks_to_it(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("SEGMENTATION_URL", stage.cloud.outputs["ManagementApiUrl"])
    monkeypatch.delenv("SEGMENTATION_TOKEN", raising=False)
    command = CliRunner()
    done = command.invoke(app, ["login", "--role", "editor", "--name", "ann"])
    assert (done.exit_code, "as ann, editor" in done.output) == (0, True), done.output
    shown = json.loads(command.invoke(app, ["segments", "list", "--json"]).stdout)
    assert "mailed" in {one["id"] for one in shown}
    assert command.invoke(app, ["tokens", "delete", "demo-site"]).exit_code == 5


def test_members_are_uploaded_to_a_list(
    path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    stage = path.stage
    monkeypatch.setenv("SEGMENTATION_URL", stage.cloud.outputs["ManagementApiUrl"])
    monkeypatch.setenv("SEGMENTATION_TOKEN", stage.cloud.issuer.token("ann", "editor"))
    document = {"id": "guests", "name": "Guests", "audience": AUDIENCE, "kind": "list"}
    status, made = ask("POST", f"{BASE}/segments", {"document": document}, role="editor")
    assert status == 201, made
    households = members(ask, "mailed")[:3]
    file = tmp_path / "guests.csv"
    file.write_text("\n".join(["household_id", *households, "nobody"]) + "\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["segments", "upload", "guests", str(file), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["state"], told["rows"], told["matched"]) == ("committed", 4, 3)
    status, run = ask("POST", f"{BASE}/runs", {"job": "materialize", "segments": ["guests"]}, role="editor")
    assert status == 202, run
    path.stage.finish({"audience": AUDIENCE, "job": "materialize", "run": run["id"]})
    stage.wait_until_published(run["id"])
    assert sorted(members(ask, "guests")) == sorted(households)
    assert ask("DELETE", f"{BASE}/segments/guests", if_match="*", role="editor")[0] == 204


def test_a_lost_answer_is_told_again_and_the_key_in_it_opens_the_door(stage: Stage, ask: Ask) -> None:
    def told() -> tuple[int, Any]:
        return ask("POST", f"{BASE}/write-keys", {"document": {"id": "again"}}, key="once")

    status, made = told()
    assert (status, told()) == (201, (201, made))
    assert ask("POST", f"{BASE}/write-keys", {"document": {"id": "again"}}, key="twice")[0] == 409
    try:
        event = {"household_id": "nobody-yet", "sales_value": 1}
        wait_until(lambda: post(stage, event, key=made["secret"])[0] == 200, 20, "the new key is known")
    finally:
        assert ask("DELETE", f"{BASE}/write-keys/again", if_match="*")[0] == 204


def test_a_machine_signs_its_requests(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SEGMENTATION_AUTH": "aws",
        "SEGMENTATION_URL": stage.cloud.outputs["ManagementApiUrl"],
    }.items():
        monkeypatch.setenv(name, value)
    command = CliRunner()
    me = json.loads(command.invoke(app, ["whoami", "--json"]).stdout)
    assert (me["id"].endswith(":user/local"), me["role"]) == (True, "admin")
    planned = command.invoke(app, ["plan", str(stage.rules_folder), "--no-notes", "--json"])
    assert {step["id"] for step in json.loads(planned.stdout)[0]["steps"]} == {"demo-partner", "demo-webhook"}
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "stolen")
    assert command.invoke(app, ["whoami"]).exit_code == 5


def test_no_log_line_holds_a_key_a_token_or_a_person(path: Path, ask: Ask) -> None:
    """After everything above: neither secrets nor profile keys stand in any function's log."""
    before = len(path.log.lines)
    person = "jane.doe+secret@example.com"
    ask("POST", f"{BASE}/segments/mailed/explanations", {"key": person}, role="editor")
    ask("POST", f"{BASE}/segments/big-spenders-today/explanations", {"key": person}, role="editor")
    ask("POST", f"{BASE}/segments", {"document": {"id": person}}, role="editor")
    ask("GET", f"{BASE}/segments/{person}", role="editor")
    made = ask("POST", f"{BASE}/partners", {"document": {"id": "log-test", "segments": ["mailed"]}})[1]
    ask("DELETE", f"{BASE}/partners/log-test", if_match="*")
    said = "\n".join(text for _, text in path.log.lines)
    bearer = path.stage.cloud.issuer.token("ann", "editor").split(".")[0]
    for secret in (person, made["secret"], path.stage.partner_token, bearer, WRITE_KEY, SITE_TOKEN):
        assert secret not in said
    assert len(path.log.lines) >= before
