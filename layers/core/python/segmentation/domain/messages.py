"""What travels to the deliverer: who joined and left one segment, for one destination.

Ids are made of what the message says it is about, so that a message that is sent twice carries one id.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import BadRecord
from .membership import Change, change_id
from .profile import profile_id

MOST_BODY_BYTES = 20_000
"""Advised by Standard Webhooks."""
_ENVELOPE_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on the activations queue."""

    id: str
    audience: str
    destination: str
    segment: str
    joined: tuple[str, ...]
    left: tuple[str, ...]
    now: int
    run: str | None = None
    event: str | None = None

    @classmethod
    def from_document(cls, document: object) -> "Delivery":
        """From a message's body; `BadRecord` says why it is none."""
        try:
            if not isinstance(document, Mapping):
                raise TypeError("not an object")
            return cls(**{**document, "joined": tuple(document["joined"]), "left": tuple(document["left"])})
        except (KeyError, TypeError) as error:
            raise BadRecord(f"not a delivery: {type(error).__name__}") from error

    def payload(self) -> dict[str, Any]:
        """What the receiver gets."""
        source = {"run": self.run} if self.run is not None else {"event": self.event}
        return {
            "type": "membership.changed",
            "segment": self.segment,
            "audience": self.audience,
            **source,
            "joined": list(self.joined),
            "left": list(self.left),
            "now": self.now,
        }


def realtime_message(
    audience: str, destination: str, profile: str, rules: str, change: Change
) -> dict[str, Any]:
    """The message of one visitor's change; `profile` is `<key column>:<value>`, `rules` the rule set's version."""
    return {
        "id": message_id(change_id(profile_id(audience, profile), rules, change), destination),
        "audience": audience,
        "destination": destination,
        "segment": change.segment,
        "joined": [profile] if change.joined else [],
        "left": [] if change.joined else [profile],
        "now": change.moment,
        "event": change.event,
    }


def batch_messages(
    audience: str,
    destination: str,
    segment: str,
    run: str,
    now: int,
    joined: Sequence[str],
    left: Sequence[str],
    *,
    part: int,
) -> Iterator[dict[str, Any]]:
    """The messages of one part of a segment's changes in one run, none over the advised size."""
    for number, (some_joined, some_left) in enumerate(_chunks(joined, left)):
        yield {
            "id": message_id(audience, run, segment, f"{part}.{number}", destination),
            "audience": audience,
            "destination": destination,
            "segment": segment,
            "joined": some_joined,
            "left": some_left,
            "now": now,
            "run": run,
        }


def _chunks(joined: Sequence[str], left: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    chunk: tuple[list[str], list[str]] = ([], [])
    size = 0
    for side, profiles in enumerate((joined, left)):
        for profile in profiles:
            cost = len(json.dumps(profile)) + 2
            if size and size + cost > MOST_BODY_BYTES - _ENVELOPE_BYTES:
                yield chunk
                chunk, size = ([], []), 0
            chunk[side].append(profile)
            size += cost
    if size:
        yield chunk


def message_id(*parts: str) -> str:
    """A fixed id for a message about these things."""
    return "msg_" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
