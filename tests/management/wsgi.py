"""The management API's handler as a WSGI application: what an HTTP client of it sees."""

from collections.abc import Callable, Iterable
from typing import Any

from infra.local.http_api import proxy_event, read_body, response
from tests.management.support import Office

TOKEN = "the-admin"
ADMIN = {"jwt": {"claims": {"sub": "fuzz", "cognito:groups": "[admin]"}, "scopes": None}}


def application(office: Office) -> Callable[..., Iterable[bytes]]:
    """Who sends `TOKEN` is an admin, as if API Gateway had verified it; who sends another one is nobody."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = read_body(environ)
        event = proxy_event(environ, body or b"", "ANY /v1/{proxy+}", {}, "r", "123456789012", "api")
        if environ.get("HTTP_AUTHORIZATION") == f"Bearer {TOKEN}":
            event["requestContext"]["authorizer"] = ADMIN
        status, headers, data = response(office.raw(event))
        start_response(f"{status} {status}", [*headers, ("Content-Length", str(len(data)))])
        return [data]

    return answer
