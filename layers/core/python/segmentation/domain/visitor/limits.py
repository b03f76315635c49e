"""The size of a stored state, and what goes where it would be larger."""

from msgspec.structs import replace

from ..packed import dump_json
from .intake import latest_ids
from .state import Visitor
from .stored import Stored, plain_columns

MOST_STATE_BYTES = 128 * 1024
"""Of one visitor, as stored. With the membership beside it an item stays far below DynamoDB's 400 kB."""


def encode_within(visitor: Visitor, most: int = MOST_STATE_BYTES) -> tuple[Visitor, Stored]:
    """A state and how it is stored, in at most so many bytes: the older half of the largest term goes, again and again.

    `Visitor.lost` notes of each shortened term the latest event that went. When no events are left, the oldest ids go.
    """
    stored = visitor.written()
    while len(stored.data) > most:
        visitor = _smaller(visitor)
        stored = visitor.written()
    return visitor, stored


def _smaller(visitor: Visitor) -> Visitor:
    visitor = replace(visitor, stored=None)
    sizes = {name: len(dump_json(plain_columns(rows))) for name, rows in visitor.rows.items()}
    if not sizes or max(sizes.values()) < 10 * len(visitor.seen):
        without = dict(visitor.lost)
        return replace(visitor, seen=latest_ids(visitor.seen, len(visitor.seen) // 2, without), lost=without)
    name = max(sizes, key=lambda one: (sizes[one], one))
    kept = visitor.rows[name]
    half = (len(kept) + 1) // 2
    rows = {**visitor.rows, name: kept[half:]}
    if not rows[name]:
        del rows[name]
    lost = {**visitor.lost, name: max(visitor.lost.get(name, 0), kept[half - 1].time)}
    return replace(visitor, rows=rows, lost=lost)
