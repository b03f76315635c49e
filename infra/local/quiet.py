"""The HTTP servers here: connections stay open, there is no access log, and a taken port is an error with a name."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from infra.local.errors import CloudError


class QuietHandler(WSGIRequestHandler):
    """Keeps connections open between requests, and says nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for headers and body

    def handle_expect_100(self) -> bool:
        """Answer at once: boto3 waits a second for this before it sends an object's content."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        del self.headers["Expect"]  # werkzeug would answer once more
        return going_on

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Say nothing."""


class QuietTlsHandler(QuietHandler):
    """The same over TLS. The handshake is made here, not where connections are accepted: browsers open some and wait."""

    timeout = 60

    def setup(self) -> None:
        """Take the connection over; the first read makes the handshake."""
        assert self.server.ssl_context is not None
        self.request.settimeout(self.timeout)
        self.request = self.server.ssl_context.wrap_socket(
            self.request, server_side=True, do_handshake_on_connect=False
        )
        super().setup()

    def log_error(self, *_: object) -> None:
        """Say nothing of clients that do not trust the certificate."""

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
