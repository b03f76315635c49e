"""Remove what no reader can want any more: versions and runs long superseded, and what failed runs left."""

import logging
from dataclasses import dataclass, replace

from segmentation.domain.build_plan import BEHAVIOR
from segmentation.domain.pipeline import Job, Run, State
from segmentation.domain.run import run_path, table_name, version_path
from segmentation.ports import Lake, Runs, Warehouse

from .kept_documents import current_pointer, current_run
from .past_runs import uncleaned

FAILED_KEPT_SECONDS = 86_400
"""How long what a failed run left behind is kept, for a person to look at."""

logger = logging.getLogger("segmentation.clean_runs")


@dataclass(frozen=True, slots=True)
class CleanRuns:
    """Cleans up behind runs. `kept_seconds`: how long a version or a run is kept after its successor's commit."""

    warehouse: Warehouse
    lake: Lake
    runs: Runs
    kept_seconds: int

    def __call__(self, audience: str, job: Job, now: int) -> None:
        """Remove what runs of a job left; their records stay. A backfill is compared with a run however old, so that all stay
        while it is under way."""
        if job is Job.MATERIALIZE and self._backfilling(audience):
            return
        current, successor = self._current(audience, job), None
        for run in uncleaned(self.runs, audience, job):
            ended = run.ended or now
            if run.is_committed and not run.backfill:
                gone = successor is not None and now - successor > self.kept_seconds
                successor = run.ended
            elif run.is_committed:
                gone = now - ended > self.kept_seconds
            else:
                gone = run.state is State.FAILED and now - ended > FAILED_KEPT_SECONDS
            if gone and not run.cleaned and run.id != current:
                self._remove(run)

    def _backfilling(self, audience: str) -> bool:
        lock = self.runs.lock(audience, Job.MATERIALIZE)
        run = None if lock.holder is None else self.runs.read(audience, Job.MATERIALIZE, lock.holder)
        return run is not None and (run.backfill or (run.step == "plan" and run.now is not None))

    def _current(self, audience: str, job: Job) -> str | None:
        if job is Job.BUILD:
            pointer = current_pointer(self.lake, audience)
            return pointer["version"] if pointer else None
        record = current_run(self.lake, audience)
        return record.run if record else None

    def _remove(self, run: Run) -> None:
        """Tables first: nobody may find one whose data is gone. What is left of the record is what it says."""
        for statement in run.statements:
            for attempt in range(1, statement.attempt + 1):
                name = replace(statement, attempt=attempt).table.removeprefix(BEHAVIOR)
                self.warehouse.drop(table_name(run.audience, run.id, name))
        path = version_path if run.job is Job.BUILD else run_path
        self.lake.delete_prefix(path(run.audience, run.id, ""))
        if run.job is Job.MATERIALIZE:
            # Partners list the members of the current run; changes they may ask for much longer.
            listed = self.lake.list(f"syndication/{run.audience}/{run.id}/")
            self.lake.delete([one for one in listed if "/members-" in one or "/parts/" in one])
        self.runs.note(replace(run, cleaned=True))
        logger.info("what run %s of %s left was removed", run.id, run.audience)
