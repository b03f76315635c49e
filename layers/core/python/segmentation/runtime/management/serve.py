"""One request to the management API: found, checked, answered; an error becomes a problem with its status."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import msgspec
from segmentation.domain import errors
from segmentation.language import RuleError
from segmentation.runtime import http
from segmentation.runtime.http import Answer, Request
from segmentation.runtime.observability import logger

from . import documents, erasures, lists, people, removals, runs, segments, state
from .bodies import read_body, read_query
from .caller import caller_of
from .openapi import document, page
from .operation import Call, Operation, Router
from .problems import problem, refused_draft

OPERATIONS: tuple[Operation, ...] = (
    *documents.operations(),
    *segments.operations(),
    *people.operations(),
    *erasures.operations(),
    *lists.operations(),
    *runs.operations(),
    *state.operations(),
    *removals.operations(),
)
ROUTER = Router(OPERATIONS)
PUBLIC = ("/v1/openapi.json", "/v1/docs", "/v1/sign-in")
"""Served to everybody: what the API is and where to sign in, and nothing of what is in it."""
MACHINE = "/machine/"
"""Below it stands for /v1/ what is signed by AWS's own signatures."""
CORS = {
    "access-control-allow-headers": "authorization, content-type, idempotency-key, if-match, if-none-match",
    "access-control-max-age": "7200",
}
EXPOSED = {"access-control-expose-headers": "etag, location, retry-after"}
LONGEST_KEY = 200


class Api(Protocol):
    """What the operations call: see `composition/manage_api.py`."""

    @property
    def roles_claim(self) -> str:
        """The claim of a JWT that names roles."""
        ...

    @property
    def issuer(self) -> str:
        """The OpenID Connect issuer."""
        ...

    @property
    def audience(self) -> str:
        """The client that signs in there."""
        ...


def serve(event: Mapping[str, Any], api: Api) -> Answer:
    """Answer a proxy event."""
    request = http.parse(event)
    call: Call | None = None
    headers = dict(EXPOSED)
    try:
        if request.method == "OPTIONS":
            allowed = ", ".join([*ROUTER.allowed(request.path), "OPTIONS"])
            return http.answer(request, 204, None, {**CORS, "access-control-allow-methods": allowed})
        if request.path in PUBLIC:
            return _public(request, api)
        if request.path.startswith(MACHINE):
            request = replace(request, path=f"/v1/{request.path.removeprefix(MACHINE)}")
        caller = caller_of(event, api.roles_claim)
        operation, path = ROUTER.find(request.method, request.path)
        caller.may(operation.role)
        call = Call(caller, path, read_query(request.query, operation.query))
        _read(request, operation, call)
        return _answer(request, operation, call, api)
    except RuleError as error:
        body = refused_draft(error)
    except errors.SegmentationError as error:
        status, message = http.status_of(error)
        body = problem(status, message, error, call.places if call else {})
        if status >= 500:
            logger().error("%s: %s", type(error).__name__, error)
        if isinstance(error, errors.MethodNotAllowed):
            headers["allow"] = ", ".join(ROUTER.allowed(request.path) or ["GET"])
    except Exception as error:
        logger().exception("a request failed")
        body = problem(500, "the request could not be handled; it is our fault and is logged", error)
    if body["status"] == 401:
        headers["www-authenticate"] = "Bearer"
    return http.answer(request, body["status"], body, {**headers, "content-type": "application/problem+json"})


def _read(request: Request, operation: Operation, call: Call) -> None:
    """What an operation takes beside its path and query."""
    raw = request.body()
    if operation.body is not None:
        call.body = read_body(raw, operation.body)
    elif raw.strip():
        raise errors.BadRequest("this operation takes no body")
    call.if_match = _tag(request.headers.get("if-match", ""))
    call.if_none_match = _tag(request.headers.get("if-none-match", ""))
    key = request.headers.get("idempotency-key", "").strip()
    if operation.is_write and key:
        if len(key) > LONGEST_KEY or not key.isprintable():
            raise errors.BadRequest(f"an Idempotency-Key has at most {LONGEST_KEY} printable characters")
        call.key = hashlib.sha256(f"{call.caller.id}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()[
            :32
        ]
        asked = f"{request.method} {request.path}\n".encode("utf-8", "surrogatepass") + raw
        call.content = hashlib.sha256(asked).hexdigest()[:32]


def _answer(request: Request, operation: Operation, call: Call, api: Api) -> Answer:
    done = operation.handler(api, call)
    headers = dict(EXPOSED)
    if done.tag:
        headers["etag"] = f'"{done.tag}"'
        if request.method in ("GET", "HEAD"):
            headers["cache-control"] = "private, no-cache"
            if call.if_none_match in (done.tag, "*"):
                return http.answer(request, 304, None, headers)
    if done.location:
        headers["location"] = done.location
    body = None if done.body is None else msgspec.to_builtins(done.body)
    return http.answer(request, done.status or operation.status, body, headers)


def _tag(header: str) -> str:
    """The tag of a header: `"3.1f"`, weak or bare ones too."""
    return header.strip().removeprefix("W/").strip('"')


def _public(request: Request, api: Api) -> Answer:
    if request.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed("this is read with GET")
    if request.path == "/v1/openapi.json":
        return http.answer(request, 200, document(OPERATIONS), {"cache-control": "public, max-age=300"})
    if request.path == "/v1/sign-in":
        # What a client of any OpenID Connect provider needs; the rest stands in the issuer's discovery document.
        told = {
            "issuer": api.issuer,
            "client_id": api.audience,
            "scope": "openid email",
            "roles_claim": api.roles_claim,
        }
        return http.answer(request, 200, told, {"cache-control": "public, max-age=300"})
    return {
        "statusCode": 200,
        "headers": {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "public, max-age=300",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
            "x-content-type-options": "nosniff",
        },
        "body": page(OPERATIONS),
        "isBase64Encoded": False,
    }
