"""Filling visitors' states with events of the past, for real-time segments that are new or need more than was kept.

The border between the lake and the stream is a mark: a record that is put on every shard of the stream once the functions
have read the new rules. What is behind a mark, the stream keeps for the pending rules itself. What is before it is in the
lake once the archive has come to the mark. What is on both sides, and it may be, is one event by its id.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from .standing import Standing

SETTLE = 30
"""Seconds after which every function has read new rules: they look every three, before each batch."""
ATTEMPTS = 3
"""How often a query is tried."""
RETRY = 3_600
"""Seconds until a fill that failed is begun anew."""
LATE = 6 * 3_600
"""Seconds after which a fill should be done."""


class Step(StrEnum):
    """Where a fill stands."""

    MARK = "mark"
    """Marks are to be put on the stream."""
    WAIT = "wait"
    """The archive has not come to all of them."""
    QUERY = "query"
    """The warehouse is looking for the events."""
    FILL = "fill"
    """Visitors get them."""
    TELL = "tell"
    """The new versions answer; who joined and left by that is told."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Fill:
    """A fill. `versions`: pending segment -> the version that is filled for; `behaviors`: which events, from when on.

    `marks` are the shards that were marked, `queries` those of the warehouse by behavior (`""`: to be started); `after` is
    the last file that visitors have got.
    """

    id: str
    audience: str
    began: int
    versions: Mapping[str, str]
    behaviors: Mapping[str, int | None]
    step: Step = Step.MARK
    marks: tuple[str, ...] = ()
    queries: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 1
    after: str = ""
    updated: int = 0
    reason: str = ""

    def at(self, step: Step, now: int) -> "Fill":
        """At a further step."""
        return replace(self, step=step, updated=now, after="")

    def failed(self, reason: str, now: int) -> "Fill":
        """It ends here; the versions before go on answering, and another fill is begun later."""
        return replace(self, step=Step.FAILED, updated=now, reason=reason)

    def remaining(self, standing: Standing, published: Mapping[str, str]) -> dict[str, Any]:
        """What still stands once this is filled; `published` are the versions of segments as they are wanted now."""
        return {
            name: document
            for name, document in standing.items()
            if self.versions.get(name) != published.get(name)
        }

    def is_late(self, now: int) -> bool:
        """Whether it should be done by now."""
        return now - self.began > LATE

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Fill":
        """From JSON that `to_document` made."""
        return cls(**{**document, "step": Step(document["step"]), "marks": tuple(document["marks"])})


def fill_path(audience: str) -> str:
    """Where the fill of an audience stands; there is one at a time."""
    return f"fills/{audience}/current.json"


def fill_folder(fill: Fill, name: str) -> str:
    """Something of a fill."""
    return f"fills/{fill.audience}/{fill.id}/{name}/"


def mark_path(mark: str, shard: str) -> str:
    """Where the archive says that it has come to a mark."""
    return f"fills/marks/{mark}/{shard}"
