"""The table of runs."""

from typing import Any


def make_runs_table(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="runs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "audience", "AttributeType": "S"},
            {"AttributeName": "run", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "audience", "KeyType": "HASH"},
            {"AttributeName": "run", "KeyType": "RANGE"},
        ],
    )
