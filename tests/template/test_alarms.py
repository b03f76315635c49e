"""Every function, every reader of a stream and every place for what failed is watched by an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.lint._sam import events, properties, text
from infra.local.template import load as transform
from tests.template.templates import FUNCTIONS, ROOT, WHOLE

SAID = (
    "ErasuresLate",
    "FillsLate",
    "RuleSetsRefused",
    "RulesFailed",
    "RunsFailed",
    "RunsLate",
    "SegmentsFailed",
    "SweepsLeft",
)
"""Metrics of functions that somebody must hear of."""
OBSERVABILITY = WHOLE.nested["Observability"]


def alarms() -> Iterator[tuple[str, dict[str, Any]]]:
    """With the loops written out, as CloudFormation does."""
    given = dict.fromkeys(OBSERVABILITY.template["Parameters"], "x")
    for name, resource in transform(OBSERVABILITY.path, given, "eu-west-1").resources.items():
        if resource.type == "AWS::CloudWatch::Alarm":
            yield name, dict(resource.properties)


def watched() -> set[tuple[str, str]]:
    """(metric, what its dimension names)."""
    found = set()
    for _, alarm in alarms():
        value = alarm["Dimensions"][0]["Value"]
        named = OBSERVABILITY.find(value)
        found.add((alarm["MetricName"], named.name if named else text(value).removeprefix("${StackName}-")))
    return found


def test_every_function_and_every_dead_letter_place_has_its_alarms() -> None:
    readers = {
        name for name, function in FUNCTIONS.items() if any(events(function.resource, "Kinesis", "DynamoDB"))
    }
    dead = {queue.name for queue in WHOLE.every("AWS::SQS::Queue") if queue.name.endswith("DeadLetters")}
    assert watched() == (
        {("Errors", name) for name in FUNCTIONS}
        | {("IteratorAge", name) for name in readers}
        | {("ApproximateNumberOfMessagesVisible", name) for name in dead}
        | {("PutRequests", "FailuresBucket")}
        | {("Invocations", "AdvanceRuns"), ("Invocations", "SweepMemberships")}
        | {(name, "segmentation") for name in SAID}
    )


def test_what_functions_are_watched_for_is_what_they_measure() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*/app.py"))
    sources += (ROOT / "layers/core/python/segmentation/adapters/s3.py").read_text()
    assert {name for name in SAID if name not in sources} == set()


def test_dead_letters_bear_the_names_that_their_alarms_watch() -> None:
    for queue in WHOLE.every("AWS::SQS::Queue"):
        if queue.name.endswith("DeadLetters"):
            assert text(properties(queue.resource)["QueueName"]) == f"${{StackName}}-{queue.name}"


def test_alarms_say_what_they_are_about_and_tell_somebody() -> None:
    for name, alarm in alarms():
        what = text(alarm["Dimensions"][0]["Value"]).removeprefix("${StackName}-")
        what = alarm["MetricName"] if what == "segmentation" else what
        assert name.startswith(what) or name == "FailedRecords"
        assert what in (text(alarm["AlarmDescription"]) or alarm["AlarmDescription"])
        assert alarm["AlarmActions"] == [
            {"Fn::If": ["SomebodyListens", {"Ref": "Alarms"}, {"Ref": "AWS::NoValue"}]}
        ]
