"""The state of one visitor, and how it is stored."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation.language.evaluate import Row
from segmentation.language.values import Value

from ..membership import Flip

STATE_VERSION = 1


@dataclass(frozen=True)
class Visitor:
    """The state of one visitor.

    `rows`: term id -> events, oldest first. `seen`: event id hash -> when it was accepted. `members`: real-time
    segments at the last evaluation. `flips`: what will change by itself, by moment. `recheck`: the moment
    from which on flips are no longer known, `None` if they all are.
    """

    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    flips: tuple[Flip, ...] = ()
    recheck: int | None = None

    @classmethod
    def new(cls) -> "Visitor":
        """A visitor of whom nothing is known."""
        return cls()

    def encode(self) -> bytes:
        """The state as it is stored: compressed JSON with its format's version."""
        document = {
            "v": STATE_VERSION,
            "rows": {
                term: [[r.time, r.id, dict(r.columns)] for r in rows] for term, rows in self.rows.items()
            },
            "seen": dict(self.seen),
            "members": sorted(self.members),
            "flips": [[moment, list(joined), list(left)] for moment, joined, left in self.flips],
            "recheck": self.recheck,
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        return zlib.compress(text.encode("utf-8", "surrogatepass"), 6)

    @classmethod
    def decode(cls, data: bytes) -> "Visitor":
        """The state of stored bytes. Raises `ValueError` for a format that this code does not know."""
        document = json.loads(zlib.decompress(data).decode("utf-8", "surrogatepass"))
        if document["v"] != STATE_VERSION:
            raise ValueError(f"visitor state of version {document['v']}, this code reads {STATE_VERSION}")
        rows = {
            term: tuple(Row(time, id_, _arrays_as_tuples(columns)) for time, id_, columns in kept)
            for term, kept in document["rows"].items()
        }
        flips = tuple((moment, tuple(joined), tuple(left)) for moment, joined, left in document["flips"])
        return cls(rows, document["seen"], frozenset(document["members"]), flips, document["recheck"])


def _arrays_as_tuples(columns: Mapping[str, Any]) -> dict[str, Value]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in columns.items()}
