"""Batches of Kinesis, DynamoDB streams and SQS: records in, partial failures out."""

import base64
import logging
from binascii import a2b_base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segmentation.domain.history import Standing, Written
from segmentation.domain.stored_membership import Numberings, StoredMembership, decode

logger = logging.getLogger("segmentation.streams")


def kinesis_records(event: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Sequence number and data of each record, in the stream's order."""
    return [
        (record["kinesis"]["sequenceNumber"], a2b_base64(record["kinesis"]["data"]))
        for record in event["Records"]
    ]


def shard_of(event: Mapping[str, Any]) -> str:
    """The shard that the batch is of: `shardId-000000000000`."""
    return str(event["Records"][0]["eventID"]).partition(":")[0]


def writes(event: Mapping[str, Any], numberings: Numberings) -> tuple[list[Written], list[str]]:
    """The writes of visitors' real-time parts, up to the first record that cannot be read; and that one's number."""
    readable: list[Written] = []
    for record in event["Records"]:
        change = record["dynamodb"]
        if change["Keys"]["part"]["S"] != "realtime":
            continue
        try:
            before, after = (_standing(change.get(name), numberings) for name in ("OldImage", "NewImage"))
        except (KeyError, ValueError, TypeError) as error:
            logger.error("bad record %s: %s", change["SequenceNumber"], type(error).__name__)
            return readable, [change["SequenceNumber"]]
        profile, at = change["Keys"]["profile"]["S"], int(change["ApproximateCreationDateTime"])
        readable.append(Written(change["SequenceNumber"], profile, before, after, at))
    return readable, []


def _standing(item: Mapping[str, Any] | None, numberings: Numberings) -> Standing | None:
    if item is None:
        return None
    changes = item.get("changes")
    stored = StoredMembership(
        item["numbering"]["S"] if "numbering" in item else "",
        base64.b64decode(item["members"]["B"]),
        base64.b64decode(changes["B"]) if changes else None,
    )
    members, told = decode(stored, item["profile"]["S"].partition("#")[0], numberings) or ((), ())
    computed, revision = int(item["computed"]["N"]), int(item["revision"]["N"])
    alias = item["alias"]["S"] if "alias" in item else None
    return Standing(members, tuple(told), computed, item["rules"]["S"], revision, alias)


def failures(identifiers: Iterable[str]) -> dict[str, Sequence[dict[str, str]]]:
    """The answer of a batch: what is to be delivered again.

    Kinesis goes on from the lowest of these sequence numbers, so what was done after it comes once more.
    """
    return {"batchItemFailures": [{"itemIdentifier": one} for one in identifiers]}
