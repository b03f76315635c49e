"""Schedule: go on with removals. By hand, {"audience": id}: remove it; with "segment": what was published of that one."""

import os
from functools import cache
from typing import Any

from segmentation.runtime.composition.remove_audiences import Removals, compose
from segmentation.runtime.observability import measure, observed

SPARE_MS = 60_000
"""What is left of the function's time when it stops: longer than one page of profiles takes, throttled."""


@cache
def application() -> Removals:
    """The use cases, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Ask for a removal, and carry on all that are under way; which are still, and which are done."""

    def has_time() -> bool:
        return bool(context.get_remaining_time_in_millis() > SPARE_MS)

    removals = application()
    audience, segment = event.get("audience"), event.get("segment")
    if audience is not None and segment is not None:
        return {"objects": removals.segments.one(audience, segment)}
    if audience is not None:
        removals.audiences.ask(audience)
    result = removals.audiences.go_on(has_time)
    if result.open or result.done:
        measure(RemovalsOpen=len(result.open), RemovalsDone=len(result.done))
    cleaned = removals.segments.go_on(has_time)
    if cleaned.corrupt:
        measure(CorruptFiles=cleaned.corrupt)
    return {"open": result.open, "done": result.done, "objects": cleaned.objects, "rows": cleaned.rows}
