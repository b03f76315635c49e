"""HTTP API proxy events (payload version 2): requests in, answers out, and the one table of errors."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from segmentation.domain import errors

from .observability import logger

STATUS: Mapping[type[errors.SegmentationError], int] = {
    errors.BadRequest: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Gone: 410,
    errors.TooLarge: 413,
    errors.Unavailable: 503,
}
"""What a caller sees of an error; any other is ours, and a 500 without details."""

NAMES: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
METHODS = "GET, POST, OPTIONS"
HEADERS = "authorization, content-type, content-encoding, wp13n-token, x-requested-with"
PREFLIGHT_SECONDS = "7200"

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a handler sees it. Header names are lower-case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    raw_body: str = ""
    encoded: bool = False

    @property
    def segments(self) -> list[str]:
        """The path's parts, percent-decoded."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def origin(self) -> str | None:
        """The browser page's origin."""
        return self.headers.get("origin")

    @property
    def bearer(self) -> str | None:
        """The bearer token."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def body(self) -> bytes:
        """The body's bytes."""
        if not self.encoded:
            return self.raw_body.encode("utf-8", "surrogatepass")
        try:
            return base64.b64decode(self.raw_body, validate=True)
        except binascii.Error as error:
            raise errors.BadRequest("the body cannot be decoded") from error


def parse(event: Mapping[str, Any]) -> Request:
    """The request of a proxy event."""
    http = event["requestContext"]["http"]
    return Request(
        method=http["method"],
        path=event.get("rawPath") or http["path"],
        query=parse_query(event.get("rawQueryString") or ""),
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        raw_body=event.get("body") or "",
        encoded=bool(event.get("isBase64Encoded")),
    )


def parse_query(text: str) -> dict[str, str]:
    """A query string, also of clients that percent-encode nothing: `+` is a plus, a stray `%` is itself."""
    query: dict[str, str] = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if name:
            query.setdefault(unquote(name), unquote(value))
    return query


def answer(request: Request | None, status: int, body: Any) -> Answer:
    """An answer as the HTTP API takes it. A browser's origin is echoed: with credentials `*` is refused."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if request is not None and request.origin:
        headers |= {
            "access-control-allow-origin": request.origin,
            "access-control-allow-credentials": "true",
            "vary": "Origin",
        }
    if request is not None and request.method == "OPTIONS":
        headers |= {
            "access-control-allow-methods": METHODS,
            "access-control-allow-headers": HEADERS,
            "access-control-max-age": PREFLIGHT_SECONDS,
        }
    if status == 401:
        headers["www-authenticate"] = "TD1, Bearer"
    if status == 503:
        headers["retry-after"] = "1"
    text = "" if body is None else json.dumps(body, separators=(",", ":"))
    return {"statusCode": status, "headers": headers, "body": text, "isBase64Encoded": False}


def respond(event: Mapping[str, Any], handle: Callable[[Request], Any]) -> Answer:
    """Parse, answer a preflight, handle; an error becomes its status and an object that says what to mend."""
    request: Request | None = None
    try:
        request = parse(event)
        if request.method == "OPTIONS":
            return answer(request, 204, None)
        return answer(request, 200, handle(request))
    except errors.SegmentationError as error:
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
        if status >= 500:
            logger().error("%s: %s", type(error).__name__, error)
        message = str(error) if type(error) in STATUS else "the request could not be handled"
    except Exception:
        logger().exception("a request failed")
        status, message = 500, "the request could not be handled; it is our fault and is logged"
    return answer(request, status, {"error": NAMES[status], "message": message, "status": status})
