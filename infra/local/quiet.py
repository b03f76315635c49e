"""The HTTP servers here: connections stay open, there is no access log, and a taken port is an error with a name."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import traceback
from collections.abc import Callable
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from infra.local.errors import CloudError

MOST_UNREAD = 1_000_000
"""Bytes of a body that nobody read, which are read away for the next request to follow; beyond, the connection is closed."""


class _Body(io.RawIOBase):
    """A request's body: it ends where the request does, and what follows on the connection is the next one's."""

    def __init__(self, source: Any, length: int) -> None:
        self._source = source
        self.left = length

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As many bytes as there are room and body for."""
        data = self._source.read(min(len(buffer), self.left))
        buffer[: len(data)] = data
        self.left -= len(data) if data else self.left  # a client that goes away sends no more
        return len(data)


class QuietHandler(WSGIRequestHandler):
    """Keeps connections open between requests, as API Gateway and AWS do, and says nothing. Werkzeug's closes each."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for headers and body
    timeout = 120
    """Seconds for which a connection may wait for a request."""

    def run_wsgi(self) -> None:
        """Answer one request; the connection stays open unless one of both sides wants it closed."""
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            told[:] = [(status, headers)]

        try:
            environ = self.make_environ()
            is_chunked = environ.get("wsgi.input_terminated")
            length = int(environ.get("CONTENT_LENGTH") or 0)
            body = io.BufferedReader(environ["wsgi.input"] if is_chunked else _Body(self.rfile, length))
            environ["wsgi.input"] = body
            answer = self.server.app(environ, start_response)  # type: ignore[arg-type]
            try:
                data = b"".join(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
            self.close_connection |= len(body.read(MOST_UNREAD)) == MOST_UNREAD
        except Exception:
            # Nobody knows where the next request would begin.
            self.close_connection = True
            self.server.log("error", traceback.format_exc())
            told[:], data = [("500 Internal Server Error", [])], b""
        self._send(*told[0], data)

    def _send(self, status: str, headers: list[tuple[str, str]], data: bytes) -> None:
        code = int(status[:3])
        self.send_response(code, status[4:])
        for name, value in headers:
            self.send_header(name, value)
        bare = code < 200 or code in (204, 304)
        if not bare and "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and not bare:
            self.wfile.write(data)
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Answer at once: boto3 waits a second for this before it sends an object's content."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        del self.headers["Expect"]  # werkzeug would answer once more
        return going_on

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Say nothing."""

    def log_error(self, *_: object) -> None:
        """Say nothing of connections that waited in vain, or of clients that do not trust the certificate."""


class QuietTlsHandler(QuietHandler):
    """The same over TLS. The handshake is made here, not where connections are accepted: browsers open some and wait."""

    def setup(self) -> None:
        """Take the connection over; the first read makes the handshake."""
        assert self.server.ssl_context is not None
        self.request.settimeout(self.timeout)
        self.request = self.server.ssl_context.wrap_socket(
            self.request, server_side=True, do_handshake_on_connect=False
        )
        super().setup()

    def handle(self) -> None:
        """Answer requests until the connection ends, which a browser does as it likes."""
        with contextlib.suppress(ssl.SSLError, OSError):
            super().handle()

    def finish(self) -> None:
        """Close the connection; the server knows only of the plain one that it was made of."""
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        self.request.close()


def serve(
    port: int,
    application: Callable[..., Any],
    handler: type[WSGIRequestHandler] = QuietHandler,
    tls: ssl.SSLContext | None = None,
) -> BaseWSGIServer:
    """A threaded server on this machine's own address; port 0 takes any free one."""
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        raise CloudError(f"port {port} is taken; choose another one, or 0 for any free one") from error
    with listener:  # werkzeug keeps a copy of its own, and would end the process if it found the port taken
        server = make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=handler, fd=listener.fileno()
        )
    server.ssl_context = tls  # told to applications as their URL's scheme; the handler makes the connection
    return server
