"""What follows from what happened to a run: the next statements, the next step, or the end.

build:        plan -> tables -> count -> samples? -> commit -> tell
materialize:  plan -> members -> merge? -> changes -> sizes -> commit -> tell
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from .run import FailedSegments, Run, failed
from .splitting import isolated, members_name
from .statement import Outcome, Progress, QueryStatus, Statement

MOST_SAID = 500
"""Characters of a reason in the record of a run."""
SAMPLE = "sample_of_"
"""How the name of a statement that makes the sample of a table begins."""


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
    hopeless: Sequence[str],
    *,
    now: int,
    logical_now: int,
    kept: bool,
    backfill: bool,
) -> Run:
    """The segments to compute, in groups of so many a query, then those that no query can be made of, with the reasons.

    `kept`: there are members to carry over.
    """
    statements, first = [], 0
    for number, size in enumerate(groups):
        statements.append(Statement(members_name(number), "members", first, first + size, due=now))
        first += size
    planned = replace(
        run,
        step="members",
        statements=tuple(statements),
        names=len(groups),
        segments=first + len(hopeless),
        failed=_hopeless(first, hopeless),
        kept=kept,
        merge=kept or len(groups) != 1 or bool(hopeless),
        backfill=backfill,
        now=logical_now,
    )
    return settled(planned, now)


def _hopeless(first: int, reasons: Sequence[str]) -> tuple[FailedSegments, ...]:
    """Together, with what reasons there are: thousands would not fit into the run's item. The plan has each one's."""
    if not reasons:
        return ()
    different = list(dict.fromkeys(reasons))
    more = f"; and {len(different) - 3} more reasons" if len(different) > 3 else ""
    said = "; ".join(one[:MOST_SAID] for one in different[:3]) + more
    return (FailedSegments(first, first + len(reasons), said),)


def started(run: Run, name: str, attempt: int, query: str) -> Run:
    """The warehouse has taken a statement."""
    return _waiting(run, name, lambda one: one.started(query) if one.attempt == attempt else one)


def delayed(run: Run, name: str, reason: str, now: int) -> Run:
    """The warehouse takes no statement just now."""
    return _waiting(run, name, lambda one: one.delayed(reason, now))


def refused(run: Run, name: str, reason: str) -> Run:
    """The warehouse will never take a statement."""
    return _waiting(run, name, lambda one: one.refused(reason))


def _waiting(run: Run, name: str, change: Callable[[Statement], Statement]) -> Run:
    """With a statement changed, if it still waits: of what is said of it twice the first counts."""
    return replace(
        run,
        statements=tuple(
            change(one) if one.name == name and one.progress is Progress.WAITING else one
            for one in run.statements
        ),
    )


def observed(run: Run, statuses: Mapping[str, QueryStatus], now: int) -> Run:
    """What the warehouse says of the run's queries. A query that it has forgotten is started again."""
    stopped = ""
    changed = []
    for one in run.statements:
        if one.progress is Progress.STARTED and one.query is not None:
            status = statuses.get(one.query, QueryStatus(Outcome.PASSING, reason="the warehouse forgot it"))
            if status.outcome is Outcome.STOPPED:
                stopped = stopped or f"query {one.query} of {one.name!r} was stopped: {status.reason}"
            one = one.observed(status, now)
        changed.append(one)
    run = replace(run, statements=tuple(changed))
    return failed(run, stopped, now) if stopped and run.step not in ("commit", "tell") else run


def settled(run: Run, now: int) -> Run:
    """What follows of where the run's statements stand: further statements, the next step, or the end."""
    if run.is_over:
        return run
    if run.step == "members":
        run = isolated(run, now)
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
            # Where others are carried over, the failure is one of these segments, not of the audience.
            if run.segments and lost == run.segments and not run.kept:
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


def todo(run: Run, now: int) -> Todo:
    """What is to be done now."""
    if run.is_over:
        return Todo()
    match run.step:
        case "plan" | "commit" | "tell" as act:
            return Todo(act=Act(act))
    return Todo(start=tuple(one for one in run.of_step(run.step) if one.is_due(now)))
