"""Limits and SigningSecrets: the fakes, DynamoDB and Secrets Manager."""

from typing import Any

import pytest
from segmentation.adapters.limits import DynamoLimits
from segmentation.adapters.secrets import SigningKeys
from segmentation.domain.errors import Unavailable
from segmentation.ports import Limits

from tests.contract.conftest import Client
from tests.fakes import FakeSecrets, MemoryLimits

NOW = 1_700_000_000
"""Forty seconds before the minute ends."""


def make_table(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="limits",
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture(params=["fake", "dynamodb"])
def limits(request: pytest.FixtureRequest) -> Limits:
    if request.param == "fake":
        return MemoryLimits()
    dynamodb = request.getfixturevalue("client")("dynamodb")
    make_table(dynamodb)
    return DynamoLimits(dynamodb, "limits")


def test_a_minute_has_so_many_requests(limits: Limits) -> None:
    assert [limits.take("a", 3, NOW) for _ in range(5)] == [0, 0, 0, 40, 40]
    assert limits.take("b", 3, NOW) == 0
    assert limits.take("a", 3, NOW + 39) == 1
    assert limits.take("a", 3, NOW + 40) == 0


class Counting:
    """A client that counts what is asked of it, or is out of reach."""

    def __init__(self, client: Any) -> None:
        self.client, self.asked, self.broken = client, 0, False

    def update_item(self, **request: Any) -> Any:
        self.asked += 1
        if self.broken:
            return self.client.update_item(**{**request, "TableName": "nothing"})
        return self.client.update_item(**request)


def test_instances_count_together_and_report_now_and_then(client: Client) -> None:
    make_table(client("dynamodb"))
    table, time = Counting(client("dynamodb")), [0.0]
    one, other = (DynamoLimits(table, "limits", lambda: time[0]) for _ in range(2))
    assert [one.take("a", 100, NOW) for _ in range(60)] == [0] * 60
    assert table.asked == 1 + 5, "the first, and then each tenth of the limit"
    # Nine of the first instance's are not told yet: the limit is exceeded by them, and by no more.
    assert [other.take("a", 100, NOW) for _ in range(60)] == [0] * 49 + [40] * 11
    time[0] = 1.0
    assert [one.take("a", 100, NOW) for _ in range(3)] == [40, 40, 40]
    (item,) = client("dynamodb").scan(TableName="limits")["Items"]
    assert item["name"]["S"] == f"a/{NOW // 60}"
    assert int(item["expires"]["N"]) > NOW + 60


def test_a_table_out_of_reach_turns_nobody_away_and_is_asked_once_a_second(client: Client) -> None:
    make_table(client("dynamodb"))
    table, time = Counting(client("dynamodb")), [0.0]
    limits = DynamoLimits(table, "limits", lambda: time[0])
    table.broken = True
    assert [limits.take("a", 10, NOW) for _ in range(12)] == [0] * 10 + [40, 40]
    assert table.asked == 1
    table.broken, time[0] = False, 1.0
    assert limits.take("b", 10, NOW) == 0


def test_both_versions_of_a_signing_secret_are_good(client: Client) -> None:
    assert FakeSecrets(b"key").signing() == (b"key",)
    arn = client("secretsmanager").create_secret(Name="keys", SecretString="one")["ARN"]
    time = [0.0]
    keys = SigningKeys(client("secretsmanager"), arn, lambda: time[0])
    assert keys.signing() == (b"one",)
    client("secretsmanager").put_secret_value(SecretId=arn, SecretString="two")
    assert keys.signing() == (b"one",), "kept for a few minutes"
    time[0] = 300.0
    assert keys.signing() == (b"two", b"one")
    with pytest.raises(Unavailable):
        SigningKeys(client("secretsmanager"), "arn:none").signing()
