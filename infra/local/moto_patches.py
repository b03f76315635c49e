"""Cures for what moto does slowly or wrongly under load, each measured; nothing else about moto is changed."""

from __future__ import annotations

from typing import Any

from moto import backends
from moto.dynamodb.models import table as dynamodb
from moto.kinesis import models as kinesis


def apply() -> None:
    """Patch moto in this process."""
    modules = list(backends.list_of_moto_modules())  # stock: reads a folder at every request, 0.5 ms of 1.2
    backends.list_of_moto_modules = lambda: modules
    kinesis.Shard.get_records = _get_records
    kinesis.Shard.get_max_sequence_number = _get_max_sequence_number
    dynamodb.StreamShard.get = _get_stream_records


def _get_max_sequence_number(shard: Any) -> int:
    # stock: copies all keys of the shard at every put
    return next(reversed(shard.records), 0)


def _get_records(shard: Any, last_sequence_id: str, limit: int | None) -> tuple[list[Any], int, int]:
    # stock: walks the shard from its beginning at every read; but the sequence numbers are 1, 2, 3, ...
    # A real answer also holds at most 10 MB.
    last = int(last_sequence_id)
    newest = shard.get_max_sequence_number()
    found: list[Any] = []
    size = 0
    for number in range(last + 1, min(newest, last + (limit or 10_000)) + 1):
        record = shard.records[number]
        size += len(record.data)
        if found and size > 10 * 1024 * 1024:
            break
        found.append(record)
    if not found:
        return [], last, 0
    behind = shard.records[newest].created_at - found[-1].created_at
    return found, found[-1].sequence_number, int(behind * 1000) if found[-1].sequence_number < newest else 0


def _get_stream_records(shard: Any, start: int, quantity: int) -> list[dict[str, Any]]:
    # stock: keeps both images of every write for ever; what lies before a read will not be asked for again,
    # since a table's stream has one reader here
    read = start - shard.starting_sequence_number
    if read > 0:
        del shard.items[:read]
        shard.starting_sequence_number = start
    return [item.to_json() for item in shard.items[:quantity]]
