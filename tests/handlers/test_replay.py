"""Failed records are put back on the stream by one command."""

import base64
import json
from typing import Any

import pytest
from segmentation.domain.event import Event

from infra.replay.__main__ import main
from tests.handlers.conftest import Aws

GOOD = Event("e1", "shop", "purchases", "person_id:7", 5, 5, {"amount": 1}).to_json()


@pytest.fixture
def bucket(aws: Aws) -> str:
    aws.s3.create_bucket(Bucket="failed", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return "failed"


def given_up(*datas: bytes, source: str = "kinesis") -> bytes:
    """As Lambda puts what it gave up."""
    records = [
        {
            source: {
                "data": base64.b64encode(data).decode(),
                "partitionKey": "person_id:7",
                "sequenceNumber": "4",
            }
        }
        for data in datas
    ]
    context = {
        "functionArn": "arn:aws:lambda:eu-west-1:1:function:stack-ArchiveEvents",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 11,
    }
    return json.dumps({"requestContext": context, "payload": json.dumps({"Records": records})}).encode()


def names(aws: Aws) -> list[str]:
    return [one["Key"] for one in aws.s3.list_objects_v2(Bucket="failed").get("Contents", ())]


def run(*arguments: str) -> int:
    return main(["--bucket", "failed", "--stream", "events", *arguments])


def test_everything_goes_back_once(aws: Aws, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    poison = json.dumps({"function": "evaluate_events", "sequence": "9", "reason": "not JSON: ValueError", "kept": 5, "data": base64.b64encode(b"{").decode()})  # fmt: skip
    aws.s3.put_object(Bucket=bucket, Key="poison/evaluate_events/9.json", Body=poison)
    aws.s3.put_object(Bucket=bucket, Key="aws/lambda/u/shard/1", Body=given_up(GOOD, GOOD))
    assert run("--dry-run") == 0
    assert aws.stream() == []
    shown = capsys.readouterr().out
    assert "RetryAttemptsExhausted of stack-ArchiveEvents after 11 tries" in shown
    assert "3 records of 2 objects would be put back" in shown
    assert run() == 0
    back = [(one["PartitionKey"], one["Data"]) for one in aws.stream()]
    assert sorted(back) == [("9", b"{"), ("person_id:7", GOOD), ("person_id:7", GOOD)]
    assert names(aws) == ["replayed/aws/lambda/u/shard/1", "replayed/poison/evaluate_events/9.json"]
    assert run() == 0
    assert len(aws.stream()) == 3


def test_only_what_matches_goes_back_and_what_is_of_another_stream_stays(
    aws: Aws, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.s3.put_object(Bucket=bucket, Key="aws/lambda/u/shard/1", Body=given_up(GOOD))
    aws.s3.put_object(Bucket=bucket, Key="aws/lambda/u/shard/2", Body=given_up(GOOD, source="dynamodb"))
    aws.s3.put_object(Bucket=bucket, Key="aws/lambda/u/shard/3", Body=b"no json")
    assert run("--matching", "nothing like it") == 2
    assert aws.stream() == []
    assert run("--matching", "ArchiveEvents") == 2
    assert len(aws.stream()) == 1
    assert names(aws) == ["aws/lambda/u/shard/2", "aws/lambda/u/shard/3", "replayed/aws/lambda/u/shard/1"]
    assert "invoke the function" in capsys.readouterr().err


def test_a_stream_that_takes_nothing_leaves_all_where_it_was(
    aws: Aws, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.s3.put_object(Bucket=bucket, Key="aws/lambda/u/shard/1", Body=given_up(GOOD))

    def refuses(records: list[Any], **_: Any) -> Any:
        return {"Records": [{"ErrorCode": "ProvisionedThroughputExceededException"} for _ in records]}

    monkeypatch.setattr("segmentation.adapters.kinesis.sleep", lambda _: None)
    monkeypatch.setattr("segmentation.adapters.kinesis.ATTEMPTS", 1)
    monkeypatch.setattr(
        "botocore.client.BaseClient._make_api_call",
        _only("PutRecords", lambda kwargs: refuses(kwargs["Records"])),
    )
    assert run() == 1
    assert "0 of 1 events were kept" in capsys.readouterr().err
    assert names(aws) == ["aws/lambda/u/shard/1"]


def _only(operation: str, answer: Any) -> Any:
    from botocore.client import BaseClient

    real = BaseClient._make_api_call

    def call(self: Any, name: str, kwargs: Any) -> Any:
        return answer(kwargs) if name == operation else real(self, name, kwargs)

    return call
