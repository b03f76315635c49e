"""A run: what is kept of it, how it ends, and what it costs."""

from dataclasses import dataclass, replace
from enum import StrEnum

from .statement import Progress, Statement

BY_SCHEDULE = "schedule"
"""Who asked for a run that the template's schedule started."""
MOST_SECONDS = 6 * 3_600
"""A run that has not committed after so long is given up."""
COST_PER_BYTE = 5 / 1e12
"""US dollars that Athena asks for a byte scanned."""
LEAST_BYTES = 10_000_000
"""What a query is billed at least."""


class Job(StrEnum):
    """What a run is for."""

    BUILD = "build"
    MATERIALIZE = "materialize"


class State(StrEnum):
    """Where a run stands. All but `running` are final."""

    RUNNING = "running"
    COMMITTED = "committed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class FailedSegments:
    """Planned segments `first` to before `last` that could not be computed, and why."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run: of a job, for an audience. `version` counts its writes; `now` is its logical time."""

    audience: str
    job: Job
    id: str
    requested: str
    started: int
    state: State = State.RUNNING
    step: str = "plan"
    version: int = 0
    now: int | None = None
    updated: int = 0
    ended: int | None = None
    asked: tuple[str, ...] | None = None
    """The segments that were asked for; nothing: all."""
    segments: int = 0
    """How many segments are planned."""
    kept: bool = False
    """There are segments whose members are carried over."""
    merge: bool = False
    """Members must be put together: of several queries, or with members that are carried over."""
    backfill: bool = False
    samples: bool = False
    """Of each built table a sample is made too."""
    rows: int = 0
    statements: tuple[Statement, ...] = ()
    failed: tuple[FailedSegments, ...] = ()
    names: int = 0
    """How many members queries were named."""
    error: str | None = None
    cleaned: bool = False
    """What it left behind has been removed."""

    @property
    def is_committed(self) -> bool:
        """It has been committed."""
        return self.state is State.COMMITTED

    @property
    def is_over(self) -> bool:
        """Nothing will happen to it any more."""
        return self.state is not State.RUNNING

    def of_step(self, step: str) -> tuple[Statement, ...]:
        """The statements of a step."""
        return tuple(one for one in self.statements if one.step == step)

    def statement(self, name: str) -> Statement:
        """A statement by name."""
        return next(one for one in self.statements if one.name == name)

    @property
    def active_queries(self) -> tuple[str, ...]:
        """Queries whose end is not known yet."""
        return tuple(
            one.query for one in self.statements if one.progress is Progress.STARTED and one.query is not None
        )


def committed(run: Run, rows: int) -> Run:
    """The pointer names this run; others are still to be told."""
    return replace(run, step="tell", rows=rows)


def ended(run: Run, now: int) -> Run:
    """Everything was done."""
    return replace(run, step="end", state=State.COMMITTED, ended=now)


def failed(run: Run, reason: str, now: int) -> Run:
    """It ends here; what was committed before it stays."""
    return replace(run, state=State.FAILED, ended=now, error=reason)


def skipped(run: Run, reason: str) -> Run:
    """It never began."""
    return replace(run, step="end", state=State.SKIPPED, ended=run.started, error=reason)


def expired(run: Run, now: int) -> Run:
    """Given up when it took too long. A run that has begun to commit is never given up: it may have."""
    if run.is_over or run.step in ("commit", "tell") or now - run.started <= MOST_SECONDS:
        return run
    return failed(run, f"given up at step {run.step!r} after {now - run.started} seconds", now)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run's queries scanned and cost."""

    bytes_scanned: int
    dollars: float


def bill(run: Run) -> Bill:
    """By the list price, ten megabytes at least for each query that was started."""
    started = [one for one in run.statements if one.query is not None or one.bytes_scanned]
    dollars = sum(max(one.bytes_scanned, LEAST_BYTES) for one in started) * COST_PER_BYTE
    return Bill(sum(one.bytes_scanned for one in started), round(dollars, 6))
