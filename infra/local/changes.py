"""Tells who waits for a service that something was written to it, so that nobody needs to poll fast."""

from __future__ import annotations

import threading

CHANGES = "/_local/changes/"
"""GET /_local/changes/<service>/<number> answers a larger number after the next write, or the same one in time."""

_WRITES = {
    "Kinesis_20131202.PutRecord": "kinesis",
    "Kinesis_20131202.PutRecords": "kinesis",
    "DynamoDB_20120810.PutItem": "dynamodb",
    "DynamoDB_20120810.UpdateItem": "dynamodb",
    "DynamoDB_20120810.DeleteItem": "dynamodb",
    "DynamoDB_20120810.BatchWriteItem": "dynamodb",
    "DynamoDB_20120810.TransactWriteItems": "dynamodb",
    "AmazonSQS.SendMessage": "sqs",
    "AmazonSQS.SendMessageBatch": "sqs",
    "AmazonSQS.ChangeMessageVisibility": "sqs",
    "AmazonSQS.StartMessageMoveTask": "sqs",
}

LONGEST_WAIT = 25.0
"""Seconds; whoever waits asks again before the connection is given up."""


class Changes:
    """Counts the writes to each service."""

    def __init__(self) -> None:
        self._count = dict.fromkeys(_WRITES.values(), 0)
        self._changed = threading.Condition()

    def note(self, target: str) -> None:
        """An operation was done."""
        if service := _WRITES.get(target):
            with self._changed:
                self._count[service] += 1
                self._changed.notify_all()

    def wait(self, service: str, seen: int) -> int:
        """The count of a service, once it is larger than `seen`, or after `LONGEST_WAIT`."""
        with self._changed:
            self._changed.wait_for(lambda: self._count[service] > seen, LONGEST_WAIT)
            return self._count[service]
