"""Batch runs, and the state of everything."""

from typing import Annotated, Any

import typer

from .options import Audience
from .output import REFUSED, AsJson, show
from .resource import audience_at
from .session import Url

app = typer.Typer(no_args_is_help=True, help="Batch runs through the API.")

Job = Annotated[str, typer.Option("--job", help="build or materialize.")]


@app.command("list")
def listed(audience: Audience = "", job: Job = "materialize", url: Url = "", as_json: AsJson = False) -> None:
    """List runs, latest first."""
    with audience_at(url, audience, "runs") as runs:
        show(runs.pages(job=job), as_json, "id", "state", "started", "ended", "rows", "dollars", "error")


@app.command("show")
def shown(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    audience: Audience = "",
    job: Job = "materialize",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """Show one run."""
    with audience_at(url, audience, "runs", job, run) as one:
        show(one.get(), as_json)


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
    with audience_at(url, audience, "runs") as runs:
        body = {"job": job, "segments": segment or None, "now": now}
        told = runs.begin({name: value for name, value in body.items() if value is not None})
        if wait:
            told = runs.below(job).finished(told)
        show(told, as_json)
        if told["state"] == "failed":
            raise typer.Exit(REFUSED)


def state(audience: Audience = "", url: Url = "", as_json: AsJson = False) -> None:
    """Show how fresh every segment is."""
    with audience_at(url, audience, "state") as one:
        told = one.get()
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
        segments = [{**one, "behind": _duration(one["lag_seconds"])} for one in told["segments"]]
        show(segments, False, "segment", "kind", "status", "size", "computed", "behind", "error")


def _duration(seconds: int | None) -> str:
    """A time as people say it, in one unit."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _stream(told: dict[str, Any]) -> str:
    """How far real-time segments are behind, in words."""
    behind = (
        f", {_duration(told['lag_seconds'])} behind at {told['at']}"
        if told["lag_seconds"] is not None
        else ""
    )
    failed = (
        f", failed {told['errors']} time{'s' if told['errors'] > 1 else ''} in 15 minutes"
        if told["errors"]
        else ""
    )
    return f"{told['status']}{behind}{failed}"
