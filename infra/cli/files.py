"""Rules as files: check them, see what publishing would change, publish, pull."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from segmentation.domain.rulebook import ACCESS, KINDS

from infra.documents.files import AudienceRules, RulesRefused, read_rules
from infra.documents.plan import Action, Notes, Plan
from infra.documents.publish import apply, plan_for, standing
from infra.documents.pull import pull
from infra.documents.remotes import LakeRemote, Remote

from .output import DIFFERENT, AsJson, fail, reported, say, show
from .session import Url, connect

Folder = Annotated[Path, typer.Argument(help="The folder of documents.", show_default=True)]
Bucket = Annotated[
    str,
    typer.Option(
        "--bucket",
        envvar="SEGMENTATION_BUCKET",
        help="Publish to the lake's bucket itself, with the AWS account at hand, not through the API.",
    ),
]
Audience = Annotated[str, typer.Option("--audience", "-a", help="Only this one; default: all of the folder.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="The files win over edits of others.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete what has no file, whoever made it.")]
Note = Annotated[str, typer.Option("--note", "-m", help="Why, for the history.")]
Fresh = Annotated[
    bool, typer.Option("--no-notes", help="Do not read or keep notes of published versions; for pipelines.")
]
MARKS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.PULL: "<", Action.CONFLICT: "!"}
STYLES = {"+": "green", "~": "yellow", "-": "red", "<": "cyan", "!": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("validate")(validate)
    app.command("plan")(plan)
    app.command("apply")(apply_command)
    app.command("pull")(pull_command)


def validate(folder: Folder = Path("rules"), as_json: AsJson = False) -> None:
    """Check all documents of a folder; needs neither an account nor a network."""
    with reported():
        told = []
        for rules in read_rules(folder):
            kinds = [segment.kind for segment in rules.check().rules]
            told.append(
                {
                    "audience": rules.id,
                    "segments": len(kinds),
                    **{kind: kinds.count(kind) for kind in SEGMENTS},
                }
            )
        show(told, as_json, "audience", "segments", *SEGMENTS)


SEGMENTS = ("batch", "realtime", "list")


def plan(
    folder: Folder = Path("rules"),
    bucket: Bucket = "",
    url: Url = "",
    audience: Audience = "",
    overwrite: Overwrite = False,
    prune: Prune = False,
    no_notes: Fresh = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 3 if there are differences.")
    ] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Name the documents only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what `apply` would change, and what others changed."""
    with reported():
        remote, notes = _remote(bucket, url), _notes(folder, no_notes)
        plans = [
            plan_for(rules, remote, notes, overwrite=overwrite, prune=prune)
            for rules in _rules(folder, audience)
        ]
        kinds = remote.kinds()
    if as_json:
        show([_told(one) for one in plans], True)
    else:
        for one in plans:
            _print(one, brief)
        _say_left_alone(kinds)
    if exit_code and any(one.steps for one in plans):
        raise typer.Exit(DIFFERENT)


def apply_command(
    folder: Folder = Path("rules"),
    bucket: Bucket = "",
    url: Url = "",
    audience: Audience = "",
    overwrite: Overwrite = False,
    prune: Prune = False,
    no_notes: Fresh = False,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Publish the documents of a folder: all of an audience at once, and never over an edit of somebody else."""
    with reported():
        remote, notes = _remote(bucket, url), _notes(folder, no_notes)
        chosen = _rules(folder, audience)
        plans = [
            plan_for(rules, remote, notes, overwrite=overwrite, prune=prune, note=note) for rules in chosen
        ]
        conflicts = [(one, step) for one in plans for step in one.of(Action.CONFLICT)]
        if conflicts:
            lines = [f"{one.audience} {step.name}: {step.why}" for one, step in conflicts]
            fail([*lines, "Changed on both sides; nothing was changed. Take theirs: segmentation pull --overwrite. "
                  "Take ours: segmentation apply --overwrite."], DIFFERENT)  # fmt: skip
        for one, rules in zip(plans, chosen, strict=True):
            apply(one, rules, remote, notes)
        kinds = remote.kinds()
    if as_json:
        show([_told(one) for one in plans], True)
        return
    for one in plans:
        _print(one, brief=True)
        say(f"{one.audience}: {len(one.edits)} published, {one.same} as they were")
    _say_left_alone(kinds)


def pull_command(
    folder: Folder = Path("rules"),
    bucket: Bucket = "",
    url: Url = "",
    audience: Audience = "",
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Take over everything that differs, also where files were changed."),
    ] = False,
    no_notes: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Write what others changed into the files."""
    with reported():
        remote, notes = _remote(bucket, url), _notes(folder, no_notes)
        try:
            known = {rules.id: rules for rules in read_rules(folder)}
        except RulesRefused:
            if list(folder.rglob("*.json")):
                raise
            known = {}
        touched: list[Path] = []
        kinds = remote.kinds()
        for name in [audience] if audience else sorted({*remote.audiences(), *known}):
            rules = known.get(name)
            shown = remote.entries(name)
            entries = {key: one for key, one in shown.items() if key[0] in kinds or key[0] not in ACCESS}
            made = plan_for(rules, remote, notes) if rules is not None else None
            touched += pull(rules, folder, name, entries, made, overwrite=overwrite)
            if notes is not None:
                (again,) = [one for one in read_rules(folder) if one.id == name]
                notes.keep(name, entries, standing(again, remote))
            if made is not None and not overwrite:
                for step in made.of(Action.CONFLICT):
                    say(f"! {step.name}: left alone, it was changed here and {step.why}", "red")
    show([{"file": str(path)} for path in touched], as_json, "file")


def _remote(bucket: str, url: str) -> Remote:
    if not bucket:
        return connect(url)
    import boto3
    from segmentation.adapters.s3 import S3Lake

    return LakeRemote(S3Lake(boto3.client("s3"), bucket))


def _notes(folder: Path, no_notes: bool) -> Notes | None:
    return None if no_notes else Notes.read(folder)


def _rules(folder: Path, audience: str) -> list[AudienceRules]:
    found = [one for one in read_rules(folder) if audience in ("", one.id)]
    if not found:
        raise RulesRefused([f"{folder}: no audience {audience!r}"])
    return found


def _say_left_alone(kinds: Collection[str]) -> None:
    left = [kind.replace("_", " ") for kind in KINDS if kind not in kinds]
    if left:
        say(f"left alone, for your role may not change them: {', '.join(left)}")


def _print(one: Plan, brief: bool) -> None:
    for step in one.steps:
        mark = MARKS[step.action]
        say(f"{mark} {step.name}{'  (' + step.why + ')' if step.why else ''}", STYLES[mark])
        for line in step.diff if not brief else ():
            say(f"    {line}", STYLES.get(line[:1], ""))
    counts = ", ".join(f"{len(one.of(action))} to {action}" for action in Action if one.of(action))
    if not brief or not one.steps:
        say(f"{one.audience}: {counts or 'nothing to do'}; {one.same} as they are")


def _told(one: Plan) -> dict[str, object]:
    steps = [
        {
            "kind": step.kind,
            "id": step.id,
            "action": str(step.action),
            "why": step.why,
            "diff": list(step.diff),
        }
        for step in one.steps
    ]
    return {"audience": one.audience, "same": one.same, "steps": steps}
