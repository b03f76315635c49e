"""Schedule, or by hand with {"audience": id}: build audiences of their raw tables."""

import os
from functools import cache
from typing import Any

from segmentation.runtime.composition.build_audience import compose
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.build_audience import BuildAudience


@cache
def application() -> BuildAudience:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Build; the committed pointers."""
    built = application()(event.get("audience"))
    measure(
        AudiencesBuilt=len(built),
        BytesScanned=sum(query["bytes_scanned"] for pointer in built for query in pointer["queries"]),
    )
    return {"built": built}
