"""Connections to the embedded cloud stay open between requests, whatever the requests were."""

import http.client
import io
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.quiet import MOST_UNREAD, serve


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise RuntimeError("a fault of the application")
    body = b"" if path == "/unread" else environ["wsgi.input"].read()
    if path == "/none":
        start_response("204 No Content", [])
        return []
    answer = [body[:3], b"|", str(len(body)).encode()]
    length = [("Content-Length", str(sum(map(len, answer))))] if path == "/sized" else []
    start_response("200 OK", [("Content-Type", "text/plain"), *length])
    return answer


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = serve(0, application)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.port
    server.shutdown()
    server.server_close()


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.connect()
    yield connection
    connection.close()


def ask(
    connection: http.client.HTTPConnection, path: str, body: Any = None, method: str = "POST", **more: Any
) -> tuple[int, bytes]:
    connection.request(method, path, body, **more)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_one_connection_carries_many_requests(connection: http.client.HTTPConnection) -> None:
    local = connection.sock.getsockname()
    chunks = iter([b"abc", b"de"])
    asked = [
        ask(connection, "/", b"first"),
        ask(connection, "/sized", b"second"),
        ask(connection, "/unread", b"x" * 10_000),
        ask(connection, "/none", b"third"),
        ask(connection, "/", None, "GET"),
        ask(connection, "/sized", None, "HEAD"),
        ask(connection, "/", chunks, encode_chunked=True),
        ask(connection, "/unread", iter([b"abc", b"de"]), encode_chunked=True),
        ask(connection, "/", io.BytesIO(b"y" * 300_000)),
    ]
    assert asked == [
        (200, b"fir|5"), (200, b"sec|6"), (200, b"|0"), (204, b""), (200, b"|0"), (200, b""), (200, b"abc|5"),
        (200, b"|0"), (200, b"yyy|300000"),
    ]  # fmt: skip
    assert connection.sock.getsockname() == local


def test_a_connection_ends_where_nobody_knows_what_follows(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/broken", b"x") == (500, b"")
    assert connection.sock is None
    assert ask(connection, "/unread", b"x" * (MOST_UNREAD + 1)) == (200, b"|0")
    assert connection.sock is None
    assert ask(connection, "/", b"x", headers={"Connection": "close"}) == (200, b"x|1")
    assert connection.sock is None


@pytest.mark.parametrize("head", ["Content-Length: many", "Transfer-Encoding: chunked"])
def test_a_body_that_cannot_be_read_is_answered_and_the_connection_closed(port: int, head: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\nzz\r\n".encode())
        answer = b""
        while part := raw.recv(4_096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"Connection: close" in answer


def test_a_client_that_waits_for_leave_to_send_gets_it(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(4_096).startswith(b"HTTP/1.1 100")
        raw.sendall(b"ab")
        assert raw.recv(4_096).endswith(b"ab|2")
