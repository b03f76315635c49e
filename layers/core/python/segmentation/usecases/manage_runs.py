"""List batch runs and start them."""

from collections.abc import Collection
from dataclasses import dataclass

from segmentation.domain.errors import Conflict, NotFound
from segmentation.domain.pipeline import Job, Run
from segmentation.ports import Function, Runs


@dataclass(frozen=True, slots=True)
class ManageRuns:
    """Batch runs of an audience."""

    runs: Runs
    build: Function
    materialize: Function

    def recent(self, audience: str, job: Job, before: str, most: int) -> list[Run]:
        """Runs before `before` (a run's id), latest first, at the most so many."""
        return self.runs.recent(audience, job, most, before or None)

    def find(self, audience: str, job: str, identifier: str) -> Run:
        """One run."""
        run = self.runs.read(audience, Job(job), identifier) if job in set(Job) else None
        if run is None:
            raise NotFound(f"there is no {job[:20]} run {identifier[:100]!r}")
        return run

    def start(self, audience: str, job: Job, segments: Collection[str] | None, now: str | None) -> Run:
        """Start a run; `Conflict` names the one that is under way."""
        payload: dict[str, object] = {"audience": audience}
        if segments is not None:
            payload["segments"] = list(segments)
        if now is not None:
            payload["now"] = now
        answer = self.build.call(payload) if job is Job.BUILD else self.materialize.call(payload)
        (told,) = answer["runs"]
        run = self.find(audience, str(job), told["run"])
        if run.state == "skipped":
            raise Conflict(f"not started: {run.error}")
        return run
