"""Audiences, destinations, keys and tokens through the management API: one set of commands for each kind."""

from contextlib import AbstractContextManager
from typing import Annotated, Any

import typer

from .options import Audience, File, Id, Note, Yes, confirm, read
from .output import AsJson, say, show
from .resource import Resource, audience_at, audiences_at
from .session import Url

FAMILIES = ("destinations", "write-keys", "tokens", "partners", "audiences")
SECRETS = ("write-keys", "tokens", "partners")
VERSIONS = ("version", "what", "at", "by", "note", "current")


def commands(family: str) -> typer.Typer:
    """The commands of a kind."""
    app = typer.Typer(no_args_is_help=True, help=f"{family.replace('-', ' ').capitalize()} through the API.")

    def at(url: str, audience: str, *names: str) -> AbstractContextManager[Resource]:
        if family == "audiences":
            return audiences_at(url, *names)
        return audience_at(url, audience, family, *names)

    @app.command("list")
    def listed(audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
        """List them."""
        with at(url, audience) as all_of_them:
            columns = ("id", "version", "updated.at", "updated.by", "document.description")
            show(all_of_them.pages(), as_json, *columns)

    @app.command("show")
    def shown(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
        """Show one, as it stands."""
        with at(url, audience, identifier) as one:
            show(one.get(), as_json)

    @app.command("history")
    def history(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
        """Show its versions, latest first."""
        with at(url, audience, identifier, "versions") as versions:
            show(versions.pages(), as_json, *VERSIONS)

    if family == "audiences":
        _add_removal(app)
        return app

    @app.command("create")
    def created(
        file: File, audience: Audience = "", note: Note = "", url: Url = "", as_json: AsJson = False
    ) -> None:
        """Create one of a JSON document."""
        with at(url, audience) as all_of_them:
            told = all_of_them.create({"document": read(file), "note": note})
            _show_secret(told, as_json) if family in SECRETS else show(told, as_json)

    @app.command("delete")
    def deleted(identifier: Id, audience: Audience = "", url: Url = "") -> None:
        """Delete one; its history stays."""
        with at(url, audience, identifier) as one:
            one.change("DELETE")

    if family in SECRETS:

        @app.command("rotate")
        def rotated(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
            """Give one a new secret; the one before it stays good until it is retired."""
            with at(url, audience, identifier) as one:
                _show_secret(one.change("POST", below="/rotate"), as_json)

        @app.command("retire")
        def retired(identifier: Id, audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
            """Let the latest secret of one be its only one."""
            with at(url, audience, identifier) as one:
                show(one.change("POST", below="/retire"), as_json)

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
        with audiences_at(url, identifier) as one:
            header = one.current()
            confirm(f"Remove audience {identifier} with everything that was made of it?", yes=yes)
            told = one.remote.request("DELETE", f"{one.path}?force={str(force).lower()}", headers=header)
            show(told, as_json)
            if not as_json:
                say(f"It takes hours; see how far it is with: segmentation audiences removal {identifier}")

    @app.command("removal")
    def removal(identifier: Id, url: Url = "", as_json: AsJson = False) -> None:
        """Show how far the removal of an audience is, or when it was done."""
        with audiences_at(url, identifier, "removal") as one:
            show(one.get(), as_json)


def _show_secret(told: Any, as_json: bool) -> None:
    if as_json:
        show(told, True)
    else:
        say(f"{told['document']['id']}: {told['secret']}")
        say("It is shown this once; only its hash is kept.")
