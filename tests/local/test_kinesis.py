"""Kinesis event sources: batches, partial failures, bisection, retries, destinations, order."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from segmentation.adapters.cloudwatch import LambdaMetrics
from segmentation.domain.stream import Evaluation

from infra.local.cloud import Cloud
from infra.local.errors import TemplateError
from infra.local.invocations import FunctionSpec, Invocation
from infra.local.kinesis import Settings, ShardReader
from infra.local.provision.world import Mapped
from infra.local.sources import Look, reported_failures
from tests.local.support import Journal, Said


def put(cloud: Cloud, output: str, journal: str, *orders: str | None) -> None:
    records = [
        {"Data": json.dumps({"id": number, "journal": journal, "do": do}).encode(), "PartitionKey": "same"}
        for number, do in enumerate(orders)
    ]
    answer = cloud.client("kinesis").put_records(StreamName=cloud.outputs[output], Records=records)
    assert answer["FailedRecordCount"] == 0


def put_aside(cloud: Cloud, journal: str) -> list[tuple[str, dict[str, Any]]]:
    """The invocation records of this test in the failures bucket, oldest first."""
    client, bucket = cloud.client("s3"), cloud.outputs["Failures"]
    found = []
    for item in client.list_objects_v2(Bucket=bucket, Prefix="aws/lambda/").get("Contents", []):
        body = client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        if journal in ids_and_journal(json.loads(body))[1]:
            found.append((item["Key"], json.loads(body)))
    return found


def ids_and_journal(record: dict[str, Any]) -> tuple[list[int], set[str]]:
    datas = [
        json.loads(base64.b64decode(item["kinesis"]["data"]))
        for item in json.loads(record["payload"])["Records"]
    ]
    return [data["id"] for data in datas], {data["journal"] for data in datas}


def test_a_batch_is_as_large_as_declared(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "BisectedStream", "sizes", *[None] * 19)
    cloud.idle()
    seen = journal.seen("sizes")
    assert [number for batch in seen for number in batch] == list(range(19))
    assert [len(batch) for batch in seen] == [8, 8, 3]


def test_a_window_gathers_records_until_somebody_waits(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "BisectedStream", "window", None)
    time.sleep(0.5)
    assert journal.seen("window") == []  # the window is a minute
    put(cloud, "BisectedStream", "window", None)
    cloud.idle()
    assert journal.seen("window") == [[0, 0]]


def test_reported_failures_go_back_to_the_lowest(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "BisectedStream", "partial", None, None, "report-once", None, "report-once")
    cloud.idle()
    assert journal.seen("partial") == [[0, 1, 2, 3, 4], [2, 3, 4]]
    assert put_aside(cloud, "partial") == []


def test_bisection_isolates_a_record_that_raises(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "BisectedStream", "raise", None, None, None, "raise", None)
    cloud.idle()
    assert journal.seen("raise") == [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4], [2], [3, 4], [3], [3], [4]]
    ((_, record),) = put_aside(cloud, "raise")
    assert ids_and_journal(record)[0] == [3]


def test_a_record_reported_again_and_again_is_put_aside_alone(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "BisectedStream", "stubborn", None, "report", None)
    cloud.idle()
    assert journal.seen("stubborn") == [[0, 1, 2], [1, 2], [1], [1], [2]]
    ((_, record),) = put_aside(cloud, "stubborn")
    assert ids_and_journal(record)[0] == [1]


def test_lambda_s_metrics_of_the_stream_can_be_asked_for(cloud: Cloud) -> None:
    metrics = LambdaMetrics(cloud.client("cloudwatch"), "small-Bisecting")

    def now() -> Evaluation:
        return metrics.evaluation(int(time.time()) - 600, int(time.time()) + 60)

    before = now()
    put(cloud, "BisectedStream", "metrics", "raise")
    cloud.idle()
    after = now()
    assert after.errors == before.errors + 2
    assert after.lag is not None
    assert after.lag <= 60


def test_the_invocation_record_in_s3_is_lambdas(cloud: Cloud) -> None:
    put(cloud, "BisectedStream", "record", "raise")
    cloud.idle()
    ((key, record),) = put_aside(cloud, "record")
    parts = key.split("/")
    assert parts[:2] == ["aws", "lambda"]
    assert parts[3] == "shardId-000000000000"
    assert len(parts[2]) == 36
    assert [len(part) for part in parts[4:7]] == [4, 2, 2]
    assert parts[7].startswith("-".join(parts[4:7]) + "T")
    info = record["KinesisBatchInfo"]
    assert info["batchSize"] == 1
    assert info["shardId"] == parts[3]
    assert info["startSequenceNumber"] == info["endSequenceNumber"]
    assert info["streamArn"].endswith(":stream/small-BisectedStream")
    assert record["version"] == "1.0"
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestContext"]["functionArn"].endswith(":function:small-Bisecting")
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    original = json.loads(record["payload"])["Records"][0]
    assert original["eventSource"] == "aws:kinesis"
    assert original["eventID"] == f"shardId-000000000000:{info['startSequenceNumber']}"
    assert original["kinesis"]["partitionKey"] == "same"


def test_without_bisection_the_whole_batch_is_retried_then_put_aside(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "PlainStream", "whole", None, "raise", None)
    cloud.idle()
    assert journal.seen("whole") == [[0, 1, 2]] * 3
    client, url = cloud.client("sqs"), cloud.outputs["DeadLetters"]
    (message,) = client.receive_message(QueueUrl=url)["Messages"]
    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    record = json.loads(message["Body"])
    assert record["KinesisBatchInfo"]["batchSize"] == 3
    assert "payload" not in record  # a queue is told what it was about, not given the records


def test_reports_are_ignored_where_they_are_not_declared(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "PlainStream", "undeclared", "report", None)
    cloud.idle()
    assert journal.seen("undeclared") == [[0, 1]]


def test_a_process_killed_in_the_middle_of_a_batch_loses_nothing(
    cloud: Cloud, journal: Journal, said: Said
) -> None:
    put(cloud, "PlainStream", "killed", None, "slow-once", None)
    journal.wait_for("killed", 1)
    assert cloud.kill("Plain") == 1
    cloud.idle()
    assert journal.seen("killed") == [[0, 1, 2], [0, 1, 2]]
    assert "its process ended in the middle of an invocation (on signal SIGKILL)" in said.of("Plain")


def test_a_function_that_dies_of_a_record_is_started_again(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "BisectedStream", "dying", None, "die")
    cloud.idle()
    assert journal.seen("dying") == [[0, 1], [0], [1], [1]]
    assert [ids_and_journal(record)[0] for _, record in put_aside(cloud, "dying")] == [[1]]


def test_shards_do_not_wait_for_each_other(cloud: Cloud, journal: Journal) -> None:
    client, stream = cloud.client("kinesis"), cloud.outputs["PlainStream"]
    data = json.dumps({"id": 0, "journal": "shards", "do": None}).encode()
    answer = client.put_records(
        StreamName=stream, Records=[{"Data": data, "PartitionKey": str(number)} for number in range(40)]
    )
    assert len({record["ShardId"] for record in answer["Records"]}) == 4
    cloud.idle()
    assert sum(len(batch) for batch in journal.seen("shards")) == 40


class Stubs:
    """A shard of two records, one an hour old, and a function that takes everything."""

    spec = FunctionSpec("F", "f", "arn:f", "a.b", "python3.13", "arn:role", 128, 3, {}, Path())
    region = "us-east-1"

    def __init__(self) -> None:
        self.invoked: list[list[str]] = []
        self.put: list[dict[str, Any]] = []
        self.metrics: list[dict[str, Any]] = []
        self._records = [
            {
                "SequenceNumber": str(number),
                "PartitionKey": "p",
                "Data": b"d",
                "ApproximateArrivalTimestamp": moment,
            }
            for number, moment in enumerate([datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)])
        ]

    def client(self, _service: str) -> "Stubs":
        return self

    def get_shard_iterator(self, **_: Any) -> dict[str, str]:
        return {"ShardIterator": "0"}

    def get_records(self, **_: Any) -> dict[str, Any]:
        records, self._records = self._records, []
        return {"Records": records, "NextShardIterator": "0"}

    def put_object(self, **arguments: Any) -> None:
        self.put.append(json.loads(arguments["Body"]))

    def put_metric_data(self, **arguments: Any) -> None:
        self.metrics += arguments["MetricData"]

    def find(self, _reference: str) -> "Stubs":
        return self

    def invoke(self, _reference: str, payload: bytes) -> Invocation:
        records = json.loads(payload)["Records"]
        self.invoked.append([record["kinesis"]["sequenceNumber"] for record in records])
        return Invocation("id", b"null", None, "", 0.0)


def test_records_that_are_too_old_are_put_aside() -> None:
    stubs: Any = Stubs()
    settings = Settings(
        "uuid", "arn:x:stream/s", "f", "LATEST", 10, 0, True, True, 1, 60, "arn:aws:s3:::bucket"
    )
    reader = ShardReader(settings, "shardId-000000000000", stubs, stubs, Said())
    assert reader.look() is Look.SOME
    assert reader.look() is Look.NOTHING
    assert stubs.invoked == [["1"]]
    assert [one["MetricName"] for one in stubs.metrics] == ["IteratorAge", "Errors"]
    assert {one["Dimensions"][0]["Value"] for one in stubs.metrics} == {"f"}
    assert stubs.metrics[0]["Value"] < 60_000
    (record,) = stubs.put
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["responseContext"] is None
    assert [item["kinesis"]["sequenceNumber"] for item in json.loads(record["payload"])["Records"]] == ["0"]


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"TumblingWindowInSeconds": 5}, "M: the embedded cloud does not know TumblingWindowInSeconds"),
        (
            {"StartingPosition": "AT_TIMESTAMP"},
            "M: the embedded cloud does not know StartingPosition AT_TIMESTAMP",
        ),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sns:r:1:t"}}},
            "M: unknown kind of OnFailure",
        ),
    ],
)
def test_mappings_that_would_work_otherwise_stop(properties: dict[str, Any], says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        Settings.read(Mapped("M", {"EventSourceArn": "arn", "FunctionName": "f", **properties}))


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "2"}]}, {"2"}),
        ({"batchItemFailures": [{"itemIdentifier": "9"}]}, None),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, None),
        ({"batchItemFailures": [{"item": "1"}]}, None),
        ({"failures": []}, None),
        ("done", None),
    ],
)
def test_reports_are_read_as_lambda_reads_them(answer: Any, failed: set[str] | None) -> None:
    assert reported_failures(answer, ["1", "2"]) == failed
