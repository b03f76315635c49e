"""What is patched in moto answers as before: queries by key and by index, transactions whole or not at all."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.cloud import Cloud

TABLE = "patched"


@pytest.fixture(scope="module")
def client(cloud: Cloud) -> Iterator[Any]:
    client = cloud.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("owner", "part", "due")
        ],
        KeySchema=[
            {"AttributeName": "owner", "KeyType": "HASH"},
            {"AttributeName": "part", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-due",
                "KeySchema": [{"AttributeName": "due", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    for owner, part, due in (("a", "2", "now"), ("a", "1", "later"), ("b", "1", "now")):
        client.put_item(TableName=TABLE, Item=item(owner, part) | {"due": {"S": due}})
    yield client
    client.delete_table(TableName=TABLE)


def item(owner: str, part: str) -> dict[str, Any]:
    return {"owner": {"S": owner}, "part": {"S": part}}


def found(answer: Any) -> list[tuple[str, str]]:
    return [(one["owner"]["S"], one["part"]["S"]) for one in answer["Items"]]


def query(client: Any, attribute: str, value: str, **options: Any) -> list[tuple[str, str]]:
    answer = client.query(
        TableName=TABLE,
        KeyConditionExpression="#name = :value",
        ExpressionAttributeNames={"#name": attribute},
        ExpressionAttributeValues={":value": {"S": value}},
        **options,
    )
    return found(answer)


def test_a_query_by_key_comes_in_order(client: Any) -> None:
    assert query(client, "owner", "a") == [("a", "1"), ("a", "2")]
    assert query(client, "owner", "a", ScanIndexForward=False, Limit=1) == [("a", "2")]
    assert query(client, "owner", "nobody") == []


def test_a_query_by_index_finds_items_of_every_owner(client: Any) -> None:
    client.put_item(TableName=TABLE, Item=item("d", "1"))  # is in no index
    assert sorted(query(client, "due", "now", IndexName="by-due")) == [("a", "2"), ("b", "1")]


def test_a_refused_transaction_writes_nothing(client: Any) -> None:
    new = {"TableName": TABLE, "Item": item("c", "1")}
    taken = {
        "TableName": TABLE,
        "Item": item("a", "1"),
        "ConditionExpression": "attribute_not_exists(#owner)",
        "ExpressionAttributeNames": {"#owner": "owner"},
    }
    with pytest.raises(ClientError) as refused:
        client.transact_write_items(TransactItems=[{"Put": new}, {"Put": taken}])
    assert [one["Code"] for one in refused.value.response["CancellationReasons"]] == [
        "None",
        "ConditionalCheckFailed",
    ]
    assert query(client, "owner", "c") == []
    client.transact_write_items(TransactItems=[{"Put": new}])
    assert query(client, "owner", "c") == [("c", "1")]
    client.delete_item(TableName=TABLE, Key=item("c", "1"))
