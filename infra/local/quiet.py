"""The HTTP servers here: connections stay open, there is no access log, and a taken port is an error with a name."""

from __future__ import annotations

import socket
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


def serve(
    port: int, application: Callable[..., Any], handler: type[WSGIRequestHandler] = QuietHandler
) -> BaseWSGIServer:
    """A threaded server on this machine's own address; port 0 takes any free one."""
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        raise CloudError(f"port {port} is taken; choose another one, or 0 for any free one") from error
    with listener:  # werkzeug keeps a copy of its own, and would end the process if it found the port taken
        return make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=handler, fd=listener.fileno()
        )
