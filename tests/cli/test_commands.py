"""The command line against the management API: tables, JSON, exit codes, sign-in, and files."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from segmentation.domain.run import pointer_path
from typer.testing import CliRunner

from infra.cli.app import app
from infra.cli.session import session_path
from infra.local.issuer import Issuer
from infra.local.quiet import serve
from tests.fakes.documents import published, sha
from tests.management.committed import counted
from tests.management.support import Office
from tests.management.wsgi import EDITOR_TOKEN, TOKEN, application

ROOT = Path(__file__).parents[2]


@dataclass
class Terminal:
    """Somebody at a terminal, and the API that they speak to."""

    office: Office
    url: str
    folder: Path

    def run(self, *arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(app, list(arguments), input=given)

    def ok(self, *arguments: str, given: str = "") -> str:
        done = self.run(*arguments, given=given)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    def json(self, *arguments: str, given: str = "") -> Any:
        return json.loads(self.ok(*arguments, "--json", given=given))

    def draft(self, identifier: str, **changes: Any) -> str:
        rule = {">=": [{"var": "attributes.age"}, 65]}
        document = {
            "id": identifier,
            "name": "N",
            "audience": "shop",
            "kind": "batch",
            "rule": rule,
            **changes,
        }
        return json.dumps(document)


@dataclass
class Line:
    """The way to the API, on which answers can be lost: what was asked for is done all the same."""

    application: Any
    lose: int = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if not self.lose or environ["REQUEST_METHOD"] == "GET":
            return self.application(environ, start_response)
        self.lose -= 1
        b"".join(self.application(environ, lambda *_: None))
        start_response("503 Service Unavailable", [])
        return [b"{}"]


@pytest.fixture
def line() -> Line:
    return Line(None)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: Line) -> Iterator[Terminal]:
    office = Office()
    line.application = application(office)
    server = serve(0, line)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.port}"
    monkeypatch.setenv("SEGMENTATION_URL", url)
    monkeypatch.setenv("SEGMENTATION_TOKEN", TOKEN)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield Terminal(office, url, tmp_path)
    server.shutdown()
    server.server_close()


def test_a_segment_s_life(terminal: Terminal) -> None:
    terminal.ok("segments", "create", "-", "--folder", "old", "-m", "first", given=terminal.draft("elders"))
    terminal.ok(
        "segments", "edit", "elders", "-", "-m", "second", given=terminal.draft("elders", name="Elders")
    )
    terminal.ok("segments", "move", "elders", "older/still")
    assert "age is at least 65" in terminal.ok("segments", "show", "elders")
    (listed,) = terminal.json("segments", "list", "--folder", "older")
    assert (listed["document"]["name"], listed["state"]["status"]) == ("Elders", "waiting")
    terminal.ok("segments", "rollback", "elders", "1")
    history = terminal.json("segments", "history", "elders")
    assert [(one["version"], one["note"]) for one in history] == [
        (4, ""),
        (3, ""),
        (2, "second"),
        (1, "first"),
    ]
    terminal.ok("segments", "archive", "elders")
    assert [one["id"] for one in terminal.json("segments", "list", "--archived")] == ["elders"]
    terminal.ok("segments", "restore", "elders")
    assert terminal.run("segments", "delete", "elders", given="n\n").exit_code == 1
    assert terminal.run("segments", "delete", "elders").exit_code == 1  # nobody is there to answer
    terminal.ok("segments", "show", "elders")
    terminal.ok("segments", "delete", "elders", "--yes")
    gone = terminal.run("segments", "show", "elders")
    assert (gone.exit_code, "there is no 'elders'" in gone.output) == (1, True)


def test_what_takes_a_while_is_waited_for(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    office = terminal.office
    tables = {"profiles": "people_v", "behaviors": {"purchases": "sales_v", "mailings": "mail_v"}}
    pointer = {"version": "v", "tables": tables, "rows": {"profiles": 50}}
    office.lake.put(pointer_path("shop"), json.dumps(pointer).encode())
    shown = [None] * len(published().audience.public() & published().audience.columns().keys())
    office.warehouse.answers |= {"explain": [("p1", "31")], "preview": [("7", "50", "true", "p1", *shown)]}
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) % 3 == 0:
            office.finish()

    monkeypatch.setattr("infra.cli.resource.time.sleep", sleep)
    assert "31" in terminal.ok("segments", "explain", "adults", "p1")
    assert (len(waited), waited == sorted(waited)) == (3, True)
    assert terminal.json("segments", "explain", "adults", "p1")["holds"] is True
    assert terminal.json("segments", "preview", "-", given=terminal.draft("elders"))["count"] == 7
    office.warehouse.answers["explain"] = []
    nobody = terminal.run("segments", "explain", "adults", "p2")
    assert (nobody.exit_code, "no profile" in nobody.output) == (1, True)


def test_an_audience_is_removed_by_who_says_so_twice(terminal: Terminal) -> None:
    refused = terminal.run("audiences", "delete", "shop", "--yes")
    assert refused.exit_code == 1
    assert "segment 'adults'" in refused.output
    assert terminal.run("audiences", "delete", "shop", "--force", given="n\n").exit_code == 1
    assert terminal.run("audiences", "removal", "shop").exit_code == 1
    said = terminal.ok("audiences", "delete", "shop", "--force", given="y\n")
    assert "segmentation audiences removal shop" in said
    assert terminal.json("audiences", "removal", "shop")["state"] == "removing"
    assert terminal.office.remover.started == 1
    # Asked again, and by a program.
    assert terminal.json("audiences", "delete", "shop", "--yes")["state"] == "removing"


def test_tables_have_headings_and_what_is_in_them(terminal: Terminal) -> None:
    head, *rows = terminal.ok("segments", "list").splitlines()
    assert head.split() == ["id", "name", "kind", "folder", "version", "size", "status", "by"]
    assert [row.split()[0] for row in rows] == [
        "adults",
        "adults-buying",
        "buyers",
        "buying-now",
        "germans-buying",
    ]


def test_the_state_is_shown_in_words(terminal: Terminal) -> None:
    now = terminal.office.clock.time
    counted(terminal.office, now - 3 * 3_600 - 5, {"adults": 1_234})
    terminal.office.metrics.batches = [(now - 120, 130.0, False), (now - 180, 1.0, True)]
    lines = terminal.ok("state").splitlines()
    (stream,) = [line for line in lines if line.startswith("stream")]
    assert "late, 2 min behind at 20" in stream
    assert "failed 1 time in 15 minutes" in stream
    (adults,) = [line.split() for line in lines if line.startswith("adults ")]
    assert adults[:4] == ["adults", "batch", "fresh", "1,234"]
    assert adults[-2:] == ["3", "h"]
    (buying,) = [line.split() for line in lines if line.startswith("buying-now ")]
    assert buying[-2:] == ["2", "min"]


def test_a_name_writes_nothing_to_the_terminal(terminal: Terminal) -> None:
    hostile = "[red]\x1b[2J\x07evil[/red]"
    terminal.ok("segments", "create", "-", given=terminal.draft("evil", name=hostile))
    shown = terminal.ok("segments", "list")
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}evil[/red]" in shown
    assert terminal.json("segments", "list", "--q", "evil")[0]["document"]["name"] == hostile


def test_what_is_refused_is_told_with_its_place(terminal: Terminal) -> None:
    bad = terminal.draft("elders", rule={">=": [{"var": "attributes.agee"}, "x"]})
    refused = terminal.run("segments", "create", "-", given=bad)
    assert refused.exit_code == 1
    assert "/document/rule/>=/0/var" in refused.output
    assert "did you mean 'age'" in refused.output


def test_exit_codes_say_what_kind_of_failure_it_was(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert terminal.run("segments", "list", "--colour").exit_code == 2
    assert terminal.run("segments", "create", "-", given="{").exit_code == 2
    assert terminal.run("whoami", "--url", "http://127.0.0.1:1").exit_code == 4
    monkeypatch.setenv("SEGMENTATION_TOKEN", "nobody's")
    assert terminal.run("whoami").exit_code == 5
    monkeypatch.delenv("SEGMENTATION_TOKEN")
    assert terminal.run("whoami").exit_code == 5


def test_keys_are_made_shown_once_and_rotated(terminal: Terminal) -> None:
    document = json.dumps({"id": "site2", "key_column": "person_id", "segments": ["adults"]})
    said = terminal.ok("tokens", "create", "-", given=document)
    made = said.split()[1]
    assert said.startswith(f"site2: {made}")
    rotated = terminal.json("tokens", "rotate", "site2")["secret"]
    held = terminal.json("tokens", "show", "site2")["document"]["sha256"]
    assert held == [sha(made), sha(rotated)]
    assert "secret" not in terminal.ok("tokens", "show", "site2")
    terminal.ok("tokens", "delete", "site2")
    assert "site2" not in terminal.ok("tokens", "list")


def test_runs_are_started_and_listed(terminal: Terminal) -> None:
    run = terminal.json("runs", "start", "-s", "adults", "-s", "buyers")
    assert terminal.office.materialize.calls == [{"audience": "shop", "segments": ["adults", "buyers"]}]
    assert run["id"] in terminal.ok("runs", "list")
    assert terminal.json("runs", "show", run["id"]) == run
    assert "waiting" in terminal.ok("state")


def test_any_operation_can_be_called(terminal: Terminal) -> None:
    assert json.loads(terminal.ok("api", "get", "/v1/me"))["role"] == "admin"
    moved = terminal.ok(
        "api", "PATCH", "/v1/audiences/shop/segments/adults", '{"folder": "x"}', "--if-match", "*"
    )
    assert json.loads(moved)["folder"] == "x"


def test_files_are_planned_applied_and_pulled(terminal: Terminal) -> None:
    rules = terminal.folder / "rules"
    for kind in ("audiences", "segments", "access", "destinations"):
        shutil.copytree(ROOT / "rules" / kind, rules / kind)
    assert "complete-journey" in terminal.ok("validate", str(rules))
    assert terminal.run("plan", str(rules), "--exit-code", "--brief").exit_code == 3
    assert "+ segments/mailed" in terminal.ok("apply", str(rules), "-m", "first")
    assert terminal.run("plan", str(rules), "--exit-code").exit_code == 0
    path = rules / "segments" / "mailed.json"
    document = json.loads(path.read_text())
    changed = json.dumps({**document, "name": "Theirs"})
    terminal.ok("segments", "edit", "mailed", "-", "-a", "complete-journey", given=changed)
    path.write_text(json.dumps({**document, "name": "Ours"}))
    stopped = terminal.run("apply", str(rules))
    assert (stopped.exit_code, "segments/mailed" in stopped.output) == (3, True)
    assert "mailed.json" in terminal.ok("pull", str(rules), "-a", "complete-journey", "--overwrite")
    assert json.loads(path.read_text())["name"] == "Theirs"
    empty = terminal.folder / "elsewhere"
    terminal.ok("pull", str(empty))
    assert (empty / "segments" / "adults.json").is_file()
    assert terminal.run("plan", str(empty), "--exit-code").exit_code == 0
    path.write_text("{")
    broken = terminal.run("validate", str(rules))
    assert (broken.exit_code, f"{path}: not JSON" in broken.output) == (1, True)


def test_signing_in_at_a_development_issuer(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer()
    server = serve(0, issuer)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    issuer.url = f"http://127.0.0.1:{server.port}"
    object.__setattr__(terminal.office.api, "issuer", issuer.url)
    monkeypatch.delenv("SEGMENTATION_TOKEN")
    try:
        # The API behind knows one token only: what the issuer gave is kept, and refused there.
        assert terminal.run("login", "--role", "editor", "--name", "ann").exit_code == 5
        kept = json.loads(session_path().read_text())
        assert (kept["url"], kept["token"].count(".")) == (terminal.url, 2)
        assert session_path().stat().st_mode & 0o777 == 0o600
        terminal.ok("logout")
        assert not session_path().exists()
    finally:
        server.shutdown()
        server.server_close()


def test_the_help_is_whole_and_quick_to_reach() -> None:
    """The entry point imports no cloud: help and completion answer at once."""
    code = "import sys, infra.cli.app; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"moto", "boto3", "duckdb", "pyarrow", "pandas", "sqlglot", "samtranslator"}
    assert not heavy & set(found.stdout.split())
    shown = CliRunner().invoke(app, ["--help"]).output
    for word in (
        "plan",
        "apply",
        "pull",
        "validate",
        "segments",
        "tokens",
        "runs",
        "local",
        "demo",
        "Exit codes",
    ):
        assert word in shown


@pytest.mark.parametrize("command", ["local", "demo", "author", "migrate", "schema", "openapi"])
def test_a_command_with_a_parser_of_its_own_shows_its_own_help(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"python -m infra.{'rule_schema' if command == 'schema' else command}" in shown.output


def test_an_editor_plans_and_applies_segments_and_leaves_the_rest_alone(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = terminal.folder / "rules"
    terminal.ok("pull", str(folder), "--no-notes")
    (adults,) = folder.rglob("adults.json")
    adults.write_text(adults.read_text(encoding="utf-8").replace('"Adults"', '"Grown-ups"'), encoding="utf-8")
    (access,) = (folder / "access").glob("*.json")
    document = json.loads(access.read_text(encoding="utf-8"))
    document["tokens"][0]["description"] = "a difference that is no editor's"
    access.write_text(json.dumps(document), encoding="utf-8")
    assert "tokens/" in terminal.ok("plan", str(folder))
    monkeypatch.setenv("SEGMENTATION_TOKEN", EDITOR_TOKEN)
    said = terminal.ok("plan", str(folder))
    assert "~ segments/adults" in said
    assert "tokens/" not in said
    assert (
        "left alone, for your role may not change them: audience, write keys, tokens, partners, destinations"
        in said
    )
    for _ in range(2):
        terminal.ok("apply", str(folder))
    assert terminal.json("segments", "show", "adults")["document"]["name"] == "Grown-ups"
    assert terminal.json("plan", str(folder))[0]["steps"] == []
    # A folder of their own: keys and tokens are not taken over, for their hashes are not shown.
    own = terminal.folder / "own"
    terminal.ok("pull", str(own))
    assert (own / "segments").is_dir()
    assert not list(own.rglob("access/*.json"))
    assert terminal.json("plan", str(own))[0]["steps"] == []


def test_an_answer_that_is_lost_loses_no_secret_and_makes_nothing_twice(
    terminal: Terminal, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.documents.remotes.PAUSES", (0.0, 0.0))
    line.lose = 2
    made = terminal.json("write-keys", "create", "-", given=json.dumps({"id": "shop"}))
    line.lose = 1
    rotated = terminal.json("write-keys", "rotate", "shop")
    held = terminal.json("write-keys", "show", "shop")["document"]["sha256"]
    assert held == [sha(made["secret"]), sha(rotated["secret"])]
    line.lose = 1
    terminal.ok("segments", "create", "-", given=terminal.draft("elders"))
    line.lose = 1
    terminal.ok("segments", "move", "elders", "old")
    assert [one["version"] for one in terminal.json("segments", "history", "elders")] == [2, 1]
    line.lose = 1
    terminal.ok("segments", "delete", "elders", "--yes")
    line.lose = 3
    lost = terminal.run("segments", "create", "-", given=terminal.draft("elders"))
    assert lost.exit_code == 4
    # What is no write of a document is begun once, and said to have failed.
    line.lose = 1
    assert terminal.run("runs", "start").exit_code == 4
    assert len(terminal.office.materialize.calls) == 1
