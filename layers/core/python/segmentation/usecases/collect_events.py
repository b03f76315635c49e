"""Take visitor events in: check the caller and the shape, then acknowledge once the stream has them."""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.access import WriteKey, holder, origin_allowed
from segmentation.domain.audience import DATABASE, Behavior
from segmentation.domain.bodies import read_json, records_of, told
from segmentation.domain.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    TooLarge,
    TooMany,
    Unauthorized,
)
from segmentation.domain.event import Event
from segmentation.domain.published import Published
from segmentation.domain.records import Sender, is_anonymous, make_event, named
from segmentation.domain.signing import SUFFIX, is_signed
from segmentation.ports import Clock, EventLog, Limits, RuleSets, SigningSecrets

MOST_RECORDS = 500
MOST_RECORD_BYTES = 1_000_000
MOST_REQUEST_BYTES = 5_000_000
"""Also after unpacking. Lambda itself takes 6 MB, base64 included, so a larger binary body must come gzipped."""
MOST_KEPT_BYTES = 2 * MOST_REQUEST_BYTES
"""Of a request's events: one call may be a hundred of them, each with all that the call says."""

_TD1 = re.compile(r"TD1\s+(\S+)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Submission:
    """One request of a client."""

    database: str
    table: str
    body: bytes
    authorization: str | None = None
    encoding: str | None = None
    origin: str | None = None
    sender: Sender = field(default_factory=Sender)

    @property
    def content_type(self) -> str:
        """What the body is said to be."""
        return self.sender.headers.get("content-type", "")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one record. `problem`: why it can never be kept. `unkept`: why it was not meant to be kept.
    `size`: of the event, in bytes."""

    event: Event | None = None
    problem: BadRequest | TooLarge | None = None
    unkept: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Door:
    """What every way in shares: who may come in, and how events get to the stream."""

    log: EventLog
    rule_sets: RuleSets
    limits: Limits
    secrets: SigningSecrets
    clock: Clock
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def admit(self, published: Published, key: WriteKey, origin: str | None, now: int) -> None:
        """Let a key's request in, or say why not."""
        if not origin_allowed(key.origins, origin):
            raise Forbidden("this write key may not be used from this origin; add it to the key's origins")
        if key.per_minute is not None:
            name = f"{published.audience.id}/write_keys/{key.id}"
            if wait := self.limits.take(name, key.per_minute, now):
                raise TooMany(f"this write key may send {key.per_minute} requests a minute", wait)

    def receive(
        self,
        published: Published,
        key: WriteKey,
        behavior: Behavior,
        record: Mapping[str, Any],
        sender: Sender,
        now: int,
        own_id: str | None = None,
    ) -> Receipt:
        """One record as an event that is not kept yet, or why there is none."""
        audience = published.audience
        if audience.consent.objects(record, sender.headers):
            return Receipt(unkept="objection")
        if is_anonymous(record, audience):
            return Receipt(unkept="anonymous")
        try:
            self._check_claims(published, key, record, now)
            plain = {name: value for name, value in record.items() if not name.endswith(SUFFIX)}
            event = make_event(plain, audience, behavior, now, own_id or self.new_id(), sender)
        except BadRequest as error:
            return Receipt(problem=error)
        size = len(event.to_json())
        if size > MOST_RECORD_BYTES:
            return Receipt(problem=TooLarge(f"it has more than {MOST_RECORD_BYTES} bytes"))
        return Receipt(event, size=size)

    def _check_claims(self, published: Published, key: WriteKey, record: Mapping[str, Any], now: int) -> None:
        """Who comes with a public key may say to be somebody only as far as the key goes, or with a signature."""
        if key.identities is None:
            return
        audience = published.audience
        for column in audience.identities:
            value = record.get(column)
            if named(value) is None or column in key.identities:
                continue
            if not is_signed(self.secrets.signing(), audience.id, column, str(value), record, now):
                raise BadRequest(
                    f"this write key may not say {column!r} without a valid signature of it in '{column}{SUFFIX}'"
                )

    def keep(self, receipts: Sequence[Receipt]) -> None:
        """Keep the events of a request, all of them or an error. A request of bad records alone is an error."""
        problems = {index: one.problem for index, one in enumerate(receipts) if one.problem is not None}
        if receipts and len(problems) == len(receipts):
            kind = TooLarge if all(isinstance(one, TooLarge) for one in problems.values()) else BadRequest
            raise kind(told([f"record {index}: {one}" for index, one in problems.items()]))
        if (size := sum(one.size for one in receipts)) > MOST_KEPT_BYTES:
            raise TooLarge(
                f"the events of the request take {size} bytes, at most {MOST_KEPT_BYTES}; send fewer at a time"
            )
        events = [one.event for one in receipts if one.event is not None]
        if events:
            self.log.append(events)


@dataclass(frozen=True, slots=True)
class CollectEvents:
    """The events endpoint of Treasure Data's clients."""

    door: Door

    def __call__(self, request: Submission) -> list[Receipt]:
        """Keep the request's good records; a receipt for each. What the stream does not take is an error."""
        published, behavior, key, now = self.admit(request)
        records = records_of(
            read_json(request.body, request.encoding, MOST_REQUEST_BYTES), MOST_RECORDS, request.content_type
        )
        receipts = [
            self.door.receive(published, key, behavior, record, request.sender, now) for record in records
        ]
        self.door.keep(receipts)
        return receipts

    def admit(self, request: Submission) -> tuple[Published, Behavior, WriteKey, int]:
        """Where a request's records go and whose key it is; refuses before anything is read."""
        if len(request.body) > MOST_REQUEST_BYTES:
            raise TooLarge(
                f"the request has more than {MOST_REQUEST_BYTES} bytes; send fewer records at a time"
            )
        match = _TD1.fullmatch(request.authorization or "")
        if match is None:
            raise Unauthorized("send the write key as the header 'Authorization: TD1 <write key>'")
        sets = self.door.rule_sets.all().values()
        named = [one for one in sets if one.audience.database == request.database]
        # A stranger must not learn which databases exist: the key is looked at first.
        keys = key_holders(named or sets, match[1])
        if not keys:
            raise Unauthorized("unknown write key")
        if not DATABASE.fullmatch(request.database) or not named:
            raise NotFound(f"unknown database {request.database!r}")
        for published, key in keys:
            behavior = published.audience.behaviors.get(request.table)
            if behavior is not None:
                now = self.door.clock.now()
                self.door.admit(published, key, request.origin, now)
                return published, behavior, key, now
        raise NotFound(f"unknown table {request.table!r}; it must be a behavior of the audience")


def key_holders(sets: Iterable[Published], text: str) -> list[tuple[Published, WriteKey]]:
    """The audiences that a write key belongs to, each looked at, so that time tells nothing."""
    found = [(one, holder(one.access.write_keys, text)) for one in sets]
    return [(one, key) for one, key in found if key is not None]


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """A receipt as clients read it: those that know errors take a bad record out of what they send again."""
    if receipt.problem is not None:
        error = {"name": "InvalidPropertyValueError", "description": str(receipt.problem)}
        return {"success": False, "error": error}
    if receipt.unkept is not None:
        return {"success": True, "kept": False, "reason": receipt.unkept}
    return {"success": True}


def tally(receipts: Sequence[Receipt]) -> dict[str, int]:
    """What became of a request's records, as metrics by name; what did not happen is none."""
    counts = {
        "EventsAccepted": sum(one.event is not None for one in receipts),
        "EventsRefused": sum(one.problem is not None for one in receipts),
        "EventsUnkept": sum(one.unkept is not None for one in receipts),
    }
    return {name: count for name, count in counts.items() if count}
