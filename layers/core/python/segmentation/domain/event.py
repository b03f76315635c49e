"""A visitor event, as it travels on the stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import BadRecord
from .packed import dump_json, load_json

VERSION = 1


@dataclass(frozen=True, slots=True)
class Event:
    """One accepted event of one profile. `columns` is the record as it was sent, types unchecked.

    `profile` is the strongest key that it carries (`<column>:<value>`), `also` are the others: whoever sends two keys
    in one event says that they are one person's.
    """

    id: str
    audience: str
    behavior: str
    profile: str
    time: int
    received: int
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
            document = load_json(data)
        except (ValueError, RecursionError) as error:
            raise BadRecord(f"not JSON: {type(error).__name__}") from error
        if not isinstance(document, dict):
            raise BadRecord("not a JSON object")
        if document.get("v") != VERSION:
            raise BadRecord(f"its version is not {VERSION}")
        for name, kind in _FIELDS.items():
            if not isinstance(document.get(name), kind) or isinstance(document[name], bool):
                raise BadRecord(f"its {name!r} is missing or of the wrong type")
        also = document.get("also", [])
        if not isinstance(also, list) or not all(isinstance(one, str) for one in also):
            raise BadRecord("its 'also' is no list of names")
        return cls(**{name: document[name] for name in _FIELDS}, also=tuple(also))


_FIELDS: Mapping[str, type] = {
    "id": str,
    "audience": str,
    "behavior": str,
    "profile": str,
    "time": int,
    "received": int,
    "columns": dict,
}
