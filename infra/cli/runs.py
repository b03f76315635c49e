"""Batch runs, and the state of everything."""

from typing import Annotated, Any

import typer

from .documents import Audience, finished, pages, place_of
from .output import REFUSED, AsJson, reported, show
from .session import Url, connect

app = typer.Typer(no_args_is_help=True, help="Batch runs through the API.")

Job = Annotated[str, typer.Option("--job", help="build or materialize.")]


@app.command("list")
def listed(audience: Audience = "", job: Job = "materialize", url: Url = "", as_json: AsJson = False) -> None:
    """List runs, latest first."""
    with reported():
        remote = connect(url)
        found = pages(remote, f"{place_of(remote, audience)}/runs", job=job)
        show(found, as_json, "id", "state", "started", "ended", "rows", "dollars", "error")


@app.command("show")
def shown(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    audience: Audience = "",
    job: Job = "materialize",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Show one run."""
    with reported():
        remote = connect(url)
        show(remote.request("GET", f"{place_of(remote, audience)}/runs/{job}/{run}"), as_json)


@app.command("start")
def started(
    audience: Audience = "",
    job: Job = "materialize",
    segment: Annotated[
        list[str] | None, typer.Option("--segment", "-s", help="Only this one; may be repeated.")
    ] = None,
    now: Annotated[str | None, typer.Option(help="An ISO 8601 moment that stands for the clock.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end; a run that fails ends with 1.")
    ] = False,
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Start a run."""
    with reported():
        remote = connect(url)
        base = f"{place_of(remote, audience)}/runs"
        body = {"job": job, "segments": segment or None, "now": now}
        told = remote.request(
            "POST", base, {name: value for name, value in body.items() if value is not None}
        )
        if wait:
            told = finished(remote, f"{base}/{job}", told)
        show(told, as_json)
        if told["state"] == "failed":
            raise typer.Exit(REFUSED)


def state(audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show how fresh every segment is."""
    with reported():
        remote = connect(url)
        told = remote.request("GET", f"{place_of(remote, audience)}/state")
        if as_json:
            show(told, True)
            return
        names = (
            "audience",
            "rules_version",
            "rules_published",
            "built",
            "last_run",
            "last_run_at",
            "running",
            "stream",
        )
        show({**told, "stream": _stream(told["stream"])}, False, *names)
        show(told["segments"], False, "segment", "kind", "status", "size", "computed", "lag_seconds", "error")


def _stream(told: dict[str, Any]) -> str:
    """How far real-time segments are behind, in words."""
    behind = f", {told['lag_seconds']} s behind at {told['at']}" if told["lag_seconds"] is not None else ""
    failed = f", failed {told['errors']} times in 15 minutes" if told["errors"] else ""
    return f"{told['status']}{behind}{failed}"
