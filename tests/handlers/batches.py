"""Batches of records as Lambda hands them over."""

import base64
import time as clock
from typing import Any

from segmentation.domain.event import Event

from tests.handlers.conftest import batch


def kinesis(*datas: bytes) -> Any:
    return batch(
        "kinesis",
        [
            {
                "kinesis.data": base64.b64encode(data).decode(),
                "kinesis.sequenceNumber": f"4959{number}",
                "eventID": f"shardId-000000000006:4959{number}",
            }
            for number, data in enumerate(datas)
        ],
    )


def event(identifier: str) -> bytes:
    time = int(clock.time())
    return Event(identifier, "shop", "purchases", "person_id:1", time, time, {"amount": 1}).to_json()


def failures(answer: Any) -> list[str]:
    assert set(answer) == {"batchItemFailures"}
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]
