"""Event source mappings of SQS queues: batches, partial failures, visibility; the redrive is the queue's own."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from infra.local.errors import TemplateError
from infra.local.functions import Functions, describe
from infra.local.log import Log
from infra.local.provision.world import Mapped, World
from infra.local.sources import Look, Source, reported_failures

_KNOWN = {
    "EventSourceArn", "FunctionName", "BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes",
    "Enabled", "ScalingConfig", "Tags", "MetricsConfig",
}  # fmt: skip


class QueueReader(Source):
    """Reads one queue for one function.

    What a function does not finish comes back when the queue's visibility time-out is over, as on AWS;
    `retry_seconds`, if given, brings it back sooner.
    """

    service = "sqs"

    def __init__(
        self, mapped: Mapped, world: World, functions: Functions, log: Log, retry_seconds: float | None
    ) -> None:
        properties = mapped.properties
        if unknown := sorted(properties.keys() - _KNOWN):
            raise TemplateError(
                f"{mapped.logical_id}: the embedded cloud does not know {', '.join(unknown)} of an SQS source"
            )
        self._function: str = properties["FunctionName"]
        super().__init__(f"{functions.find(self._function).spec.logical_id}/queue", log)
        self._arn: str = properties["EventSourceArn"]
        self._batch_size = int(properties.get("BatchSize", 10))
        self._window = float(properties.get("MaximumBatchingWindowInSeconds", 0))
        self._partial = "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", [])
        self._region = world.region
        self._functions = functions
        self._retry_seconds = retry_seconds
        self._client = world.client("sqs")
        self._url: str = self._client.get_queue_url(QueueName=self._arn.rsplit(":", 1)[1])["QueueUrl"]
        self._waiting: list[dict[str, Any]] = []
        self._waiting_since = 0.0

    def look(self) -> Look:
        """Receive messages, and hand over a batch if it is full or its window is over."""
        if len(self._waiting) < self._batch_size:
            received = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(10, self._batch_size - len(self._waiting)),
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
                WaitTimeSeconds=0,
            ).get("Messages", [])
            if received and not self._waiting:
                self._waiting_since = time.monotonic()
            self._waiting += received
            if received and len(self._waiting) < self._batch_size:
                return Look.BACKLOG
        if not self._waiting:
            return Look.SOME if self._in_flight() else Look.NOTHING
        over = time.monotonic() - self._waiting_since >= self._window
        if len(self._waiting) < self._batch_size and not over and not self.flush.is_set():
            return Look.SOME
        batch, self._waiting = self._waiting, []
        self._process(batch)
        return Look.BACKLOG

    def _in_flight(self) -> bool:
        """Are there messages that will come back? Then the cloud is not idle, though there is nothing to do now."""
        names = ["ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        counts = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return any(int(count) for count in counts.values())

    def _process(self, batch: list[dict[str, Any]]) -> None:
        payload = json.dumps({"Records": [self._record(message) for message in batch]}).encode()
        result = self._functions.invoke(self._function, payload)
        assert result is not None
        identifiers = [message["MessageId"] for message in batch]
        failed: set[str] | None = set()
        if result.error is not None:
            failed = None
            self.log(self.name, f"{len(batch)} messages will be tried again: {describe(result)}")
        elif self._partial:
            failed = reported_failures(result.json(), identifiers)
        kept = set(identifiers) if failed is None else failed
        done = [message for message in batch if message["MessageId"] not in kept]
        for start in range(0, len(done), 10):
            self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                    for index, message in enumerate(done[start : start + 10])
                ],
            )
        if self._retry_seconds is not None:
            for message in batch:
                if message["MessageId"] in kept:
                    self._client.change_message_visibility(
                        QueueUrl=self._url,
                        ReceiptHandle=message["ReceiptHandle"],
                        VisibilityTimeout=int(self._retry_seconds),
                    )

    def _record(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": self._region,
        }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        record["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        record["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return record
