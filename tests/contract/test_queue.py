"""Queue: the fake and SQS."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from segmentation.adapters.sqs import SqsQueue
from segmentation.domain.errors import Unavailable
from segmentation.ports import Queue

from tests.contract.conftest import Client
from tests.fakes import MemoryQueue

Pair = tuple[Queue, Callable[[], list[dict[str, Any]]]]


@pytest.fixture(params=["fake", "sqs"])
def queue(request: pytest.FixtureRequest) -> Pair:
    if request.param == "fake":
        fake = MemoryQueue()
        return fake, lambda: fake.messages
    sqs = request.getfixturevalue("client")("sqs")
    url = sqs.create_queue(QueueName="messages")["QueueUrl"]
    return SqsQueue(sqs, url), lambda: receive(sqs, url)


def receive(sqs: Any, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
    return found


def test_all_messages_arrive(queue: Pair) -> None:
    send, received = queue
    messages = [{"n": number, "text": "ü" * 10} for number in range(25)]
    send.send(messages)
    assert sorted(received(), key=lambda one: int(one["n"])) == messages


def test_large_messages_are_spread_over_calls(queue: Pair) -> None:
    send, received = queue
    messages = [{"n": number, "text": "x" * 60_000} for number in range(9)]
    send.send(messages)
    assert len(received()) == 9


def test_no_messages_are_no_call(queue: Pair) -> None:
    send, received = queue
    send.send([])
    assert received() == []


def test_a_message_held_back_does_not_come_again_yet(client: Client) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="held", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    queue = SqsQueue(sqs, url)
    queue.send([{"n": 1}])
    message = sqs.receive_message(QueueUrl=url)["Messages"][0]
    queue.delay(message["ReceiptHandle"], 600)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_a_queue_that_is_not_there_is_unavailable(client: Client) -> None:
    with pytest.raises(Unavailable, match="NonExistentQueue"):
        SqsQueue(client("sqs"), "https://sqs.eu-west-1.amazonaws.com/123456789012/none").send([{"n": 1}])


class Refusing:
    def __init__(self, times: int) -> None:
        self.times = times
        self.taken: list[str] = []

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        refuse = Entries[0]["Id"] if self.times else None
        self.times = max(0, self.times - 1)
        self.taken += [entry["MessageBody"] for entry in Entries if entry["Id"] != refuse]
        return {"Failed": [{"Id": refuse}]} if refuse is not None else {}


def test_refused_messages_are_sent_again_alone() -> None:
    sqs = Refusing(2)
    SqsQueue(sqs, "url", lambda _: None).send([{"n": 1}, {"n": 2}])
    assert sqs.taken == ['{"n":2}', '{"n":1}']


def test_messages_that_stay_refused_are_said() -> None:
    with pytest.raises(Unavailable, match="1 messages were refused"):
        SqsQueue(Refusing(50), "url", lambda _: None).send([{"n": 1}, {"n": 2}])


def test_messages_may_be_held_back(queue: Pair, request: pytest.FixtureRequest) -> None:
    send, received = queue
    if isinstance(send, MemoryQueue):
        send.send([{"n": 1}], after=900)
        assert send.waits == [900]
        return
    send.send([{"n": 1}], after=1)
    assert received() == []
    time.sleep(1.1)
    assert received() == [{"n": 1}]
