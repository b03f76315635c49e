"""Each role grants what its function's code calls, what its event sources need, and nothing else.

The code's side is read off its source (tests/template/code.py), so a call added without a grant fails here, and so
does a grant that has lost its call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.lint._sam import as_list, properties, statements
from infra.lint._stacks import Found, Stack
from infra.lint.grants import ONLY_ON_EVERYTHING
from tests.template.code import every_function
from tests.template.templates import FUNCTIONS, told

Grant = tuple[str, str]
CODE = every_function()

SERVICES = {
    "AWS::S3::Bucket": "s3",
    "AWS::DynamoDB::Table": "dynamodb",
    "AWS::Kinesis::Stream": "kinesis",
    "AWS::SQS::Queue": "sqs",
    "AWS::SecretsManager::Secret": "secretsmanager",
    "AWS::Athena::WorkGroup": "athena",
    "AWS::Glue::Database": "glue",
    "AWS::Serverless::Function": "lambda",
}
# Without ListBucket, S3 answers for a missing object that it is forbidden. Rule sets are read in earlier versions, too.
EVERY_FUNCTION = {
    ("logs:CreateLogStream", "Logs"),
    ("logs:PutLogEvents", "Logs"),
    ("s3:GetObject", "LakeBucket"),
    ("s3:ListBucket", "LakeBucket"),
    ("s3:GetObjectVersion", "LakeBucket"),
    ("s3:ListBucketVersions", "LakeBucket"),
}
# What Lambda does with the function's role to feed it, and to put aside what failed every time.
SOURCES: dict[str, set[Grant]] = {
    "Kinesis": {
        ("kinesis:DescribeStreamSummary", "{source}"),
        ("kinesis:GetRecords", "{source}"),
        ("kinesis:GetShardIterator", "{source}"),
        ("kinesis:ListShards", "{source}"),
        ("s3:ListBucket", "FailuresBucket"),
        ("s3:PutObject", "FailuresBucket"),
    },
    "DynamoDB": {
        ("dynamodb:DescribeStream", "{source}"),
        ("dynamodb:GetRecords", "{source}"),
        ("dynamodb:GetShardIterator", "{source}"),
        ("dynamodb:ListStreams", "{source}"),
        ("s3:ListBucket", "FailuresBucket"),
        ("s3:PutObject", "FailuresBucket"),
    },
    "SQS": {
        ("sqs:ReceiveMessage", "{source}"),
        ("sqs:DeleteMessage", "{source}"),
        ("sqs:GetQueueAttributes", "{source}"),
    },
    "ScheduleV2": {("sqs:SendMessage", "ScheduleDeadLetters")},
    "EventBridgeRule": {("sqs:SendMessage", "ScheduleDeadLetters")},
    "HttpApi": set(),
}
# What Athena does in the caller's name when it runs CTAS, SELECT and DROP TABLE.
ATHENA = {
    *(
        (f"glue:{action}", "GlueDatabase")
        for action in ("GetDatabase", "GetTable", "GetTables", "GetPartitions")
    ),
    *((f"glue:{action}", "GlueDatabase") for action in ("CreateTable", "DeleteTable")),
    *(
        (f"s3:{action}", bucket)
        for bucket in ("LakeBucket", "ResultsBucket")
        for action in (
            "GetBucketLocation",
            "ListBucket",
            "GetObject",
            "PutObject",
            "AbortMultipartUpload",
            "ListMultipartUploadParts",
        )
    ),
}


# What a CTAS writes into the lake; these functions only select.
WRITTEN_BY_CTAS = {("s3:AbortMultipartUpload", "LakeBucket"), ("s3:ListMultipartUploadParts", "LakeBucket")}
ONLY_SELECT = {"ManageApi"}


def found_in(stack: Stack, value: Any) -> Found:
    found = stack.find(value)
    assert found is not None, f"{value} in {stack.path.name} names no resource of the templates"
    return found


def granted(function: str) -> set[Grant]:
    """(action, resource) pairs of the function's role and of the managed policies attached to it."""
    own = FUNCTIONS[function]
    role = found_in(own.stack, properties(own.resource)["Role"])
    policies = [found_in(role.stack, one) for one in properties(role.resource)["ManagedPolicyArns"]]
    return {
        (action, resource)
        for source in (role, *policies)
        for statement in statements(source.resource)
        for action in as_list(statement["Action"])
        for where in as_list(statement["Resource"])
        for resource in _named(where, source.stack)
    }


def _named(where: Any, stack: Stack) -> Iterator[str]:
    """The resource of the templates that an ARN is of. The catalog's own ARN goes with the database."""
    if where == "*":
        yield "*"
        return
    if text := where.get("Fn::Sub"):
        names = [name for name in re.findall(r"\$\{([\w.]+)\}", text) if not name.startswith("AWS")]
        if not names:
            assert text.endswith(":catalog"), f"{text} names no resource of the templates"
            return
        where = {"Fn::Sub": "${" + names[-1] + "}"}
    yield found_in(stack, where).name


def needed(function: str) -> set[Grant]:
    """What the code calls, and what its event sources and Athena do in its name."""
    own = FUNCTIONS[function]
    variables = told(function)
    grants = set(EVERY_FUNCTION)
    for action, given in CODE[function].calls:
        service = action.split(":")[0]
        if action in ONLY_ON_EVERYTHING:
            grants.add((action, "*"))
            continue
        (store,) = {
            found.name
            for variable in given
            if (found := own.stack.find(variables[variable]))
            and SERVICES.get(found.resource["Type"]) == service
        }
        grants.add((action, store))
        if action == "athena:StartQueryExecution":
            grants |= ATHENA - (WRITTEN_BY_CTAS if function in ONLY_SELECT else set())
    for event in properties(own.resource)["Events"].values():
        source = own.stack.find(event["Properties"].get("Queue") or event["Properties"].get("Stream"))
        grants |= {
            (action, where.format(source=source and source.name)) for action, where in SOURCES[event["Type"]]
        }
    return grants


@pytest.mark.parametrize("function", CODE)
def test_a_role_grants_what_is_needed_and_nothing_else(function: str) -> None:
    grants, needs = granted(function), needed(function)
    assert needs - grants == set(), f"{function} calls what its role does not grant"
    assert grants - needs == set(), f"{function}'s role grants what it does not call"


def test_the_code_is_really_read() -> None:
    """A reading that finds nothing would agree with a role that grants nothing."""
    assert CODE["CollectEvents"].actions >= {"kinesis:PutRecords", "s3:ListBucket", "s3:GetObject"}
    assert CODE["EvaluateEvents"].actions >= {"dynamodb:BatchGetItem", "dynamodb:PutItem", "sqs:SendMessage"}
    assert CODE["BuildAudience"].actions >= {"athena:StartQueryExecution", "glue:GetTable"}
    assert CODE["AdvanceRuns"].actions >= {"s3:DeleteObject", "glue:DeleteTable"}
    assert "dynamodb:PutItem" not in CODE["ServeApi"].actions
