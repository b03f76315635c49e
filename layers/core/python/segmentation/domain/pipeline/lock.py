"""Who runs a job of an audience: of two runs at once one is let in."""

from dataclasses import dataclass, replace

from .run import BY_SCHEDULE, Job, Run, State


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
