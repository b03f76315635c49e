"""The removal of what was made of deleted segments: which are due, and how far it is.

Which segments were deleted stands in the published rules, so nothing has to be noted when one is. For a day after it was
deleted a run that was under way may still make something of it; then the archive of membership changes is gone
through, and again each month, for a visitor who comes back leaves the segment only then.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .profile import RETENTION
from .rulebook import Rulebook
from .run import parse_instant

AFTER = 86_400
"""Seconds after which no run that knew a deleted segment is under way or being published any more."""
AGAIN = 30 * 86_400
"""Seconds after which the archive is gone through again."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A segment that was deleted, in the version that says so."""

    id: str
    version: int
    at: int


@dataclass(frozen=True, slots=True)
class Walked:
    """That the archive was gone through for the version of a segment that deleted it, and when last."""

    version: int
    at: int


@dataclass(frozen=True, slots=True)
class SegmentRemovals:
    """How far the removals of an audience's deleted segments are.

    `walk`: the segments for which the archive is being gone through; `after`: the object that it has come to; `found`:
    rows that were removed on the way.
    """

    walked: Mapping[str, Walked] = field(default_factory=dict)
    walk: tuple[str, ...] = ()
    after: str = ""
    found: int = 0

    def is_new(self, one: Deleted) -> bool:
        """The archive was never gone through for it: what is published of it may still be added to."""
        walked = self.walked.get(one.id)
        return walked is None or walked.version != one.version

    def is_due(self, one: Deleted, now: int) -> bool:
        """Whether the archive is to be gone through for it now."""
        if self.is_new(one):
            return now - one.at >= AFTER
        last = self.walked[one.id].at
        return now - last >= AGAIN and last - one.at < RETENTION

    def begun(self, due: tuple[str, ...]) -> "SegmentRemovals":
        """At the beginning of the archive."""
        return replace(self, walk=due, after="", found=0)

    def ended(self, deleted: Mapping[str, Deleted], now: int) -> "SegmentRemovals":
        """After the archive's last object. Where rows were found, a merge may have copied some: it begins again."""
        if self.found:
            return self.begun(self.walk)
        done = {one: Walked(deleted[one].version, now) for one in self.walk if one in deleted}
        return SegmentRemovals({**self.walked, **done})

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "SegmentRemovals":
        """From JSON that `to_document` made."""
        walked = {name: Walked(**one) for name, one in document["walked"].items()}
        return cls(walked, tuple(document["walk"]), document["after"], document["found"])


def deleted_segments(book: Rulebook) -> dict[str, Deleted]:
    """The segments that were deleted and are not there again."""
    return {
        entry.id: Deleted(entry.id, entry.record.version, parse_instant(entry.record.updated))
        for (kind, _), entry in book.entries.items()
        if kind == "segments" and entry.record.deleted
    }


def removals_path(audience: str) -> str:
    """Where it stands how far the removals are: beside the documents' history, which stays."""
    return f"history/{audience}/removed-segments.json"
