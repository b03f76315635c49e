"""Event source mappings of Kinesis streams: batches in order, partial failures, bisection, retries, destinations."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.local.errors import TemplateError
from infra.local.filters import matches
from infra.local.functions import Functions, describe, response_context, send_to_queue, timestamp
from infra.local.invocations import Invocation
from infra.local.log import Log
from infra.local.metrics import StreamMetrics
from infra.local.provision.world import Mapped, World
from infra.local.sources import Look, Source, reported_failures

PAYLOAD_BYTES = 6 * 1024 * 1024
_KNOWN = {
    "EventSourceArn", "FunctionName", "StartingPosition", "BatchSize", "MaximumBatchingWindowInSeconds",
    "FunctionResponseTypes", "BisectBatchOnFunctionError", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds",
    "DestinationConfig", "Enabled", "ParallelizationFactor", "Tags", "MetricsConfig", "FilterCriteria",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """An event source mapping of a stream, as the template declares it."""

    uuid: str
    stream_arn: str
    function: str
    starting_position: str
    batch_size: int
    window: float
    partial: bool
    bisect: bool
    retries: int
    max_age: int
    destination: str | None
    filters: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def read(cls, mapped: Mapped) -> Settings:
        """Read the properties; refuse what is unknown."""
        properties = mapped.properties
        if unknown := sorted(properties.keys() - _KNOWN):
            raise TemplateError(
                f"{mapped.logical_id}: the embedded cloud does not know {', '.join(unknown)} of a stream source"
            )
        position = properties.get("StartingPosition", "TRIM_HORIZON")
        if position not in {"TRIM_HORIZON", "LATEST"}:
            raise TemplateError(
                f"{mapped.logical_id}: the embedded cloud does not know StartingPosition {position}"
            )
        failure = (properties.get("DestinationConfig") or {}).get("OnFailure") or {}
        destination = failure.get("Destination")
        if destination and destination.split(":")[2] not in {"s3", "sqs"}:
            raise TemplateError(f"{mapped.logical_id}: unknown kind of OnFailure destination {destination}")
        return cls(
            uuid=str(uuid.uuid5(uuid.NAMESPACE_URL, mapped.logical_id)),
            stream_arn=properties["EventSourceArn"],
            function=properties["FunctionName"],
            starting_position=position,
            batch_size=int(properties.get("BatchSize", 100)),
            window=float(properties.get("MaximumBatchingWindowInSeconds", 0)),
            partial="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
            bisect=str(properties.get("BisectBatchOnFunctionError", False)).lower() == "true",
            retries=int(properties.get("MaximumRetryAttempts", -1)),
            max_age=int(properties.get("MaximumRecordAgeInSeconds", -1)),
            destination=destination,
            filters=tuple(
                json.loads(one["Pattern"]) for one in properties.get("FilterCriteria", {}).get("Filters", [])
            ),
        )


class ShardReader(Source):
    """Reads one shard for one function; a batch that fails holds up the shard until it is done with."""

    service = "kinesis"
    batch_info = "KinesisBatchInfo"
    """What a record of failure calls what it says of the batch."""

    def __init__(self, settings: Settings, shard: str, world: World, functions: Functions, log: Log) -> None:
        spec = functions.find(settings.function).spec
        super().__init__(f"{spec.logical_id}/{shard[-4:].lstrip('0') or '0'}", log)
        self._settings = settings
        self._shard = shard
        self._world = world
        self._functions = functions
        self._role = spec.role
        self._function_arn = spec.arn
        self._metrics = StreamMetrics(world, spec.name)
        self._client: Any = None
        self._iterator = self._open()
        self._waiting: list[dict[str, Any]] = []
        self._waiting_since = 0.0
        self._todo: list[tuple[list[dict[str, Any]], int]] = []
        """What is left of the batch under way: a stack of parts, each with the retries that it has used."""

    def _open(self) -> str:
        """Where reading begins."""
        settings = self._settings
        if settings.filters:
            raise TemplateError(f"{self.name}: the embedded cloud does not know filters of a Kinesis source")
        self._client = self._world.client("kinesis")
        iterator: str = self._client.get_shard_iterator(
            StreamName=settings.stream_arn.rsplit("/", 1)[1],
            ShardId=self._shard,
            ShardIteratorType=settings.starting_position,
        )["ShardIterator"]
        return iterator

    def _wanted(self, record: Mapping[str, Any]) -> bool:
        """Whether the mapping's filters let a record pass."""
        filters = self._settings.filters
        return not filters or any(matches(pattern, record) for pattern in filters)

    def _size(self, record: Mapping[str, Any]) -> int:
        return len(record["kinesis"]["data"]) + len(record["kinesis"]["partitionKey"]) + 600

    def _number(self, record: Mapping[str, Any]) -> str:
        number: str = record["kinesis"]["sequenceNumber"]
        return number

    def _arrived(self, record: Mapping[str, Any]) -> float:
        arrived: float = record["kinesis"]["approximateArrivalTimestamp"]
        return arrived

    def look(self) -> Look:
        """Read what is new, and hand over a batch if it is full or its window is over."""
        settings = self._settings
        if self._todo:  # something went wrong here, not in the function: go on where it did
            self._process()
            return Look.BACKLOG
        read = False
        if len(self._waiting) < settings.batch_size:
            answer = self._client.get_records(
                ShardIterator=self._iterator, Limit=settings.batch_size - len(self._waiting)
            )
            self._iterator = answer["NextShardIterator"]
            if answer["Records"] and not self._waiting:
                self._waiting_since = time.monotonic()
            records = [self._record(record) for record in answer["Records"]]
            read = bool(records)
            self._waiting += [record for record in records if self._wanted(record)]
        if not self._waiting:
            self._metrics.tell()
            return Look.BACKLOG if read else Look.NOTHING  # what was read is not wanted: perhaps the next
        size = self._fitting()
        full = size < len(self._waiting) or len(self._waiting) >= settings.batch_size
        over = time.monotonic() - self._waiting_since >= settings.window
        if not (full or over or self.flush.is_set()):
            return Look.SOME
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        self._waiting_since = time.monotonic()
        self._todo = [(batch, 0)]
        self._process()
        return Look.BACKLOG if full else Look.SOME

    def _fitting(self) -> int:
        total = 0
        for count, record in enumerate(self._waiting):
            total += self._size(record)
            if total > PAYLOAD_BYTES:
                return max(1, count)
        return len(self._waiting)

    def _record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        settings = self._settings
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": record["SequenceNumber"],
                "data": base64.b64encode(record["Data"]).decode(),
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self._shard}:{record['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": self._role,
            "awsRegion": self._world.region,
            "eventSourceARN": settings.stream_arn,
        }

    def _process(self) -> None:
        """Bring a batch to its end: processed, or put aside. Halves of it come one after the other, in order.

        A part leaves the stack only when it is done with, so that nothing is lost whatever fails on the way.
        """
        settings, tries = self._settings, 0
        while self._todo and not self.stopping.is_set():
            records, attempt = self._todo[-1]
            old = [record for record in records if self._too_old(record)]
            if old:
                self._give_up(old, "RecordAgeExceeded", attempt, None)
                fresh = [record for record in records if record not in old]
                self._todo[-1:] = [(fresh, attempt)] if fresh else []
                continue
            age = time.time() - self._arrived(records[-1])
            result = self._functions.invoke(settings.function, _event(records))
            assert result is not None
            if self.stopping.is_set():
                return
            self._metrics.note(age, result.error is not None)
            left = self._failed(records, result)
            if not left:
                self._todo.pop()
                tries = 0
                continue
            tries += 1
            self.log(self.name, f"{len(left)} of {len(records)} records failed: {self._why(result)}")
            if settings.bisect and len(left) == len(records) > 1:
                middle = len(left) // 2
                self._todo[-1:] = [(left[middle:], attempt), (left[:middle], attempt)]
            elif settings.bisect and len(left) < len(records):
                self._todo[-1] = (left, 0)  # what came before is done; the rest begins anew
            elif 0 <= settings.retries <= attempt:
                self._give_up(left, "RetryAttemptsExhausted", attempt + 1, result)
                self._todo.pop()
            else:
                self._todo[-1] = (left, attempt + 1)
            self.stopping.wait(min(2.0, 0.05 * 2 ** min(tries, 10)))

    def _failed(self, records: list[dict[str, Any]], result: Invocation) -> list[dict[str, Any]]:
        """The records from the first that failed on: Lambda goes back to the lowest sequence number."""
        if result.error is not None:
            return records
        if not self._settings.partial:
            return []
        numbers = [self._number(record) for record in records]
        failed = reported_failures(result.json(), numbers)
        if failed is None:
            return records
        first = min((numbers.index(number) for number in failed), default=len(records))
        return records[first:]

    def _too_old(self, record: Mapping[str, Any]) -> bool:
        return 0 <= self._settings.max_age < time.time() - self._arrived(record)

    def _why(self, result: Invocation) -> str:
        return describe(result) if result.error is not None else "the function reports batchItemFailures"

    def _give_up(
        self, records: list[dict[str, Any]], condition: str, attempts: int, result: Invocation | None
    ) -> None:
        """Put records aside with the reason, as Lambda does: S3 gets the whole event, a queue what it was about."""
        settings = self._settings
        first, last = records[0], records[-1]
        self.log(
            self.name,
            f"gives up {len(records)} records ({condition}): they go to {settings.destination or 'nowhere: no OnFailure'}",
        )
        if settings.destination is None:
            return
        record: dict[str, Any] = {
            "requestContext": {
                "requestId": result.request_id if result else str(uuid.uuid4()),
                "functionArn": self._function_arn,
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "responseContext": response_context(result) if result else None,
            "version": "1.0",
            "timestamp": timestamp(),
            self.batch_info: {
                "shardId": self._shard,
                "startSequenceNumber": self._number(first),
                "endSequenceNumber": self._number(last),
                "approximateArrivalOfFirstRecord": timestamp(self._arrived(first)),
                "approximateArrivalOfLastRecord": timestamp(self._arrived(last)),
                "batchSize": len(records),
                "streamArn": settings.stream_arn,
            },
        }
        if settings.destination.split(":")[2] == "sqs":
            send_to_queue(self._world, settings.destination, json.dumps(record))
            return
        record["payload"] = _event(records).decode()
        now = datetime.now(UTC)
        key = (
            f"aws/lambda/{settings.uuid}/{self._shard}/{now:%Y/%m/%d}/{now:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        )
        self._world.client("s3").put_object(
            Bucket=settings.destination.rsplit(":", 1)[1], Key=key, Body=json.dumps(record).encode()
        )


def shard_readers(mapped: Mapped, world: World, functions: Functions, log: Log) -> list[Source]:
    """One reader for each shard of the stream."""
    settings = Settings.read(mapped)
    shards = world.client("kinesis").list_shards(StreamARN=settings.stream_arn)["Shards"]
    return [ShardReader(settings, shard["ShardId"], world, functions, log) for shard in shards]


def _event(records: list[dict[str, Any]]) -> bytes:
    return json.dumps({"Records": records}).encode()
