"""Segments as code against edits of others: nothing is lost, on the lake itself and through the API alike."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from segmentation.domain.errors import Conflict, Outdated
from segmentation.domain.rulebook import Edit
from segmentation.usecases.edit_rules import Author, EditRules
from segmentation.usecases.manage_documents import ManageDocuments

from infra.documents.files import AudienceRules, RulesRefused, read_rules
from infra.documents.plan import Action, Notes, Plan
from infra.documents.publish import apply, plan_for
from infra.documents.pull import pull
from infra.documents.remotes import ApiRemote, LakeRemote, Remote, RemoteRefused, bearer
from infra.local.quiet import serve
from tests.fakes import FakeSecrets, FixedClock, MemoryLake
from tests.management.support import Office
from tests.management.wsgi import TOKEN, application

RULES = Path(__file__).parents[2] / "rules"
AUDIENCE = "complete-journey"


@dataclass
class Team:
    """Files in two working copies, a remote, and somebody who edits in the console."""

    remote: Remote
    lake: MemoryLake
    folder: Path
    notes: dict[Path, Notes] = field(default_factory=dict)

    def rules(self, folder: Path | None = None) -> AudienceRules:
        (found,) = read_rules(folder or self.folder)
        return found

    def plan(self, noted: bool = False, **more: Any) -> Plan:
        return plan_for(self.rules(), self.remote, Notes.read(self.folder) if noted else None, **more)

    def apply(self, noted: bool = False, **more: Any) -> Plan:
        notes = Notes.read(self.folder) if noted else None
        made = plan_for(self.rules(), self.remote, notes, **more)
        apply(made, self.rules(), self.remote, notes)
        return made

    def pull(self, noted: bool = False, **more: Any) -> list[str]:
        notes = Notes.read(self.folder) if noted else None
        entries = self.remote.entries(AUDIENCE)
        made = plan_for(self.rules(), self.remote, notes)
        touched = pull(self.rules(), self.folder, AUDIENCE, entries, made, **more)
        if notes is not None:
            local = {key: (document, where) for key, document, where in self.rules().documents()}
            notes.keep(AUDIENCE, entries, local)
        return sorted(path.relative_to(self.folder).as_posix() for path in touched)

    def edit_file(self, name: str, change: Callable[[Any], None]) -> None:
        (path,) = self.folder.rglob(f"{name}.json")
        document = json.loads(path.read_text(encoding="utf-8"))
        change(document)
        path.write_text(json.dumps(document), encoding="utf-8")

    def console(self, *edits: Edit) -> None:
        EditRules(self.lake, FixedClock())(AUDIENCE, edits, Author("bob"))

    def rename(self, identifier: str, name: str) -> None:
        documents = ManageDocuments(self.lake, FixedClock(), str, FakeSecrets())
        document = {**documents.find(AUDIENCE, "segments", identifier).document, "name": name}
        self.console(Edit("segments", identifier, "edited", document))

    def name(self, identifier: str) -> str:
        documents = ManageDocuments(self.lake, FixedClock(), str, FakeSecrets())
        return str(documents.find(AUDIENCE, "segments", identifier).document["name"])


@pytest.fixture(params=["lake", "api"])
def team(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Team]:
    for kind in ("audiences", "segments", "access", "destinations"):
        shutil.copytree(RULES / kind, tmp_path / kind)
    office = Office()
    if request.param == "lake":
        yield Team(LakeRemote(office.lake, "ci"), office.lake, tmp_path)
        return
    server = serve(0, application(office))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Team(ApiRemote(f"http://127.0.0.1:{server.port}", bearer(lambda: TOKEN)), office.lake, tmp_path)
    server.shutdown()
    server.server_close()


def steps(plan: Plan) -> dict[str, Action]:
    return {step.name: step.action for step in plan.steps}


def name(text: str) -> Callable[[Any], None]:
    return lambda document: document.update(name=text)


@pytest.mark.parametrize("noted", [True, False])
def test_a_folder_is_published_and_then_there_is_nothing_to_do(team: Team, noted: bool) -> None:
    made = team.apply(noted)
    assert set(steps(made).values()) == {Action.CREATE}
    again = team.plan(noted)
    assert (again.steps, again.same) == ((), len(made.steps))
    entry = team.remote.entries(AUDIENCE)["segments", "mailed"]
    assert (entry.record.version, entry.record.what) == (1, "applied")


@pytest.mark.parametrize("noted", [True, False])
def test_changed_files_are_shown_and_published(team: Team, noted: bool) -> None:
    team.apply(noted)
    team.edit_file("mailed", name("Posted"))
    (team.folder / "segments" / "quick-redeemers.json").unlink()
    shutil.move(
        team.folder / "segments" / "big-families.json", _made(team.folder / "segments" / "people") / "x.json"
    )
    access = team.folder / "access" / f"{AUDIENCE}.json"
    document = json.loads(access.read_text())
    document["tokens"][0]["segments"].remove("quick-redeemers")
    access.write_text(json.dumps(document))
    plan = team.plan(noted)
    assert steps(plan) == {
        "segments/mailed": Action.UPDATE,
        "segments/big-families": Action.UPDATE,
        "segments/quick-redeemers": Action.DELETE,
        "tokens/demo-site": Action.UPDATE,
    }
    (mailed,) = [step for step in plan.steps if step.id == "mailed"]
    assert [line for line in mailed.diff if line[0] in "+-"] == [
        '-  "name": "Mailed",',
        '+  "name": "Posted",',
    ]
    team.apply(noted)
    assert team.name("mailed") == "Posted"
    assert team.remote.entries(AUDIENCE)["segments", "big-families"].record.folder == "people"
    assert team.plan(noted).steps == ()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("noted", [True, False])
def test_an_edit_in_the_console_is_left_alone_and_pulled(team: Team, noted: bool) -> None:
    team.apply(noted)
    team.rename("mailed", "Bob's")
    plan = team.plan(noted)
    assert steps(plan) == {"segments/mailed": Action.PULL}
    assert "by bob" in plan.steps[0].why
    team.edit_file("coupon-lovers", name("Ours"))
    team.apply(noted)
    assert (team.name("mailed"), team.name("coupon-lovers")) == ("Bob's", "Ours")
    assert team.pull(noted) == ["segments/mailed.json"]
    assert team.plan(noted).steps == ()
    team.edit_file("mailed", name("Ours now"))
    if noted:
        assert steps(team.apply(noted)) == {"segments/mailed": Action.UPDATE}
        assert team.name("mailed") == "Ours now"


@pytest.mark.parametrize("noted", [True, False])
def test_what_was_changed_on_both_sides_stops_everything(team: Team, noted: bool) -> None:
    team.apply(noted)
    team.rename("mailed", "Bob's")
    team.edit_file("mailed", name("Ours"))
    team.edit_file("coupon-lovers", name("Also ours"))
    assert steps(team.plan(noted))["segments/mailed"] is Action.CONFLICT
    with pytest.raises(RulesRefused, match="segments/mailed: changed here, and edited by bob"):
        team.apply(noted)
    assert (team.name("mailed"), team.name("coupon-lovers") == "Also ours") == ("Bob's", False)
    assert team.pull(noted) == []
    team.apply(noted, overwrite=True)
    assert team.name("mailed") == "Ours"
    team.rename("mailed", "Bob's again")
    team.edit_file("mailed", name("Ours again"))
    assert team.pull(noted, overwrite=True) == ["segments/mailed.json"]
    assert team.plan(noted).steps == ()


@pytest.mark.parametrize("noted", [True, False])
def test_what_others_make_is_not_deleted(team: Team, noted: bool) -> None:
    team.apply(noted)
    document = {**team.rules().segments[0][1], "id": "bobs"}
    team.console(Edit("segments", "bobs", "created", document, folder="bob/new"))
    token = {"id": "bobs", "sha256": "0" * 64, "key_column": "household_id", "segments": ["bobs"]}
    team.console(Edit("tokens", "bobs", "created", token))
    assert steps(team.plan(noted)) == {"segments/bobs": Action.PULL, "tokens/bobs": Action.PULL}
    assert steps(team.plan(noted, prune=True)) == {
        "segments/bobs": Action.DELETE,
        "tokens/bobs": Action.DELETE,
    }
    assert team.apply(noted).edits == []
    assert team.pull(noted) == [f"access/{AUDIENCE}.json", "segments/bob/new/bobs.json"]
    assert team.plan(noted).steps == ()


@pytest.mark.parametrize("noted", [True, False])
def test_what_others_delete_does_not_come_back_by_itself(team: Team, noted: bool) -> None:
    lonely = {**team.rules().segments[0][1], "id": "lonely"}
    (team.folder / "segments" / "lonely.json").write_text(json.dumps(lonely))
    team.apply(noted)
    team.console(Edit("segments", "lonely", "deleted", delete=True))
    assert steps(team.plan(noted)) == {"segments/lonely": Action.PULL}
    assert team.pull(noted) == ["segments/lonely.json"]
    assert not (team.folder / "segments" / "lonely.json").exists()
    assert team.plan(noted).steps == ()


def test_an_archived_segment_is_left_archived_or_restored_by_its_file(team: Team) -> None:
    lonely = {**team.rules().segments[0][1], "id": "lonely"}
    path = team.folder / "segments" / "lonely.json"
    path.write_text(json.dumps(lonely))
    team.apply()
    team.console(Edit("segments", "lonely", "archived", archived=True))
    assert steps(team.plan()) == {"segments/lonely": Action.PULL}
    team.apply(overwrite=True)
    assert not team.remote.entries(AUDIENCE)["segments", "lonely"].record.archived
    team.console(Edit("segments", "lonely", "archived", archived=True))
    path.unlink()
    assert team.plan().steps == ()


def test_a_stale_working_copy_does_not_undo_another_one(
    team: Team, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Both from files: the notes of the first copy know that what stands is not what it saw."""
    team.apply(noted=True)
    other = Team(team.remote, team.lake, tmp_path_factory.mktemp("other") / "rules")
    shutil.copytree(team.folder, other.folder)
    other.edit_file("mailed", name("Other's"))
    other.apply(noted=True)
    team.edit_file("mailed", name("Ours"))
    assert steps(team.plan(noted=True)) == {"segments/mailed": Action.CONFLICT}


def test_an_edit_between_plan_and_apply_is_noticed(team: Team) -> None:
    team.apply()
    team.edit_file("mailed", name("Ours"))
    made = team.plan()
    team.rename("mailed", "Bob's")
    with pytest.raises(Outdated, match="segments/mailed"):
        apply(made, team.rules(), team.remote)
    assert team.name("mailed") == "Bob's"


def test_documents_that_are_not_in_order_are_not_sent(team: Team) -> None:
    team.apply()
    team.edit_file("mailed", lambda one: one.update(rule={"sometimes": []}))
    with pytest.raises(RulesRefused, match=r"mailed\.json: /rule"):
        team.plan()


def test_what_the_remote_refuses_is_told(team: Team) -> None:
    """Somebody's token needs the segment that the file's deletion would take away."""
    team.apply()
    token = {"id": "bobs", "sha256": "0" * 64, "key_column": "household_id", "segments": ["mailed"]}
    team.console(Edit("tokens", "bobs", "created", token))
    lonely = {**team.rules().segments[0][1], "id": "lonely"}
    (team.folder / "segments" / "lonely.json").write_text(json.dumps(lonely))
    team.apply()
    team.console(Edit("tokens", "bobs", "edited", {**token, "segments": ["lonely"]}))
    (team.folder / "segments" / "lonely.json").unlink()
    with pytest.raises((RemoteRefused, Conflict), match="used by token 'bobs'"):
        team.apply()
