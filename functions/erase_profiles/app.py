"""Schedule: go on with the requests to erase people."""

import os
from functools import cache
from typing import Any

from segmentation.runtime.composition.erase_profiles import compose
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.erase_profiles import EraseProfiles


@cache
def application() -> EraseProfiles:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Go on until nothing is due, or until the time that this invocation has is nearly over."""
    result = application()(lambda: context.get_remaining_time_in_millis() / 1000)
    counts = {
        "ErasuresOpen": result.open,
        "ErasuresLate": result.late,
        "ErasuresDone": result.done,
        "RowsErased": result.rows,
        "AudiencesFailed": result.failed,
        "CorruptFiles": result.corrupt,
    }
    measure(**counts)
    return {**counts, "files": result.files, "finished": result.finished}
