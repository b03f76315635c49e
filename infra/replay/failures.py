"""What failed on the event stream, read from the bucket that keeps it, and put back.

Two kinds of objects stand there: what Lambda gave up on after its retries (`aws/lambda/...`: the whole batch, with the
condition), and what evaluate_events could never read (`poison/...`: the record, with the reason). Putting a record back
twice is harmless: events count once by their ids, in profiles and in the lake.
"""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from segmentation.adapters.kinesis import KinesisEventLog
from segmentation.domain.stream import POISON_FOLDER

GIVEN_UP = "aws/lambda/"
DONE = "replayed/"


@dataclass
class Replayed:
    """What came of it. `left`: objects that hold no records of the event stream, with the reason."""

    objects: int = 0
    records: int = 0
    left: dict[str, str] = field(default_factory=dict)


def replay(
    s3: Any,
    kinesis: Any,
    bucket: str,
    stream: str,
    *,
    matching: str,
    dry: bool,
    say: Callable[[str], None],
) -> Replayed:
    """Put the records of all objects whose names or reasons hold `matching` back on the stream.

    An object whose records are on the stream moves below `replayed/`; one that fails stays, and can be replayed again.
    Raises `Unavailable` where the stream does not take the records.
    """
    result = Replayed()
    log = KinesisEventLog(kinesis, stream)
    for key in _keys(s3, bucket):
        data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        try:
            reason, records = read(json.loads(data))
        except (KeyError, ValueError, TypeError) as error:
            result.left[key] = f"{type(error).__name__}: {error}"
            continue
        if matching not in key and matching not in reason:
            continue
        say(f"{len(records)} records, {reason}: {key}")
        result.objects += 1
        result.records += len(records)
        if dry:
            continue
        log.append_records(records)
        s3.put_object(Bucket=bucket, Key=DONE + key, Body=data)
        s3.delete_object(Bucket=bucket, Key=key)
    return result


def read(document: Any) -> tuple[str, list[tuple[str, bytes]]]:
    """Why an object's records failed, and the records: partition keys and data. Raises `ValueError` for others."""
    if "payload" not in document:
        data = base64.b64decode(document["data"])
        return str(document["reason"]), [(_profile(data) or str(document["sequence"]), data)]
    records = json.loads(document["payload"])["Records"]
    if any("kinesis" not in one for one in records):
        raise ValueError("these are no records of the event stream; invoke the function with its `payload`")
    context = document["requestContext"]
    function = context["functionArn"].rpartition(":function:")[2]
    reason = f"{context['condition']} of {function} after {context['approximateInvokeCount']} tries"
    return reason, [
        (one["kinesis"]["partitionKey"], base64.b64decode(one["kinesis"]["data"])) for one in records
    ]


def _profile(data: bytes) -> str:
    """Whose event it is, so that a visitor's events stay in one shard; nothing where it cannot be read."""
    try:
        found = json.loads(data)["profile"]
    except (ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def _keys(s3: Any, bucket: str) -> Iterator[str]:
    for prefix in (POISON_FOLDER, GIVEN_UP):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (one["Key"] for one in page.get("Contents", ()))
