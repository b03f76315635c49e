"""The real adapters stand on moto; Athena on the embedded one. Clients are made once, the mock anew each test."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

REGION = "eu-west-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": REGION,
}
Client = Callable[[str], Any]
boto_client: Any = boto3.client


@pytest.fixture(autouse=True)
def _fake_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture(scope="session")
def made_clients() -> dict[str, Any]:
    return {}


@pytest.fixture
def client(made_clients: dict[str, Any]) -> Iterator[Client]:
    """Clients of a fresh moto."""
    with mock_aws():

        def make(name: str) -> Any:
            if name not in made_clients:
                made_clients[name] = boto_client(
                    name,
                    region_name=REGION,
                    aws_access_key_id="testing",
                    aws_secret_access_key="testing",
                )
            return made_clients[name]

        yield make


@dataclass
class Cloud:
    """A moto with an Athena, behind one address."""

    endpoint: str

    def client(self, name: str) -> Any:
        return boto_client(
            name,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """The front of the embedded cloud, without functions."""
    from werkzeug.serving import make_server

    from infra.local.athena.service import AthenaService
    from infra.local.front import Front
    from infra.local.quiet import QuietHandler

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    patch = pytest.MonkeyPatch()
    for name, value in CREDENTIALS.items():
        patch.setenv(name, value)
    front = Front("http://127.0.0.1:9")
    server = make_server("127.0.0.1", port, front, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    front.athena = AthenaService(f"http://127.0.0.1:{port}", REGION)
    made = Cloud(f"http://127.0.0.1:{port}")
    s3 = made.client("s3")
    for bucket in ("lake", "results"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    made.client("glue").create_database(DatabaseInput={"Name": "warehouse"})
    made.client("athena").create_work_group(
        Name="batch",
        Configuration={
            "EnforceWorkGroupConfiguration": False,
            "ResultConfiguration": {"OutputLocation": "s3://results/athena/"},
        },
    )
    yield made
    front.athena.close()
    server.shutdown()
    thread.join()
    server.server_close()
    patch.undo()
