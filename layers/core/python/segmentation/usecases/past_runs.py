"""Look through past runs."""

from collections.abc import Iterator

from segmentation.domain.pipeline import Job, Run, State
from segmentation.ports import Runs

RUNS_AT_ONCE = 100


def uncleaned(runs: Runs, audience: str, job: Job, before: str | None = None) -> Iterator[Run]:
    """Runs (before `before`), latest first, up to where a whole page of them left nothing behind: so are all before it."""
    while page := runs.recent(audience, job, RUNS_AT_ONCE, before):
        yield from page
        if all(run.cleaned or run.state is State.SKIPPED for run in page):
            return
        before = page[-1].id
