"""The real adapters stand on moto; Athena on the embedded one. Clients are made once, the mock anew each test."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
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
    """The endpoint of the embedded cloud, without functions; its own process, so that no mock resets it."""
    options = {"--port": "0", "--region": REGION, "--account": "123456789012", "--functions": "127.0.0.1:9"}
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local.front", *(word for pair in options.items() for word in pair)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **CREDENTIALS, "PYTHONPATH": "layers/core/python"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said = ""
    while not said.startswith("ready "):
        said = process.stdout.readline()
        assert said, "the endpoint did not start"
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    drain.start()
    made = Cloud(said.split()[1])
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
    process.stdin.close()
    process.wait(30)
    drain.join(30)
    process.stdout.close()
