"""How columns of truth become the sorted list of a profile's segments.

The list of many segments is put together as a text, piece by piece. Trino takes at most 254 varying items in an array and
127 arguments in a call, and compiles an expression into one method of Java, of at most 64 kB. A column that is named once
is written into the expression that names it; so each piece is named twice by the next one, and stays by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .sql_parts import listed
from .sqltext import text

MOST_MARKS = 100
"""Segments of a piece."""
MOST_TEXT = 8_000
"""Characters of the conditions of a piece, about."""
NOBODY = "CAST(ARRAY[] AS array(varchar))"


@dataclass(frozen=True, slots=True)
class Mark:
    """A segment's id, the column of its truth, and how long the condition is in characters."""

    segment: str
    column: str
    length: int


def segment_list(marks: Sequence[Mark]) -> tuple[list[list[str]], str]:
    """Layers of further columns, each over the one before, and the array of the ids whose columns are true.

    The order is that of the marks. Ids have no comma.
    """
    if not marks:
        return [], NOBODY
    if len(marks) <= MOST_MARKS:
        found = [f"if({mark.column}, {text(mark.segment)})" for mark in marks]
        return [], f"filter(ARRAY[{listed(found)}\n], x -> x IS NOT NULL)"
    layers: list[list[str]] = []
    items = [(f"if({mark.column}, {text(mark.segment)})", mark.length) for mark in marks]
    while len(items) > 1:
        columns, pieces = [], _pieces(items)
        for number, piece in enumerate(pieces):
            column = f"m{len(layers)}_{number}"
            columns.append(f"concat_ws(',',{listed(piece)}) AS {column}")
        layers.append(columns)
        items = [(f"if({c} <> '', {c})", 0) for c in (f"m{len(layers) - 1}_{n}" for n in range(len(pieces)))]
    whole = f"m{len(layers) - 1}_0"
    return layers, f"if({whole} = '', {NOBODY}, split({whole}, ','))"


def _pieces(items: Sequence[tuple[str, int]]) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    length = 0
    for sql, size in items:
        if len(pieces[-1]) == MOST_MARKS or (pieces[-1] and length + size > MOST_TEXT):
            pieces.append([])
            length = 0
        pieces[-1].append(sql)
        length += size
    return pieces
