"""The command: a second cloud beside the first, Ctrl-C, and no process left behind."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from infra.local.cloud import Cloud
from infra.local.errors import CloudError
from tests.local.support import FIXTURES, wait_until

COMMAND = [sys.executable, "-m", "infra.local"]


def descendants(pid: int) -> list[int]:
    listed = subprocess.check_output(["ps", "-eo", "pid,ppid"], text=True).splitlines()[1:]
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed)}
    found, heads = [], [pid]
    while heads:
        heads = [child for child, parent in parents.items() if parent in heads]
        found += heads
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_two_clouds_at_once_and_nothing_left_behind(
    cloud: Cloud, tmp_path: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [
            *COMMAND,
            *("--template", str(FIXTURES / "template.yaml"), "--port", "0", "--aws-port", "0"),
            *("--parameter", f"Journal={tmp_path}", "--env-file", str(tmp_path / "env")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("Ctrl-C"):
            break
    assert said.startswith("ready in "), said
    url = next(line.split()[-1] for line in said.splitlines() if line.strip().startswith("HTTP API"))
    with urllib.request.urlopen(f"{url}/plain") as answer:
        assert answer.read() == b'{"any": "json"}'
    endpoint = (tmp_path / "env").read_text().splitlines()[0].removeprefix("AWS_ENDPOINT_URL=")
    assert url != cloud.api_url
    assert endpoint != cloud.endpoint_url
    assert cloud.invoke("Invoked")["greeting"]

    children = descendants(process.pid)
    assert len(children) >= 2  # the AWS endpoint and a function
    process.send_signal(number)
    rest = process.communicate(timeout=10)[0]
    assert process.returncode == (0 if number == signal.SIGINT else -9)
    if number == signal.SIGINT:
        assert "stopping" in rest
        assert "Traceback" not in rest
    wait_until(lambda: not any(os.path.exists(f"/proc/{child}") for child in children))


def test_a_taken_port_is_named(cloud: Cloud, tmp_path: Path) -> None:
    port = int(cloud.api_url.rsplit(":", 1)[1])
    with pytest.raises(CloudError, match=f"port {port} is taken; choose another one"):
        Cloud(FIXTURES / "template.yaml", {"Journal": str(tmp_path)}, api_port=port, aws_port=0).start()
    port = int(cloud.endpoint_url.rsplit(":", 1)[1])
    with pytest.raises(CloudError, match=f"port {port} is taken; choose another one"):
        Cloud(FIXTURES / "template.yaml", {"Journal": str(tmp_path)}, api_port=0, aws_port=port).start()


def test_a_wrong_template_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text("Resources: {Bad: {Type: AWS::Neptune::DBCluster}}")
    command = [*COMMAND, "--template", str(path), "--port", "0", "--aws-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Bad (AWS::Neptune::DBCluster)" in done.stderr


def test_a_cloud_that_does_not_run_says_so() -> None:
    cloud = Cloud(FIXTURES / "template.yaml", {})
    with pytest.raises(CloudError, match="not running"):
        _ = cloud.api_url
    with pytest.raises(CloudError, match="not running"):
        cloud.invoke("Echo")
