"""Faults that a test asks the endpoint for: shares of a service's requests that are refused as AWS refuses them.

POST /_local/faults {"dynamodb": 0.3} refuses three of ten requests of functions to DynamoDB, until somebody says otherwise.
What the cloud itself asks (its readers of streams and queues) is left alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

FAULTS = "/_local/faults"
THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "kinesis": "ProvisionedThroughputExceededException",
}
_OWN = ("GetRecords", "GetShardIterator", "DescribeStream", "ListShards", "Scan")
"""Operations by which readers of streams go on, and by which a test looks."""


class Faults:
    """Which requests are refused."""

    def __init__(self, seed: int = 1) -> None:
        self._shares: Mapping[str, float] = {}
        self._random = random.Random(seed)

    def ask(self, body: bytes) -> None:
        """Go by other shares from now on."""
        shares = json.loads(body)
        unknown = sorted(shares.keys() - THROTTLED.keys())
        if unknown:
            raise ValueError(f"no faults are known of {unknown}; of {sorted(THROTTLED)}")
        self._shares = shares

    def refusal(self, service: str, target: str) -> bytes | None:
        """The body of the answer to a request that is refused now."""
        share = self._shares.get(service)
        if not share or target.rpartition(".")[2] in _OWN or self._random.random() >= share:
            return None
        return json.dumps({"__type": THROTTLED[service], "message": "a test asked for this"}).encode()
