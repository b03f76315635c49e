"""Carries runs on: does what the state machine asks for, and keeps what came of it.

Nothing is kept only in memory. Whatever is done here may be cut off between any two lines and be done again, by
another invocation or by two at once: `domain/pipeline/` says why that is harmless.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from segmentation.domain import pipeline
from segmentation.domain.errors import QueryFailed, SegmentationError, Unavailable
from segmentation.domain.pipeline import BY_SCHEDULE, Act, Job, Run, State, Statement
from segmentation.domain.run import instant, run_id, stamp
from segmentation.language import RuleError
from segmentation.ports import Clock, Runs, Warehouse

MOST_TURNS = 100
"""Steps of one run that one invocation makes; a run has fewer, each of its queries fails but once."""
MOST_RACES = 20
MOST_ERROR = 4_000
"""Characters of an error that a record keeps."""

logger = logging.getLogger("segmentation.runs")


class Steps(Protocol):
    """What one job does at the steps of its runs. All of it may be done twice."""

    def plan(self, run: Run, now: int) -> Run:
        """Look at what there is and decide what is to be done."""
        ...

    def sql(self, run: Run, statement: Statement) -> str:
        """The text of a statement: the same whenever it is asked for."""
        ...

    def commit(self, run: Run, now: int) -> int:
        """Make the run the current one, if it is not already; its rows."""
        ...

    def tell(self, run: Run) -> None:
        """Hand a committed run on."""
        ...

    def report(self, run: Run) -> None:
        """Leave word of a failed run beside its remains."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that somebody asks for. `scheduled`: the firing of the template's schedule that asks."""

    audience: str
    job: Job
    requested: str
    now: int | None = None
    segments: tuple[str, ...] | None = None
    scheduled: str = ""


@dataclass(frozen=True, slots=True)
class RunEngine:
    """Begins runs and carries them on."""

    warehouse: Warehouse
    runs: Runs
    clock: Clock
    new_suffix: Callable[[], str]

    def start(self, wanted: Wanted, steps: Steps) -> Run:
        """Begin a run and carry it on as far as it goes now; or the record of why there is none."""
        run = self.begin(wanted)
        return run if run.is_over else self.drive(run, steps)

    def begin(self, wanted: Wanted) -> Run:
        """A new run that holds the lock of its job, or the record of why there is none."""
        for _ in range(MOST_RACES):
            lock = self.runs.lock(wanted.audience, wanted.job)
            now = self.clock.now()
            # A clock that was set back must not make ids that sort before those of earlier runs.
            at = max(now, lock.stamp + 1)
            suffix = self.new_suffix()
            run = Run(
                audience=wanted.audience,
                job=wanted.job,
                id=run_id(at, suffix) if wanted.job is Job.MATERIALIZE else f"{stamp(at)}_{suffix}",
                requested=wanted.requested,
                started=now,
                updated=now,
                version=1,
                now=wanted.now,
                asked=wanted.segments,
            )
            if wanted.scheduled and wanted.scheduled <= lock.scheduled:
                return self._skip(run, "this firing of the schedule was taken already")
            scheduled = max(wanted.scheduled, lock.scheduled)
            if lock.holder is not None:
                waits = replace(lock, version=lock.version + 1, scheduled=scheduled, pending=True)
                if wanted.requested != BY_SCHEDULE or self.runs.change(waits):
                    return self._skip(run, f"run {lock.holder} is under way")
                continue
            taken = replace(lock, holder=run.id, version=lock.version + 1, stamp=at, scheduled=scheduled)
            if self.runs.begin(run, replace(taken, pending=False)):
                logger.info("run %s of %s %s begins", run.id, run.audience, run.job)
                return run
        raise Unavailable(f"{wanted.job} of audience {wanted.audience!r} is being started by others")

    def _skip(self, run: Run, reason: str) -> Run:
        skipped = pipeline.skipped(run, reason)
        self.runs.note(skipped)
        logger.warning("%s of %s is skipped: %s", run.job, run.audience, reason)
        return skipped

    def drive(self, run: Run, steps: Steps) -> Run:
        """Carry a run on as far as it goes now; as it then stands."""
        try:
            return self._drive(run, steps)
        except Unavailable as error:
            logger.warning("run %s of %s %s goes on later: %s", run.id, run.audience, run.job, error)
            return self.runs.read(run.audience, run.job, run.id) or run

    def _drive(self, run: Run, steps: Steps) -> Run:
        for _ in range(MOST_TURNS):
            now, seen = self.clock.now(), run
            run = pipeline.expired(run, now)
            if not run.is_over:
                if run.active_queries:
                    run = pipeline.observed(run, self.warehouse.statuses(run.active_queries), now)
                run = pipeline.settled(run, now)
            if run == seen:
                if run.is_over:
                    return run
                run = self._turn(run, steps, now)
            if run == seen:
                return run
            run = self._keep(run, steps, now)
        return run

    def _turn(self, run: Run, steps: Steps, now: int) -> Run:
        """Do what is to be done now."""
        todo = pipeline.todo(run, now)
        if todo.act is not None:
            try:
                return self._act(run, todo.act, steps, now)
            except Unavailable:
                raise
            except (SegmentationError, RuleError) as error:
                return pipeline.failed(run, f"{type(error).__name__}: {error}"[:MOST_ERROR], now)
        for statement in todo.start:
            sql = steps.sql(run, statement)
            try:
                query = self.warehouse.start(statement.table, sql, pipeline.token(run, statement))
            except Unavailable as error:
                return pipeline.delayed(run, statement.name, str(error), now)
            except QueryFailed as error:
                run = pipeline.refused(run, statement.name, error.reason)
            else:
                run = pipeline.started(run, statement.name, statement.attempt, query)
        return run

    def _act(self, run: Run, act: Act, steps: Steps, now: int) -> Run:
        match act:
            case Act.PLAN:
                return steps.plan(run, now)
            case Act.COMMIT:
                return pipeline.committed(run, steps.commit(run, now))
            case Act.TELL:
                steps.tell(run)
                return pipeline.ended(run, now)

    def _keep(self, run: Run, steps: Steps, now: int) -> Run:
        """The run as written, or as somebody else wrote it meanwhile."""
        if run.state is State.FAILED:
            for query in run.active_queries:
                self.warehouse.stop(query)
            steps.report(run)
        written = replace(run, version=run.version + 1, updated=now)
        if self.runs.save(written):
            if written.is_over:
                logger.log(
                    logging.ERROR if written.state is State.FAILED else logging.INFO,
                    "run %s of %s %s: %s%s",
                    run.id,
                    run.audience,
                    run.job,
                    run.state,
                    f": {run.error}" if run.error else "",
                )
            return written
        fresh = self.runs.read(run.audience, run.job, run.id)
        if fresh is None:
            raise Unavailable(f"run {run.id} of audience {run.audience!r} was removed")
        return fresh


def summary(run: Run) -> dict[str, Any]:
    """What an operator sees of a run."""
    bill = pipeline.bill(run)
    return {
        "audience": run.audience,
        "job": str(run.job),
        "run": run.id,
        "state": str(run.state),
        "step": run.step,
        "requested": run.requested,
        "now": None if run.now is None else instant(run.now),
        "started": instant(run.started),
        "ended": None if run.ended is None else instant(run.ended),
        "rows": run.rows,
        "bytes_scanned": bill.bytes_scanned,
        "dollars": bill.dollars,
        "queries": [one.query for one in run.statements if one.query is not None],
        "failed_segments": sum(one.last - one.first for one in run.failed),
        "error": run.error,
    }
