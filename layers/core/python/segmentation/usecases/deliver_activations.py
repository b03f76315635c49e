"""Deliver joiners and leavers to a destination: a signed webhook (Standard Webhooks)."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from segmentation.domain.access import Destination
from segmentation.domain.errors import BadRecord, Forbidden, Unavailable
from segmentation.domain.messages import Delivery
from segmentation.domain.run import instant
from segmentation.ports import Clock, Lake, Queue, RuleSets, Secrets, Webhooks

LONGEST_DELAY = 43_200
"""Seconds that a queue can hold a message back."""
GONE = 410

logger = logging.getLogger("segmentation.deliver_activations")


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message as the queue delivers it."""

    id: str
    receipt: str
    body: str


@dataclass(slots=True)
class Delivered:
    """What came of a batch. `failed` holds the ids of messages to deliver again."""

    delivered: int = 0
    dropped: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DeliverActivations:
    """The deliverer of the activations queue."""

    webhooks: Webhooks
    rule_sets: RuleSets
    secrets: Secrets
    queue: Queue
    lake: Lake
    clock: Clock

    def __call__(self, messages: Iterable[QueueMessage]) -> Delivered:
        """Deliver each message alone: one that fails holds up no other."""
        result = Delivered()
        for message in messages:
            try:
                if self._deliver(message):
                    result.delivered += 1
                else:
                    result.dropped += 1
            except (BadRecord, Forbidden, Unavailable) as error:
                # It comes back, and after its last try stands whole among the dead letters.
                logger.error("message %s was not delivered: %s", message.id, error)
                result.failed.append(message.id)
        return result

    def _deliver(self, message: QueueMessage) -> bool:
        """Whether it was delivered; false when nobody wants it any more."""
        try:
            delivery = Delivery.from_document(json.loads(message.body))
        except ValueError as error:
            raise BadRecord("its body is not JSON") from error
        destination = self._destination(delivery)
        if destination is None or self._disabled(destination):
            logger.warning("message %s dropped: no enabled destination %r", message.id, delivery.destination)
            return False
        body = json.dumps(delivery.payload(), separators=(",", ":")).encode()
        answer = self.webhooks.post(destination.url, self._headers(delivery.id, body), body)
        if 200 <= answer.status < 300:
            return True
        if answer.status == GONE:
            self._disable(destination)
            return False
        if answer.retry_after:
            self.queue.delay(message.receipt, min(answer.retry_after, LONGEST_DELAY))
        raise Unavailable(f"destination {destination.id!r} answered {answer.status}")

    def _destination(self, delivery: Delivery) -> Destination | None:
        published = self.rule_sets.all().get(delivery.audience)
        if published is None:
            raise Unavailable(f"no rule set of audience {delivery.audience!r} can be read")
        for one in published.subscribers(delivery.segment):
            if one.id == delivery.destination:
                return one
        return None

    def _headers(self, identifier: str, body: bytes) -> dict[str, str]:
        timestamp = str(self.clock.now())
        return {
            "content-type": "application/json",
            "user-agent": "segmentation-webhooks/1",
            "webhook-id": identifier,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(self.secrets.webhook_secret(), identifier, timestamp, body),
        }

    def _disabled(self, destination: Destination) -> bool:
        stored = self.lake.get(_path(destination))
        return stored is not None and json.loads(stored.data)["url"] == destination.url

    def _disable(self, destination: Destination) -> None:
        """As its receiver asked with 410. Publishing the destination with another url enables it again."""
        logger.error("destination %r answered 410 and is disabled", destination.id)
        record = {
            "url": destination.url,
            "disabled": instant(self.clock.now()),
            "reason": "answered 410 Gone",
        }
        self.lake.put(_path(destination), json.dumps(record).encode())


def sign(secret: bytes, identifier: str, timestamp: str, body: bytes) -> str:
    """The signature of Standard Webhooks, version 1."""
    content = b".".join((identifier.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def _path(destination: Destination) -> str:
    return f"destinations/{destination.audience}/{destination.id}/disabled.json"
