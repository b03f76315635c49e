"""Carry batch runs on: when a query ends, and every minute for what was lost, is stuck, or has fallen due."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from segmentation.domain.build_plan import BEHAVIOR
from segmentation.domain.due import due_build, due_segments
from segmentation.domain.errors import SegmentationError
from segmentation.domain.pipeline import BY_SCHEDULE, Job, Run, State
from segmentation.domain.published import Published
from segmentation.domain.run import (
    RunRecord,
    parse_instant,
    pointer_path,
    run_path,
    run_pointer_path,
    table_name,
    version_path,
)
from segmentation.ports import Clock, Lake, RuleSets, Runs, Warehouse

from .build_audience import BuildSteps
from .current_build import current_lists
from .materialize_segments import KINDS, MaterializeSteps
from .run_engine import RunEngine, Steps, Wanted

LATE_SECONDS = 2 * 3_600
"""A run that is under way for longer is late."""
FAILED_KEPT_SECONDS = 86_400
"""How long what a failed run left behind is kept, for a person to look at."""
CLEANED_EVERY = 3_600
"""Seconds from one look at what is to be removed to the next: in the sweep of an hour's first minute."""
RUNS_LOOKED_AT = 100

logger = logging.getLogger("segmentation.advance_runs")


@dataclass(slots=True)
class Advanced:
    """What came of one invocation."""

    runs: list[Run] = field(default_factory=list)
    late: int = 0
    errors: list[SegmentationError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AdvanceRuns:
    """Goes on with runs. `kept_seconds`: how long a version or a run is kept after its successor's commit."""

    engine: RunEngine
    build: BuildSteps
    materialize: MaterializeSteps
    warehouse: Warehouse
    lake: Lake
    runs: Runs
    rule_sets: RuleSets
    clock: Clock
    kept_seconds: int

    def query_ended(self, query: str) -> Advanced:
        """Go on with the run that waits for a query; a query of somebody else's is none of ours."""
        done = Advanced()
        for lock in self.runs.held():
            assert lock.holder is not None  # noqa: S101 - the held ones were asked for
            run = self.runs.read(lock.audience, lock.job, lock.holder)
            if run is not None and query in run.active_queries:
                self._drive(run, done)
        return done

    def sweep(self) -> Advanced:
        """Go on with every run, and start what has fallen due. One audience's trouble holds up no other."""
        done = Advanced()
        for lock in self.runs.held():
            assert lock.holder is not None  # noqa: S101 - the held ones were asked for
            run = self.runs.read(lock.audience, lock.job, lock.holder)
            if run is not None:
                done.late += self.clock.now() - run.started > LATE_SECONDS
                self._guarded(done, partial(self._drive, run, done))
        for published in self.rule_sets.all().values():
            self._guarded(done, partial(self._start_due, published, done))
            if self.clock.now() % CLEANED_EVERY < 60:
                for job in Job:
                    self._guarded(done, partial(self._clean, published.audience.id, job))
        return done

    def _guarded(self, done: Advanced, work: Callable[[], None]) -> None:
        try:
            work()
        except SegmentationError as error:
            logger.error("%s: %s", type(error).__name__, error)
            done.errors.append(error)

    def _drive(self, run: Run, done: Advanced) -> None:
        run = self.engine.drive(run, self._steps(run.job))
        if not run.is_over:
            return
        done.runs.append(run)
        published = self.rule_sets.all().get(run.audience)
        if published is not None:
            self._start_due(published, done)

    def _steps(self, job: Job) -> Steps:
        return self.build if job is Job.BUILD else self.materialize

    def _start_due(self, published: Published, done: Advanced) -> None:
        audience, now = published.audience.id, self.clock.now()
        stored = self.lake.get(pointer_path(audience))
        pointer = json.loads(stored.data) if stored else None
        built = parse_instant(pointer["built"]) if pointer else None
        lock = self.runs.lock(audience, Job.BUILD)
        if due_build(published.audience.schedule, lock, built, now):
            self._start(Wanted(audience, Job.BUILD, BY_SCHEDULE), done)
        if pointer is None:
            return
        current = self.lake.get(run_pointer_path(audience))
        record = RunRecord.from_document(json.loads(current.data)) if current else None
        lock = self.runs.lock(audience, Job.MATERIALIZE)
        segments = published.rules.of_kind(*KINDS)
        lists = {one: state.version for one, state in current_lists(self.lake, audience).lists.items()}
        due = due_segments(segments, lock, record, pointer["version"], now, lists)
        if due is not None:
            asked = BY_SCHEDULE if lock.pending else "due"
            self._start(Wanted(audience, Job.MATERIALIZE, asked, segments=tuple(sorted(due))), done)

    def _start(self, wanted: Wanted, done: Advanced) -> None:
        run = self.engine.begin(wanted)
        if not run.is_over:
            self._drive(run, done)

    def _clean(self, audience: str, job: Job) -> None:
        """Remove what no reader can want any more: versions long superseded, and what failed runs left."""
        now, successor = self.clock.now(), None
        current = self._current(audience, job)
        for run in self.runs.recent(audience, job, RUNS_LOOKED_AT):
            if run.state is State.COMMITTED and not run.backfill:
                gone = successor is not None and now - successor > self.kept_seconds
                successor = run.ended
            elif run.state is State.COMMITTED:
                gone = now - (run.ended or now) > self.kept_seconds
            else:
                gone = run.state is State.FAILED and now - (run.ended or now) > FAILED_KEPT_SECONDS
            if gone and not run.cleaned and run.id != current:
                self._remove(run)

    def _current(self, audience: str, job: Job) -> str | None:
        stored = self.lake.get(pointer_path(audience) if job is Job.BUILD else run_pointer_path(audience))
        if stored is None:
            return None
        document = json.loads(stored.data)
        return str(document["version" if job is Job.BUILD else "run"])

    def _remove(self, run: Run) -> None:
        """Tables first: nobody may find one whose data is gone. What is left of the record is what it says."""
        for statement in run.statements:
            for attempt in range(1, statement.attempt + 1):
                name = replace(statement, attempt=attempt).table.removeprefix(BEHAVIOR)
                self.warehouse.drop(table_name(run.audience, run.id, name))
        path = version_path if run.job is Job.BUILD else run_path
        self.lake.delete_prefix(path(run.audience, run.id, ""))
        self.runs.note(replace(run, cleaned=True))
        logger.info("what run %s of %s left was removed", run.id, run.audience)
