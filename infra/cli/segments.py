"""Segments through the management API."""

import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from .documents import VERSIONS
from .options import Audience, File, Id, Note, Yes, confirm, read
from .output import REFUSED, AsJson, fail, say, show
from .resource import Resource, audience_at
from .session import Url

app = typer.Typer(no_args_is_help=True, help="Segments through the API.")

Number = Annotated[int, typer.Argument(help="The version's number.")]


def at(url: str, audience: str, *names: str) -> AbstractContextManager[Resource]:
    """The segments of an audience, one of them, or what is below it."""
    return audience_at(url, audience, "segments", *names)


@app.command("list")
def listed(
    audience: Audience = "",
    folder: Annotated[str, typer.Option(help="Only of this folder and those below.")] = "",
    kind: Annotated[str, typer.Option(help="batch, realtime or list.")] = "",
    q: Annotated[str, typer.Option(help="Only with this text in id, name or description.")] = "",
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones.")] = False,
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """List segments with their sizes and how fresh they are."""
    with audience_at(url, audience) as one:
        found = one.below("segments").pages(folder=folder, kind=kind, q=q, archived=str(archived).lower())
        states = {state["segment"]: state for state in one.below("state").get()["segments"]}
        items = [{**segment, "state": states.get(segment["id"], {})} for segment in found]
        show(items, as_json, "id", "document.name", "document.kind", "folder", "version", "state.size",
             "state.status", "updated.by")  # fmt: skip


@app.command("show")
def shown(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show a segment, in words too."""
    with at(url, audience, identifier) as one:
        told = one.get()
        if as_json:
            show(told, True)
            return
        show(told, False, "id", "version", "folder", "archived", "created.at", "created.by", "updated.at", "updated.by",
             "what", "note", "document.name", "document.kind", "document.description")  # fmt: skip
        for line in [] if told["archived"] else one.below("words").get()["outline"]:
            say(f"  {line}")


@app.command("create")
def created(
    file: File,
    audience: Audience = "",
    folder: Annotated[str, typer.Option(help="Where it is to stand.")] = "",
    note: Note = "",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Create a segment of a JSON document."""
    with at(url, audience) as all_of_them:
        told = all_of_them.create({"document": read(file), "folder": folder, "note": note})
        show(told, as_json, "id", "version", "etag")


@app.command("edit")
def edited(
    identifier: Id,
    file: File,
    audience: Audience = "",
    note: Note = "",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Let a segment say what a JSON document says."""
    with at(url, audience, identifier) as one:
        told = one.change("PUT", {"document": read(file), "note": note})
        show(told, as_json, "id", "version", "etag")


@app.command("delete")
def deleted(identifier: Id, audience: Audience = "", yes: Yes = False, url: Url = "") -> None:
    """Delete a segment that nothing uses, and what was made of it; the history of the document stays."""
    with at(url, audience, identifier) as one:
        header = one.current()
        confirm(f"Delete segment {identifier}, with its sizes, exports and pages for partners?", yes=yes)
        one.change("DELETE", header=header)


@app.command("archive")
def archived(identifier: Id, audience: Audience = "", note: Note = "", url: Url = "") -> None:
    """Keep a segment, but compute it no more."""
    with at(url, audience, identifier) as one:
        one.change("PATCH", {"archived": True, "note": note})


@app.command("restore")
def restored(identifier: Id, audience: Audience = "", note: Note = "", url: Url = "") -> None:
    """Compute an archived segment again."""
    with at(url, audience, identifier) as one:
        one.change("PATCH", {"archived": False, "note": note})


@app.command("move")
def moved(
    identifier: Id,
    folder: Annotated[str, typer.Argument(help="Such as loyalty/grocery; '' for none.")],
    audience: Audience = "",
    url: Url = "",
) -> None:
    """Put a segment into a folder."""
    with at(url, audience, identifier) as one:
        one.change("PATCH", {"folder": folder})


@app.command("history")
def history(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show its versions, latest first."""
    with at(url, audience, identifier, "versions") as versions:
        show(versions.pages(), as_json, *VERSIONS)


@app.command("rollback")
def rolled_back(
    identifier: Id,
    version: Number,
    audience: Audience = "",
    note: Note = "",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Make an old version the new one."""
    with at(url, audience, identifier) as one:
        told = one.change("POST", {"version": version, "note": note}, below="/rollback")
        show(told, as_json, "id", "version", "what")


@app.command("sql")
def sql(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show the SQL that finds its members."""
    with at(url, audience, identifier, "sql") as one:
        told = one.get()
        show(told if as_json else told["sql"], as_json)


@app.command("sizes")
def sizes(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show how large it was, run by run."""
    with at(url, audience, identifier, "sizes") as points:
        show(points.pages(), as_json, "at", "size", "joined", "left", "carried", "run")


@app.command("dependents")
def dependents(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show who names it."""
    with at(url, audience, identifier, "dependents") as one:
        show(one.get()["items"], as_json, "kind", "id", "name")


@app.command("preview")
def previewed(
    file: File,
    audience: Audience = "",
    exact: Annotated[bool, typer.Option("--exact", help="Ask all profiles, not a sample.")] = False,
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Count who would be in a segment that is not saved."""
    with audience_at(url, audience, "previews") as previews:
        told = previews.finished(previews.begin({"document": read(file), "exact": exact}))
        show(told, as_json, "state", "count", "low", "high", "confidence", "population", "reason")


@app.command("members")
def members(
    identifier: Id,
    audience: Audience = "",
    most: Annotated[int, typer.Option("--limit", help="At the most so many; 0: all.")] = 100,
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """List the keys of its members, one a line."""
    with at(url, audience, identifier, "members") as one:
        found: list[str] = []
        cursor = ""
        while cursor is not None and (not most or len(found) < most):
            page = one.remote.request("GET", f"{one.path}{'?cursor=' + cursor if cursor else ''}")
            found += page["members"]
            cursor = page["next"]
        found = found[: most or None]
        show(found if as_json else "\n".join(found), as_json)


@app.command("export")
def exported(
    identifier: Id,
    file: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    audience: Audience = "",
    exact: Annotated[
        bool, typer.Option("--exact", help="Keys as they are, also those that look like formulas.")
    ] = False,
    url: Url = "",
) -> None:
    """Write all its members into a CSV file."""
    with at(url, audience, identifier, "exports") as exports:
        told = exports.finished(exports.begin({"exact": exact}))
        if told["state"] == "failed":
            fail([told["error"]], REFUSED)
        with urllib.request.urlopen(told["url"], timeout=60) as answer:
            file.write_bytes(answer.read())
        say(f"written: {file}")


@app.command("explain")
def explained(
    identifier: Id,
    key: Annotated[str, typer.Argument(help="The profile's key.")],
    column: Annotated[str, typer.Option(help="What the key is of; default: the master key.")] = "",
    audience: Audience = "",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Say why a profile is in it, or is not."""
    with at(url, audience, identifier, "explanations") as explanations:
        told = explanations.finished(explanations.begin({"key": key, "column": column}))
        if told["state"] == "failed":
            fail([told["error"]], REFUSED)
        show(told["why"] if as_json else "\n".join(told["why"]["text"]), as_json)


@app.command("upload")
def uploaded(
    identifier: Id,
    files: Annotated[list[Path], typer.Argument(help="CSV, NDJSON or Parquet files of members.")],
    identity: Annotated[
        str | None, typer.Option(help="The identity that they are known by; default: the master key.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="What the files call it.")] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Beside who is on the list; else in their place.")
    ] = False,
    audience: Audience = "",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Upload the members of a list segment, and wait for what comes of it."""
    with at(url, audience, identifier, "uploads") as uploads:
        kinds = {".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
        body = {"identity": identity, "column": column, "format": kinds.get(files[0].suffix, "csv"), "files": len(files),
                "mode": "append" if append else "replace"}  # fmt: skip
        begun = uploads.begin({name: one for name, one in body.items() if one is not None})
        for file, address in zip(files, begun["urls"], strict=True):
            _put(file, address)
        told: Any = uploads.finished(uploads.below(begun["upload"]["id"], "complete").begin())
        show(told, as_json, "state", "rows", "malformed", "duplicates", "matched", "unmatched", "error")
        if told["state"] == "failed":
            raise typer.Exit(REFUSED)


def _put(file: Path, address: str) -> None:
    """Put a file to an address that the API gave."""
    plain = {"Content-Type": "application/octet-stream"}  # not a form, which is what urllib says of bytes
    request = urllib.request.Request(address, file.read_bytes(), plain, method="PUT")
    with urllib.request.urlopen(request, timeout=600):
        pass
