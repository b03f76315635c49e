"""Schedule: merge the lake's small files."""

import os
from functools import cache
from typing import Any

from segmentation.runtime.composition.compact_events import compose
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.compact_events import CompactEvents


@cache
def application() -> CompactEvents:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Compact until done, or until the time that this invocation has is nearly over."""
    result = application()(lambda: context.get_remaining_time_in_millis() / 1000)
    counts = {
        "FilesMerged": result.merged,
        "FilesRemoved": result.removed,
        "CorruptFiles": result.corrupt,
        "FoldersFailed": result.failed,
        "PassesUnfinished": int(not result.finished),
    }
    measure(**counts)
    return {**counts, "rows": result.rows, "objects": result.objects}
