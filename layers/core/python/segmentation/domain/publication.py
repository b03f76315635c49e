"""How a committed run is published: in parts that are done side by side, in any order, and more than once.

A part is a piece of a Parquet file of the run. What is to be done is planned once and written down; each part that is
done leaves a mark. When all have left theirs, and the run before is published, the run is: who may list its members
sees it, destinations are told.

    syndication/<audience>/<run>/_publication/plan.json, queued.json, parts/<number>.json, told.json
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .errors import BadRecord

CHANGES_A_PART = 50_000
"""Changed profiles of a part: about a minute's writes of one function."""
MEMBERS_A_PART = 500_000
"""Rows of members, of which only pages are made, at the most."""
ENTRIES_A_PART = 2_000_000
"""Entries of pages that a part makes, about: two thousand pages, a minute or two of one function."""
LISTED_PROFILES = 20_000_000
"""Of a larger audience pages of members are made only of segments that a partner may list: each page is a request."""
PAGES_A_TELLING = 50
"""Pages of changes that one invocation tells a destination of."""
MOST_TRIES = 10
"""How often a part is handed on without having gone forward."""
LONGEST_WAIT = 900


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows `first` to before `last` of one row group of a Parquet object."""

    path: str
    group: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the run's `changes` or `members`."""

    kind: str
    piece: Piece


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for a run. Of the segments named here pages are made."""

    parts: tuple[Part, ...]
    changes: tuple[str, ...]
    members: tuple[str, ...]

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        parts = [[one.kind, *asdict(one.piece).values()] for one in self.parts]
        return {"parts": parts, "changes": list(self.changes), "members": list(self.members)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Plan":
        """From JSON that `to_document` made."""
        parts = tuple(Part(kind, Piece(*piece)) for kind, *piece in document["parts"])
        return cls(parts, tuple(document["changes"]), tuple(document["members"]))


@dataclass(frozen=True, slots=True)
class Telling:
    """A destination is to be told of pages `first` to before `last` of a segment's changes."""

    destination: str
    segment: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Task:
    """A message of the publications queue: about a run, about one of its parts from a row on, or a telling."""

    audience: str
    run: str
    part: int | None = None
    row: int = 0
    tries: int = 0
    tell: Telling | None = None

    def to_document(self) -> dict[str, Any]:
        """As a message."""
        said: dict[str, Any] = {"audience": self.audience, "run": self.run}
        if self.part is not None:
            said |= {"part": self.part, "row": self.row, "tries": self.tries}
        return said if self.tell is None else said | {"tell": asdict(self.tell)}

    @classmethod
    def from_document(cls, document: object) -> "Task":
        """From a message; `BadRecord` where it is none."""
        try:
            if not isinstance(document, Mapping):
                raise TypeError("not an object")
            if not (isinstance(document["audience"], str) and isinstance(document["run"], str)):
                raise TypeError("names must be text")
            tell = Telling(**document["tell"]) if "tell" in document else None
            return cls(**{**document, "tell": tell})
        except (KeyError, TypeError) as error:
            raise BadRecord(f"not a publication: {type(error).__name__}: {error}") from error


def rows_a_part(profiles: int, entries: int) -> int:
    """Rows of members for a part, where so many profiles have so many entries in all pages together."""
    each = max(entries / profiles, 1) if profiles else 1
    return max(1, min(MEMBERS_A_PART, int(ENTRIES_A_PART / each)))


def publication_path(audience: str, run: str, name: str) -> str:
    """Something of a run's publication. No segment can be called so."""
    return f"syndication/{audience}/{run}/_publication/{name}"


def mark_name(number: int) -> str:
    """The mark of a part that is done."""
    return f"parts/{number:06d}.json"


def wait_before(tries: int) -> int:
    """Seconds before a part is tried again that the profiles store did not take: longer each time."""
    return min(LONGEST_WAIT, 15 * 2 ** min(tries, 10)) if tries else 0


def pages_of(marks: Sequence[Mapping[str, Any]], kind: str, segment: str) -> list[list[int]]:
    """`[part, pages]` of a segment, in the order of parts; parts without any are left out."""
    counts = [(number, mark["pages"].get(kind, {}).get(segment, 0)) for number, mark in enumerate(marks)]
    return [[number, count] for number, count in counts if count]


def page_at(pages: Sequence[Sequence[int]], number: int) -> tuple[int, int] | None:
    """The part and the page in it that is the `number`-th of all; nothing beyond the last."""
    for part, count in pages:
        if number < count:
            return part, number
        number -= count
    return None


def page_count(pages: Sequence[Sequence[int]]) -> int:
    """How many pages there are."""
    return sum(count for _, count in pages)
