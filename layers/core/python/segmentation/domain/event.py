"""A visitor event, as it travels on the stream."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from segmentation.language.values import FIRST_SECOND, LAST_SECOND

from .errors import BadRecord
from .packed import dump_json, load_json

VERSION = 1
Moment = Annotated[int, msgspec.Meta(ge=FIRST_SECOND, le=LAST_SECOND)]
"""Unix seconds that every engine can hold; looked at when a record is read."""


class Event(msgspec.Struct, frozen=True):
    """One accepted event of one profile. `columns` is the record as it was sent, types unchecked.

    `profile` is the strongest key that it carries (`<column>:<value>`), `also` are the others: whoever sends two keys
    in one event says that they are one person's.
    """

    id: str
    audience: str
    behavior: str
    profile: str
    time: Moment
    received: Moment
    columns: Mapping[str, Any]
    also: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The record on the stream."""
        document: dict[str, Any] = {
            "v": VERSION,
            "id": self.id,
            "audience": self.audience,
            "behavior": self.behavior,
            "profile": self.profile,
            "time": self.time,
            "received": self.received,
            "columns": dict(self.columns),
        }
        if self.also:
            document["also"] = list(self.also)
        return dump_json(document)

    @classmethod
    def from_json(cls, data: bytes) -> "Event":
        """The event of a stream record; `BadRecord` says why it is none."""
        try:
            found = _RECORD.decode(data)
        except (ValueError, RecursionError):
            found = _read(data)
        return cls(
            found.id,
            found.audience,
            found.behavior,
            found.profile,
            found.time,
            found.received,
            found.columns,
            found.also,
        )


class _Record(Event, frozen=True, kw_only=True):
    v: Literal[1]


_RECORD = msgspec.json.Decoder(_Record)


def _read(data: bytes) -> _Record:
    """What `_RECORD` refused: it is no event, or it holds what the fast parser refuses and the language allows."""
    try:
        document = load_json(data)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"not JSON: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise BadRecord("not a JSON object")
    if document.get("v") != VERSION:
        raise BadRecord(f"its version is not {VERSION}")
    try:
        return msgspec.convert(document, _Record)
    except msgspec.ValidationError as error:
        raise BadRecord(f"not an event: {error}") from error
