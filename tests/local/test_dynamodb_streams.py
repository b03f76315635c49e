"""DynamoDB streams as event sources: images, filters, batches, partial failures, destinations."""

import base64
import json
from typing import Any

import pytest

from infra.local.cloud import Cloud
from infra.local.errors import TemplateError
from infra.local.filters import check_pattern, matches
from tests.local.support import Journal


def put(cloud: Cloud, journal: str, *orders: str | None, kind: str = "wanted") -> None:
    """Items written in one request, so that the stream is not read between two of them."""
    puts = []
    for number, do in enumerate(orders):
        item: dict[str, Any] = {
            "id": {"S": f"{journal}{number}"},
            "journal": {"S": journal},
            "kind": {"S": kind},
        }
        if do is not None:
            item["do"] = {"S": do}
        puts.append({"PutRequest": {"Item": item}})
    cloud.client("dynamodb").batch_write_item(RequestItems={cloud.outputs["Table"]: puts})


def test_a_write_comes_with_the_item_before_and_after(cloud: Cloud, journal: Journal) -> None:
    key = {"id": {"S": "image"}}
    fixed = {**key, "journal": {"S": "image"}, "kind": {"S": "wanted"}}
    client = cloud.client("dynamodb")
    client.put_item(TableName=cloud.outputs["Table"], Item={**fixed, "blob": {"B": b"\x00\xff"}})
    cloud.idle()
    client.put_item(TableName=cloud.outputs["Table"], Item={**fixed, "more": {"L": [{"N": "1"}]}})
    cloud.idle()
    first, second = (entry["first"] for entry in journal.entries("image"))
    assert (first["eventSource"], first["eventName"]) == ("aws:dynamodb", "INSERT")
    assert first["eventSourceARN"].startswith("arn:aws:dynamodb:")
    image = first["dynamodb"]
    assert image["Keys"] == key
    assert "OldImage" not in image
    assert image["NewImage"]["blob"] == {"B": base64.b64encode(b"\x00\xff").decode()}
    assert image["ApproximateCreationDateTime"] > 1_700_000_000
    assert second["eventName"] == "MODIFY"
    assert second["dynamodb"]["OldImage"] == image["NewImage"]
    assert second["dynamodb"]["NewImage"]["more"] == {"L": [{"N": "1"}]}
    assert int(second["dynamodb"]["SequenceNumber"]) > int(image["SequenceNumber"])


def test_what_no_filter_lets_pass_is_not_delivered(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "filtered", None, None, kind="unwanted")
    cloud.client("dynamodb").delete_item(TableName=cloud.outputs["Table"], Key={"id": {"S": "filtered0"}})
    put(cloud, "filtered", None)
    cloud.idle()
    assert journal.seen("filtered") == [["filtered0"]]


def test_batches_are_halved_and_the_failing_record_is_put_aside_whole(cloud: Cloud, journal: Journal) -> None:
    put(cloud, "poisoned", None, "raise", None)
    cloud.idle()
    names = [[name[-1] for name in seen] for seen in journal.seen("poisoned")]
    assert names == [["0", "1", "2"], ["0"], ["1", "2"], ["1"], ["1"], ["2"]]
    client, bucket = cloud.client("s3"), cloud.outputs["Failures"]
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix="aws/lambda/")["Contents"]]
    bodies = {key: json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys}
    ((key, record),) = [(key, body) for key, body in bodies.items() if "DDBStreamBatchInfo" in body]
    client.delete_object(Bucket=bucket, Key=key)  # other tests look at the bucket too
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1
    (original,) = json.loads(record["payload"])["Records"]
    assert original["dynamodb"]["Keys"] == {"id": {"S": "poisoned1"}}


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ({"a": {"b": ["x", 1]}}, True),
        ({"a": {"b": ["y"]}}, False),
        ({"a": {"c": ["x"]}}, False),
        ({"a": {"b": {"c": ["x"]}}}, False),
        ({"a": {"b": ["x"]}, "d": ["e"]}, True),
        ({"a": {"b": ["x"]}, "d": ["f"]}, False),
        ({}, True),
    ],
)
def test_a_pattern_names_values_at_places(pattern: dict[str, Any], wanted: bool) -> None:
    assert matches(pattern, {"a": {"b": "x"}, "d": "e"}) is wanted


@pytest.mark.parametrize(
    "pattern", [{"a": "x"}, {"a": [{"prefix": "x"}]}, {"a": [None]}, ["x", {"exists": True}]]
)
def test_patterns_that_are_not_known_are_refused(pattern: Any) -> None:
    with pytest.raises(TemplateError, match="does not know the filter"):
        check_pattern(pattern, "Function/0")
