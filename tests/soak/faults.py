"""What goes wrong while the stream goes on: one thing after the other, drawn with a seed."""

import json
import random
import threading
import urllib.request
from collections import Counter

from infra.local.cloud import Cloud
from infra.local.faults import FAULTS

KILLED = (
    "EvaluateEvents", "EvaluateEvents", "CollectEvents", "SweepMemberships", "DeliverActivations", "ArchiveEvents",
    "ArchiveChanges",
)  # fmt: skip
PAUSE, BURST = 0.7, 1.0
"""Seconds between two faults, and for which requests are refused."""
AGAIN = 40
"""Records of the stream that are put on it once more."""


class Faults(threading.Thread):
    """Refuses requests, kills processes, and puts records on the stream again, until it is stopped."""

    def __init__(self, cloud: Cloud, seed: int) -> None:
        super().__init__(daemon=True, name="faults")
        self._cloud, self._random = cloud, random.Random(seed)
        self._over = threading.Event()
        self.done: Counter[str] = Counter()
        self.failed: BaseException | None = None

    def run(self) -> None:
        """Go on until `stop`."""
        try:
            while not self._over.wait(PAUSE):
                getattr(self, self._random.choice(["_throttle", "_kill", "_redeliver"]))()
        except BaseException as error:
            self.failed = error

    def stop(self) -> None:
        """End, and let everything be well again."""
        self._over.set()
        self.join()
        self._refuse({})
        if self.failed is not None:
            raise self.failed

    def _throttle(self) -> None:
        service = self._random.choice(["dynamodb", "dynamodb", "kinesis"])
        self._refuse({service: self._random.choice([0.3, 0.8])})
        self._over.wait(BURST)
        self._refuse({})
        self.done[f"{service} throttled"] += 1

    def _kill(self) -> None:
        name = self._random.choice(KILLED)
        self.done["processes killed"] += self._cloud.kill(name)

    def _redeliver(self) -> None:
        kinesis, stream = self._cloud.client("kinesis"), self._cloud.outputs["EventStreamName"]
        (shard, *_) = kinesis.list_shards(StreamName=stream)["Shards"]
        place = {"StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**place)["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator, Limit=2_000)["Records"]
        for record in self._random.sample(records, min(AGAIN, len(records))):
            kinesis.put_record(
                StreamName=stream, PartitionKey=record["PartitionKey"], Data=bytes(record["Data"])
            )
            self.done["records put again"] += 1

    def _refuse(self, shares: dict[str, float]) -> None:
        request = urllib.request.Request(self._cloud.endpoint_url + FAULTS, json.dumps(shares).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
