"""Schedule, or by hand with {"audience": id, "now": instant}: materialize all batch segments."""

import os
from functools import cache
from typing import Any

from segmentation.runtime.composition.materialize_segments import compose
from segmentation.runtime.observability import measure, observed
from segmentation.runtime.settings import logical_now
from segmentation.usecases.materialize_segments import MaterializeSegments


@cache
def application() -> MaterializeSegments:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Run; the records of the committed runs."""
    now = event.get("now")
    records = application()(event.get("audience"), logical_now(now) if isinstance(now, str) else now)
    measure(
        RunsCommitted=len(records),
        BytesScanned=sum(query.bytes_scanned for record in records for query in record.queries),
    )
    return {"runs": [record.to_document() for record in records]}
