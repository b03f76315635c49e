"""The one HTTP endpoint of all AWS APIs, in a process of its own.

Athena goes to `infra.local.athena`, Lambda to the process that runs the functions, everything else to moto.
The process lives as long as its standard input is open, so it never outlives the cloud that started it.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )

from infra.local import moto_patches
from infra.local.athena.service import AthenaService
from infra.local.changes import CHANGES, Changes
from infra.local.errors import CloudError
from infra.local.event_post import ATHENA_CHANGE, put_event
from infra.local.faults import FAULTS, Faults
from infra.local.quiet import QuietHandler, serve

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d+/[^/]*/([^/]+)/aws4_request")
_ATHENA = "AmazonAthena."
_LAMBDA = "/2015-03-31/"
# One at a time per service: moto's check-then-write is not safe for threads. SQS waits inside of its calls.
_SERIAL = {"dynamodb", "kinesis", "s3", "glue"}


class Front:
    """The WSGI application in front of moto."""

    def __init__(self, functions: str) -> None:
        self._functions = functions
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._locks = {service: threading.Lock() for service in _SERIAL}
        self._changes = Changes()
        self._faults = Faults()
        self.athena: AthenaService | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if environ["PATH_INFO"].startswith(CHANGES):
            return self._wait_for_change(environ["PATH_INFO"].removeprefix(CHANGES), start_response)
        if target.startswith(_ATHENA):
            return self._call_athena(target.removeprefix(_ATHENA), environ, start_response)
        if environ["PATH_INFO"].startswith(_LAMBDA):
            return self._call_lambda(environ, start_response)
        access_key, service = credential(environ)
        body = _body(environ)  # read before the lock: a slow sender must not hold up the others
        if environ["PATH_INFO"] == FAULTS:
            self._faults.ask(body)
            return _json(200, b"{}", start_response)
        if (refusal := self._faults.refusal(service, target)) is not None:
            return _json(400, refusal, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        try:
            return self._call_moto(service, access_key, environ, start_response)
        finally:
            self._changes.note(target)

    def _call_moto(
        self, service: str, access_key: str, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if service == "s3" and environ["REQUEST_METHOD"] == "GET":
            start_response = self._counting(environ, access_key, start_response)
        with self._locks[service] if service in _SERIAL else nullcontext():
            answer: Iterable[bytes] = self._moto(environ, start_response)
        return answer

    def _wait_for_change(self, what: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
        service, seen = what.split("/")
        body = str(self._changes.wait(service, int(seen))).encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    def _counting(
        self, environ: dict[str, Any], access_key: str, start_response: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Tells Athena how many bytes of an object each access key has read: queries read under their own."""

        def counted(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            is_object = "/" in environ["PATH_INFO"].strip("/")
            if self.athena is not None and is_object and status.startswith("2"):
                length = next((value for name, value in headers if name.lower() == "content-length"), "0")
                self.athena.count_read(access_key, int(length))
            return start_response(status, headers, *rest)

        return counted

    def _call_athena(
        self, operation: str, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if self.athena is None:
            raise RuntimeError("the endpoint is not ready")
        status, answer = self.athena.handle(operation, json.loads(_body(environ) or b"{}"))
        return _json(status, json.dumps(answer).encode(), start_response)

    def _call_lambda(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Hand the request to the process that runs the functions."""
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_X_AMZ_") and name != "HTTP_X_AMZ_DATE"
        }
        path = environ["PATH_INFO"] + (f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else "")
        connection = http.client.HTTPConnection(self._functions)
        try:
            connection.request(environ["REQUEST_METHOD"], path, _body(environ), headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        kept = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower().startswith(("x-amz", "content-t"))
        ]
        start_response(f"{response.status} {response.reason}", [*kept, ("Content-Length", str(len(body)))])
        return [body]


class Handler(QuietHandler, MotoRequestHandler):  # type: ignore[misc]
    """Moto's handler, which keeps the spelling of S3 metadata, without its access log."""


def credential(environ: dict[str, Any]) -> tuple[str, str]:
    """The access key and the service that a request is signed for."""
    if found := _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", "")):
        return found.group(1), found.group(2)
    presigned = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0].split("/")
    return (presigned[0], presigned[3]) if len(presigned) == 5 else ("", "s3")


def _json(status: int, body: bytes, start_response: Callable[..., Any]) -> Iterable[bytes]:
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
    start_response(f"{status} {http.client.responses.get(status, '')}", headers)
    return [body]


def _body(environ: dict[str, Any]) -> bytes:
    source = environ["wsgi.input"]
    chunked = environ.get("wsgi.input_terminated")
    data: bytes = source.read() if chunked else source.read(int(environ.get("CONTENT_LENGTH") or 0))
    return data


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.front")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--functions", required=True, help="host:port of the process that runs the functions")
    arguments = parser.parse_args()
    moto_patches.apply()
    front = Front(arguments.functions)
    try:
        server = serve(arguments.port, front, Handler)
    except CloudError as error:
        print(f"error: {error}", flush=True)
        sys.exit(1)
    url = f"http://127.0.0.1:{server.port}"
    front.athena = AthenaService(
        endpoint_url=url,
        region=arguments.region,
        account_id=arguments.account,
        on_change=lambda detail: put_event(arguments.functions, "aws.athena", ATHENA_CHANGE, detail),
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"ready {url}", flush=True)
    sys.stdin.read()
    front.athena.close()
    sys.stdout.flush()
    os._exit(0)  # a query may be running; its answer has no reader any more


if __name__ == "__main__":
    main()
