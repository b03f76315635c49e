"""Segments through the management API."""

import urllib.request
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from .documents import (
    Audience,
    File,
    Id,
    Note,
    Yes,
    confirm,
    current,
    finished,
    pages,
    place_of,
    read,
    versions,
)
from .output import REFUSED, AsJson, fail, reported, say, show
from .session import Url, connect

app = typer.Typer(no_args_is_help=True, help="Segments through the API.")

Number = Annotated[int, typer.Argument(help="The version's number.")]


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
    with reported():
        remote = connect(url)
        base = place_of(remote, audience)
        shown = pages(
            remote, f"{base}/segments", folder=folder, kind=kind, q=q, archived=str(archived).lower()
        )
        states = {one["segment"]: one for one in remote.request("GET", f"{base}/state")["segments"]}
        items = [{**one, "state": states.get(one["id"], {})} for one in shown]
        show(items, as_json, "id", "document.name", "document.kind", "folder", "version", "state.size",
             "state.status", "updated.by")  # fmt: skip


@app.command("show")
def shown(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show a segment, in words too."""
    with reported():
        remote = connect(url)
        place = _place(remote, audience, identifier)
        told = remote.request("GET", place)
        if as_json:
            show(told, True)
            return
        show(told, False, "id", "version", "folder", "archived", "created.at", "created.by", "updated.at", "updated.by",
             "what", "note", "document.name", "document.kind", "document.description")  # fmt: skip
        for line in [] if told["archived"] else remote.request("GET", f"{place}/words")["outline"]:
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
    with reported():
        remote = connect(url)
        body = {"document": read(file), "folder": folder, "note": note}
        show(
            remote.request("POST", f"{place_of(remote, audience)}/segments", body),
            as_json,
            "id",
            "version",
            "etag",
        )


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
    with reported():
        remote = connect(url)
        place = _place(remote, audience, identifier)
        body = {"document": read(file), "note": note}
        show(remote.request("PUT", place, body, current(remote, place)), as_json, "id", "version", "etag")


@app.command("delete")
def deleted(identifier: Id, audience: Audience = "", yes: Yes = False, url: Url = "") -> None:
    """Delete a segment that nothing uses, and what was made of it; the history of the document stays."""
    with reported():
        remote = connect(url)
        place = _place(remote, audience, identifier)
        header = current(remote, place)
        confirm(f"Delete segment {identifier}, with its sizes, exports and pages for partners?", yes=yes)
        remote.request("DELETE", place, headers=header)


@app.command("archive")
def archived(identifier: Id, audience: Audience = "", note: Note = "", url: Url = "") -> None:
    """Keep a segment, but compute it no more."""
    _amend(identifier, audience, url, {"archived": True, "note": note})


@app.command("restore")
def restored(identifier: Id, audience: Audience = "", note: Note = "", url: Url = "") -> None:
    """Compute an archived segment again."""
    _amend(identifier, audience, url, {"archived": False, "note": note})


@app.command("move")
def moved(
    identifier: Id,
    folder: Annotated[str, typer.Argument(help="Such as loyalty/grocery; '' for none.")],
    audience: Audience = "",
    url: Url = "",
) -> None:
    """Put a segment into a folder."""
    _amend(identifier, audience, url, {"folder": folder})


@app.command("history")
def history(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show its versions, latest first."""
    with reported():
        remote = connect(url)
        versions(remote, _place(remote, audience, identifier), as_json)


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
    with reported():
        remote = connect(url)
        place = _place(remote, audience, identifier)
        body = {"version": version, "note": note}
        told = remote.request("POST", f"{place}/rollback", body, current(remote, place))
        show(told, as_json, "id", "version", "what")


@app.command("sql")
def sql(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show the SQL that finds its members."""
    with reported():
        remote = connect(url)
        told = remote.request("GET", f"{_place(remote, audience, identifier)}/sql")
        show(told if as_json else told["sql"], as_json)


@app.command("sizes")
def sizes(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show how large it was, run by run."""
    with reported():
        remote = connect(url)
        found = pages(remote, f"{_place(remote, audience, identifier)}/sizes")
        show(found, as_json, "at", "size", "joined", "left", "carried", "run")


@app.command("dependents")
def dependents(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show who names it."""
    with reported():
        remote = connect(url)
        found = remote.request("GET", f"{_place(remote, audience, identifier)}/dependents")["items"]
        show(found, as_json, "kind", "id", "name")


@app.command("preview")
def previewed(
    file: File,
    audience: Audience = "",
    exact: Annotated[bool, typer.Option("--exact", help="Ask all profiles, not a sample.")] = False,
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Count who would be in a segment that is not saved."""
    with reported():
        remote = connect(url)
        base = f"{place_of(remote, audience)}/previews"
        told = finished(remote, base, remote.request("POST", base, {"document": read(file), "exact": exact}))
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
    with reported():
        remote = connect(url)
        found: list[str] = []
        cursor = ""
        while True:
            query = f"?cursor={cursor}" if cursor else ""
            page = remote.request("GET", f"{_place(remote, audience, identifier)}/members{query}")
            found += page["members"]
            cursor = page["next"]
            if cursor is None or (most and len(found) >= most):
                break
        show(found[: most or None] if as_json else "\n".join(found[: most or None]), as_json)


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
    with reported():
        remote = connect(url)
        base = f"{_place(remote, audience, identifier)}/exports"
        told = finished(remote, base, remote.request("POST", base, {"exact": exact}))
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
    with reported():
        remote = connect(url)
        base = f"{_place(remote, audience, identifier)}/explanations"
        told = finished(remote, base, remote.request("POST", base, {"key": key, "column": column}))
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
    with reported():
        kinds = {".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
        remote = connect(url)
        base = f"{_place(remote, audience, identifier)}/uploads"
        body = {"identity": identity, "column": column, "format": kinds.get(files[0].suffix, "csv"), "files": len(files),
                "mode": "append" if append else "replace"}  # fmt: skip
        begun = remote.request("POST", base, {name: one for name, one in body.items() if one is not None})
        for file, address in zip(files, begun["urls"], strict=True):
            plain = {
                "Content-Type": "application/octet-stream"
            }  # not a form, which is what urllib says of bytes
            put = urllib.request.Request(address, file.read_bytes(), plain, method="PUT")
            with urllib.request.urlopen(put, timeout=600):
                pass
        told = finished(remote, base, remote.request("POST", f"{base}/{begun['upload']['id']}/complete"))
        show(told, as_json, "state", "rows", "malformed", "keys", "matched", "error")
        if told["state"] == "failed":
            raise typer.Exit(REFUSED)


def _amend(identifier: str, audience: str, url: str, body: dict[str, Any]) -> None:
    with reported():
        remote = connect(url)
        place = _place(remote, audience, identifier)
        remote.request("PATCH", place, body, current(remote, place))


def _place(remote: Any, audience: str, identifier: str) -> str:
    return f"{place_of(remote, audience)}/segments/{quote(identifier, safe='')}"
