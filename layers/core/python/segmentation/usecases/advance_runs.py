"""Carry batch runs on: when a query ends, and every minute for what was lost, is stuck, or has fallen due."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from segmentation.domain.due import due_build, due_segments, is_overdue
from segmentation.domain.errors import SegmentationError
from segmentation.domain.pipeline import BY_SCHEDULE, Job, Run
from segmentation.domain.published import Published
from segmentation.domain.run import KINDS, parse_instant
from segmentation.ports import Clock, Lake, RuleSets, Runs

from .build_audience import BuildSteps
from .clean_runs import CleanRuns
from .current_build import current_lists
from .kept_documents import current_pointer, current_run
from .materialize_segments import MaterializeSteps
from .run_engine import RunEngine, Steps, Wanted

LATE_SECONDS = 2 * 3_600
"""A run that is under way for longer is late; so is what should have been computed so long ago, and was not."""
CLEANED_EVERY = 3_600
"""Seconds from one look at what is to be removed to the next: in the sweep of an hour's first minute."""

logger = logging.getLogger("segmentation.advance_runs")


@dataclass(slots=True)
class Advanced:
    """What came of one invocation. `late`: runs that take too long, audiences and segments that wait too long."""

    runs: list[Run] = field(default_factory=list)
    late: set[str] = field(default_factory=set)
    errors: list[Exception] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AdvanceRuns:
    """Goes on with runs."""

    engine: RunEngine
    build: BuildSteps
    materialize: MaterializeSteps
    clean: CleanRuns
    lake: Lake
    runs: Runs
    rule_sets: RuleSets
    clock: Clock

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
                if self.clock.now() - run.started > LATE_SECONDS:
                    done.late.add(f"{run.audience}/{run.job}/{run.id}")
                self._guarded(done, partial(self._drive, run, done))
        for published in self.rule_sets.all().values():
            self._guarded(done, partial(self._start_due, published, done))
            if self.clock.now() % CLEANED_EVERY < 60:
                for job in Job:
                    self._guarded(done, partial(self.clean, published.audience.id, job, self.clock.now()))
        if done.late:
            logger.warning("late: %s", ", ".join(sorted(done.late)))
        return done

    def _guarded(self, done: Advanced, work: Callable[[], None]) -> None:
        try:
            work()
        except SegmentationError as error:
            logger.error("%s: %s", type(error).__name__, error)
            done.errors.append(error)
        except Exception as error:
            # A mistake of ours in one audience's run: it fails this invocation in the end, when the others are done.
            logger.exception("one audience is not carried on")
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
        pointer = current_pointer(self.lake, audience)
        built = parse_instant(pointer["built"]) if pointer else None
        lock = self.runs.lock(audience, Job.BUILD)
        if is_overdue(published.audience.schedule, built, now - LATE_SECONDS):
            done.late.add(audience)
        if due_build(published.audience.schedule, lock, built, now):
            self._start(Wanted(audience, Job.BUILD, BY_SCHEDULE), done)
        if pointer is None:
            return
        record = current_run(self.lake, audience)
        lock = self.runs.lock(audience, Job.MATERIALIZE)
        segments = published.rules.of_kind(*KINDS)
        for one in segments:
            last = record.segment(one.id) if record else None
            if is_overdue(one.schedule, last.computed if last else None, now - LATE_SECONDS):
                done.late.add(f"{audience}/{one.id}")
        lists = {one: state.version for one, state in current_lists(self.lake, audience).lists.items()}
        due = due_segments(segments, lock, record, pointer["version"], now, lists)
        if due is not None:
            asked = BY_SCHEDULE if lock.pending else "due"
            self._start(Wanted(audience, Job.MATERIALIZE, asked, segments=tuple(sorted(due))), done)

    def _start(self, wanted: Wanted, done: Advanced) -> None:
        run = self.engine.begin(wanted)
        if not run.is_over:
            self._drive(run, done)
