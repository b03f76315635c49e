"""EventBridge, when an Athena query has ended, and every minute: carry batch runs on."""

import os
from functools import cache
from typing import Any

from segmentation.domain.pipeline import State
from segmentation.runtime.composition.advance_runs import compose
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.advance_runs import AdvanceRuns
from segmentation.usecases.run_engine import summary


@cache
def application() -> AdvanceRuns:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Go on with what waits for the query, or with everything; the runs that ended."""
    detail = event.get("detail")  # of a schedule it is a text
    query = detail.get("queryExecutionId") if isinstance(detail, dict) else None
    done = application().query_ended(query) if query else application().sweep()
    runs = [summary(run) for run in done.runs]
    failed = sum(run.state is State.FAILED for run in done.runs)
    if runs:
        measure(
            RunsCommitted=len(runs) - failed,
            RunsFailed=failed,
            SegmentsFailed=sum(run["failed_segments"] for run in runs),
            BytesScanned=sum(run["bytes_scanned"] for run in runs),
            RunSeconds=max((run.ended or 0) - run.started for run in done.runs),
        )
    if done.late:
        measure(RunsLate=len(done.late))
    if done.errors:
        raise done.errors[0]
    return {"runs": runs}
