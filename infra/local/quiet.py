"""The request handler of every HTTP server here: connections stay open, and there is no access log."""

from __future__ import annotations

from typing import Any

from werkzeug.serving import WSGIRequestHandler


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
