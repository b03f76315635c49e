"""Limits in DynamoDB: one counter a key and minute, which instances report to now and then.

Counting each request in the table would cost a write a request. So an instance counts in memory and reports once a
second, or sooner when it has counted a tenth of the limit; what the table answers is the count of all instances.
A limit can thus be exceeded by what all instances take between two reports, and never by more.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

MINUTE = 60
REPORT_SECONDS = 1.0
REPORT_SHARE = 0.1
MOST_KEPT = 10_000

logger = logging.getLogger("segmentation.limits")


@dataclass(slots=True)
class _Count:
    """A key's requests in one minute: what all instances had reported, and what this one has not yet."""

    minute: int
    reported: int = 0
    own: int = 0
    looked: float | None = None
    failed: bool = False


class DynamoLimits:
    """Counts by key and minute."""

    def __init__(self, client: Any, table: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._counts: dict[str, _Count] = {}

    def take(self, name: str, per_minute: int, now: int) -> int:
        """Count one request; 0, or seconds until the minute ends. What cannot be reported is counted here alone."""
        minute = now // MINUTE
        count = self._counts.get(name)
        if count is None or count.minute != minute:
            if len(self._counts) >= MOST_KEPT:
                self._counts.clear()
            count = self._counts[name] = _Count(minute)
        if count.reported + count.own >= per_minute:
            return (minute + 1) * MINUTE - now
        count.own += 1
        due = count.looked is None or self._clock() - count.looked >= REPORT_SECONDS
        if due or (not count.failed and count.own >= per_minute * REPORT_SHARE):
            self._report(name, count)
        return 0 if count.reported + count.own <= per_minute else (minute + 1) * MINUTE - now

    def _report(self, name: str, count: _Count) -> None:
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"name": {"S": f"{name}/{count.minute}"}},
                UpdateExpression="SET expires = :expires ADD taken :own",
                ExpressionAttributeValues={
                    ":own": {"N": str(count.own)},
                    ":expires": {"N": str((count.minute + 10) * MINUTE)},
                },
                ReturnValues="UPDATED_NEW",
            )
        except (ClientError, BotoCoreError) as error:
            # A visitor must not be turned away because a counter is out of reach.
            logger.warning("a limit's count was not reported: %s", type(error).__name__)
            count.failed = True
        else:
            count.reported, count.own = int(answer["Attributes"]["taken"]["N"]), 0
            count.failed = False
        count.looked = self._clock()
