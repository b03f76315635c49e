"""Functions in the real runtime client: context, failures, crashes, time-outs, Lambda's own API."""

import base64
import json
import os
import subprocess
import threading
import time
from typing import Any

import pytest

from infra.local.cloud import Cloud
from infra.local.errors import CloudError, FunctionError
from tests.local.support import Journal, Said, wait_until


def test_a_function_sees_what_lambda_shows(cloud: Cloud) -> None:
    answer = cloud.invoke("Invoked", {"a": [1, None]})
    assert answer["event"] == {"a": [1, None]}
    assert answer["greeting"] == "from the layer"
    assert answer["function"] == "small-Invoked"
    assert answer["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:small-Invoked"
    assert answer["memory"] == "256"
    assert 0 < answer["remaining"] <= 2000
    assert answer["environment"] == {
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
        "AWS_REGION": "us-east-1",
        "TABLE": cloud.outputs["Table"],
        "FLAG": "true",
    }


def test_a_process_is_kept_between_invocations(cloud: Cloud) -> None:
    first, second = (cloud.invoke("Invoked")["pid"] for _ in range(2))
    assert first == second != os.getpid()


def test_an_exception_comes_back_with_its_traceback(cloud: Cloud, said: Said) -> None:
    with pytest.raises(FunctionError, match="ValueError: cannot do this") as raised:
        cloud.invoke("Invoked", {"do": "raise", "what": "this"})
    assert 'raise ValueError(f"cannot do' in str(raised.value)
    wait_until(lambda: "in _deep" in said.of("Invoked"))
    assert cloud.invoke("Invoked", {})["event"] == {}


def test_a_crash_shows_and_the_cloud_survives(cloud: Cloud, said: Said) -> None:
    before = cloud.invoke("Invoked")["pid"]
    with pytest.raises(FunctionError, match="Runtime exited with exit status 7") as raised:
        cloud.invoke("Invoked", {"do": "exit"})
    assert "last words" in str(raised.value)
    assert "its process ended in the middle of an invocation (with exit status 7)" in said.of("Invoked")
    assert cloud.invoke("Invoked")["pid"] != before


def test_a_time_out_kills_the_process_and_its_children(cloud: Cloud) -> None:
    began = time.monotonic()
    with pytest.raises(FunctionError, match=r"Sandbox\.Timedout: .* Task timed out after 2\.00 seconds"):
        cloud.invoke("Invoked", {"do": "sleep"})
    assert 1.9 < time.monotonic() - began < 5
    wait_until(lambda: "sleep 300" not in subprocess.check_output(["ps", "-eo", "args"], text=True))
    assert cloud.invoke("Invoked")["greeting"]


def test_a_module_that_cannot_be_imported(cloud: Cloud, said: Said) -> None:
    for _ in range(2):  # the next invocation tries again
        with pytest.raises(FunctionError, match=r"Runtime\.ImportModuleError: .*no_such_module"):
            cloud.invoke("Broken")
    assert "no_such_module" in said.of("Broken")


def test_too_large_an_answer(cloud: Cloud) -> None:
    with pytest.raises(FunctionError, match="ResponseSizeTooLarge"):
        cloud.invoke("Invoked", {"do": "large"})


def test_an_unknown_function(cloud: Cloud) -> None:
    with pytest.raises(CloudError, match="there is no function Nobody; there are Bisecting, Broken"):
        cloud.invoke("Nobody")


def test_concurrent_invocations_take_two_processes(cloud: Cloud) -> None:
    pids = []
    threads = [threading.Thread(target=lambda: pids.append(cloud.invoke("Invoked")["pid"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 8
    assert len(set(pids)) <= 2


def test_lambdas_api_invokes(cloud: Cloud) -> None:
    client = cloud.client("lambda")
    answer = client.invoke(FunctionName=cloud.outputs["Invoked"], Payload=b'{"x": 1}', LogType="Tail")
    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer
    assert json.load(answer["Payload"])["event"] == {"x": 1}
    assert answer["ExecutedVersion"] == "$LATEST"


def test_lambdas_api_reports_failures(cloud: Cloud) -> None:
    client = cloud.client("lambda")
    arn = "arn:aws:lambda:us-east-1:123456789012:function:small-Invoked"
    answer = client.invoke(FunctionName=arn, Payload=b'{"do": "exit"}', LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.load(answer["Payload"])["errorType"] == "Runtime.ExitError"
    assert "last words" in base64.b64decode(answer["LogResult"]).decode()
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody")
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="small-Invoked", Payload=b"{")


def test_lambdas_api_describes(cloud: Cloud) -> None:
    client = cloud.client("lambda")
    assert client.get_function(FunctionName="small-Invoked")["Configuration"]["Handler"] == "web.invoked"
    assert client.get_function_configuration(FunctionName="small-Invoked")["Timeout"] == 2
    assert "small-Echo" in [function["FunctionName"] for function in client.list_functions()["Functions"]]


def test_an_asynchronous_invocation_is_retried_and_put_aside(cloud: Cloud, journal: Journal) -> None:
    client = cloud.client("lambda")
    answer = client.invoke(FunctionName="small-Ticking", InvocationType="Event", Payload=b'{"fail": "async"}')
    assert answer["StatusCode"] == 202
    cloud.idle()
    assert [tick for tick in journal.entries("ticks") if tick.get("fail") == "async"] == [
        {"fail": "async"}
    ] * 2
    record = dead_letter(cloud)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestPayload"] == {"fail": "async"}
    assert record["responsePayload"]["errorMessage"] == "as asked"


def dead_letter(cloud: Cloud) -> dict[str, Any]:
    client, url = cloud.client("sqs"), cloud.outputs["DeadLetters"]
    (message,) = client.receive_message(QueueUrl=url)["Messages"]
    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    record: dict[str, Any] = json.loads(message["Body"])
    return record


def test_a_process_killed_between_two_invocations_is_noticed(cloud: Cloud) -> None:
    before = cloud.invoke("Invoked")["pid"]
    assert cloud.kill("Invoked") >= 1
    wait_until(lambda: not os.path.exists(f"/proc/{before}"))
    assert cloud.invoke("Invoked")["pid"] != before
