"""The event log on Kinesis."""

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable
from segmentation.domain.event import Event
from segmentation.domain.stream import Mark

from .backoff import Patience, Sleep, sleep
from .chunks import chunked

MOST_RECORDS = 500
MOST_BYTES = 4_900_000
LONGEST_KEY = 256
"""Characters of a partition key. Who share so many share a shard, which harms nobody."""
ATTEMPTS = 6


class KinesisEventLog:
    """Puts events on a stream, partition key = profile: one visitor's events stay in one shard."""

    def __init__(self, client: Any, stream: str, wait: Sleep = sleep) -> None:
        self._client = client
        self._stream = stream
        self._sleep = wait

    def append(self, events: Sequence[Event]) -> None:
        """Put all events; what Kinesis refuses is put again, alone, a few times."""
        self.append_records([(one.profile, one.to_json()) for one in events])

    def append_records(self, records: Sequence[tuple[str, bytes]]) -> None:
        """The same, of records as they stand: partition keys and data."""
        kept = 0
        for chunk in _chunks([{"Data": data, "PartitionKey": key[:LONGEST_KEY]} for key, data in records]):
            left = self._put(chunk)
            kept += len(chunk) - left
            if left:
                message = f"{kept} of {len(records)} events were kept; send the whole request again"
                raise Unavailable(message)

    def mark(self, name: str) -> list[str]:
        """Put a mark on every open shard. A shard that is split meanwhile is read to its end before its parts are."""
        try:
            shards = [
                (shard["ShardId"], shard["HashKeyRange"]["StartingHashKey"])
                for page in self._client.get_paginator("list_shards").paginate(StreamName=self._stream)
                for shard in page["Shards"]
                if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
            ]
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the shards cannot be listed: {type(error).__name__}") from error
        records = [
            {"Data": Mark(name, shard).to_json(), "PartitionKey": shard, "ExplicitHashKey": first}
            for shard, first in shards
        ]
        for chunk in _chunks(records):
            if left := self._put(chunk):
                raise Unavailable(f"{left} of {len(records)} marks were not taken; all are put again")
        return [shard for shard, _ in shards]

    def _put(self, records: list[dict[str, Any]]) -> int:
        """How many were still refused after the last attempt."""
        patience = Patience(ATTEMPTS, self._sleep)
        while True:
            try:
                answer = self._client.put_records(StreamName=self._stream, Records=records)
                results = answer["Records"]
                records = [one for one, result in zip(records, results, strict=True) if "ErrorCode" in result]
            except (ClientError, BotoCoreError):
                # The client has retried already; the caller is told to send again.
                return len(records)
            if not records or not patience.wait():
                return len(records)


def _chunks(records: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    return chunked(records, MOST_RECORDS, MOST_BYTES, _bytes_of)


def _bytes_of(record: dict[str, Any]) -> int:
    return len(record["Data"]) + len(record["PartitionKey"].encode())
