"""Cures for what moto does slowly or wrongly under load, each measured; nothing else about moto is changed."""

from __future__ import annotations

import copy
import inspect
import threading
from typing import Any

from moto import backends
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    ConditionalCheckFailed,
    MockValidationException,
    MultipleTransactionsException,
    TooManyTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models import table as dynamodb
from moto.kinesis import models as kinesis
from moto.s3.models import FakeKey
from moto.s3.responses import S3Response


def apply() -> None:
    """Patch moto in this process."""
    modules = list(backends.list_of_moto_modules())  # stock: reads a folder at every request, 0.5 ms of 1.2
    backends.list_of_moto_modules = lambda: modules
    kinesis.Shard.get_records = _get_records
    kinesis.Shard.get_max_sequence_number = _get_max_sequence_number
    dynamodb.StreamShard.get = _get_stream_records
    dynamodb.Table.all_items = _all_items
    dynamodb.Table.query = _query
    DynamoDBBackend.transact_write_items = _transact_write_items
    FakeKey.value = FakeKey.value.getter(_value)
    S3Response.key_response = _key_response


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


_stock_all_items = dynamodb.Table.all_items
_stock_query = dynamodb.Table.query
_query_signature = inspect.signature(_stock_query)
_candidates = threading.local()


def _all_items(table: Any) -> list[Any]:
    found: list[Any] | None = getattr(_candidates, "items", None)
    return _stock_all_items(table) if found is None else found


def _query(table: Any, *arguments: Any, **options: Any) -> Any:
    # stock: sorts the whole table at every query, 230 ms at 20,000 items; what fits the hash key is a few of them, and
    # is sorted after that anyway
    given = _query_signature.bind(table, *arguments, **options).arguments
    if given.get("index_name") is None:
        own = table.items.get(given["hash_key"])
        found = [] if own is None else list(own.values()) if table.range_key_attr else [own]
    else:
        wanted = given.get("hash_key_conditions") or []
        found = [
            item
            for own in list(table.items.values())
            for item in (list(own.values()) if table.range_key_attr else [own])
            if all(name in item.attrs and item.attrs[name] == value for name, value in wanted)
        ]
    _candidates.items = found
    try:
        return _stock_query(table, *arguments, **options)
    finally:
        _candidates.items = None


_stock_value = FakeKey.value.fget
_stock_key_response = S3Response.key_response
_ranged = threading.local()


class _Slices:
    """The bytes of an object, read where they are asked for."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def __len__(self) -> int:
        return int(self._key.contentsize)

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        with self._key.lock:
            self._key._value_buffer.seek(start)
            return bytes(self._key._value_buffer.read(max(0, stop - start)))


def _value(key: Any) -> Any:
    return _Slices(key) if getattr(_ranged, "on", False) else _stock_value(key)


def _key_response(response: Any, request: Any, *arguments: Any) -> Any:
    # stock: reads and copies the whole object for every range of it, 120 ms of one of 213 MB
    _ranged.on = request.method == "GET" and "range" in request.headers
    try:
        status, headers, body = _stock_key_response(response, request, *arguments)
    finally:
        _ranged.on = False
    return status, headers, body[:] if isinstance(body, _Slices) else body


def _transact_write_items(backend: Any, transact_items: list[dict[str, Any]]) -> None:
    # stock: copies the whole table at every transaction, 829 ms at 20,000 items, to put it back when something fails.
    # Here all conditions are looked at before anything is written, and only what is written over is kept.
    if len(transact_items) > 100:
        raise TooManyTransactionsException
    actions = [_action(backend, one) for one in transact_items]
    keys = [(request["TableName"], str(sorted(key.items()))) for _, request, key in actions]
    if len(set(keys)) < len(keys):
        raise MultipleTransactionsException
    reasons = [_refusal(backend, request, key) for _, request, key in actions]
    if any(code is not None for code, *_ in reasons):
        raise TransactionCanceledException(reasons)
    before = [copy.deepcopy(backend.get_item(request["TableName"], key)) for _, request, key in actions]
    for number, (kind, request, key) in enumerate(actions):
        try:
            _carry_out(backend, kind, request, key)
        except MockValidationException:
            _put_back(backend, actions[: number + 1], before)
            raise
        except Exception as error:
            _put_back(backend, actions[: number + 1], before)
            failed: Any = (type(error).__name__, str(error), None)
            raise TransactionCanceledException(
                [failed if place == number else (None, None, None) for place in range(len(actions))]
            ) from error


def _action(backend: Any, item: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    if len(item) > 1:
        raise TransactWriteSingleOpException
    ((kind, request),) = item.items()
    if kind not in {"ConditionCheck", "Put", "Delete", "Update"}:
        raise ValueError("Unsupported transaction operation")
    if kind != "Put":
        return kind, request, request["Key"]
    table = backend.get_table(request["TableName"])
    names = [one for one in (table.hash_key_attr, table.range_key_attr) if one is not None]
    return kind, request, {name: request["Item"][name] for name in names}


def _refusal(backend: Any, request: dict[str, Any], key: dict[str, Any]) -> tuple[Any, Any, Any]:
    if request.get("ConditionExpression") is None:
        return None, None, None
    current = backend.get_item(request["TableName"], key)
    condition = get_filter_expression(
        request["ConditionExpression"],
        request.get("ExpressionAttributeNames"),
        request.get("ExpressionAttributeValues"),
    )
    if condition.expr(current):
        return None, None, None
    shown = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and current
    return (
        "ConditionalCheckFailed",
        str(ConditionalCheckFailed().message),
        current.to_json()["Attributes"] if shown else None,
    )


def _carry_out(backend: Any, kind: str, request: dict[str, Any], key: dict[str, Any]) -> None:
    table, expressions = (
        request["TableName"],
        {
            "condition_expression": request.get("ConditionExpression"),
            "expression_attribute_names": request.get("ExpressionAttributeNames"),
            "expression_attribute_values": request.get("ExpressionAttributeValues"),
        },
    )
    if kind == "Put":
        backend.put_item(table, request["Item"], **expressions)
    elif kind == "Delete":
        backend.delete_item(table, key, **expressions)
    elif kind == "Update":
        backend.update_item(table, key, update_expression=request["UpdateExpression"], **expressions)


def _put_back(backend: Any, actions: list[Any], before: list[Any]) -> None:
    for (_, request, key), item in zip(actions, before, strict=False):
        table = backend.get_table(request["TableName"])
        if item is None:
            backend.delete_item(request["TableName"], key)
        elif table.range_key_attr:
            table.items[item.hash_key][item.range_key] = item
        else:
            table.items[item.hash_key] = item
