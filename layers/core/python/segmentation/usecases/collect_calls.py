"""Take Segment-compatible calls in: `track`, `page`, `screen`, `identify`, `group`, `alias`, one or a batch."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.access import WriteKey
from segmentation.domain.bodies import read_json
from segmentation.domain.calls import KINDS, SHORT, time_of
from segmentation.domain.errors import BadRequest, NotFound, TooLarge, Unauthorized
from segmentation.domain.packed import dump_json
from segmentation.domain.published import Published
from segmentation.domain.records import LONGEST_EVENT_ID, Sender, encodable

from .collect_events import Door, Receipt, key_holders

MOST_BATCH_BYTES = 500_000
MOST_CALL_BYTES = 32_000
LONGEST_MESSAGE_ID = LONGEST_EVENT_ID - 4
"""A number follows it where one call is several records."""

BATCH = ("b", "batch", "import")


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One request of a client. `kind` is the last part of its path, short or long."""

    kind: str
    body: bytes
    authorization: str | None = None
    encoding: str | None = None
    origin: str | None = None
    sender: Sender = field(default_factory=Sender)


@dataclass(frozen=True, slots=True)
class CollectCalls:
    """The events endpoint of Segment's clients."""

    door: Door

    def __call__(self, request: CallRequest) -> list[Receipt]:
        """Keep what the calls say; a receipt for each record. What the stream does not take is an error."""
        kind = SHORT.get(request.kind, request.kind)
        if kind not in (*KINDS, *BATCH):
            raise NotFound(f"calls are posted to /v1/ and one of {', '.join((*KINDS, 'batch'))}")
        document = read_json(request.body, request.encoding, MOST_BATCH_BYTES)
        if not isinstance(document, Mapping):
            raise BadRequest("the body must be a call, an object")
        published, key = self._caller(request, document)
        # The address of a server says nothing of its visitors.
        sender = (
            request.sender if request.origin else Sender("", {**request.sender.headers, "user-agent": ""})
        )
        now = self.door.clock.now()
        self.door.admit(published, key, request.origin, now)
        receipts = [
            receipt
            for index, call in enumerate(_calls(document, kind))
            for receipt in self._receive(published, key, call, index, document, sender, now)
        ]
        self.door.keep(receipts)
        return receipts

    def settings(self, key: str, host: str) -> dict[str, Any]:
        """What the browser client asks before its first call: where to send, and that nothing else is integrated."""
        if not key_holders(self.door.rule_sets.all().values(), key):
            raise NotFound("unknown write key")
        place = {"apiKey": key, "apiHost": f"{host}/v1", "versionSettings": {"version": "4.4.7"}}
        return {
            "integrations": {"Segment.io": place},
            "plan": {},
            "edgeFunction": {},
            "analyticsNextEnabled": True,
            # Else it reports each page to its vendor, who would see our visitors' addresses.
            "metrics": {"sampleRate": 0},
        }

    def _caller(self, request: CallRequest, document: Mapping[str, Any]) -> tuple[Published, WriteKey]:
        text = basic_user(request.authorization) or document.get("writeKey")
        if not isinstance(text, str) or not text:
            raise Unauthorized(
                "send the write key as the user name of HTTP Basic, or as 'writeKey' in the body"
            )
        found = key_holders(self.door.rule_sets.all().values(), text)
        if not found:
            raise Unauthorized("unknown write key")
        for published, key in found:
            if published.audience.calls is not None:
                return published, key
        raise NotFound("this write key's audience takes no such calls; its document needs 'calls'")

    def _receive(
        self,
        published: Published,
        key: WriteKey,
        call: Mapping[str, Any],
        index: int,
        batch: Mapping[str, Any],
        sender: Sender,
        now: int,
    ) -> list[Receipt]:
        audience, calls = published.audience, published.audience.calls
        assert calls is not None  # noqa: S101 - as `_caller` found it
        try:
            message_id = _checked(call)
            target = calls.target(call)
            if target is None:
                return [Receipt(unkept="not mapped")]
            behavior = audience.behaviors[target.behavior]
            records = calls.records(
                _with_context(call, batch), target, behavior.types().keys(), audience.identities
            )
            time = time_of(call, batch.get("sentAt"), now)
        except (BadRequest, TooLarge) as error:
            return [Receipt(problem=type(error)(f"call {index}: {error}"))]
        if not records:  # a list of objects that is empty or absent
            return [Receipt(unkept="empty")]
        receipts = []
        for number, record in enumerate(records):
            record["time"] = time
            own_id = message_id and (message_id if target.each is None else f"{message_id}-{number}")
            receipts.append(self.door.receive(published, key, behavior, record, sender, now, own_id))
        return receipts


def basic_user(authorization: str | None) -> str | None:
    """The user name of HTTP Basic."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _calls(document: Mapping[str, Any], kind: str) -> list[Any]:
    if kind not in BATCH:
        return [{**document, "type": kind}]
    calls = document.get("batch")
    if not isinstance(calls, list):
        raise BadRequest("a batch needs 'batch', a list of calls")
    return calls


def _checked(call: object) -> str | None:
    """A call that can be read; its message id."""
    if not isinstance(call, Mapping):
        raise BadRequest("it is not an object")
    if len(dump_json(call)) > MOST_CALL_BYTES:
        raise TooLarge(f"it has more than {MOST_CALL_BYTES} bytes")
    if call.get("type") not in KINDS:
        raise BadRequest(f"its 'type' must be one of {', '.join(KINDS)}")
    if call["type"] == "track" and not isinstance(call.get("event"), str):
        raise BadRequest("a track call needs 'event', its name")
    message_id = call.get("messageId")
    if message_id is None or message_id == "":
        return None
    if not isinstance(message_id, str) or len(message_id) > LONGEST_MESSAGE_ID or not encodable(message_id):
        raise BadRequest(f"'messageId' must be at most {LONGEST_MESSAGE_ID} characters of Unicode text")
    return message_id


def _with_context(call: Mapping[str, Any], batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """A call with what its batch says of all calls."""
    context, common = call.get("context"), batch.get("context")
    if call is batch or not isinstance(common, Mapping):
        return call
    return {**call, "context": {**common, **(context if isinstance(context, Mapping) else {})}}
