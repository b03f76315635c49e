"""What goes wrong on the way: nothing that was accepted is lost, and each failure says what it is."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from infra.demo.stage import AUDIENCE, Stage, StepFailed

from .conftest import POISON, Path
from .support import post, wait_until


def test_a_process_killed_in_the_middle_of_a_batch_loses_nothing(path: Path) -> None:
    stage, before = path.stage, len(path.log.lines)
    killed = "in the middle of an invocation"
    visitors: list[str] = []
    while killed not in path.log.since(before):
        assert len(visitors) < 6_000, "no process was killed while it worked"
        some = [f"killed-{number}" for number in range(len(visitors), len(visitors) + 100)]
        visitors += some
        records = [
            {"household_id": one, "basket_id": f"basket-{one}", "product_id": "1", "sales_value": 80.0}
            for one in some
        ]
        assert post(stage, {"records": records})[0] == 200
        time.sleep(0.02 * (len(visitors) // 100 % 20))
        stage.cloud.kill("EvaluateEvents")
        time.sleep(0.2)
    stage.settle(60)
    assert [one for one in visitors if "big-spenders-today" not in stage.ask(one).segments] == []
    delivered = [
        one.removeprefix("household_id:")
        for delivery in stage.receiver.of("big-spenders-today")
        for one in delivery.payload["joined"]
    ]
    # Each once: a change that is sent again bears the same id.
    assert sorted(one for one in delivered if one.startswith("killed-")) == sorted(visitors)


def test_a_poison_record_is_kept_whole_and_the_others_pass(path: Path) -> None:
    """It was put on the stream before everything else; behind it, in the same shard, a good one."""
    stage = path.stage
    stage.settle(90)
    table = stage.cloud.client("dynamodb")
    key = {"profile": {"S": f"{AUDIENCE}#household_id:behind-poison"}, "part": {"S": "realtime"}}
    assert "Item" in table.get_item(TableName=stage.cloud.outputs["ProfilesTableName"], Key=key)
    s3 = stage.cloud.client("s3")
    bucket = stage.cloud.outputs["FailuresBucketName"]
    kept = {
        one["Key"]: json.loads(s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())
        for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    }
    # The evaluator puts aside what it can never read, at once and with the reason; the archive, which keeps whole
    # stretches of the stream, is retried until Lambda gives up.
    (aside,) = [one for key, one in kept.items() if key.startswith("poison/evaluate_events/")]
    assert base64.b64decode(aside["data"]) == POISON
    assert "not JSON" in aside["reason"]
    (failure,) = [one for key, one in kept.items() if key.startswith("aws/lambda/")]
    payload = json.loads(failure["payload"])
    assert [base64.b64decode(one["kinesis"]["data"]) for one in payload["Records"]] == [POISON]
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failure["requestContext"]["functionArn"].rsplit("-", 1)[-1] == "ArchiveEvents"


@contextmanager
def without_table(stage: Stage, table: str) -> Iterator[None]:
    """Somebody takes a table of the built audience out of the catalog."""
    glue, database = stage.cloud.client("glue"), stage.cloud.outputs["GlueDatabaseName"]
    definition = glue.get_table(DatabaseName=database, Name=table)["Table"]
    partitions = glue.get_partitions(DatabaseName=database, TableName=table)["Partitions"]
    glue.delete_table(DatabaseName=database, Name=table)
    try:
        yield
    finally:
        kept = ("Name", "TableType", "Parameters", "StorageDescriptor", "PartitionKeys")
        restored = {name: definition[name] for name in kept if name in definition}
        glue.create_table(DatabaseName=database, TableInput=restored)
        again = [{name: one[name] for name in ("Values", "StorageDescriptor")} for one in partitions]
        glue.batch_create_partition(DatabaseName=database, TableName=table, PartitionInputList=again)


def test_a_failed_query_leaves_its_segments_as_they_were_and_the_others_go_on(path: Path) -> None:
    stage = path.stage
    members = stage.members("coupon-lovers")
    table = stage.read(f"audiences/{AUDIENCE}/current.json")["tables"]["behaviors"]["redemptions"]
    with without_table(stage, table):
        record = stage.materialize()
    stage.wait_until_published(record["run"])
    failed = {one["id"]: one for one in record["segments"] if one.get("failed")}
    assert set(failed) == {
        "coupon-lovers",
        "mailed-never-redeemed",
        "produce-without-coupons",
        "quick-redeemers",
    }
    assert all(table in one["failed"] and one["failures"] == 1 for one in failed.values())
    assert failed["coupon-lovers"]["size"] == len(members)
    assert stage.members("coupon-lovers") == members
    assert {one["id"] for one in record["segments"] if one["now"] == record["now"]} >= {
        "mailed",
        "weekly-shoppers",
    }


def test_a_run_whose_every_query_fails_leaves_the_last_good_one_standing(path: Path) -> None:
    stage = path.stage
    before = stage.read(f"memberships/{AUDIENCE}/current.json")
    members = stage.members("weekly-shoppers")
    table = stage.read(f"audiences/{AUDIENCE}/current.json")["tables"]["profiles"]
    with (
        without_table(stage, table),
        pytest.raises(StepFailed, match=rf"materialize run .* failed: .*{table}"),
    ):
        stage.materialize()
    assert stage.read(f"memberships/{AUDIENCE}/current.json") == before
    assert stage.members("weekly-shoppers") == members


def test_broken_rules_leave_the_last_good_ones_in_place(path: Path) -> None:
    stage = path.stage
    household = stage.members("coupon-lovers")[0]

    def answered() -> bool:
        taken = post(stage, {"household_id": household, "sales_value": 1})[0] == 200
        return taken and "coupon-lovers" in stage.ask(household).segments

    assert answered()  # by functions that have read the good ones
    s3, key = stage.cloud.client("s3"), f"rules/{AUDIENCE}/ruleset.json"
    good = s3.get_object(Bucket=stage.bucket, Key=key)["Body"].read()
    position = len(path.log.lines)
    s3.put_object(Bucket=stage.bucket, Key=key, Body=b'{"audience": 7}')
    try:

        def both_have_refused_them() -> bool:
            assert answered()
            said = path.log.lines[position:]
            return len({source for source, text in said if f"rule set {key} is refused" in text}) >= 2

        wait_until(both_have_refused_them, 20, "collector and personalization look at the rules anew")
        assert answered()
        for function in ("CollectEvents", "ServeApi"):
            stage.cloud.kill(function)
        wait_until(answered, 20, "functions that have never read the good ones answer by them")
    finally:
        s3.put_object(Bucket=stage.bucket, Key=key, Body=good)


def test_the_command_publishes_to_the_lake(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", stage.cloud.endpoint_url)
    s3, key = stage.cloud.client("s3"), f"rules/{AUDIENCE}/ruleset.json"
    ours = s3.get_object(Bucket=stage.bucket, Key=key)["Body"].read()
    command = CliRunner()
    try:
        # The demo's receiver and its partner exist here only: the files know neither.
        done = command.invoke(app, ["apply", str(stage.rules_folder), "--bucket", stage.bucket, "--no-notes"])
        assert (done.exit_code, "~ destinations/demo-webhook" in done.output) == (0, True), done.output
        put = json.loads(s3.get_object(Bucket=stage.bucket, Key=key)["Body"].read())
        assert put["segments"] == json.loads(ours)["segments"]
        lost = command.invoke(
            app, ["apply", str(stage.rules_folder), "--bucket", "no-such-bucket", "--no-notes"]
        )
        assert (lost.exit_code, "out of reach" in lost.output) == (4, True)
    finally:
        s3.put_object(Bucket=stage.bucket, Key=key, Body=ours)
