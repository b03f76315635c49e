"""POST /{database}/{table}: visitor events in."""

import os
from functools import cache
from typing import Any

from segmentation.domain.errors import NotFound
from segmentation.runtime.composition.collect_events import compose
from segmentation.runtime.http import Answer, Request, respond
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.collect_events import CollectEvents, Submission


@cache
def application() -> CollectEvents:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> Answer:
    """Answer one request."""
    return respond(event, collect)


def collect(request: Request) -> dict[str, Any]:
    """Keep the events; one receipt for each."""
    if len(request.segments) != 2:
        raise NotFound("events are posted to /{database}/{table}")
    database, table = request.segments
    accepted = application()(
        Submission(
            database=database,
            table=table,
            body=request.body(),
            authorization=request.headers.get("authorization"),
            encoding=request.headers.get("content-encoding"),
            origin=request.origin,
        )
    )
    measure(EventsAccepted=accepted)
    return {"receipts": [{"success": True}] * accepted}
