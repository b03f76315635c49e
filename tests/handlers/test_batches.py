"""The functions behind the stream, the queues and the schedules."""

import base64
import json
import time as clock
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from segmentation.adapters.clock import SystemClock
from segmentation.domain.erasure import Erasure, request_path
from segmentation.domain.errors import MissingSettings, SegmentationError
from segmentation.domain.fill import SETTLE, Fill, Step, fill_path, mark_path
from segmentation.runtime.composition import clients

from functions.advance_runs import app as advance_runs
from functions.archive_events import app as archive_events
from functions.build_audience import app as build_audience
from functions.collect_events import app as collect_events
from functions.deliver_activations import app as deliver_activations
from functions.erase_profiles import app as erase_profiles
from functions.evaluate_events import app as evaluate_events
from functions.fill_segments import app as fill_segments
from functions.materialize_segments import app as materialize_segments
from functions.publish_memberships import app as publish_memberships
from functions.remove_audiences import app as remove_audiences
from functions.serve_api import app as serve_api
from functions.sweep_memberships import app as sweep_memberships
from tests.fakes import FixedClock
from tests.fakes.documents import RAW, documents
from tests.handlers.batches import event, failures, kinesis
from tests.handlers.conftest import CONTEXT, Aws, batch, forget, golden
from tests.publishing import PublishRules


def sqs(*bodies: str) -> Any:
    return batch(
        "sqs",
        [
            {"body": body, "messageId": f"m{number}", "receiptHandle": f"r{number}"}
            for number, body in enumerate(bodies)
        ],
    )


def test_an_event_goes_all_the_way_to_the_website(aws: Aws) -> None:
    collect_events.handler(golden("collect"), CONTEXT)
    records = kinesis(*(record["Data"] for record in aws.stream()))
    assert failures(evaluate_events.handler(records, CONTEXT)) == []
    (entry,) = json.loads(serve_api.handler(golden("personalize"), CONTEXT)["body"])
    assert entry["values"] == ["buying-now"]
    assert {one["segment"] for one in aws.messages(aws.activations)} == {"buying-now"}


def test_a_sweep_tells_who_left_by_itself(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate_events.handler(kinesis(event("e1")), CONTEXT)
    in_time = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 60_000})
    assert sweep_memberships.handler({}, in_time)["visitors"] == 0
    monkeypatch.setattr(SystemClock, "now", lambda _: int(clock.time()) + 3_700)
    assert sweep_memberships.handler({}, in_time) == {"visitors": 1, "changes": 1, "failed": 0, "left": False}
    joined, left = aws.messages(aws.activations)
    assert (joined["joined"], left["left"]) == (["person_id:1"], ["person_id:1"])
    assert left["now"] == joined["now"] + 3_600 or left["now"] == joined["now"] + 3_599
    assert sweep_memberships.handler({}, in_time)["visitors"] == 0


def test_a_poison_record_is_the_only_failure(aws: Aws) -> None:
    records = kinesis(event("e1"), b"\x00poison", event("e2"))
    assert failures(evaluate_events.handler(records, CONTEXT)) == []
    aside = aws.s3.get_object(Bucket="lake", Key="poison/evaluate_events/49591.json")["Body"].read()
    assert base64.b64decode(json.loads(aside)["data"]) == b"\x00poison"
    assert failures(archive_events.handler(records, CONTEXT)) == ["49591"]


def test_events_are_archived_under_their_shard_and_numbers(aws: Aws) -> None:
    assert failures(archive_events.handler(kinesis(event("e1"), event("e2")), CONTEXT)) == []
    (path,) = aws.lake.list("events/")
    assert path.startswith("events/shop/purchases/date=20")
    assert path.endswith("/shardId-000000000006-49590-49591.parquet")


def test_with_the_queue_out_of_reach_a_sweep_sends_what_was_left_untold(aws: Aws) -> None:
    aws.sqs.delete_queue(QueueUrl=aws.activations)
    assert failures(evaluate_events.handler(kinesis(event("e1")), CONTEXT)) == []
    aws.activations = aws.sqs.create_queue(QueueName="activations")["QueueUrl"]
    in_time = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 60_000})
    assert sweep_memberships.handler({}, in_time)["visitors"] == 0
    key = {"profile": {"S": "shop#person_id:1"}, "part": {"S": "realtime"}}
    aws.dynamodb.update_item(
        TableName="profiles",
        Key=key,
        UpdateExpression="SET sweep_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    late = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 9_000})
    assert sweep_memberships.handler({}, late) == {"visitors": 0, "changes": 0, "failed": 0, "left": True}
    assert sweep_memberships.handler({}, in_time)["visitors"] == 1
    assert [one["event"] for one in aws.messages(aws.activations)] == ["e1"]
    assert "untold" not in aws.dynamodb.get_item(TableName="profiles", Key=key)["Item"]


def test_metrics_are_written(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_events.handler(kinesis(event("e1"), b"poison"), CONTEXT)
    (line,) = [one for one in capsys.readouterr().out.splitlines() if '"_aws"' in one]
    metrics = json.loads(line)
    assert metrics["EventsEvaluated"] == [1.0]
    assert metrics["PoisonRecords"] == [1.0]


def test_a_message_that_cannot_be_published_comes_back_alone(aws: Aws) -> None:
    messages = sqs('{"audience": "shop", "run": "20240101t000000z_0000"}', "{", '"x"', "{}")
    assert failures(publish_memberships.handler(messages, CONTEXT)) == ["m0", "m1", "m2", "m3"]


def test_a_message_that_nobody_wants_is_done_with(aws: Aws) -> None:
    gone = {
        "id": "i",
        "audience": "shop",
        "destination": "removed",
        "segment": "adults",
        "joined": [],
        "left": [],
        "now": 1,
    }
    assert failures(deliver_activations.handler(sqs(json.dumps(gone), "{"), CONTEXT)) == ["m1"]


def metrics_last(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The metrics of the last invocation that wrote some."""
    return json.loads([one for one in capsys.readouterr().out.splitlines() if '"_aws"' in one][-1])


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The metrics of the one invocation that wrote some."""
    (line,) = [one for one in capsys.readouterr().out.splitlines() if '"_aws"' in one]
    return json.loads(line)


def test_rules_that_cannot_be_loaded_are_measured(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.lake.put("rules/other/ruleset.json", b"{")
    evaluate_events.handler(kinesis(event("e1")), CONTEXT)
    assert metrics(capsys)["RuleSetsRefused"] == [1.0]


def test_a_fill_is_begun_marked_and_waits_for_the_archive(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    document = documents()
    rule = {">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "30d"]}]}, 2]}
    monthly = {"id": "monthly", "name": "Monthly", "audience": "shop", "kind": "realtime", "rule": rule}
    parts = [document[name] for name in ("audience", "segments", "access", "destinations")]
    PublishRules(aws.lake, FixedClock())(parts[0], [*parts[1], monthly], *parts[2:])
    later = int(clock.time()) + SETTLE + 1
    monkeypatch.setattr("segmentation.adapters.clock.SystemClock.now", lambda _: later)
    assert fill_segments.handler({}, CONTEXT)["FillsFailed"] == 0
    fill = Fill.from_document(json.loads(aws.lake.get(fill_path("shop")).data))  # type: ignore[union-attr]
    assert (fill.step, len(fill.marks)) == (Step.WAIT, 1)
    (marked,) = aws.stream()
    assert failures(evaluate_events.handler(kinesis(marked["Data"]), CONTEXT)) == []
    assert failures(archive_events.handler(kinesis(marked["Data"]), CONTEXT)) == []
    assert aws.lake.get(mark_path(fill.id, fill.marks[0])) is not None


def test_a_request_to_erase_somebody_is_taken_up(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_events.handler(kinesis(event("e1")), CONTEXT)
    request = Erasure("r1", "shop", int(clock.time()), ()).knows(["person_id:1"])
    aws.lake.put(request_path("shop", "r1"), json.dumps(request.to_document()).encode())
    answer = erase_profiles.handler({}, CONTEXT)
    assert (answer["ErasuresOpen"], answer["AudiencesFailed"], answer["finished"]) == (1, 0, True)
    assert metrics_last(capsys)["ErasuresOpen"] == [1.0]
    item = aws.dynamodb.get_item(
        TableName="profiles", Key={"profile": {"S": "shop#person_id:1"}, "part": {"S": "realtime"}}
    )["Item"]
    assert (item["state"]["B"], item["erased"]["N"]) == (b"", str(request.moment))


def test_a_sweep_finds_nothing_to_carry_on(aws: Aws) -> None:
    """A schedule without an Input sends this; its detail is a text."""
    assert advance_runs.handler(golden("sweep"), CONTEXT) == {"runs": []}


def test_a_schedule_starts_all_audiences_once_and_failures_are_counted(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = materialize_segments.handler(golden("schedule"), CONTEXT)
    (run,) = answer["runs"]
    assert (run["audience"], run["state"], run["requested"]) == ("shop", "failed", "schedule")
    assert "start a build first" in run["error"]
    assert metrics(capsys)["RunsFailed"] == [1.0]
    (again,) = materialize_segments.handler(golden("schedule"), CONTEXT)["runs"]
    assert (again["state"], again["error"]) == ("skipped", "this firing of the schedule was taken already")


@dataclass
class Queries:
    """Athena's side of the calls that the batch functions make; moto answers not all of them."""

    running: dict[str, str] = field(default_factory=dict)
    state: str = "RUNNING"
    reason: str = ""

    def start_query_execution(self, **request: Any) -> dict[str, str]:
        identifier = self.running.setdefault(request["ClientRequestToken"], f"query-{len(self.running)}")
        return {"QueryExecutionId": identifier}

    def batch_get_query_execution(self, *, QueryExecutionIds: list[str]) -> dict[str, Any]:
        status = {"State": self.state, "StateChangeReason": self.reason}
        return {"QueryExecutions": [{"QueryExecutionId": one, "Status": status} for one in QueryExecutionIds]}


def test_a_build_goes_from_its_start_to_the_end_of_its_queries(
    aws: Aws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    glue = aws.client("glue")
    glue.create_database(DatabaseInput={"Name": "warehouse"})
    (run,) = build_audience.handler({"audience": "shop"}, CONTEXT)["runs"]
    assert (run["state"], run["step"]) == ("failed", "plan")
    assert "the database has no table 'people'" in run["error"]
    assert metrics(capsys)["RunsFailed"] == [1.0]
    for name, columns in RAW.items():
        described = [{"Name": key, "Type": type_} for key, type_ in columns.items()]
        table = {"Name": name, "StorageDescriptor": {"Columns": described}}
        glue.create_table(DatabaseName="warehouse", TableInput=table)

    athena = Queries()
    for module in ("build_audience", "advance_runs"):
        monkeypatch.setattr(
            f"segmentation.runtime.composition.{module}.client",
            lambda name: athena if name == "athena" else clients.client(name),
        )
    forget()
    (run,) = build_audience.handler({"audience": "shop"}, CONTEXT)["runs"]
    assert (run["state"], run["step"], len(run["queries"])) == ("running", "tables", 3)
    assert metrics(capsys)["RunsStarted"] == [1.0]
    ended = {"source": "aws.athena", "detail": {"queryExecutionId": run["queries"][0]}}
    assert advance_runs.handler(ended, CONTEXT) == {"runs": []}
    athena.state, athena.reason = "FAILED", "HIVE_BAD_DATA: broken"
    (over,) = advance_runs.handler(ended, CONTEXT)["runs"]
    assert (over["run"], over["state"]) == (run["run"], "failed")
    assert "HIVE_BAD_DATA: broken" in over["error"]
    told = metrics(capsys)
    assert (told["RunsFailed"], told["RunsCommitted"]) == ([1.0], [0.0])
    assert advance_runs.handler({"time": "2024-01-01T00:00:00Z"}, CONTEXT) == {"runs": []}


def test_an_audience_is_removed_by_hand_and_carried_on_by_the_schedule(aws: Aws) -> None:
    nothing = {"objects": 0, "rows": 0}
    assert remove_audiences.handler(golden("schedule"), CONTEXT) == {"open": [], "done": [], **nothing}
    with pytest.raises(SegmentationError, match="'nobody'"):
        remove_audiences.handler({"audience": "nobody"}, CONTEXT)
    with pytest.raises(SegmentationError, match="still in the rules"):
        remove_audiences.handler({"audience": "shop", "segment": "adults"}, CONTEXT)
    assert remove_audiences.handler({"audience": "shop", "segment": "gone"}, CONTEXT) == {"objects": 0}
    assert remove_audiences.handler({"audience": "shop"}, CONTEXT) == {
        "open": ["shop"],
        "done": [],
        **nothing,
    }
    assert list(aws.lake.list("rules/")) == []
    assert remove_audiences.handler(golden("schedule"), CONTEXT) == {"open": ["shop"], "done": [], **nothing}


def test_missing_settings_are_said_at_the_first_call(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROFILES_TABLE")
    monkeypatch.delenv("LAKE_BUCKET")
    forget()
    with pytest.raises(MissingSettings, match="LAKE_BUCKET, PROFILES_TABLE"):
        evaluate_events.handler(kinesis(event("e1")), CONTEXT)
