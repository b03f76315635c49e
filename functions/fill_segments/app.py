"""EventBridge, when an Athena query has ended, and every minute: let new versions of real-time segments take over."""

import os
from functools import cache
from typing import Any

from segmentation.runtime.composition.fill_segments import compose
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.fill_segments import FillSegments


@cache
def application() -> FillSegments:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Go on with what is being filled, or until the time that this invocation has is nearly over."""
    result = application()(lambda: context.get_remaining_time_in_millis() / 1000)
    counts = {
        "SegmentsLive": result.live,
        "VisitorsFilled": result.visitors,
        "ProfilesFollowed": result.followed,
        "FillsFailed": result.failed,
        "FillsLate": result.late,
    }
    measure(**counts)
    return counts
