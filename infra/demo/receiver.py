"""A receiver of webhooks, as a destination would run one: verifies each signature, and keeps what came."""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True)
class Received:
    """One delivery whose signature was right."""

    id: str
    payload: dict[str, Any]
    at: float


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who goes away in the middle of a request: it sends it again."""


class Receiver:
    """Listens on a free port of this machine from the moment it is made."""

    def __init__(self) -> None:
        self.deliveries: list[Received] = []
        self.refused = 0
        self._ids: set[str] = set()
        self._secret: str | bytes | None = None
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status = receiver.take(dict(self.headers.items()), body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where deliveries go."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/segments"

    def trust(self, secret: str | bytes) -> None:
        """The secret that deliveries must be signed with; before it is known, none is accepted."""
        self._secret = secret

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Judge one delivery: the status to answer. The same delivery twice is kept once."""
        try:
            if self._secret is None:
                raise WebhookVerificationError("no secret is known yet")
            Webhook(self._secret).verify(body, headers, json_parse=False)
        except (WebhookVerificationError, ValueError):
            with self._lock:
                self.refused += 1
            return 401
        identifier = {name.lower(): value for name, value in headers.items()}["webhook-id"]
        with self._lock:
            if identifier not in self._ids:
                self._ids.add(identifier)
                self.deliveries.append(Received(identifier, json.loads(body), time.time()))
        return 204

    def of(self, segment: str) -> list[Received]:
        """The deliveries about a segment, in order of arrival."""
        with self._lock:
            return [one for one in self.deliveries if one.payload.get("segment") == segment]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
