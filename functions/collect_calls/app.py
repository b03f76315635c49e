"""POST /v1/{call}: the calls of Segment's clients; and the settings that the browser's asks for first."""

from segmentation.runtime import starting  # isort: skip - before everything else

import os
from functools import cache
from typing import Any

from segmentation.domain.errors import MethodNotAllowed, NotFound
from segmentation.domain.records import Sender
from segmentation.runtime.composition.collect_calls import compose
from segmentation.runtime.http import NAMES, Answer, Reply, Request, respond
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.collect_calls import CallRequest, CollectCalls
from segmentation.usecases.collect_events import tally

starting.started()


@cache
def application() -> CollectCalls:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> Answer:
    """Answer one request."""
    return respond(event, route, call_error)


def route(request: Request) -> Any:
    """Keep the calls, or say where to send them."""
    match request.segments:
        case ["v1", "projects", key, "settings"]:
            if request.method not in ("GET", "HEAD"):
                raise MethodNotAllowed("settings are read with GET")
            return Reply(application().settings(key, request.host), headers={"cache-control": "max-age=300"})
        case ["v1", kind]:
            receipts = application()(
                CallRequest(
                    kind=kind,
                    body=request.body(),
                    authorization=request.headers.get("authorization"),
                    encoding=request.headers.get("content-encoding"),
                    origin=request.origin,
                    sender=Sender(request.source_ip, request.headers),
                )
            )
            measure(**tally(receipts))
            rejected = [str(one.problem) for one in receipts if one.problem is not None]
            return {"success": True, **({"rejected": rejected} if rejected else {})}
    raise NotFound(f"there is nothing at {request.path}")


def call_error(status: int, message: str, _error: Exception) -> dict[str, Any]:
    """An error as these clients read it."""
    return {"success": False, "code": NAMES[status], "message": message, "status": status}
