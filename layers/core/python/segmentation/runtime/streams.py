"""Kinesis and SQS batches: records in, partial failures out."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def kinesis_records(event: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Sequence number and data of each record, in the stream's order."""
    return [
        (record["kinesis"]["sequenceNumber"], base64.b64decode(record["kinesis"]["data"]))
        for record in event["Records"]
    ]


def shard_of(event: Mapping[str, Any]) -> str:
    """The shard that the batch is of: `shardId-000000000000`."""
    return str(event["Records"][0]["eventID"]).partition(":")[0]


def failures(identifiers: Iterable[str]) -> dict[str, Sequence[dict[str, str]]]:
    """The answer of a batch: what is to be delivered again.

    Kinesis goes on from the lowest of these sequence numbers, so what was done after it comes once more.
    """
    return {"batchItemFailures": [{"itemIdentifier": one} for one in identifiers]}
