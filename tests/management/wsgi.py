"""The management API's handler as a WSGI application: what an HTTP client of it sees."""

from collections.abc import Callable, Iterable
from typing import Any

from infra.local.http_api import proxy_event, read_body, response
from tests.management.support import Office

TOKEN, EDITOR_TOKEN = "the-admin", "the-editor"


def application(office: Office) -> Callable[..., Iterable[bytes]]:
    """Who sends `TOKEN` is an admin, as if API Gateway had verified it, `EDITOR_TOKEN` an editor; others are nobody."""
    roles = {f"Bearer {TOKEN}": "admin", f"Bearer {EDITOR_TOKEN}": "editor"}

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = read_body(environ)
        event = proxy_event(environ, body or b"", "ANY /v1/{proxy+}", {}, "r", "123456789012", "api")
        if role := roles.get(environ.get("HTTP_AUTHORIZATION", "")):
            claims = {"sub": "fuzz", "cognito:groups": f"[{role}]"}
            event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
        status, headers, data = response(office.raw(event))
        start_response(f"{status} {status}", [*headers, ("Content-Length", str(len(data)))])
        return [data]

    return answer
