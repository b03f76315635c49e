"""The functions' handlers on moto, with the events that AWS sends (events/*.json)."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from segmentation.adapters.s3 import S3Lake
from segmentation.runtime.composition import clients

from functions.advance_runs import app as advance_runs
from functions.archive_events import app as archive_events
from functions.build_audience import app as build_audience
from functions.collect_calls import app as collect_calls
from functions.collect_events import app as collect_events
from functions.deliver_activations import app as deliver_activations
from functions.erase_profiles import app as erase_profiles
from functions.evaluate_events import app as evaluate_events
from functions.fill_segments import app as fill_segments
from functions.import_lists import app as import_lists
from functions.materialize_segments import app as materialize_segments
from functions.publish_memberships import app as publish_memberships
from functions.remove_audiences import app as remove_audiences
from functions.serve_api import app as serve_api
from functions.sweep_memberships import app as sweep_memberships
from tests.contract.profile_parts import make_table
from tests.contract.runs_table import make_runs_table
from tests.fakes import FixedClock
from tests.fakes.documents import documents
from tests.publishing import PublishRules

EVENTS = Path(__file__).parent / "events"
REGION = "eu-west-1"
boto_client: Any = boto3.client
CONTEXT = SimpleNamespace(
    aws_request_id="11111111-2222-3333-4444-555555555555", get_remaining_time_in_millis=lambda: 300_000
)


def golden(name: str) -> Any:
    """An event as AWS sends it, for a test to change."""
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def batch(name: str, records: list[dict[str, Any]]) -> Any:
    """An event of several records: the golden one's, with these changes in each."""
    event = golden(name)
    (model,) = event["Records"]
    event["Records"] = []
    for changes in records:
        record = copy.deepcopy(model)
        for key, value in changes.items():
            place = record
            *path, last = key.split(".")
            for step in path:
                place = place[step]
            place[last] = value
        event["Records"].append(record)
    return event


class Aws:
    """What the template would have made."""

    def __init__(self) -> None:
        self.s3, self.kinesis = self.client("s3"), self.client("kinesis")
        self.dynamodb, self.sqs = self.client("dynamodb"), self.client("sqs")
        self.s3.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.kinesis.create_stream(StreamName="events", ShardCount=1)
        make_table(self.dynamodb)
        make_runs_table(self.dynamodb)
        self.activations = self.sqs.create_queue(QueueName="activations")["QueueUrl"]
        self.publications = self.sqs.create_queue(QueueName="publications")["QueueUrl"]
        self.lists = self.sqs.create_queue(QueueName="lists")["QueueUrl"]
        secrets = self.client("secretsmanager")
        self.secret = secrets.create_secret(Name="s", SecretString="a2V5")["ARN"]
        self.signing = secrets.create_secret(Name="keys", SecretString="signing secret")["ARN"]
        self.dynamodb.create_table(
            TableName="limits",
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.lake = S3Lake(self.s3, "lake")
        document = documents()
        parts = (document[name] for name in ("audience", "segments", "access", "destinations"))
        PublishRules(self.lake, FixedClock())(*parts)

    def client(self, name: str) -> Any:
        return boto_client(name, region_name=REGION)

    def stream(self) -> list[dict[str, Any]]:
        """What stands on the stream."""
        (shard,) = self.kinesis.list_shards(StreamName="events")["Shards"]
        iterator = self.kinesis.get_shard_iterator(
            StreamName="events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        return list(self.kinesis.get_records(ShardIterator=iterator)["Records"])

    def messages(self, url: str) -> list[Any]:
        """What waits in a queue."""
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(one["Body"]) for one in answer.get("Messages", ())]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        made = Aws()
        for name, value in {
            "LAKE_BUCKET": "lake",
            "EVENT_STREAM": "events",
            "PROFILES_TABLE": "profiles",
            "RUNS_TABLE": "runs",
            "KEPT_DAYS": "7",
            "ACTIVATIONS_QUEUE_URL": made.activations,
            "FAILURES_BUCKET": "lake",
            "PUBLICATIONS_QUEUE_URL": made.publications,
            "LISTS_QUEUE_URL": made.lists,
            "WEBHOOK_SECRET_ARN": made.secret,
            "SIGNING_SECRET_ARN": made.signing,
            "LIMITS_TABLE": "limits",
            "GLUE_DATABASE": "warehouse",
            "ATHENA_WORKGROUP": "batch",
        }.items():
            monkeypatch.setenv(name, value)
        forget()
        yield made
        forget()


def forget() -> None:
    """As at a cold start."""
    for app in (
        advance_runs,
        archive_events,
        build_audience,
        collect_calls,
        collect_events,
        deliver_activations,
        erase_profiles,
        evaluate_events,
        fill_segments,
        sweep_memberships,
        import_lists,
        materialize_segments,
        publish_memberships,
        remove_audiences,
        serve_api,
    ):
        app.application.cache_clear()
    clients.client.cache_clear()
