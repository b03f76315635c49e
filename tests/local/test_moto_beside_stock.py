"""What is quicker than stock moto answers as stock moto does."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models import table as stock
from moto.s3.models import FakeKey
from moto.s3.responses import S3Response
from msgspec.structs import replace
from segmentation.adapters.dynamodb import DynamoProfiles

from infra.local import moto_patches
from tests.contract.profile_parts import NUMBERINGS, PART, make_table


@pytest.fixture(params=["stock", "patched"])
def dynamodb(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    ours = {
        "all_items": (stock.Table, moto_patches._all_items, moto_patches._stock_all_items),
        "query": (stock.Table, moto_patches._query, moto_patches._stock_query),
    }
    for name, (owner, patched, unpatched) in ours.items():
        monkeypatch.setattr(owner, name, patched if request.param == "patched" else unpatched)
    if request.param == "patched":
        monkeypatch.setattr(DynamoDBBackend, "transact_write_items", moto_patches._transact_write_items)
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t"
        )
        make_table(client)
        yield client


def put(key: str, part: str = "realtime", **attributes: Any) -> dict[str, Any]:
    item = {"profile": {"S": key}, "part": {"S": part}, **attributes}
    return {"Put": {"TableName": "profiles", "Item": item}}


def items(client: Any) -> dict[str, Any]:
    found = client.scan(TableName="profiles")["Items"]
    return {f"{one['profile']['S']}/{one['part']['S']}": one for one in found}


def test_bulk_writes_and_the_index(dynamodb: Any) -> None:
    profiles = DynamoProfiles(dynamodb, "profiles", NUMBERINGS, lambda _: None)
    keys = [f"shop#person_id:{number}" for number in range(40)]
    parts = {key: replace(PART, due=1_000 - place, untold=False) for place, key in enumerate(keys)}
    assert not profiles.save(parts).lost
    assert profiles.save(dict.fromkeys([*keys[:3], "new"], PART)).lost == set(keys[:3])
    due = [one for shard in range(16) for one in profiles.due(shard, 1_000, 100)]
    assert sorted(due) == sorted([*keys, "new"])
    first = dynamodb.query(
        TableName="profiles",
        KeyConditionExpression="profile = :key",
        ExpressionAttributeValues={":key": {"S": keys[0]}},
    )
    assert [one["revision"] for one in first["Items"]] == [{"N": "1"}]


def test_pages_of_the_index_join(dynamodb: Any) -> None:
    for number in range(7):
        dynamodb.put_item(
            **put(f"p{number}", due_shard={"S": "3"}, sweep_at={"N": str(50 - number // 2)})["Put"]
        )
    request = {
        "TableName": "profiles",
        "IndexName": "due",
        "KeyConditionExpression": "due_shard = :shard AND sweep_at <= :now",
        "ExpressionAttributeValues": {":shard": {"S": "3"}, ":now": {"N": "49"}},
        "Limit": 2,
    }
    found: list[str] = []
    while True:
        answer = dynamodb.query(**request)
        found += [one["profile"]["S"] for one in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            break
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    assert sorted(found) == ["p2", "p3", "p4", "p5", "p6"]
    assert found[0] == "p6"


def test_a_transaction_is_whole_or_nothing(dynamodb: Any) -> None:
    dynamodb.put_item(**put("a", n={"N": "1"})["Put"])
    update = {
        "Update": {
            "TableName": "profiles",
            "Key": {"profile": {"S": "a"}, "part": {"S": "realtime"}},
            "UpdateExpression": "SET n = :two",
            "ExpressionAttributeValues": {":two": {"N": "2"}},
        }
    }
    refused = put("b", n={"N": "5"})
    refused["Put"]["ConditionExpression"] = "attribute_exists(profile)"
    before = items(dynamodb)
    with pytest.raises(ClientError) as caught:
        dynamodb.transact_write_items(TransactItems=[update, refused, put("c")])
    codes = [one["Code"] for one in caught.value.response["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed", "None"]
    assert items(dynamodb) == before
    with pytest.raises(ClientError, match="size"):
        dynamodb.transact_write_items(TransactItems=[update, put("b", x={"S": "x" * 420_000})])
    assert items(dynamodb) == before
    with pytest.raises(ClientError, match="multiple operations"):
        dynamodb.transact_write_items(TransactItems=[put("b"), put("b")])
    dynamodb.transact_write_items(TransactItems=[update, put("b")])
    assert items(dynamodb)["a/realtime"]["n"] == {"N": "2"}
    assert "b/realtime" in items(dynamodb)


@pytest.mark.parametrize("kind", ["stock", "patched"])
def test_ranges_of_an_object(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, answer = (
        (moto_patches._value, moto_patches._key_response)
        if kind == "patched"
        else (moto_patches._stock_value, moto_patches._stock_key_response)
    )
    monkeypatch.setattr(FakeKey, "value", FakeKey.value.getter(value))
    monkeypatch.setattr(S3Response, "key_response", answer)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
        s3.create_bucket(Bucket="lake")
        s3.put_object(Bucket="lake", Key="a", Body=b"0123456789")

        def read(**asked: str) -> tuple[bytes, int, str | None]:
            got = s3.get_object(Bucket="lake", Key="a", **asked)
            status = got["ResponseMetadata"]["HTTPStatusCode"]
            return got["Body"].read(), status, got.get("ContentRange")

        assert read() == (b"0123456789", 200, None)
        assert read(Range="bytes=2-4") == (b"234", 206, "bytes 2-4/10")
        assert read(Range="bytes=7-99") == (b"789", 206, "bytes 7-9/10")
        assert read(Range="bytes=-3") == (b"789", 206, "bytes 7-9/10")
        assert read(Range="bytes=6-") == (b"6789", 206, "bytes 6-9/10")
        assert read(Range="bytes=5-3") == (b"0123456789", 200, None)
        with pytest.raises(ClientError, match="InvalidRange"):
            read(Range="bytes=10-")
        assert read() == (b"0123456789", 200, None)
