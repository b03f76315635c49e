"""The state of one visitor, and how it is stored."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
from segmentation.language.evaluate import Row

from .stored import DAY, Stored, extended, read, written

__all__ = ["DAY", "FORGOTTEN", "Visitor"]

FORGOTTEN = ""
"""Of event ids, in `Visitor.lost`."""


class Visitor(msgspec.Struct, frozen=True, eq=False):
    """The state of one visitor.

    `rows`: term id -> events, oldest first. `seen`: event id hash (64 bits) -> the day since 1970 in which it was accepted.
    `lost`: term id -> the time of the latest event that a limit took away; `FORGOTTEN` -> the end of the day in which the
    latest of the ids was accepted that a limit took away. `members`: real-time segments at `computed`,
    the moment of the last evaluation; from `due` on membership may be another one though nothing happens
    (`None`: never).
    """

    rows: Mapping[str, Sequence[Row]] = msgspec.field(default_factory=dict)
    seen: Mapping[int, int] = msgspec.field(default_factory=dict)
    lost: Mapping[str, int] = msgspec.field(default_factory=dict)
    members: Collection[str] = ()
    computed: int = 0
    due: int | None = None
    stored: Stored | None = None
    """An earlier state as bytes, of which this one is the continuation: what it remembers comes first in `seen`. It makes
    no other visitor."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Visitor) and self._kept() == other._kept()

    __hash__ = None  # type: ignore[assignment]

    def _kept(self) -> tuple[object, ...]:
        return self.rows, self.seen, self.lost, self.members, self.computed, self.due

    @classmethod
    def new(cls) -> "Visitor":
        """A visitor of whom nothing is known."""
        return cls()

    def written(self) -> Stored:
        """Events, ids and losses as they are stored; membership stands beside them."""
        rows, seen, lost = self.rows, self.seen, self.lost
        longer = None if self.stored is None else extended(self.stored, rows, seen, lost)
        return written(rows, seen, lost) if longer is None else longer

    def encode(self) -> bytes:
        """The bytes of the state."""
        return self.written().data

    @classmethod
    def decode(
        cls, data: bytes, members: Collection[str] = (), computed: int = 0, due: int | None = None
    ) -> "Visitor":
        """The state of stored bytes, with what stands beside them.

        Raises `ValueError` for a format that this code does not know.
        """
        rows, seen, lost, stored = read(data)
        return cls(rows, seen, lost, members, computed, due, stored)
