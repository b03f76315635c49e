"""Batch runs."""

from typing import Literal

from msgspec import Struct

from .common import Identifier, Text


class Run(Struct):
    """A batch run. `failures` says why segments could not be computed; their last good membership stays. `queries` are
    Athena's ids."""

    id: str
    audience: str
    job: Literal["build", "materialize"]
    state: Literal["running", "committed", "failed", "skipped"]
    step: str
    requested: str
    started: str
    ended: str | None
    now: str | None
    rows: int
    segments: int
    bytes_scanned: int
    dollars: float
    queries: list[str]
    error: str | None
    failures: list[str]


class RunPage(Struct):
    """Runs, latest first."""

    items: list[Run]
    next: str | None


class NewRun(Struct, forbid_unknown_fields=True):
    """A run to start. `segments`: only these; `now`: an ISO 8601 moment that stands for the clock."""

    job: Literal["build", "materialize"]
    segments: list[Identifier] | None = None
    now: Text | None = None


class Removal(Struct):
    """The removal of an audience. `step`: what is being done; `since`: when that began."""

    audience: str
    state: Literal["removing", "removed"]
    step: str
    asked: str
    by: str
    since: str
    ended: str | None
