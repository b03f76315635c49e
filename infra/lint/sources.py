"""Rules on event sources: nothing blocks for ever, nothing is lost when it fails every time."""

from __future__ import annotations

from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from infra.lint._sam import FUNCTION, event_path, events, properties, resources
from infra.lint._stacks import Stack

STREAMS = ("Kinesis", "DynamoDB")
SCHEDULES = ("Schedule", "ScheduleV2")
RULES = ("EventBridgeRule", "CloudWatchEvent")
LONGEST_RETRY_SECONDS = 86_400


class FailureDestination(CloudFormationLintRule):
    """What fails every time is kept where a person can look at it and replay it."""

    id = "E9121"
    shortdesc = "Streams, schedules and rules have a failure destination"
    description = (
        "A stream has DestinationConfig.OnFailure to S3 (SQS and SNS would get metadata only); a schedule has a "
        "DeadLetterConfig; and the function of a schedule or a rule an EventInvokeConfig with OnFailure, since it is "
        "invoked asynchronously"
    )

    def match(self, cfn: Any) -> list[RuleMatch]:
        matches = []
        for name, function in resources(cfn.template, FUNCTION):
            for event, source in events(function, *STREAMS):
                on_failure = (source.get("DestinationConfig") or {}).get("OnFailure") or {}
                if on_failure.get("Type") != "S3" or "Destination" not in on_failure:
                    matches.append(
                        RuleMatch(event_path(name, event), f"{name}: {event} has no OnFailure to S3")
                    )
            for event, source in events(function, *SCHEDULES):
                if "DeadLetterConfig" not in source:
                    matches.append(
                        RuleMatch(event_path(name, event), f"{name}: {event} has no DeadLetterConfig")
                    )
            for event, _ in events(function, *SCHEDULES, *RULES):
                invoke = properties(function).get("EventInvokeConfig") or {}
                if "OnFailure" not in (invoke.get("DestinationConfig") or {}):
                    matches.append(
                        RuleMatch(
                            event_path(name, event),
                            f"{name} is invoked asynchronously but has no EventInvokeConfig OnFailure",
                        )
                    )
        return matches


class PartialFailures(CloudFormationLintRule):
    """One bad record is retried alone, not its whole batch with it."""

    id = "E9122"
    shortdesc = "Batch sources report the items that failed"
    description = "FunctionResponseTypes: [ReportBatchItemFailures] on every stream and queue source"

    def match(self, cfn: Any) -> list[RuleMatch]:
        return [
            RuleMatch(event_path(name, event), f"{name}: {event} does not report batch item failures")
            for name, function in resources(cfn.template, FUNCTION)
            for event, source in events(function, *STREAMS, "SQS")
            if "ReportBatchItemFailures" not in (source.get("FunctionResponseTypes") or [])
        ]


class BoundedRetries(CloudFormationLintRule):
    """By default a poison record blocks its shard for as long as the stream keeps it."""

    id = "E9123"
    shortdesc = "Stream sources give up on a record in bounded time"
    description = (
        "BisectBatchOnFunctionError, MaximumRetryAttempts and MaximumRecordAgeInSeconds (at most a day) are set, and "
        "there is no tumbling window: state belongs in the table"
    )

    def match(self, cfn: Any) -> list[RuleMatch]:
        matches = []
        for name, function in resources(cfn.template, FUNCTION):
            for event, source in events(function, *STREAMS):
                wrong = [
                    said
                    for said, is_wrong in (
                        ("does not bisect", source.get("BisectBatchOnFunctionError") is not True),
                        (
                            "retries without bound",
                            not _between(source.get("MaximumRetryAttempts"), 0, 10_000),
                        ),
                        (
                            "has no bound on a record's age",
                            not _between(source.get("MaximumRecordAgeInSeconds"), 60, LONGEST_RETRY_SECONDS),
                        ),
                        ("has a tumbling window", "TumblingWindowInSeconds" in source),
                    )
                    if is_wrong
                ]
                if wrong:
                    matches.append(RuleMatch(event_path(name, event), f"{name}: {event} {', '.join(wrong)}"))
        return matches


class Redrive(CloudFormationLintRule):
    """A message that fails every time leaves the queue for its dead letters."""

    id = "E9124"
    shortdesc = "A queue with a consumer has a redrive policy to a queue of these templates"
    description = "RedrivePolicy.deadLetterTargetArn refers to a queue beside it"

    def match(self, cfn: Any) -> list[RuleMatch]:
        matches = []
        stack = Stack.of(cfn)
        for name, function in resources(cfn.template, FUNCTION):
            for event, source in events(function, "SQS"):
                queue = stack.find(source.get("Queue"))
                policy = properties(queue.resource).get("RedrivePolicy") or {} if queue else {}
                if queue is None or queue.stack.find(policy.get("deadLetterTargetArn")) is None:
                    matches.append(
                        RuleMatch(
                            event_path(name, event), f"{name}: the queue of {event} has no dead letters"
                        )
                    )
        return matches


class VisibleLater(CloudFormationLintRule):
    """A message that turns visible while its function still works on it is worked on twice."""

    id = "E9125"
    shortdesc = "A queue hides a message for six times its consumer's time-out"
    description = "VisibilityTimeout >= 6 * Timeout, as AWS advises for retried and throttled invocations"

    def match(self, cfn: Any) -> list[RuleMatch]:
        matches = []
        stack = Stack.of(cfn)
        for name, function in resources(cfn.template, FUNCTION):
            needed = 6 * int(properties(function).get("Timeout", 3))
            for event, source in events(function, "SQS"):
                queue = stack.find(source.get("Queue"))
                hidden = int(properties(queue.resource).get("VisibilityTimeout", 30)) if queue else 0
                if hidden < needed:
                    said = f"{name}: {event} hides messages for {hidden} s; its time-out needs {needed} s"
                    matches.append(RuleMatch(event_path(name, event), said))
        return matches


class UnnamedSchedules(CloudFormationLintRule):
    """SAM names a schedule after its logical id: a second stack in the account would collide with it."""

    id = "E9126"
    shortdesc = "Schedules are ScheduleV2 and leave their name to CloudFormation"
    description = "Type: ScheduleV2 with OmitName: true, and a RetryPolicy that says when to stop trying"

    def match(self, cfn: Any) -> list[RuleMatch]:
        return [
            RuleMatch(
                event_path(name, event),
                f"{name}: {event} needs Type: ScheduleV2, OmitName: true, RetryPolicy",
            )
            for name, function in resources(cfn.template, FUNCTION)
            for event, source in events(function, *SCHEDULES)
            if properties(function)["Events"][event]["Type"] != "ScheduleV2"
            or source.get("OmitName") is not True
            or "RetryPolicy" not in source
        ]


def _between(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and low <= value <= high
