"""The HTTP API: routes of the template, as API Gateway's proxy events of payload version 2.0."""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from infra.local.authorizers import IamAuthorizer, JwtAuthorizer, Refused
from infra.local.errors import TemplateError
from infra.local.functions import Functions, describe
from infra.local.log import Log
from infra.local.provision.world import Api, World

BODY_LIMIT = 10 * 1024 * 1024
INTEGRATION_SECONDS = 30.0
_TEXT = re.compile(
    r"\s*(text/.*|application/(json|xml|javascript)|application/[^;]*\+(json|xml))\s*(;.*)?", re.I
)
_METHODS = {"get", "put", "post", "delete", "options", "head", "patch"}
_ANY = "x-amazon-apigateway-any-method"
IAM = "AWS_IAM"
"""The authorizer that SAM calls so: a signature of AWS's own."""


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path of the template, and the function behind."""

    method: str
    path: str
    pattern: re.Pattern[str]
    function: str
    authorizer: str = "NONE"

    @property
    def key(self) -> str:
        """The route key as API Gateway writes it."""
        return "$default" if self.path == "$default" else f"{self.method} {self.path}"

    @property
    def rank(self) -> tuple[Any, ...]:
        """More specific routes first: literal segments, then variables, then greedy ones, then $default."""
        if self.path == "$default":
            return (2, ())
        kinds = tuple(
            2 if part.endswith("+}") else 1 if part.startswith("{") else 0 for part in self.path.split("/")
        )
        return (0, kinds, self.method == "ANY")


def routes(paths: Mapping[str, Any]) -> list[Route]:
    """The routes of the OpenAPI document that SAM writes."""
    found = []
    for path, operations in paths.items():
        for method, operation in operations.items():
            if method not in _METHODS and method != _ANY:
                raise TemplateError(f"route {method} {path}: unknown method")
            integration = operation.get("x-amazon-apigateway-integration", {})
            if integration.get("type") != "aws_proxy" or integration.get("payloadFormatVersion") != "2.0":
                raise TemplateError(
                    f"route {method} {path}: only Lambda proxy integrations with payload version 2.0 are known"
                )
            name = path.strip("/") if path.strip("/") == "$default" else path
            method = "ANY" if method == _ANY else method.upper()
            authorizer = next(iter(operation.get("security", [{"NONE": []}])[0]))
            found.append(Route(method, name, _pattern(name), integration["uri"], authorizer))
    return sorted(found, key=lambda route: route.rank)


def _pattern(path: str) -> re.Pattern[str]:
    if path == "$default":
        return re.compile(r".*", re.S)
    parts = []
    for part in path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}+")
            parts.append(f"(?P<{name}>.+)" if part.endswith("+}") else f"(?P<{name}>[^/]+)")
        else:
            parts.append(re.escape(part))
    return re.compile("/".join(parts), re.S)


class HttpApi:
    """The WSGI application that stands where API Gateway would."""

    def __init__(self, api: Api, world: World, functions: Functions, log: Log) -> None:
        self._api = api
        self._world = world
        self._functions = functions
        self._log = log
        self._routes = routes(api.paths)
        self._iam = IamAuthorizer(world.region, world.account)
        self._tokens = {
            name: JwtAuthorizer(name, scheme) for name, scheme in api.authorizers.items() if name != IAM
        }
        for route in self._routes:
            if route.authorizer not in {"NONE", IAM, *self._tokens}:
                raise TemplateError(f"route {route.key}: there is no authorizer {route.authorizer}")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        request_id = uuid.uuid4().hex[:16]
        body = read_body(environ)
        if body is None:
            status, headers, answer = _message(413, "Request Entity Too Large")
        else:
            status, headers, answer = self._dispatch(environ, body, request_id)
        headers.append(("Apigw-Requestid", request_id))
        if not any(name.lower() == "content-length" for name, _ in headers):
            headers.append(("Content-Length", str(len(answer))))
        start_response(f"{status} {_phrase(status)}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer]

    def _dispatch(
        self, environ: dict[str, Any], body: bytes, request_id: str
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        method = environ["REQUEST_METHOD"]
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace") or "/"
        for route in self._routes:
            if route.method in {method, "ANY"} and (found := route.pattern.fullmatch(path)):
                break
        else:
            return _message(404, "Not Found")
        event = proxy_event(
            environ, body, route.key, found.groupdict(), request_id, self._world.account, self._api.id
        )
        try:
            if authorizer := self._authorized(route, environ, event["headers"], body):
                event["requestContext"]["authorizer"] = authorizer
        except Refused as refused:
            status, headers, answer = _message(refused.status, refused.message)
            challenge = [("WWW-Authenticate", "Bearer")] if status == 401 else []
            return status, headers + challenge, answer
        payload = json.dumps(event).encode()
        result = self._functions.invoke(route.function, payload, patience=INTEGRATION_SECONDS)
        if result is None or result.seconds > INTEGRATION_SECONDS:
            self._log("http", f"503 {method} {path}: no answer within {INTEGRATION_SECONDS:g} s")
            return _message(503, "Service Unavailable")
        if result.error == "TooLarge":
            return _message(413, "Request Too Long")
        if result.error is not None:
            self._log("http", f"500 {method} {path}: {describe(result)}")
            return _message(500, "Internal Server Error")
        try:
            return response(result.json())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._log("http", f"500 {method} {path}: not an answer that API Gateway understands: {error}")
            return _message(500, "Internal Server Error")

    def _authorized(
        self, route: Route, environ: Mapping[str, Any], headers: Mapping[str, str], body: bytes
    ) -> dict[str, Any]:
        """What the function is told of a verified caller; nothing on a route that is open to all."""
        if route.authorizer == "NONE":
            return {}
        if route.authorizer == IAM:
            query = environ.get("QUERY_STRING", "")
            return self._iam(environ["REQUEST_METHOD"], _path(environ), query, headers, body)
        return self._tokens[route.authorizer](headers)


def proxy_event(
    environ: Mapping[str, Any],
    body: bytes,
    route_key: str,
    path_parameters: Mapping[str, str],
    request_id: str,
    account: str,
    api_id: str,
) -> dict[str, Any]:
    """A request as API Gateway hands it to a function (payload version 2.0)."""
    headers = _headers(environ)
    cookies = [part.strip() for part in headers.pop("cookie", "").split(";") if part.strip()]
    source = environ.get("REMOTE_ADDR", "127.0.0.1")
    host = headers.get("host", "localhost")
    headers.setdefault("x-forwarded-for", source)
    headers.setdefault("x-forwarded-proto", environ.get("wsgi.url_scheme", "http"))
    raw_query = environ.get("QUERY_STRING", "")
    path = _path(environ) or "/"
    now = time.time()
    text = (
        None if "content-encoding" in headers else _as_text(body, headers.get("content-type", "text/plain"))
    )
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": headers,
        "requestContext": {
            "accountId": account,
            "apiId": api_id,
            "domainName": host,
            "domainPrefix": host.split(".")[0].split(":")[0],
            "http": {
                "method": environ["REQUEST_METHOD"],
                "path": path,
                "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "sourceIp": source,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query := _query(raw_query):
        event["queryStringParameters"] = query
    if path_parameters:
        event["pathParameters"] = dict(path_parameters)
    if body:
        event["isBase64Encoded"] = text is None
        event["body"] = base64.b64encode(body).decode() if text is None else text
    return event


def _path(environ: Mapping[str, Any]) -> str:
    """The path as it was sent, which WSGI hands over as if it were Latin-1."""
    return str(environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"))


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """All headers, in lower case."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers


def _query(text: str) -> dict[str, str]:
    """The parameters; those that come more than once with their values joined by commas."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


def response(answer: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    """A function's answer as API Gateway reads it: a response object, or any JSON as the body of a 200."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        return 200, [("Content-Type", "application/json")], body
    text = answer.get("body") or ""
    body = base64.b64decode(text) if answer.get("isBase64Encoded") else str(text).encode()
    headers = [(str(name), _header(value)) for name, value in (answer.get("headers") or {}).items()]
    headers = [
        (name, value) for name, value in headers if name.lower() not in {"content-length", "connection"}
    ]
    headers += [("Set-Cookie", str(cookie)) for cookie in answer.get("cookies") or []]
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "text/plain; charset=utf-8"))
    return int(answer["statusCode"]), headers, body


def _header(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_text(body: bytes, content_type: str) -> str | None:
    if not _TEXT.fullmatch(content_type):
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def read_body(environ: dict[str, Any]) -> bytes | None:
    """The body; None if it is larger than API Gateway takes (it is read to the end, so that the client sees why)."""
    chunked, length = environ.get("wsgi.input_terminated"), int(environ.get("CONTENT_LENGTH") or 0)
    source, kept, size = environ["wsgi.input"], [], 0
    while chunked or size < length:
        part = source.read(65536 if chunked else min(65536, length - size))
        if not part:
            break
        size += len(part)
        if size <= BODY_LIMIT:
            kept.append(part)
    return b"".join(kept) if size <= BODY_LIMIT else None


def _message(status: int, text: str) -> tuple[int, list[tuple[str, str]], bytes]:
    return status, [("Content-Type", "application/json")], json.dumps({"message": text}).encode()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
