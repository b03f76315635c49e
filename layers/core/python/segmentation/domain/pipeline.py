"""A batch run as a state machine: what a run is, and what follows from what happened to it.

Everything here is pure. A run is one item of the runs store; each transition is one conditional write of it, so of
two invocations at once one goes on and the other looks again. What a run asks of the world (`todo`) may be done
twice: a statement is started under a token of its own (`token`), a pointer is put only over the one that was there.

    build:        plan -> tables -> count -> samples? -> commit -> tell
    materialize:  plan -> members -> merge? -> changes -> sizes -> commit -> tell

A members query that fails for good is split until the segments that fail stand alone. They keep their last good
membership, the others go on. A query that fails for a passing reason is started again, later each time.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

ATTEMPTS = 4
"""How often one statement is tried that fails for passing reasons."""
BACKOFF = 30
"""Seconds before the second attempt; doubled for each further one."""
LONGEST_BACKOFF = 900
MOST_FAILED_GROUPS = 64
"""Failing queries that are split; groups that fail beyond these are given up whole."""
MOST_SECONDS = 6 * 3_600
"""A run that has not committed after so long is given up."""


SAMPLE = "sample_of_"
"""How the name of a statement that makes the sample of a table begins."""
BY_SCHEDULE = "schedule"
"""Who asked for a run that the template's schedule started."""


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


class Progress(StrEnum):
    """Where a statement of a run stands."""

    WAITING = "waiting"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Outcome(StrEnum):
    """What the warehouse says of a query."""

    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    PASSING = "passing"
    """Failed for a reason that may pass."""
    FAILED = "failed"
    STOPPED = "stopped"
    """Somebody stopped it."""


@dataclass(frozen=True, slots=True)
class QueryStatus:
    """What the warehouse says of a query, with what it cost so far."""

    outcome: Outcome
    bytes_scanned: int = 0
    ms: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a run. `first` and `last` bound the planned segments that a members query is about."""

    name: str
    step: str
    first: int = 0
    last: int = 0
    attempt: int = 1
    delays: int = 0
    due: int = 0
    progress: Progress = Progress.WAITING
    query: str | None = None
    bytes_scanned: int = 0
    ms: int = 0
    reason: str = ""

    @property
    def table(self) -> str:
        """The part of a table's name and folder that is this attempt's own: nothing is ever written twice."""
        return self.name if self.attempt == 1 else f"{self.name}_{self.attempt}"


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
    def ended_well(self) -> bool:
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


class Act(StrEnum):
    """What is to be done in the world beside starting statements."""

    PLAN = "plan"
    COMMIT = "commit"
    TELL = "tell"


@dataclass(frozen=True, slots=True)
class Todo:
    """What a run asks for now: statements to start, or one act."""

    start: tuple[Statement, ...] = ()
    act: Act | None = None


def token(run: Run, statement: Statement) -> str:
    """What a start is known by: the same attempt is never started twice."""
    parts = (run.audience, run.job, run.id, statement.step, statement.name, str(statement.attempt))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def planned_build(run: Run, tables: Iterable[str], now: int, *, samples: bool = False) -> Run:
    """The raw tables were checked; these tables are to be made, and perhaps a sample of each."""
    statements = tuple(Statement(name, "tables", due=now) for name in tables)
    return replace(run, step="tables", statements=statements, samples=samples)


def planned_materialize(
    run: Run,
    groups: Sequence[int],
    hopeless: Sequence[str] = (),
    *,
    now: int,
    logical_now: int,
    merge: bool,
    backfill: bool,
) -> Run:
    """The segments to compute, in groups of so many a query, then those that no query can be made of, with the reasons.

    `merge`: there are members to carry over.
    """
    statements, first = [], 0
    for number, size in enumerate(groups):
        statements.append(Statement(_members(number), "members", first, first + size, due=now))
        first += size
    planned = replace(
        run,
        step="members",
        statements=tuple(statements),
        names=len(groups),
        segments=first + len(hopeless),
        failed=tuple(
            FailedSegments(first + number, first + number + 1, reason)
            for number, reason in enumerate(hopeless)
        ),
        merge=merge or len(groups) != 1 or bool(hopeless),
        backfill=backfill,
        now=logical_now,
    )
    return settled(planned, now)


def _members(number: int) -> str:
    return "members" if number == 0 else f"members_part_{number}"


def started(run: Run, name: str, attempt: int, query: str) -> Run:
    """The warehouse has taken a statement."""

    def change(one: Statement) -> Statement:
        if one.attempt != attempt or one.progress is not Progress.WAITING:
            return one
        return replace(one, progress=Progress.STARTED, query=query, reason="")

    return _changed(run, name, change)


def delayed(run: Run, name: str, reason: str, now: int) -> Run:
    """The warehouse takes no statement just now."""

    def change(one: Statement) -> Statement:
        if one.progress is not Progress.WAITING:
            return one
        due = now + _backoff(one.delays + 1)
        return replace(one, delays=one.delays + 1, due=due, reason=reason)

    return _changed(run, name, change)


def refused(run: Run, name: str, reason: str) -> Run:
    """The warehouse will never take a statement."""

    def change(one: Statement) -> Statement:
        if one.progress is not Progress.WAITING:
            return one
        return replace(one, progress=Progress.FAILED, reason=reason)

    return _changed(run, name, change)


def observed(run: Run, statuses: Mapping[str, QueryStatus], now: int) -> Run:
    """What the warehouse says of the run's queries. A query that it has forgotten is started again."""
    stopped = ""
    changed = []
    for one in run.statements:
        if one.progress is Progress.STARTED and one.query is not None:
            status = statuses.get(one.query, QueryStatus(Outcome.PASSING, reason="the warehouse forgot it"))
            if status.outcome is Outcome.STOPPED:
                stopped = stopped or f"query {one.query} of {one.name!r} was stopped: {status.reason}"
            one = _after(one, status, now)
        changed.append(one)
    run = replace(run, statements=tuple(changed))
    return failed(run, stopped, now) if stopped and run.step not in ("commit", "tell") else run


def _after(one: Statement, status: QueryStatus, now: int) -> Statement:
    if status.outcome is Outcome.ACTIVE:
        return one
    one = replace(
        one,
        bytes_scanned=one.bytes_scanned + status.bytes_scanned,
        ms=one.ms + status.ms,
        reason=status.reason,
    )
    if status.outcome is Outcome.SUCCEEDED:
        return replace(one, progress=Progress.SUCCEEDED)
    if status.outcome is Outcome.PASSING and one.attempt < ATTEMPTS:
        again = replace(one, progress=Progress.WAITING, attempt=one.attempt + 1, query=None)
        return replace(again, due=now + _backoff(one.attempt))
    return replace(one, progress=Progress.FAILED)


def _backoff(times: int) -> int:
    return int(min(LONGEST_BACKOFF, BACKOFF * 2 ** min(times - 1, 10)))


def _changed(run: Run, name: str, change: Callable[[Statement], Statement]) -> Run:
    return replace(run, statements=tuple(change(one) if one.name == name else one for one in run.statements))


def settled(run: Run, now: int) -> Run:
    """What follows of where the run's statements stand: further statements, the next step, or the end."""
    if run.is_over:
        return run
    if run.step == "members":
        run = _isolated(run, now)
    current = run.of_step(run.step)
    broken = next((one for one in current if one.progress is Progress.FAILED), None)
    if run.step in ("tables", "count", "samples", "merge", "changes", "sizes") and broken is not None:
        where = f"query {broken.query}" if broken.query else "its query"
        return failed(run, f"{broken.name!r} failed, {where}: {broken.reason}", now)
    if any(one.progress in (Progress.WAITING, Progress.STARTED) for one in current):
        return run
    match run.step:
        case "tables":
            return _next(run, "count", now)
        case "count" if run.samples:
            made = [Statement(SAMPLE + one.name, "samples", due=now) for one in run.of_step("tables")]
            return replace(run, step="samples", statements=(*run.statements, *made))
        case "count" | "samples" | "sizes":
            return replace(run, step="commit")
        case "members":
            lost = sum(one.last - one.first for one in run.failed)
            if run.segments and lost == run.segments:
                reasons = sorted({one.reason for one in run.failed})
                return failed(run, f"every segment failed: {'; '.join(reasons)[:2_000]}", now)
            return _next(run, "merge" if run.merge else "changes", now)
        case "merge":
            return _next(run, "changes", now)
        case "changes":
            return _next(run, "sizes", now)
    return run


def _next(run: Run, step: str, now: int) -> Run:
    return replace(run, step=step, statements=(*run.statements, Statement(step, step, due=now)))


def _isolated(run: Run, now: int) -> Run:
    """Split the members queries that failed; what fails alone is noted and given up."""
    while True:
        known = {(one.first, one.last) for one in run.failed}
        broken = [
            one
            for one in run.of_step("members")
            if one.progress is Progress.FAILED
            and (one.first, one.last) not in known
            and not _is_split(run, one)
        ]
        if not broken:
            return run
        one = broken[0]
        splits = sum(1 for other in run.of_step("members") if other.progress is Progress.FAILED)
        if one.last - one.first == 1 or splits > MOST_FAILED_GROUPS:
            run = replace(
                run, failed=(*run.failed, FailedSegments(one.first, one.last, one.reason)), merge=True
            )
            continue
        middle = (one.first + one.last) // 2
        halves = (
            Statement(_members(run.names), "members", one.first, middle, due=now),
            Statement(_members(run.names + 1), "members", middle, one.last, due=now),
        )
        run = replace(run, statements=(*run.statements, *halves), names=run.names + 2, merge=True)


def _is_split(run: Run, one: Statement) -> bool:
    """Two smaller queries stand for it."""
    middle = (one.first + one.last) // 2
    return one.last - one.first > 1 and any(
        other.first == one.first and other.last == middle for other in run.of_step("members")
    )


def todo(run: Run, now: int) -> Todo:
    """What is to be done now."""
    if run.is_over:
        return Todo()
    match run.step:
        case "plan" | "commit" | "tell" as act:
            return Todo(act=Act(act))
    waiting = [one for one in run.of_step(run.step) if one.progress is Progress.WAITING]
    return Todo(start=tuple(one for one in waiting if one.due <= now or one.due > now + LONGEST_BACKOFF))


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
class Lock:
    """Who runs a job of an audience. `stamp`: the time in the last run's id, which no later run's goes below.

    `failures` counts the failed runs since a good one, the last of which ended at `failed`. `scheduled` is the last
    firing of the template's schedule that was taken; `pending` one that came while a run was under way.
    """

    audience: str
    job: Job
    holder: str | None = None
    version: int = 0
    stamp: int = 0
    failures: int = 0
    failed: int = 0
    scheduled: str = ""
    pending: bool = False


def released(lock: Lock, run: Run) -> Lock:
    """The lock after its holder's end. A scheduled run that failed is pending again."""
    lock = replace(lock, holder=None, version=lock.version + 1)
    if run.state is not State.FAILED:
        return replace(lock, failures=0, failed=0)
    pending = lock.pending or run.requested == BY_SCHEDULE
    return replace(lock, failures=lock.failures + 1, failed=run.ended or run.started, pending=pending)


def retry_at(failures: int, at: int) -> int:
    """When what failed so often, last at a moment, is due again: after an hour, two, four, ... at most a day."""
    return at + min(86_400, 3_600 << min(failures - 1, 10))


COST_PER_BYTE = 5 / 1e12
"""US dollars that Athena asks for a byte scanned."""
LEAST_BYTES = 10_000_000
"""What a query is billed at least."""


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
