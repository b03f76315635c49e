"""The profiles store on DynamoDB: hash key `profile`, range key `part` ("realtime" or "batch")."""

import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable
from segmentation.domain.profile import RETENTION, BatchPart, Profile, RealtimePart, shard_of
from segmentation.domain.stored_membership import Numberings
from segmentation.ports import SaveResult

from .aws_errors import THROTTLED, code_of, reason
from .backoff import Patience, Sleep, sleep
from .guarded_writes import GuardedWrites
from .profile_items import Item, batch_item, batch_of, realtime_item, realtime_of

KEYS_A_READ = 100
ITEMS_A_DELETE = 25
ATTEMPTS = 7
THREADS = 16
LOST = "ConditionalCheckFailedException"
DUE_INDEX = "due"
MOST_BATCHES = 4_096
"""Batch parts that are remembered decoded."""
CANCELLED = frozenset({"TransactionCanceledException", "TransactionConflictException"})
LOST_IN_TRANSACTION = frozenset({"ConditionalCheckFailed", "TransactionConflict"})

T = TypeVar("T")


class DynamoProfiles:
    """Reads both parts with one request; writes are conditional, so they may come in any order and twice."""

    def __init__(self, client: Any, table: str, numberings: Numberings, wait: Sleep = sleep) -> None:
        self._client = client
        self._table = table
        self._numberings = numberings
        self._sleep = wait
        self._write = GuardedWrites(client, wait)
        self._batches: OrderedDict[str, tuple[Item, BatchPart]] = OrderedDict()

    def read(self, ids: Collection[str]) -> dict[str, Profile]:
        """Both parts of each profile, consistently; one request for up to fifty profiles."""
        unique = list(dict.fromkeys(ids))
        keys = [
            {"profile": {"S": identifier}, "part": {"S": part}}
            for identifier in unique
            for part in ("realtime", "batch")
        ]
        parts: dict[str, dict[str, Item]] = {identifier: {} for identifier in unique}
        for start in range(0, len(keys), KEYS_A_READ):
            for item in self._get(keys[start : start + KEYS_A_READ]):
                parts[item["profile"]["S"]][item["part"]["S"]] = item
        return {
            identifier: Profile(
                realtime=realtime_of(found["realtime"], self._numberings) if "realtime" in found else None,
                batch=self._batch(identifier, found["batch"]) if "run" in found.get("batch", ()) else None,
            )
            for identifier, found in parts.items()
        }

    def _batch(self, identifier: str, item: Item) -> BatchPart:
        """The batch part of an item, which changes once a run: it is mostly the one that was read last."""
        known = self._batches.pop(identifier, None)
        if known is None or known[0] != item:
            known = (item, batch_of(item))
        self._batches[identifier] = known
        if len(self._batches) > MOST_BATCHES:
            self._batches.popitem(last=False)
        return known[1]

    def _get(self, keys: list[Item]) -> Iterator[Item]:
        asked: dict[str, Any] = {self._table: {"Keys": keys, "ConsistentRead": True}}
        patience = Patience(ATTEMPTS, self._sleep)
        while asked:
            try:
                answer = self._client.batch_get_item(RequestItems=asked)
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"profiles cannot be read: {reason(error)}") from error
            yield from answer["Responses"].get(self._table, ())
            asked = answer.get("UnprocessedKeys") or {}
            if asked and not patience.wait():
                raise Unavailable("profiles cannot be read: the table gives no more just now")

    def save(self, writes: Mapping[str, RealtimePart]) -> SaveResult:
        """Write parts, a hundred a request, each over the revision below alone."""
        return self._write.all({key: {"Put": self._guarded(key, part)} for key, part in writes.items()})

    def join(self, key: str, part: RealtimePart, others: Mapping[str, RealtimePart]) -> bool:
        """Write a profile and the aliases that lead to it in one transaction, each guarded by its revision."""
        written = {key: part, **others}
        puts = [{"Put": self._guarded(identifier, one)} for identifier, one in written.items()]
        try:
            self._client.transact_write_items(TransactItems=puts)
        except ClientError as error:
            # Also where another transaction is at one of the items: who reads again sees what it did.
            if {code_of(error)} & CANCELLED and _lost(error):
                return False
            raise Unavailable(f"a joined profile was not written: {reason(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"a joined profile was not written: {reason(error)}") from error
        return True

    def told(self, parts: Mapping[str, RealtimePart]) -> None:
        """Note what was sent. Where somebody wrote meanwhile, nothing is left to note; what cannot be written now is
        sent once more by a sweep: under the same id, so nobody minds."""
        self._write.all(
            {key: self._sweep_at(key, part, part.due_at, "untold") for key, part in parts.items()}
        )

    def postpone(self, parts: Mapping[str, RealtimePart], until: int) -> None:
        """Put off the next sweep."""
        self._write.all({key: self._sweep_at(key, part, until) for key, part in parts.items()})

    def _sweep_at(self, identifier: str, part: RealtimePart, moment: int | None, *remove: str) -> Item:
        values: Item = {":revision": {"N": str(part.revision)}}
        removed = [*remove, *(() if moment is not None else ("due_shard", "sweep_at"))]
        expression = f"REMOVE {', '.join(removed)}" if removed else ""
        if moment is not None:
            values |= {":moment": {"N": str(moment)}, ":shard": {"S": str(shard_of(identifier))}}
            expression = f"SET sweep_at = :moment, due_shard = :shard {expression}".strip()
        return {
            "Update": {
                "TableName": self._table,
                "Key": {"profile": {"S": identifier}, "part": {"S": "realtime"}},
                "UpdateExpression": expression,
                "ConditionExpression": "revision = :revision",
                "ExpressionAttributeValues": values,
            }
        }

    def due(self, shard: int, now: int, most: int) -> list[str]:
        """The profiles of a shard that are due. The index is a moment behind the table: who reads on sees what stands."""
        found: list[str] = []
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": DUE_INDEX,
            "KeyConditionExpression": "due_shard = :shard AND sweep_at <= :now",
            "ExpressionAttributeValues": {":shard": {"S": str(shard)}, ":now": {"N": str(now)}},
        }
        while len(found) < most:
            try:
                answer = self._client.query(**request, Limit=most - len(found))
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"due profiles cannot be read: {reason(error)}") from error
            found.extend(item["profile"]["S"] for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return found

    def _guarded(self, identifier: str, part: RealtimePart) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": self._table, "Item": realtime_item(identifier, part)}
        if part.revision == 1:
            request["ConditionExpression"] = "attribute_not_exists(profile)"
        else:
            request["ConditionExpression"] = "revision = :before"
            request["ExpressionAttributeValues"] = {":before": {"N": str(part.revision - 1)}}
        return request

    def publish(self, parts: Iterable[tuple[str, BatchPart]]) -> int:
        """Write batch parts side by side; a later run's part is never overwritten by an earlier run's."""
        condition = "attribute_not_exists(erased) AND (attribute_not_exists(run) OR run <= :run)"

        def put(entry: tuple[str, BatchPart]) -> bool:
            identifier, part = entry
            return self._put_batch(identifier, part, condition, {":run": {"S": part.run}})

        return sum(_side_by_side(put, parts))

    def unlink(self, parts: Iterable[tuple[str, str, BatchPart]]) -> int:
        """Write batch parts, over those of this run only if they are of the owner: the key may be another's by now."""
        older = "attribute_not_exists(run) OR run < :run"
        condition = f"attribute_not_exists(erased) AND ({older} OR (run = :run AND #owner = :owner))"

        def put(entry: tuple[str, str, BatchPart]) -> bool:
            identifier, owner, part = entry
            values = {":run": {"S": part.run}, ":owner": {"S": owner}}
            return self._put_batch(identifier, part, condition, values, {"#owner": "owner"})

        return sum(_side_by_side(put, parts))

    def bar(self, keys: Collection[str], at: int) -> None:
        """Put in the place of batch parts that they were erased. `Unavailable`: not all were; doing it again is right."""
        condition, values = "attribute_not_exists(erased) OR erased < :at", {":at": {"N": str(at)}}

        def put(identifier: str) -> None:
            item = {
                "profile": {"S": identifier},
                "part": {"S": "batch"},
                "erased": {"N": str(at)},
                "expires": {"N": str(at + RETENTION)},
            }
            self._put_guarded(item, condition, values)

        for _ in _side_by_side(put, keys):
            pass

    def unbar(self, keys: Collection[str]) -> None:
        """Delete what stands in the place of batch parts."""
        for identifier in keys:
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key={"profile": {"S": identifier}, "part": {"S": "batch"}},
                    ConditionExpression="attribute_exists(erased)",
                )
            except (ClientError, BotoCoreError) as error:
                if not isinstance(error, ClientError) or code_of(error) != LOST:
                    raise Unavailable(f"a batch part was not unbarred: {reason(error)}") from error

    def page(self, audience: str, cursor: str) -> tuple[list[str], str | None]:
        """One page of a scan; the cursor is the scan's own. Of links and of those who were erased there is nothing to say."""
        start: dict[str, Any] = {"ExclusiveStartKey": json.loads(cursor)} if cursor else {}
        own = " AND ".join(f"attribute_not_exists({name})" for name in ("#owner", "alias", "erased"))
        states = "attribute_exists(#state) AND size(#state) > :none"
        try:
            page = self._client.scan(
                TableName=self._table,
                FilterExpression=f"begins_with(profile, :prefix) AND (({own}) OR ({states}))",
                ProjectionExpression="profile",
                ExpressionAttributeNames={"#owner": "owner", "#state": "state"},
                ExpressionAttributeValues={":prefix": {"S": f"{audience}#"}, ":none": {"N": "0"}},
                **start,
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"profiles cannot be read: {reason(error)}") from error
        last = page.get("LastEvaluatedKey")
        found = dict.fromkeys(item["profile"]["S"] for item in page["Items"])
        return list(found), None if last is None else json.dumps(last)

    def remove(self, audience: str, cursor: str, has_time: Callable[[], bool]) -> str | None:
        """Scan the table page by page and remove the audience's items; the cursor is the scan's own."""
        start: dict[str, Any] = {"ExclusiveStartKey": json.loads(cursor)} if cursor else {}
        while True:
            try:
                page = self._client.scan(
                    TableName=self._table,
                    FilterExpression="begins_with(profile, :prefix)",
                    ProjectionExpression="profile, part",
                    ExpressionAttributeValues={":prefix": {"S": f"{audience}#"}},
                    **start,
                )
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"profiles cannot be read: {reason(error)}") from error
            keys = [{"DeleteRequest": {"Key": item}} for item in page["Items"]]
            chunks = [keys[at : at + ITEMS_A_DELETE] for at in range(0, len(keys), ITEMS_A_DELETE)]
            for _ in _side_by_side(self._delete, chunks):
                pass
            last = page.get("LastEvaluatedKey")
            if last is None:
                return None
            if not has_time():
                return str(json.dumps(last))
            start = {"ExclusiveStartKey": last}

    def _delete(self, requests: list[Item]) -> None:
        left, patience = requests, self._patience()
        while left:
            try:
                answer = self._client.batch_write_item(RequestItems={self._table: left})
                left = answer.get("UnprocessedItems", {}).get(self._table, [])
            except ClientError as error:
                if code_of(error) not in THROTTLED:
                    raise Unavailable(f"profiles were not removed: {reason(error)}") from error
            except BotoCoreError as error:
                raise Unavailable(f"profiles were not removed: {reason(error)}") from error
            if left and not patience.wait():
                raise Unavailable("profiles were not removed: the table takes no more just now")

    def _patience(self) -> Patience:
        """Of the batch path: many write at once, and nobody waits for an answer."""
        return Patience(ATTEMPTS, self._sleep, first=0.2, most=8.0)

    def _put_batch(
        self, identifier: str, part: BatchPart, condition: str, values: Item, names: Item | None = None
    ) -> bool:
        return self._put_guarded(batch_item(identifier, part), condition, values, names)

    def _put_guarded(self, item: Item, condition: str, values: Item, names: Item | None = None) -> bool:
        """Put a batch part, patiently; whether the condition held."""
        request = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values,
            **({"ExpressionAttributeNames": names} if names else {}),
        }
        patience = self._patience()
        while True:
            try:
                self._client.put_item(**request)
            except ClientError as error:
                if code_of(error) == LOST:
                    return False
                if code_of(error) not in THROTTLED or not patience.wait():
                    raise Unavailable(f"a batch part was not written: {reason(error)}") from error
            except BotoCoreError as error:
                raise Unavailable(f"a batch part was not written: {reason(error)}") from error
            else:
                return True


def _side_by_side(work: Callable[[Any], T], entries: Iterable[Any]) -> Iterator[T]:
    """Results of work on each entry, a few at a time; entries are taken as they are needed."""
    iterator = iter(entries)
    with ThreadPoolExecutor(THREADS) as pool:
        running: set[Future[T]] = set()
        for entry in iterator:
            running.add(pool.submit(work, entry))
            if len(running) >= 2 * THREADS:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        for future in running:
            yield future.result()


def _lost(error: ClientError) -> bool:
    """Whether a transaction was cancelled because of somebody else's write."""
    reasons = error.response.get("CancellationReasons")
    codes = {one.get("Code", "None") for one in reasons} - {"None"} if reasons else set()
    return codes <= LOST_IN_TRANSACTION
