"""Event source mappings of DynamoDB streams: as those of Kinesis, with images of items and filters."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from infra.local.errors import TemplateError
from infra.local.filters import check_pattern
from infra.local.functions import Functions
from infra.local.kinesis import Settings, ShardReader
from infra.local.log import Log
from infra.local.provision.world import Mapped, World
from infra.local.sources import Source


class StreamReader(ShardReader):
    """Reads the one shard of a table's stream for one function."""

    service = "dynamodb"
    batch_info = "DDBStreamBatchInfo"

    def _open(self) -> str:
        settings = self._settings
        for pattern in settings.filters:
            check_pattern(pattern, self.name)
        self._client = self._world.client("dynamodbstreams")
        iterator: str = self._client.get_shard_iterator(
            StreamArn=settings.stream_arn,
            ShardId=self._shard,
            ShardIteratorType=settings.starting_position,
        )["ShardIterator"]
        return iterator

    def _record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "eventID": record["eventID"],
            "eventName": record["eventName"],
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": self._world.region,
            "dynamodb": plain(record["dynamodb"]),
            "eventSourceARN": self._settings.stream_arn,
        }

    def _size(self, record: Mapping[str, Any]) -> int:
        return len(json.dumps(record))

    def _number(self, record: Mapping[str, Any]) -> str:
        number: str = record["dynamodb"]["SequenceNumber"]
        return number

    def _arrived(self, record: Mapping[str, Any]) -> float:
        arrived: float = record["dynamodb"]["ApproximateCreationDateTime"]
        return arrived


def stream_readers(mapped: Mapped, world: World, functions: Functions, log: Log) -> list[Source]:
    """One reader for each shard of the table's stream. A second mapping of it is refused: what is read is let go."""
    settings = Settings.read(mapped)
    same = [one for one in world.mappings if one.properties.get("EventSourceArn") == settings.stream_arn]
    if len(same) > 1:
        names = ", ".join(one.logical_id for one in same)
        raise TemplateError(
            f"the embedded cloud does not know several readers of one table's stream: {names}"
        )
    described = world.client("dynamodbstreams").describe_stream(StreamArn=settings.stream_arn)
    shards = described["StreamDescription"]["Shards"]
    return [StreamReader(settings, shard["ShardId"], world, functions, log) for shard in shards]


def plain(value: Any) -> Any:
    """An image as Lambda hands it over: bytes in base64, moments as seconds."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.timestamp() if isinstance(value, datetime) else value
