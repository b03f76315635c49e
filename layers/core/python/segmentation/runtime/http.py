"""HTTP API proxy events (payload version 2): requests in, answers out, and the one table of errors."""

import base64
import binascii
import gzip
import hashlib
import json
import re
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
    errors.Conflict: 409,
    errors.NotBuilt: 409,
    errors.Gone: 410,
    errors.Outdated: 412,
    errors.TooLarge: 413,
    errors.Refused: 422,
    errors.PreconditionRequired: 428,
    errors.TooMany: 429,
    errors.QueryFailed: 503,
    errors.Unavailable: 503,
}
"""What a caller sees of an error; any other is ours, and a 500 without details."""

NAMES: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    422: "Unprocessable Content",
    428: "Precondition Required",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
METHODS = "GET, POST, OPTIONS"
HEADERS = (
    *("authorization", "content-type", "content-encoding", "if-none-match", "user-agent", "wp13n-token"),
    *("x-requested-with", "x-retry-count"),
)
"""What the clients that are known send. A site may have its client send others (`_allowed_headers`)."""
MOST_HEADERS = 30
EXPOSED = "etag, retry-after, x-ratelimit-reset"
"""Answer headers that a page's script may read."""
_HEADER = re.compile(r"[a-z0-9-]{1,64}")
PREFLIGHT_SECONDS = "7200"
COMPRESSED_FROM = 1_000
"""Characters from which on an answer is compressed for who takes gzip; below, it still fits one packet."""

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
    source_ip: str = ""
    host: str = ""

    @property
    def segments(self) -> list[str]:
        """The path's parts, percent-decoded."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def origin(self) -> str | None:
        """The browser page's origin."""
        return self.headers.get("origin") or None

    @property
    def bearer(self) -> str | None:
        """The bearer token."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def query_below(self, prefix: str) -> dict[str, str]:
        """The parameters whose names begin so, by what follows."""
        return {name[len(prefix) :]: one for name, one in self.query.items() if name.startswith(prefix)}

    def body(self) -> bytes:
        """The body's bytes."""
        if not self.encoded:
            return self.raw_body.encode("utf-8", "surrogatepass")
        try:
            return base64.b64decode(self.raw_body, validate=True)
        except binascii.Error as error:
            raise errors.BadRequest("the body cannot be decoded") from error


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not plain 200: a handler may return one in place of a body."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Describe = Callable[[int, str, Exception], Any]
"""An error's status, message and cause as the body that a family of clients knows."""


def described(status: int, message: str, error: Exception) -> Any:  # noqa: ARG001 - a `Describe`
    """The error object of the browser SDK's lookup."""
    return {"error": NAMES[status], "message": message, "status": status}


def parse(event: Mapping[str, Any]) -> Request:
    """The request of a proxy event."""
    context = event["requestContext"]
    http = context["http"]
    return Request(
        method=http["method"],
        path=event.get("rawPath") or http["path"],
        query=parse_query(event.get("rawQueryString") or ""),
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        raw_body=event.get("body") or "",
        encoded=bool(event.get("isBase64Encoded")),
        source_ip=http.get("sourceIp") or "",
        host=context.get("domainName") or "",
    )


def parse_query(text: str) -> dict[str, str]:
    """A query string, also of clients that percent-encode nothing: `+` is a plus, a stray `%` is itself."""
    query: dict[str, str] = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if name:
            query.setdefault(unquote(name), unquote(value))
    return query


def cached(request: Request, body: Mapping[str, Any], seconds: int, *, unmarked: tuple[str, ...]) -> Reply:
    """An answer that may be kept by the caller alone for so many seconds, and then asked about by its tag.

    `unmarked` members change with every answer and do not make another tag.
    """
    marked = {name: value for name, value in body.items() if name not in unmarked}
    tag = f'W/"{hashlib.sha256(json.dumps(marked, sort_keys=True).encode()).hexdigest()[:24]}"'
    headers = {
        "etag": tag,
        "cache-control": f"private, max-age={seconds}" if seconds > 0 else "private, no-cache",
    }
    known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known or tag.removeprefix("W/") in known or "*" in known:
        return Reply(None, 304, headers)
    return Reply(body, 200, headers)


def answer(request: Request | None, status: int, body: Any, extra: Mapping[str, str] | None = None) -> Answer:
    """An answer as the HTTP API takes it. A browser's origin is echoed: with credentials `*` is refused."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if request is not None:
        headers["vary"] = "Origin, Accept-Encoding"
        if request.origin:
            headers |= {
                "access-control-allow-origin": request.origin,
                "access-control-allow-credentials": "true",
                "access-control-expose-headers": EXPOSED,
            }
        if request.method == "OPTIONS":
            headers |= {
                "access-control-allow-methods": METHODS,
                "access-control-allow-headers": ", ".join(_allowed_headers(request)),
                "access-control-max-age": PREFLIGHT_SECONDS,
            }
    if status == 401:
        headers["www-authenticate"] = "TD1, Bearer"
    if status == 503:
        headers["retry-after"] = "1"
    headers |= extra or {}
    text = "" if body is None else json.dumps(body, separators=(",", ":"))
    encoded = len(text) >= COMPRESSED_FROM and request is not None and _takes_gzip(request)
    if encoded:
        headers["content-encoding"] = "gzip"
        text = base64.b64encode(gzip.compress(text.encode(), 1, mtime=0)).decode()
    return {"statusCode": status, "headers": headers, "body": text, "isBase64Encoded": encoded}


def respond(
    event: Mapping[str, Any], handle: Callable[[Request], Any], describe: Describe = described
) -> Answer:
    """Parse, answer a preflight, handle; an error becomes its status and an object that says what to mend."""
    request: Request | None = None
    headers: dict[str, str] = {}
    caught: Exception
    try:
        request = parse(event)
        if request.method == "OPTIONS":
            return answer(request, 204, None)
        result = handle(request)
        if isinstance(result, Reply):
            return answer(request, result.status, result.body, result.headers)
        return answer(request, 200, result)
    except errors.SegmentationError as error:
        caught = error
        status, message = status_of(error)
        if status >= 500:
            logger().error("%s: %s", type(error).__name__, error)
        if isinstance(error, errors.TooMany):
            wait = str(error.retry_after)
            headers = {"retry-after": wait, "x-ratelimit-reset": wait}
    except Exception as error:
        caught = error
        logger().exception("a request failed")
        status, message = 500, "the request could not be handled; it is our fault and is logged"
    return answer(request, status, describe(status, message, caught), headers)


def status_of(error: errors.SegmentationError) -> tuple[int, str]:
    """What a caller sees of an error: the status, and the message where it was written for callers."""
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status, str(error)
    return 500, "the request could not be handled"


def _allowed_headers(request: Request) -> list[str]:
    """The headers that a page may send: the known ones, and those that it asks for, since a name that is missing here costs the
    request. No header of these opens anything: keys and tokens do, and no cookie is looked at."""
    asked = [
        one.strip().lower() for one in request.headers.get("access-control-request-headers", "").split(",")
    ]
    return list(dict.fromkeys([*HEADERS, *filter(_HEADER.fullmatch, asked)]))[:MOST_HEADERS]


def _takes_gzip(request: Request) -> bool:
    for part in request.headers.get("accept-encoding", "").split(","):
        coding, _, quality = part.partition(";")
        if coding.strip().lower() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
