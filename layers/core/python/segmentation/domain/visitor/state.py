"""The state of one visitor, and how it is stored."""

import json
import struct
import zlib
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from operator import sub
from typing import Any

import msgspec
from segmentation.language.evaluate import Row
from segmentation.language.values import Value

from ..packed import dump_json, pack, unpack

FORMAT = 2
"""The first byte of a stored state. Format 1, whole zlib JSON, is still read."""
_FIRST_FORMAT = 0x78
"""How zlib streams begin."""
_COUNT = struct.Struct("<BI")
DAY = 86_400


@dataclass(frozen=True)
class Visitor:
    """The state of one visitor.

    `rows`: term id -> events, oldest first. `seen`: event id hash (64 bits) -> the day since 1970 in which it was accepted.
    `lost`: term id -> the time of the latest event that a limit took away. `members`: real-time segments at `computed`,
    the moment of the last evaluation; from `due` on membership may be another one though nothing happens
    (`None`: never).
    """

    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    seen: Mapping[int, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)
    members: Collection[str] = ()
    computed: int = 0
    due: int | None = None
    fragments: dict[str, tuple[tuple[Row, ...], msgspec.Raw]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """Terms as they were encoded last: an event changes a few of many."""

    @classmethod
    def new(cls) -> "Visitor":
        """A visitor of whom nothing is known."""
        return cls()

    def encode(self) -> bytes:
        """Events, ids and losses as they are stored; membership stands beside them."""
        ids = array("Q", self.seen.keys()).tobytes() + array("H", self.seen.values()).tobytes()
        terms: dict[str, msgspec.Raw] = {}
        for term, rows in self.rows.items():
            fragment = self.fragments.get(term)
            if fragment is None or fragment[0] is not rows:
                fragment = self.fragments[term] = (rows, msgspec.Raw(dump_json(plain_columns(rows))))
            terms[term] = fragment[1]
        return _COUNT.pack(FORMAT, len(self.seen)) + ids + pack([terms, dict(self.lost)])

    @classmethod
    def decode(
        cls, data: bytes, members: Collection[str] = (), computed: int = 0, due: int | None = None
    ) -> "Visitor":
        """The state of stored bytes, with what stands beside them.

        Raises `ValueError` for a format that this code does not know.
        """
        if data[:1] == bytes([_FIRST_FORMAT]):
            rows, seen = _first_format(data)
            return cls(rows, seen, {}, members, computed, due)
        try:
            version, count = _COUNT.unpack_from(data)
        except struct.error as error:
            raise ValueError("not a visitor's state") from error
        if version != FORMAT:
            raise ValueError(f"visitor state of format {version}, this code reads {FORMAT}")
        names, days = array("Q"), array("H")
        end = _COUNT.size + 8 * count
        names.frombytes(data[_COUNT.size : end])
        days.frombytes(data[end : end + 2 * count])
        terms, lost = unpack(data[end + 2 * count :])
        return cls(
            {term: _rows(columns) for term, columns in terms.items()},
            dict(zip(names, days, strict=True)),
            lost,
            members,
            computed,
            due,
        )


def plain_columns(rows: tuple[Row, ...]) -> list[Any]:
    """A term's events by column: the first time and the steps to the later ones, ids, values."""
    times = [row[0] for row in rows]
    steps = [times[0], *map(sub, times[1:], times)]
    cells = [row[2] for row in rows]
    names = set[str]().union(*cells)
    columns = {name: [cell.get(name) for cell in cells] for name in sorted(names)}
    return [steps, [row[1] for row in rows], columns]


def _rows(stored: list[Any]) -> tuple[Row, ...]:
    steps, ids, columns = stored
    times = accumulate(steps)
    if not columns:
        return tuple(map(Row, times, ids))
    names = list(columns)
    values = [_arrays_as_tuples(columns[name]) for name in names]
    if len(names) == 1:
        (name,), (only,) = names, values
        cells = [{} if value is None else {name: value} for value in only]
    else:
        cells = [
            {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in zip(*values, strict=True)
        ]
    return tuple(map(Row, times, ids, cells))


def _arrays_as_tuples(values: list[Any]) -> list[Value]:
    return [tuple(value) if type(value) is list else value for value in values]


def _first_format(data: bytes) -> tuple[dict[str, tuple[Row, ...]], dict[int, int]]:
    try:
        document = json.loads(zlib.decompress(data).decode("utf-8", "surrogatepass"))
    except zlib.error as error:
        raise ValueError("not a visitor's state") from error
    rows = {}
    for term, kept in document["rows"].items():
        cells = [
            dict(zip(columns, _arrays_as_tuples(list(columns.values())), strict=True)) for *_, columns in kept
        ]
        rows[term] = tuple(Row(time, id_, cell) for (time, id_, _), cell in zip(kept, cells, strict=True))
    return rows, {int(name[:16], 16): accepted // DAY for name, accepted in document["seen"].items()}
