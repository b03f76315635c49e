"""SQS event sources: batches, partial failures, redelivery, dead letters."""

import json
import threading

from infra.local.cloud import Cloud
from tests.local.support import Journal


def send(cloud: Cloud, journal: str, *orders: str | None) -> None:
    for number, do in enumerate(orders):
        cloud.client("sqs").send_message(
            QueueUrl=cloud.outputs["Queue"],
            MessageBody=json.dumps({"id": number, "journal": journal, "do": do}),
            MessageAttributes={"kind": {"DataType": "String", "StringValue": "k"}},
        )


def dead_letters(cloud: Cloud) -> list[dict[str, object]]:
    client, url = cloud.client("sqs"), cloud.outputs["DeadLetters"]
    found = []
    for message in client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found.append(json.loads(message["Body"]))
    return found


def waiting(cloud: Cloud) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = cloud.client("sqs").get_queue_attributes(QueueUrl=cloud.outputs["Queue"], AttributeNames=names)
    return sum(int(count) for count in answer["Attributes"].values())


def test_what_is_done_is_deleted(cloud: Cloud, journal: Journal) -> None:
    send(cloud, "done", *[None] * 7)
    cloud.idle()
    assert sorted(number for batch in journal.seen("done") for number in batch) == list(range(7))
    assert max(map(len, journal.seen("done"))) <= 5
    assert waiting(cloud) == 0
    record = journal.entries("done")[0]["first"]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(":small-Queue")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["kind"]["stringValue"] == "k"
    assert record["messageAttributes"]["kind"]["dataType"] == "String"


def test_only_what_failed_comes_back(cloud: Cloud, journal: Journal) -> None:
    send(cloud, "reported", None, "report-once", None)
    cloud.idle()
    batches = journal.seen("reported")
    assert batches[-1] == [1]
    assert sorted(number for batch in batches for number in batch) == [0, 1, 1, 2]
    assert dead_letters(cloud) == []


def test_what_fails_again_and_again_is_a_dead_letter(cloud: Cloud, journal: Journal) -> None:
    send(cloud, "dead", "report", None)
    cloud.idle()
    assert [letter["id"] for letter in dead_letters(cloud)] == [0]
    assert sum(batch.count(0) for batch in journal.seen("dead")) == 2  # maxReceiveCount
    assert waiting(cloud) == 0


def test_an_error_brings_the_whole_batch_back(cloud: Cloud, journal: Journal) -> None:
    send(cloud, "error", "raise")
    cloud.idle()
    assert journal.seen("error") == [[0], [0]]
    assert [letter["journal"] for letter in dead_letters(cloud)] == ["error"]


def test_a_process_killed_in_the_middle_of_a_batch_loses_nothing(cloud: Cloud, journal: Journal) -> None:
    send(cloud, "killed-queue", "slow-once")
    idle = threading.Thread(target=cloud.idle)  # whoever waits ends the batching window
    idle.start()
    journal.wait_for("killed-queue", 1)
    assert cloud.kill("Queued") >= 1
    idle.join()
    assert journal.seen("killed-queue") == [[0], [0]]
    assert waiting(cloud) == 0
