"""Faults that a test asks the endpoint for."""

import json

import pytest

from infra.local.faults import Faults


def test_nothing_is_refused_that_nobody_asked_for() -> None:
    faults = Faults()
    assert faults.refusal("dynamodb", "DynamoDB_20120810.BatchGetItem") is None
    faults.ask(b'{"dynamodb": 1}')
    assert faults.refusal("kinesis", "Kinesis_20131202.PutRecords") is None
    faults.ask(b"{}")
    assert faults.refusal("dynamodb", "DynamoDB_20120810.BatchGetItem") is None


def test_a_share_of_what_functions_ask_is_refused_as_aws_refuses_it() -> None:
    faults = Faults()
    faults.ask(b'{"dynamodb": 0.5}')
    answers = [faults.refusal("dynamodb", "DynamoDB_20120810.PutItem") for _ in range(200)]
    refused = [json.loads(one) for one in answers if one is not None]
    assert 50 < len(refused) < 150
    assert {one["__type"] for one in refused} == {"ProvisionedThroughputExceededException"}


def test_readers_of_streams_go_on() -> None:
    faults = Faults()
    faults.ask(b'{"kinesis": 1, "dynamodb": 1}')
    assert faults.refusal("kinesis", "Kinesis_20131202.GetRecords") is None
    assert faults.refusal("kinesis", "Kinesis_20131202.PutRecords") is not None


def test_unknown_services_are_said() -> None:
    with pytest.raises(ValueError, match=r"no faults are known of \['s3'\]"):
        Faults().ask(b'{"s3": 1}')
