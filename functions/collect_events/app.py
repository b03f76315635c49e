"""POST /{database}/{table}: visitor events in; with a personalization token, what to show comes out."""

from segmentation.runtime import starting  # isort: skip - before everything else

import os
from functools import cache
from typing import Any

from segmentation.domain.errors import NotFound
from segmentation.domain.records import Sender
from segmentation.runtime.composition.collect_events import Collector, compose
from segmentation.runtime.http import Answer, Request, parse, respond
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.answer_event import error_document
from segmentation.usecases.collect_events import Submission, receipt_document, tally

starting.started()


@cache
def application() -> Collector:
    """The use cases, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> Answer:
    """Answer one request."""
    request = parse(event)
    asks = request.segments[0] == "public" or "wp13n-token" in request.headers
    return respond(event, answer, error_document) if asks else respond(event, collect)


def collect(request: Request) -> dict[str, Any]:
    """Keep the events; one receipt for each."""
    receipts = application().collect(submission(request, request.segments))
    measure(**tally(receipts))
    return {"receipts": [receipt_document(one) for one in receipts]}


def answer(request: Request) -> dict[str, Any]:
    """Keep the event and answer what its visitor gets."""
    public = request.segments[0] == "public"
    sent = submission(request, request.segments[1:] if public else request.segments)
    return application().answer(sent, request.headers.get("wp13n-token"), public=public)


def submission(request: Request, place: list[str]) -> Submission:
    """The request as the use cases take it."""
    if len(place) != 2:
        raise NotFound("events are posted to /{database}/{table}")
    return Submission(
        database=place[0],
        table=place[1],
        body=request.body(),
        authorization=request.headers.get("authorization"),
        encoding=request.headers.get("content-encoding"),
        origin=request.origin,
        sender=Sender(request.source_ip, request.headers),
    )
