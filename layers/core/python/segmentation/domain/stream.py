"""Records of the event stream, as its readers get them."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from .errors import NotKnownYet
from .event import Event
from .published import Published

POISON_FOLDER = "poison/"


def poison_path(function: str, sequence: str) -> str:
    """Where a record is kept that a function can never process."""
    return f"{POISON_FOLDER}{function}/{sequence}.json"


_MARK = b'{"v":1,"mark":'


class Mark(msgspec.Struct, frozen=True):
    """A record that says how far a shard was filled when it was put; it is nobody's event."""

    name: str = msgspec.field(name="mark")
    shard: str

    def to_json(self) -> bytes:
        """The record on the stream."""
        return json.dumps({"v": 1, "mark": self.name, "shard": self.shard}, separators=(",", ":")).encode()


_MARKS = msgspec.json.Decoder(Mark)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How the evaluation of events goes, over some minutes.

    `lag`: how many seconds old the events were that were read last, at the moment `at` (Unix seconds); `None`: there were none
    to read. `errors`: how often the reader failed, and tried again.
    """

    lag: int | None
    at: int | None
    errors: int


class StreamRecord(msgspec.Struct, frozen=True):
    """A record and its place on the stream."""

    sequence: str
    data: bytes

    def kept(self, function: str, reason: str, now: int) -> bytes:
        """The record whole, with the reason, as it is put aside."""
        document = {"function": function, "sequence": self.sequence, "reason": reason, "kept": now}
        return json.dumps({**document, "data": base64.b64encode(self.data).decode()}, indent=1).encode()

    @property
    def mark(self) -> Mark | None:
        """The mark, if it is one."""
        if not self.data.startswith(_MARK):
            return None
        try:
            return _MARKS.decode(self.data)
        except ValueError:
            return None  # nor is it an event, which its reader will find

    def event(self, sets: Mapping[str, Published]) -> tuple[Event, Published]:
        """The event and the rule set that it belongs to; `BadRecord` says why there is none: of `NotKnownYet`, another
        try may find one."""
        event = Event.from_json(self.data)
        published = sets.get(event.audience)
        if published is None or event.behavior not in published.audience.behaviors:
            raise NotKnownYet(f"no audience {event.audience!r} with a behavior {event.behavior!r}")
        return event, published
