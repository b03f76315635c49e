"""Sizes of segments in the table of runs: hash key `<audience>#<segment>`, range key `<now>#<run>`."""

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable
from segmentation.domain.sizes import KEPT_SECONDS, SizePoint

from .aws_errors import reason
from .backoff import Patience, Sleep, sleep

ITEMS_A_CALL = 25
ATTEMPTS = 6

Item = dict[str, Any]


class DynamoSizes:
    """Points of all audiences."""

    def __init__(self, client: Any, table: str, wait: Sleep = sleep) -> None:
        self._client = client
        self._table = table
        self._sleep = wait

    def add(self, audience: str, points: Sequence[SizePoint], written: int) -> None:
        """Keep points, 25 a request."""
        self._write([{"PutRequest": {"Item": _item(audience, one, written)}} for one in points])

    def of(self, audience: str, segment: str, since: int, until: int) -> list[SizePoint]:
        """The points from a moment to before another."""
        return [_point(segment, item) for item in self._query(audience, segment, since, until)]

    def forget(self, audience: str, segment: str) -> None:
        """Remove all points of a segment."""
        found = self._query(audience, segment, 0, 10**12 - 1)
        self._write(
            [{"DeleteRequest": {"Key": {"audience": one["audience"], "run": one["run"]}}} for one in found]
        )

    def _write(self, requests: list[Item]) -> None:
        for start in range(0, len(requests), ITEMS_A_CALL):
            left, patience = requests[start : start + ITEMS_A_CALL], Patience(ATTEMPTS, self._sleep)
            while left:
                try:
                    answer = self._client.batch_write_item(RequestItems={self._table: left})
                except (ClientError, BotoCoreError) as error:
                    raise Unavailable(f"sizes cannot be written: {reason(error)}") from error
                left = answer.get("UnprocessedItems", {}).get(self._table, [])
                if left and not patience.wait():
                    raise Unavailable("sizes cannot be written: the table takes no more just now")

    def _query(self, audience: str, segment: str, since: int, until: int) -> Iterator[Item]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="audience = :segment AND #run BETWEEN :since AND :until",
            ExpressionAttributeNames={"#run": "run"},
            ExpressionAttributeValues={
                ":segment": {"S": f"{audience}#{segment}"},
                ":since": {"S": f"{since:012d}"},
                ":until": {"S": f"{until:012d}"},
            },
        )
        try:
            for page in pages:
                yield from page["Items"]
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"sizes cannot be read: {reason(error)}") from error


def _item(audience: str, point: SizePoint, written: int) -> Item:
    return {
        "audience": {"S": f"{audience}#{point.segment}"},
        "run": {"S": f"{point.now:012d}#{point.run}"},
        "size": {"N": str(point.size)},
        "joined": {"N": str(point.joined)},
        "left": {"N": str(point.left)},
        "backfill": {"BOOL": point.backfill},
        "expires": {"N": str(written + KEPT_SECONDS)},
    }


def _point(segment: str, item: Item) -> SizePoint:
    now, _, run = item["run"]["S"].partition("#")
    return SizePoint(
        segment=segment,
        run=run,
        now=int(now),
        size=int(item["size"]["N"]),
        joined=int(item["joined"]["N"]),
        left=int(item["left"]["N"]),
        backfill=item["backfill"]["BOOL"],
    )
