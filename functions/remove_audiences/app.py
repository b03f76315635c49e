"""Schedule: go on with removals. By hand, {"audience": id}: remove it; with "segment": what was published of that one."""

import os
from functools import cache
from typing import Any

from segmentation.runtime.composition.remove_audiences import compose
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.remove_audiences import RemoveAudiences

SPARE_MS = 60_000
"""What is left of the function's time when it stops: longer than one page of profiles takes, throttled."""


@cache
def application() -> RemoveAudiences:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Ask for a removal, and carry on all that are under way; which are still, and which are done."""
    audience, segment = event.get("audience"), event.get("segment")
    if audience is not None and segment is not None:
        return {"objects": application().segment(audience, segment)}
    if audience is not None:
        application().ask(audience)
    result = application().go_on(lambda: context.get_remaining_time_in_millis() > SPARE_MS)
    if result.open or result.done:
        measure(RemovalsOpen=len(result.open), RemovalsDone=len(result.done))
    return {"open": result.open, "done": result.done}
