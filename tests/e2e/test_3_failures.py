"""What goes wrong on the way: nothing that was accepted is lost, and each failure says what it is."""

import base64
import json

import pytest

from infra.demo import data
from infra.demo.stage import AUDIENCE, Stage, StepFailed

from .conftest import Path
from .support import post, wait_until


def test_a_process_killed_in_the_middle_of_a_batch_loses_nothing(path: Path) -> None:
    stage, before = path.stage, len(path.log.lines)
    visitors = [f"killed-{number}" for number in range(400)]
    killed = "in the middle of an invocation"
    for start in range(0, len(visitors), 100):
        records = [
            {"household_id": one, "basket_id": f"basket-{one}", "product_id": "1", "sales_value": 80.0}
            for one in visitors[start : start + 100]
        ]
        assert post(stage, {"records": records})[0] == 200
    deaths = 0
    while killed not in path.log.since(before) and deaths < 500:
        deaths += stage.cloud.kill("EvaluateEvents")
        # The next process is just starting, or has just begun.
    assert killed in path.log.since(before), "no process was killed while it worked"
    stage.settle(60)
    assert [one for one in visitors if "big-spenders-today" not in stage.ask(one).segments] == []
    delivered = [
        one for delivery in stage.receiver.of("big-spenders-today") for one in delivery.payload["joined"]
    ]
    # Each once: a change that is sent again bears the same id.
    assert sorted(one for one in delivered if one.startswith("killed-")) == sorted(visitors)


def test_a_poison_record_is_kept_whole_and_the_others_pass(path: Path) -> None:
    stage = path.stage
    kinesis, s3 = stage.cloud.client("kinesis"), stage.cloud.client("s3")
    stream = stage.cloud.outputs["EventStreamName"]
    poison = b'{"v": 1, "id": "poison", and this is no JSON'
    # One partition key, so one shard: the good record stands behind the bad one.
    kinesis.put_record(StreamName=stream, PartitionKey="poisoned", Data=poison)
    good = {
        "v": 1,
        "id": "behind-poison",
        "audience": AUDIENCE,
        "behavior": "purchases",
        "profile": "household_id:behind-poison",
        "time": data.NOW,
        "received": data.NOW,
        "columns": {"household_id": "behind-poison"},
    }
    kinesis.put_record(StreamName=stream, PartitionKey="poisoned", Data=json.dumps(good).encode())
    assert post(stage, {"household_id": "beside-poison", "sales_value": 1})[0] == 200
    stage.settle(90)
    assert "bought-in-the-last-hour" in stage.ask("beside-poison").segments
    table = stage.cloud.client("dynamodb")
    key = {"profile": {"S": f"{AUDIENCE}#household_id:behind-poison"}, "part": {"S": "realtime"}}
    assert "Item" in table.get_item(TableName=stage.cloud.outputs["ProfilesTableName"], Key=key)
    (bucket,) = [one["Name"] for one in s3.list_buckets()["Buckets"] if "failures" in one["Name"]]
    kept = [
        json.loads(s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())
        for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    ]
    functions = set()
    for failure in kept:
        payload = json.loads(failure["payload"])
        assert [base64.b64decode(one["kinesis"]["data"]) for one in payload["Records"]] == [poison]
        assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
        functions.add(failure["requestContext"]["functionArn"].rsplit(":", 1)[-1])
    # Each of the stream's readers puts it aside for itself.
    assert {one.rsplit("-", 1)[-1] for one in functions} == {"EvaluateEvents", "ArchiveEvents"}


def test_a_failed_query_leaves_the_last_good_run_standing(path: Path) -> None:
    stage = path.stage
    glue, s3 = stage.cloud.client("glue"), stage.cloud.client("s3")
    database = stage.cloud.outputs["GlueDatabaseName"]
    current = f"memberships/{AUDIENCE}/current.json"
    before = s3.get_object(Bucket=stage.bucket, Key=current)["Body"].read()
    members = stage.members("coupon-lovers")
    pointer = json.loads(
        s3.get_object(Bucket=stage.bucket, Key=f"audiences/{AUDIENCE}/current.json")["Body"].read()
    )
    table = pointer["tables"]["behaviors"]["redemptions"]
    definition = glue.get_table(DatabaseName=database, Name=table)["Table"]
    glue.delete_table(DatabaseName=database, Name=table)
    try:
        with pytest.raises(StepFailed, match=rf"MaterializeSegments.*QueryFailed.*{table}"):
            stage.materialize()
    finally:
        kept = ("Name", "TableType", "Parameters", "StorageDescriptor")
        restored = {name: definition[name] for name in kept if name in definition}
        glue.create_table(DatabaseName=database, TableInput=restored)
    assert s3.get_object(Bucket=stage.bucket, Key=current)["Body"].read() == before
    assert stage.members("coupon-lovers") == members
    listed = s3.list_objects_v2(Bucket=stage.bucket, Prefix=f"memberships/{AUDIENCE}/")["Contents"]
    (failed,) = [one["Key"] for one in listed if one["Key"].endswith("/failed.json")]
    assert table in json.loads(s3.get_object(Bucket=stage.bucket, Key=failed)["Body"].read())["reason"]


def test_broken_rules_leave_the_last_good_ones_in_place(stage: Stage) -> None:
    s3, key = stage.cloud.client("s3"), f"rules/{AUDIENCE}/ruleset.json"
    good = s3.get_object(Bucket=stage.bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=stage.bucket, Key=key, Body=b'{"audience": 7}')
    try:
        household = stage.members("coupon-lovers")[0]
        wait_until(lambda: "coupon-lovers" in stage.ask(household).segments, 5, "an answer by the old rules")
        assert post(stage, {"household_id": household, "sales_value": 1})[0] == 200
    finally:
        s3.put_object(Bucket=stage.bucket, Key=key, Body=good)
