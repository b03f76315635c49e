"""Personalization for websites, members and changes for partners."""

from segmentation.runtime import starting  # isort: skip - before everything else

import os
from functools import cache
from typing import Any

from segmentation.domain.errors import MethodNotAllowed, NotFound
from segmentation.runtime.composition.serve_api import Api, compose
from segmentation.runtime.http import Answer, Reply, Request, cached, respond
from segmentation.runtime.observability import observed
from segmentation.runtime.snapshots import before_snapshot

starting.started()


@cache
def application() -> Api:
    """The use cases, composed at cold start."""
    return compose(os.environ)


before_snapshot(application)


@observed
def handler(event: dict[str, Any], _context: Any) -> Answer:
    """Answer one request."""
    return respond(event, route)


def route(request: Request) -> Any:
    """The use case of a path, called."""
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed("this path is read with GET")
    match request.segments:
        case ["health"]:
            return {"status": "ok"}
        case ["cdp", "lookup", "collect", "segments"]:
            tokens = [token for token in request.query.get("token", "").split(",") if token]
            return application().personalize(tokens, request.query_below("key."), request.origin)
        case ["v1", "profiles", column, value]:
            return profile(request, column, value)
        case ["v1", "profiles", column, value, ("segments" | "attributes") as part]:
            return profile(request, column, value, part)
        case ["v1", "profiles", column, value, "segments", segment] if segment:
            return profile(request, column, value, "segments", segment)
        case ["v1", "audiences", audience, "segments", segment, "members"]:
            return application().list_members(request.bearer, audience, segment, request.query.get("cursor"))
        case ["v1", "audiences", audience, "segments", segment, "changes"]:
            return application().list_changes(request.bearer, audience, segment, request.query.get("since"))
    raise NotFound(f"there is nothing at {request.path}")


def profile(request: Request, column: str, value: str, part: str = "", segment: str = "") -> Reply:
    """A profile, or a part of it; its tag changes when it does."""
    token, signature = request.bearer or request.query.get("token"), request.query.get("sig")
    shown = application().show_profile(token, column, value, part, segment, signature, request.origin)
    return cached(request, shown.body, shown.seconds, unmarked=("now",))
