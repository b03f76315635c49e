"""Schedule, or by hand with {"audience": id}: start building audiences of their raw tables."""

import os
from functools import cache
from typing import Any

from segmentation.domain.pipeline import BY_SCHEDULE, State
from segmentation.runtime.composition.build_audience import compose
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.build_audience import BuildAudience
from segmentation.usecases.run_engine import summary


@cache
def application() -> BuildAudience:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Start; the runs as they stand. They are carried on when their queries end."""
    scheduled = event.get("scheduled", "")
    requested = BY_SCHEDULE if scheduled else "hand"
    runs = application()(event.get("audience"), requested=requested, scheduled=scheduled)
    measure(
        RunsStarted=sum(not run.is_over for run in runs),
        RunsFailed=sum(run.state is State.FAILED for run in runs),
    )
    return {"runs": [summary(run) for run in runs]}
