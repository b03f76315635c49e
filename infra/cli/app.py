"""Puts the command line together. What takes long to import is imported by the command that needs it."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from . import documents, files, runs, segments
from .output import CODES, AsJson, reported, say, show
from .session import Url, connect, login, logout

app = typer.Typer(
    name="segmentation",
    help="Customer segments: rules as files, the management API, the local cloud.",
    epilog=CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
files.register(app)
app.add_typer(segments.app, name="segments")
for name in documents.FAMILIES:
    app.add_typer(documents.commands(name), name=name)
app.add_typer(runs.app, name="runs")
app.command("state")(runs.state)


@app.command("login")
def login_command(
    url: Annotated[str, typer.Option("--url", envvar="SEGMENTATION_URL", help="The management API.")],
    role: Annotated[
        str, typer.Option(help="At a development issuer: viewer, editor or admin, without a browser.")
    ] = "",
    name: Annotated[str, typer.Option(help="At a development issuer: who signs in.")] = "developer",
) -> None:
    """Sign in at the identity provider of a management API; later commands use it."""
    with reported():
        session = login(url, role, name)
        me = connect(session.url).request("GET", "/v1/me")
        say(f"signed in to {session.url} as {me['id']}, {me['role']}")


@app.command("logout")
def logout_command() -> None:
    """Forget the login."""
    logout()


@app.command()
def whoami(url: Url = "", as_json: AsJson = False) -> None:
    """Say as whom the API knows you."""
    with reported():
        show(connect(url).request("GET", "/v1/me"), as_json)


@app.command()
def api(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, PATCH or DELETE.")],
    path: Annotated[str, typer.Argument(help="Such as /v1/audiences.")],
    body: Annotated[str, typer.Argument(help="JSON; - reads it from standard input.")] = "",
    if_match: Annotated[str, typer.Option(help="The etag of the version that is changed, or *.")] = "",
    url: Url = "",
) -> None:
    """Call any operation of the management API; /v1/docs shows them all."""
    import json

    with reported():
        text = sys.stdin.read() if body == "-" else body
        try:
            sent = json.loads(text) if text else None
        except ValueError as error:
            raise typer.BadParameter(f"not JSON: {error}", param_hint="body") from None
        headers = {"If-Match": if_match if if_match == "*" else f'"{if_match}"'} if if_match else None
        show(connect(url).request(method.upper(), path, sent, headers), True)


_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def _passes_on(name: str, words: str, run: Callable[[list[str]], int]) -> None:
    """A command that has a parser of its own: its arguments, --help too, are handed over."""

    def command(context: typer.Context) -> None:
        raise typer.Exit(run(context.args))

    app.command(name, help=words, context_settings=_PASSED_ON, add_help_option=False)(command)


def _local(arguments: list[str]) -> int:
    from infra.local.__main__ import main as run

    return run(arguments)


def _demo(arguments: list[str]) -> int:
    from infra.demo.__main__ import main as run

    return run(arguments)


def _author(arguments: list[str]) -> int:
    from infra.author.__main__ import main as run

    return run(arguments)


def _migrate(arguments: list[str]) -> int:
    from infra.migrate.__main__ import main as run

    return run(arguments)


def _replay(arguments: list[str]) -> int:
    from infra.replay.__main__ import main as run

    return run(arguments)


def _check_audience(arguments: list[str]) -> int:
    from infra.validate_audience import main as run

    return run(arguments)


def _privacy(arguments: list[str]) -> int:
    from infra.privacy.__main__ import main as run

    return run(arguments)


def _schema(arguments: list[str]) -> int:
    from infra.rule_schema import main as run

    return run(arguments)


def _openapi(arguments: list[str]) -> int:
    from infra.openapi import main as run

    return run(arguments)


_passes_on("local", "Run the local cloud in the foreground, until Ctrl-C.", _local)
_passes_on("demo", "Run the whole path on real data, and go on serving (make run).", _demo)
_passes_on("author", "Emit the segments that are written in Python as JSON.", _author)
_passes_on("migrate", "Turn segments of another system into ours.", _migrate)
_passes_on("replay", "Put failed records of the event stream back on it.", _replay)
_passes_on("check-audience", "Check an audience against its tables before it is built.", _check_audience)
_passes_on("privacy", "Give out or erase what is kept of a person.", _privacy)
_passes_on("schema", "Write the JSON Schema of segment documents.", _schema)
_passes_on("openapi", "Write the OpenAPI document of the management API.", _openapi)


def main() -> None:
    """The console script."""
    app()
