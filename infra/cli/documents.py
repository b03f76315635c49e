"""Audiences, destinations, keys and tokens through the management API: one set of commands for each kind."""

import json
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from infra.documents.remotes import ApiRemote

from .output import AsJson, reported, say, show
from .session import Url, connect

FAMILIES = ("destinations", "write-keys", "tokens", "partners", "audiences")
SECRETS = ("write-keys", "tokens", "partners")
UNDER_WAY = ("running", "reading", "matching")
"""States of what is not at its end."""

Audience = Annotated[
    str,
    typer.Option(
        "--audience", "-a", envvar="SEGMENTATION_AUDIENCE", help="The audience; default: the only one."
    ),
]
Id = Annotated[str, typer.Argument(help="The document's id.")]
File = Annotated[Path, typer.Argument(help="A JSON document; - reads it from standard input.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Note = Annotated[str, typer.Option("--note", "-m", help="Why, for the history.")]


def commands(family: str) -> typer.Typer:
    """The commands of a kind."""
    app = typer.Typer(no_args_is_help=True, help=f"{family.replace('-', ' ').capitalize()} through the API.")

    @app.command("list")
    def listed(audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
        """List them."""
        with reported():
            items = pages(connect(url), _place(connect(url), family, audience))
            show(items, as_json, "id", "version", "updated.at", "updated.by", "document.description")

    @app.command("show")
    def shown(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
        """Show one, as it stands."""
        with reported():
            remote = connect(url)
            show(
                remote.request("GET", f"{_place(remote, family, audience)}/{quote(identifier, safe='')}"),
                as_json,
            )

    @app.command("history")
    def history(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
        """Show its versions, latest first."""
        with reported():
            remote = connect(url)
            versions(remote, f"{_place(remote, family, audience)}/{quote(identifier, safe='')}", as_json)

    if family == "audiences":
        _add_removal(app)
        return app

    @app.command("create")
    def created(
        file: File, audience: Audience = "", note: Note = "", url: Url = "", as_json: AsJson = False
    ) -> None:
        """Create one of a JSON document."""
        with reported():
            remote = connect(url)
            told = remote.request(
                "POST", _place(remote, family, audience), {"document": read(file), "note": note}
            )
            _show_secret(told, as_json) if family in SECRETS else show(told, as_json)

    @app.command("delete")
    def deleted(identifier: Id, audience: Audience = "", url: Url = "") -> None:
        """Delete one; its history stays."""
        with reported():
            remote = connect(url)
            place = f"{_place(remote, family, audience)}/{quote(identifier, safe='')}"
            remote.request("DELETE", place, headers=current(remote, place))

    if family in SECRETS:

        @app.command("rotate")
        def rotated(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
            """Give one a new secret; the one before it stays good until it is retired."""
            with reported():
                remote = connect(url)
                place = f"{_place(remote, family, audience)}/{quote(identifier, safe='')}"
                _show_secret(
                    remote.request("POST", f"{place}/rotate", headers=current(remote, place)),
                    as_json,
                )

        @app.command("retire")
        def retired(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
            """Let the latest secret of one be its only one."""
            with reported():
                remote = connect(url)
                place = f"{_place(remote, family, audience)}/{quote(identifier, safe='')}"
                show(remote.request("POST", f"{place}/retire", headers=current(remote, place)), as_json)

    return app


def _add_removal(app: typer.Typer) -> None:
    @app.command("delete")
    def deleted(
        identifier: Id,
        yes: Yes = False,
        force: Annotated[
            bool, typer.Option("--force", help="Even though documents stand in it, or a run is under way.")
        ] = False,
        url: Url = "",
        as_json: AsJson = False,
    ) -> None:
        """Remove an audience with everything that was made of it: profiles, runs, events, history."""
        with reported():
            remote = connect(url)
            place = f"/v1/audiences/{quote(identifier, safe='')}"
            header = current(remote, place)
            confirm(f"Remove audience {identifier} with everything that was made of it?", yes=yes)
            told = remote.request("DELETE", f"{place}?force={str(force).lower()}", headers=header)
            show(told, as_json)
            if not as_json:
                say(f"It takes hours; see how far it is with: segmentation audiences removal {identifier}")

    @app.command("removal")
    def removal(identifier: Id, url: Url = "", as_json: AsJson = False) -> None:
        """Show how far the removal of an audience is, or when it was done."""
        with reported():
            show(connect(url).request("GET", f"/v1/audiences/{quote(identifier, safe='')}/removal"), as_json)


def confirm(question: str, *, yes: bool) -> None:
    """Ask; whoever does not say yes ends the command, and nothing is changed."""
    if not yes:
        typer.confirm(question, abort=True)


def place_of(remote: ApiRemote, audience: str) -> str:
    """The path of an audience; of the only one, if none is named."""
    if not audience:
        names = [one["id"] for one in remote.request("GET", "/v1/audiences?limit=2")["items"]]
        if len(names) != 1:
            raise typer.BadParameter("name one of several audiences", param_hint="--audience")
        (audience,) = names
    return f"/v1/audiences/{quote(audience, safe='')}"


def pages(remote: ApiRemote, path: str, **query: Any) -> list[Any]:
    """All items of all pages."""
    asked = "".join(
        f"&{name}={quote(str(value), safe='')}" for name, value in query.items() if value not in (None, "")
    )
    items: list[Any] = []
    cursor = ""
    while True:
        page = remote.request("GET", f"{path}?limit=200{asked}{'&cursor=' + cursor if cursor else ''}")
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = page["next"]


def finished(remote: ApiRemote, base: str, told: Any) -> Any:
    """What was begun below a path, once it has come to its end; asked for more and more rarely."""
    pause = 0.2
    while told["state"] in UNDER_WAY:
        time.sleep(pause)
        pause = min(pause * 1.5, 3.0)
        told = remote.request("GET", f"{base}/{told['id']}")
    return told


def versions(remote: ApiRemote, place: str, as_json: bool) -> None:
    """Print the versions of a document."""
    show(pages(remote, f"{place}/versions"), as_json, "version", "what", "at", "by", "note", "current")


def current(remote: ApiRemote, place: str) -> dict[str, str]:
    """The header that binds a change to what stands now."""
    return {"If-Match": f'"{remote.request("GET", place)["etag"]}"'}


def read(file: Path) -> Any:
    """A JSON document of a file, or of standard input."""
    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="file") from None


def _place(remote: ApiRemote, family: str, audience: str) -> str:
    return "/v1/audiences" if family == "audiences" else f"{place_of(remote, audience)}/{family}"


def _show_secret(told: Any, as_json: bool) -> None:
    if as_json:
        show(told, True)
    else:
        say(f"{told['document']['id']}: {told['secret']}")
        say("It is shown this once; only its hash is kept.")
