"""The profiles store on DynamoDB: hash key `profile`, range key `part` ("realtime" or "batch")."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable
from segmentation.domain.profile import RETENTION, BatchPart, Profile, RealtimePart
from segmentation.ports import SaveResult

from .aws_errors import THROTTLED, code_of
from .backoff import Sleep, delays, sleep

KEYS_A_READ = 100
ATTEMPTS = 7
THREADS = 16
LOST = "ConditionalCheckFailedException"
CANCELLED = frozenset({"TransactionCanceledException", "TransactionConflictException"})
LOST_IN_TRANSACTION = frozenset({"ConditionalCheckFailed", "TransactionConflict"})

T = TypeVar("T")
Item = dict[str, Any]


class DynamoProfiles:
    """Reads both parts with one request; writes are conditional, so they may come in any order and twice."""

    def __init__(self, client: Any, table: str, wait: Sleep = sleep) -> None:
        self._client = client
        self._table = table
        self._sleep = wait

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
                realtime=_realtime(found["realtime"]) if "realtime" in found else None,
                batch=_batch(found["batch"]) if "run" in found.get("batch", ()) else None,
            )
            for identifier, found in parts.items()
        }

    def _get(self, keys: list[Item]) -> Iterator[Item]:
        asked: dict[str, Any] = {self._table: {"Keys": keys, "ConsistentRead": True}}
        waits = delays(ATTEMPTS - 1)
        while asked:
            try:
                answer = self._client.batch_get_item(RequestItems=asked)
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"profiles cannot be read: {_reason(error)}") from error
            yield from answer["Responses"].get(self._table, ())
            asked = answer.get("UnprocessedKeys") or {}
            if asked:
                pause = next(waits, None)
                if pause is None:
                    raise Unavailable("profiles cannot be read: the table gives no more just now")
                self._sleep(pause)

    def save(self, writes: Mapping[str, RealtimePart]) -> SaveResult:
        """Write real-time parts side by side, each guarded by its revision."""
        lost: set[str] = set()
        failed: dict[str, str] = {}

        def put(entry: tuple[str, RealtimePart]) -> None:
            identifier, part = entry
            try:
                self._client.put_item(**self._guarded(identifier, part))
            except ClientError as error:
                if code_of(error) == LOST:
                    lost.add(identifier)
                else:
                    failed[identifier] = _reason(error)
            except BotoCoreError as error:
                failed[identifier] = _reason(error)

        for _ in _side_by_side(put, writes.items()):
            pass
        return SaveResult(frozenset(lost), failed)

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
            raise Unavailable(f"a joined profile was not written: {_reason(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"a joined profile was not written: {_reason(error)}") from error
        return True

    def clear_outbox(self, revisions: Mapping[str, int]) -> None:
        """Empty outboxes; where somebody wrote meanwhile, that one sends and empties it."""

        def clear(entry: tuple[str, int]) -> None:
            identifier, revision = entry
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"profile": {"S": identifier}, "part": {"S": "realtime"}},
                    UpdateExpression="REMOVE outbox",
                    ConditionExpression="revision = :revision",
                    ExpressionAttributeValues={":revision": {"N": str(revision)}},
                )
            except ClientError as error:
                # Not emptied, it is sent once more with the next event: one id, so nobody minds.
                if code_of(error) != LOST and code_of(error) not in THROTTLED:
                    raise

        for _ in _side_by_side(clear, revisions.items()):
            pass

    def _guarded(self, identifier: str, part: RealtimePart) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": self._table, "Item": _realtime_item(identifier, part)}
        if part.revision == 1:
            return {**request, "ConditionExpression": "attribute_not_exists(profile)"}
        before = {":before": {"N": str(part.revision - 1)}}
        return {**request, "ConditionExpression": "revision = :before", "ExpressionAttributeValues": before}

    def publish(self, parts: Iterable[tuple[str, BatchPart]]) -> int:
        """Write batch parts side by side; a later run's part is never overwritten by an earlier run's."""
        condition = "attribute_not_exists(erased) AND (attribute_not_exists(run) OR run <= :run)"

        def put(entry: tuple[str, BatchPart]) -> bool:
            identifier, part = entry
            return self._put_batch(identifier, part, condition, {":run": {"S": part.run}})

        return sum(_side_by_side(put, parts))

    def unlink(self, parts: Iterable[tuple[str, str, BatchPart]]) -> int:
        """Write batch parts over those of an owner alone: the key may be another's by now."""
        condition = "attribute_not_exists(erased) AND run <= :run AND #owner = :owner"

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

    def _put_batch(
        self, identifier: str, part: BatchPart, condition: str, values: Item, names: Item | None = None
    ) -> bool:
        return self._put_guarded(_batch_item(identifier, part), condition, values, names)

    def _put_guarded(self, item: Item, condition: str, values: Item, names: Item | None = None) -> bool:
        """Put a batch part, patiently; whether the condition held."""
        request = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values,
            **({"ExpressionAttributeNames": names} if names else {}),
        }
        waits = delays(ATTEMPTS - 1, first=0.2, most=8.0)
        while True:
            try:
                self._client.put_item(**request)
            except ClientError as error:
                if code_of(error) == LOST:
                    return False
                pause = next(waits, None) if code_of(error) in THROTTLED else None
                if pause is None:
                    raise Unavailable(f"a batch part was not written: {_reason(error)}") from error
                self._sleep(pause)
            except BotoCoreError as error:
                raise Unavailable(f"a batch part was not written: {_reason(error)}") from error
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


def _reason(error: Exception) -> str:
    """Why, without the keys and values that a message of AWS may quote."""
    return code_of(error) if isinstance(error, ClientError) else type(error).__name__


def _texts(item: Item, name: str) -> tuple[str, ...]:
    return tuple(one["S"] for one in item[name]["L"]) if name in item else ()


def _strings(values: Iterable[str]) -> Item:
    return {"L": [{"S": value} for value in values]}


def _realtime_item(identifier: str, part: RealtimePart) -> Item:
    item: Item = {
        "profile": {"S": identifier},
        "part": {"S": "realtime"},
        "revision": {"N": str(part.revision)},
        "state": {"B": part.state},
        "members": _strings(part.members),
        "flips": {"S": json.dumps(part.flips, separators=(",", ":"))},
        "computed": {"N": str(part.computed)},
        "rules": {"S": part.rules},
        "batch": {"S": part.batch},
        "expires": {"N": str(part.expires)},
    }
    if part.recheck is not None:
        item["recheck"] = {"N": str(part.recheck)}
    if part.alias is not None:
        item["alias"] = {"S": part.alias}
    if part.aliases:
        item["aliases"] = {"M": {name: {"N": str(at)} for name, at in part.aliases.items()}}
    if part.erased:
        item["erased"] = {"N": str(part.erased)}
    if part.outbox:
        item["outbox"] = {"S": json.dumps(part.outbox, separators=(",", ":"))}
    return item


def _realtime(item: Item) -> RealtimePart:
    return RealtimePart(
        revision=int(item["revision"]["N"]),
        state=bytes(item["state"]["B"]),
        members=tuple(one["S"] for one in item["members"]["L"]),
        flips=tuple(
            (moment, tuple(joined), tuple(left)) for moment, joined, left in json.loads(item["flips"]["S"])
        ),
        computed=int(item["computed"]["N"]),
        rules=item["rules"]["S"],
        batch=item["batch"]["S"],
        recheck=int(item["recheck"]["N"]) if "recheck" in item else None,
        outbox=tuple(json.loads(item["outbox"]["S"])) if "outbox" in item else (),
        expires=int(item["expires"]["N"]),
        alias=item["alias"]["S"] if "alias" in item else None,
        aliases={name: int(at["N"]) for name, at in item["aliases"]["M"].items()}
        if "aliases" in item
        else {},
        erased=int(item["erased"]["N"]) if "erased" in item else 0,
    )


def _batch_item(identifier: str, part: BatchPart) -> Item:
    item: Item = {
        "profile": {"S": identifier},
        "part": {"S": "batch"},
        "run": {"S": part.run},
        "now": {"N": str(part.now)},
        "segments": _strings(part.segments),
        "attributes": {"M": {name: _encode(value) for name, value in part.attributes.items()}},
    }
    if part.identities:
        item["identities"] = _strings(part.identities)
    if part.unjoined:
        item["unjoined"] = _strings(part.unjoined)
    if part.owner is not None:
        item["owner"] = {"S": part.owner}
    return item


def _batch(item: Item) -> BatchPart:
    return BatchPart(
        run=item["run"]["S"],
        now=int(item["now"]["N"]),
        segments=tuple(one["S"] for one in item["segments"]["L"]),
        attributes={name: _decode(value) for name, value in item["attributes"]["M"].items()},
        identities=_texts(item, "identities"),
        unjoined=_texts(item, "unjoined"),
        owner=item["owner"]["S"] if "owner" in item else None,
    )


def _encode(value: Any) -> Item:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case float():
            # DynamoDB numbers have 38 digits but a narrower range than doubles; the rest is kept as text.
            inside = value == 0 or 1e-120 < abs(value) < 1e120
            return {"N": repr(value)} if inside else {"M": {"double": {"S": repr(value)}}}
        case list() | tuple():
            return {"L": [_encode(one) for one in value]}
    raise TypeError(f"an attribute of type {type(value).__name__} cannot be kept")


def _decode(value: Item) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(content) if content.lstrip("-").isdigit() else float(content)
        case "M":
            return float(content["double"]["S"])
        case "L":
            return [_decode(one) for one in content]
    return content
