"""Schedule, or by hand with {"audience": id, "now": instant, "segments": [ids]}: start materializing batch segments."""

import os
from functools import cache
from typing import Any

from segmentation.domain.pipeline import BY_SCHEDULE, State
from segmentation.runtime.composition.materialize_segments import compose
from segmentation.runtime.observability import measure, observed
from segmentation.runtime.settings import logical_now
from segmentation.usecases.materialize_segments import MaterializeSegments
from segmentation.usecases.run_engine import summary


@cache
def application() -> MaterializeSegments:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Start; the runs as they stand. They are carried on when their queries end."""
    now, scheduled = event.get("now"), event.get("scheduled", "")
    runs = application()(
        event.get("audience"),
        logical_now(now) if isinstance(now, str) else now,
        event.get("segments"),
        requested=BY_SCHEDULE if scheduled else "hand",
        scheduled=scheduled,
    )
    measure(
        RunsStarted=sum(not run.is_over for run in runs),
        RunsFailed=sum(run.state is State.FAILED for run in runs),
    )
    return {"runs": [summary(run) for run in runs]}
