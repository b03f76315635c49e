"""Other functions, and files to fetch, as AWS answers them."""

import io
import json
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from segmentation.adapters.downloads import AthenaDownloads
from segmentation.adapters.functions import LambdaFunction
from segmentation.domain.errors import Unavailable

KEYS: dict[str, Any] = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "y"}


def body(text: str) -> StreamingBody:
    return StreamingBody(io.BytesIO(text.encode()), len(text.encode()))


def test_a_function_is_called_and_waited_for() -> None:
    client = boto3.client("lambda", **KEYS)
    with Stubber(client) as stub:
        sent = {"FunctionName": "build", "Payload": b'{"audience": "shop"}'}
        stub.add_response("invoke", {"StatusCode": 200, "Payload": body('{"runs": []}')}, sent)
        assert LambdaFunction(client, "build").call({"audience": "shop"}) == {"runs": []}


def test_a_function_is_started_and_not_waited_for() -> None:
    client = boto3.client("lambda", **KEYS)
    with Stubber(client) as stub:
        sent = {"FunctionName": "remove", "InvocationType": "Event", "Payload": b"{}"}
        stub.add_response("invoke", {"StatusCode": 202, "Payload": body("")}, sent)
        stub.add_client_error("invoke", "TooManyRequestsException")
        LambdaFunction(client, "remove").start({})
        with pytest.raises(Unavailable, match="TooManyRequestsException"):
            LambdaFunction(client, "remove").start({})


def test_a_function_that_fails_or_is_throttled_is_out_of_reach() -> None:
    client = boto3.client("lambda", **KEYS)
    with Stubber(client) as stub:
        failed = {
            "StatusCode": 200,
            "FunctionError": "Unhandled",
            "Payload": body(json.dumps({"errorMessage": "secret"})),
        }
        stub.add_response("invoke", failed)
        stub.add_client_error("invoke", "TooManyRequestsException")
        with pytest.raises(Unavailable, match="build failed") as caught:
            LambdaFunction(client, "build").call({})
        assert "secret" not in str(caught.value)
        with pytest.raises(Unavailable, match="TooManyRequestsException"):
            LambdaFunction(client, "build").call({})


def execution(group: str = "batch") -> dict[str, Any]:
    place = {"OutputLocation": "s3://results/athena/q-1.csv"}
    return {
        "QueryExecutions": [{"QueryExecutionId": "q-1", "WorkGroup": group, "ResultConfiguration": place}]
    }


def test_a_result_is_a_file_for_a_while() -> None:
    athena, s3 = boto3.client("athena", **KEYS), boto3.client("s3", **KEYS)
    with Stubber(athena) as stub:
        stub.add_response("batch_get_query_execution", execution(), {"QueryExecutionIds": ["q-1"]})
        url = AthenaDownloads(athena, s3, "batch").url("q-1", 900, "adults.csv")
    assert "/athena/q-1.csv?" in url
    assert "attachment%3B%20filename%3D%22adults.csv%22" in url
    assert "Expires" in url


def test_a_result_of_another_workgroup_is_not_given_out() -> None:
    athena, s3 = boto3.client("athena", **KEYS), boto3.client("s3", **KEYS)
    with Stubber(athena) as stub:
        stub.add_response("batch_get_query_execution", execution("theirs"))
        stub.add_response("batch_get_query_execution", {"QueryExecutions": []})
        stub.add_client_error("batch_get_query_execution", "ThrottlingException")
        for _ in range(3):
            with pytest.raises(Unavailable):
                AthenaDownloads(athena, s3, "batch").url("q-1", 900, "adults.csv")
