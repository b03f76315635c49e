"""Webhooks and Secrets: what the real adapters do on a real socket, and with a real verifier."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from segmentation.adapters.http import HttpWebhooks
from segmentation.adapters.secrets import SecretsManager, key_bytes
from segmentation.domain.errors import Forbidden, Unavailable
from segmentation.ports import Answer, Webhooks

from tests.contract.conftest import Client
from tests.fakes import FakeSecrets, FakeWebhooks


class Receiver(http.server.BaseHTTPRequestHandler):
    seen: list[tuple[str, dict[str, str], bytes]]
    answers: list[tuple[int, dict[str, str]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        self.send_response(status)
        for name, value in {**headers, "content-length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[Receiver]]]:
    handler = type("Handler", (Receiver,), {"seen": [], "answers": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("kind", ["fake", "http"])
def test_what_the_receiver_says_comes_back(kind: str, receiver: tuple[str, type[Receiver]]) -> None:
    url, handler = receiver
    handler.answers += [(200, {}), (503, {"Retry-After": "7"}), (410, {}), (429, {"Retry-After": "tomorrow"})]
    expected = [Answer(200), Answer(503, 7), Answer(410), Answer(429)]
    webhooks: Webhooks = FakeWebhooks([*expected]) if kind == "fake" else HttpWebhooks(allow_private=True)
    assert [webhooks.post(url, {"webhook-id": "m1"}, b"{}") for _ in expected] == expected


def test_path_query_headers_and_body_arrive(receiver: tuple[str, type[Receiver]]) -> None:
    url, handler = receiver
    HttpWebhooks(allow_private=True).post(f"{url}/a/b?c=d", {"webhook-id": "m1"}, b'{"x":1}')
    path, headers, body = handler.seen[0]
    assert (path, headers["webhook-id"], body) == ("/a/b?c=d", "m1", b'{"x":1}')
    assert headers["host"] == url.removeprefix("http://")


def test_a_redirect_is_an_answer_and_not_followed(receiver: tuple[str, type[Receiver]]) -> None:
    url, handler = receiver
    handler.answers.append((302, {"Location": f"{url}/elsewhere"}))
    assert HttpWebhooks(allow_private=True).post(url, {}, b"").status == 302
    assert len(handler.seen) == 1


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "fd00::1", "192.168.1.1", "0.0.0.0"]
)
def test_a_private_address_is_not_called(address: str) -> None:
    webhooks = HttpWebhooks(look_up=lambda *_: ["93.184.216.34", address])
    with pytest.raises(Forbidden, match="private"):
        webhooks.post("https://innocent.example/", {}, b"")


def test_plain_http_is_refused() -> None:
    with pytest.raises(Forbidden, match="https"):
        HttpWebhooks(look_up=lambda *_: ["93.184.216.34"]).post("http://example.com/", {}, b"")


def test_no_answer_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        HttpWebhooks(allow_private=True).post("http://127.0.0.1:9/", {}, b"")

    def nowhere(*_: object) -> list[str]:
        raise OSError("no such host")

    with pytest.raises(Unavailable, match="resolved"):
        HttpWebhooks(look_up=nowhere).post("https://nowhere.invalid/", {}, b"")


@pytest.mark.parametrize("kind", ["fake", "secretsmanager"])
def test_the_secret_is_given_as_bytes(kind: str, client: Client) -> None:
    if kind == "fake":
        assert FakeSecrets(b"key").webhook_secret() == b"key"
        return
    arn = client("secretsmanager").create_secret(Name="hook", SecretString="whsec_a2V5")["ARN"]
    time = [0.0]
    secrets = SecretsManager(client("secretsmanager"), arn, lambda: time[0])
    assert secrets.webhook_secret() == b"key"
    client("secretsmanager").put_secret_value(SecretId=arn, SecretString="bmV3")
    assert secrets.webhook_secret() == b"key"
    time[0] = 300.0
    assert secrets.webhook_secret() == b"new"


def test_a_secret_that_is_not_base64_is_said() -> None:
    with pytest.raises(Unavailable, match="base64"):
        key_bytes("whsec_not base64!")


def test_a_secret_that_is_not_there_is_unavailable(client: Client) -> None:
    with pytest.raises(Unavailable):
        SecretsManager(client("secretsmanager"), "arn:none").webhook_secret()
