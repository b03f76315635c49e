"""A visitor's state as bytes: the whole of it as it once was, and behind that, event by event, what came since.

So that an event costs what it brings, and not what is known already, the whole is written anew only when what came since
has grown to a quarter of it.

    byte    3, the format
    u32 u32 how many event ids, and how many bytes of events
    ids     64 bits each, then 16 bits each: the day in which they were accepted
    events  deflated JSON: [{term: [steps of time, ids, {column: values}]}, {term: latest loss}]
    pieces  of what came since, each:
      u16 u8  its length behind these three bytes, and how many event ids
      ids     64 and 16 bits each
      events  JSON: [[time, id, {column: value}, [term, how many of its oldest events went, ...]], ...]; a term is the
              number of its place in the whole, or its name

Format 2 is the same without the bytes of events and pieces, format 1 was zlib JSON; both are still read.
"""

import json
import struct
import zlib
from array import array
from collections.abc import Mapping, Sequence
from itertools import accumulate, islice
from operator import sub
from typing import Any

import msgspec
from segmentation.language.evaluate import ByColumn, Row
from segmentation.language.values import Value

from ..packed import dump_json, inflate, load_json, pack

FORMAT = 3
"""The first byte of a stored state."""
LEAST_SINCE = 640
"""Bytes of pieces that even the smallest state may have."""
_SECOND_FORMAT = 2
_FIRST_FORMAT = 0x78
"""How zlib streams begin."""
_HEAD = struct.Struct("<BII")
_SECOND_HEAD = struct.Struct("<BI")
_PIECE = struct.Struct("<HB")
_ID = struct.Struct("<QH")
DAY = 86_400

Kept = Sequence[Row]
"""The events of a term."""
Rows = Mapping[str, Kept]
_TERMS = msgspec.json.Decoder(tuple[dict[str, tuple[list[int], msgspec.Raw, msgspec.Raw]], dict[str, int]])


class Stored(msgspec.Struct, frozen=True):
    """Bytes, and what they say: events by term, how many ids, losses. `places`: the terms of the whole by their numbers;
    `whole`: how many of the bytes are the whole."""

    data: bytes
    rows: Rows
    ids: int
    lost: Mapping[str, int]
    places: Mapping[str, int]
    whole: int


def written(rows: Rows, seen: Mapping[int, int], lost: Mapping[str, int]) -> Stored:
    """A state as a whole."""
    ids = array("Q", seen.keys()).tobytes() + array("H", seen.values()).tobytes()
    events = pack([{term: plain_columns(kept) for term, kept in rows.items()}, dict(lost)])
    data = _HEAD.pack(FORMAT, len(seen), len(events)) + ids + events
    places = {term: place for place, term in enumerate(rows)}
    return Stored(data, rows, len(seen), lost, places, len(data))


def extended(stored: Stored, rows: Rows, seen: Mapping[int, int], lost: Mapping[str, int]) -> Stored | None:
    """A state as what was stored and a piece; nothing where that cannot be said, or not briefly.

    Of the ids those that were stored must still be there and stand first.
    """
    known, new = stored.rows, len(seen) - stored.ids
    if not 0 <= new <= 255 or lost != stored.lost or not rows.keys() >= known.keys():
        return None
    events: dict[tuple[int, str, bytes], list[int | str]] = {}
    for term, kept in rows.items():
        before = known.get(term, ())
        if kept is not before and not _add(events, stored.places.get(term, term), before, kept):
            return None
    latest = [*islice(reversed(seen), new)]
    ids = b"".join([_ID.pack(name, seen[name]) for name in reversed(latest)])
    # Terms were gone through one by one, and each has its own events in the order of time.
    ordered = sorted(events.items(), key=lambda one: one[0][:2]) if len(events) > 1 else events.items()
    text = dump_json([[time, id_, msgspec.Raw(cells), terms] for (time, id_, cells), terms in ordered])
    size = len(ids) + len(text)
    data = stored.data
    if size > 0xFFFF or len(data) + size - stored.whole > max(LEAST_SINCE, stored.whole // 4):
        return None
    data = b"".join((data, _PIECE.pack(size, new), ids, text))
    return Stored(data, rows, len(seen), lost, stored.places, stored.whole)


def _add(
    events: dict[tuple[int, str, bytes], list[int | str]],
    name: int | str,
    before: Kept,
    kept: Kept,
) -> bool:
    """Note the later events of a term; `False` where others went than the oldest, or came between."""
    gone = 0
    if before:
        first = kept[0]
        while gone < len(before) and before[gone] is not first:
            gone += 1
        left = len(before) - gone
        if not left or len(kept) < left or kept[left - 1] is not before[-1]:
            return False
    else:
        left = 0
    if left == len(kept):
        return False  # they only went: that is rare, and no event's doing
    for time, id_, columns in kept[left:]:
        cells = dump_json(columns) if columns else b"{}"
        events.setdefault((time, id_, cells), []).extend((name, gone))
        gone = 0
    return True


def read(data: bytes) -> tuple[dict[str, Kept], dict[int, int], dict[str, int], Stored | None]:
    """Events by term, ids and losses of bytes. Raises `ValueError` for a format that this code does not know."""
    if data[:1] == bytes([_FIRST_FORMAT]):
        rows, seen = _first_format(data)
        return rows, seen, {}, None
    try:
        if data[:1] == bytes([_SECOND_FORMAT]):
            version, count = _SECOND_HEAD.unpack_from(data)
            start, size = _SECOND_HEAD.size, len(data) - _SECOND_HEAD.size - 10 * count
        else:
            version, count, size = _HEAD.unpack_from(data)
            start = _HEAD.size
    except struct.error as error:
        raise ValueError("not a visitor's state") from error
    if version not in (FORMAT, _SECOND_FORMAT):
        raise ValueError(f"visitor state of format {version}, this code reads {FORMAT}")
    names, days = array("Q"), array("H")
    middle, end = start + 8 * count, start + 10 * count
    whole = end + size
    names.frombytes(data[start:middle])
    days.frombytes(data[middle:end])
    seen = dict(zip(names, days, strict=True))
    columns, lost = _terms(inflate(data[end:whole]))
    if version != FORMAT:
        return dict(columns), seen, lost, None
    places = {term: place for place, term in enumerate(columns)}
    if len(data) > whole:
        _take_pieces(data, whole, [*columns], columns, seen)
    # What is made of the state later are other mappings, so that these stay what the bytes say.
    kept: dict[str, Kept] = {**columns}
    return kept, seen, lost, Stored(data, kept, len(seen), lost, places, whole)


def _terms(text: bytes) -> tuple[dict[str, ByColumn], dict[str, int]]:
    """Events by term, and losses."""
    try:
        terms, lost = _TERMS.decode(text)
    except ValueError:
        # What the fast parser refuses: lone surrogates.
        terms, lost = load_json(text)
    return {term: _ByColumn(*columns) for term, columns in terms.items()}, lost


class _ByColumn(ByColumn):
    """A term's events as they are stored: most events that come touch other terms. `ids` and `columns` may be JSON still."""

    __slots__ = ("columns", "ids")

    def __init__(self, steps: list[int], ids: Any, columns: Any) -> None:
        super().__init__([*accumulate(steps)])
        self.ids = ids
        self.columns = columns

    def _values(self) -> Mapping[str, list[Value]]:
        if isinstance(self.columns, msgspec.Raw):
            self.columns = load_json(bytes(self.columns))
        return {name: _arrays_as_tuples(values) for name, values in self.columns.items()}

    def column(self, name: str) -> Sequence[Value]:
        return self._values().get(name) or [None] * len(self)

    def make(self) -> tuple[Row, ...]:
        ids = load_json(bytes(self.ids)) if isinstance(self.ids, msgspec.Raw) else self.ids
        columns = self._values()
        if not columns:
            return tuple(map(Row, self.times, ids))
        cells = [
            {name: value for name, value in zip(columns, row, strict=True) if value is not None}
            for row in zip(*columns.values(), strict=True)
        ]
        return tuple(map(Row, self.times, ids, cells))


class _Continued(ByColumn):
    """A term's events of the whole and of pieces, less some of the oldest."""

    __slots__ = ("_before", "_gone", "_later")

    def __init__(self, before: ByColumn, gone: int, later: list[Row]) -> None:
        super().__init__([*before.times, *(row.time for row in later)][gone:])
        self._before = before
        self._gone = gone
        self._later = later

    def column(self, name: str) -> Sequence[Value]:
        return [*self._before.column(name), *(row.columns.get(name) for row in self._later)][self._gone :]

    def make(self) -> tuple[Row, ...]:
        return (*self._before.rows, *self._later)[self._gone :]


def _take_pieces(
    data: bytes, start: int, terms: list[str], rows: dict[str, ByColumn], seen: dict[int, int]
) -> None:
    texts = []
    while start < len(data):
        size, count = _PIECE.unpack_from(data, start)
        start += _PIECE.size
        middle, end = start + _ID.size * count, start + size
        seen.update(_ID.iter_unpack(data[start:middle]))
        texts.append(data[middle:end])
        start = end
    gone: dict[str, int] = {}
    later: dict[str, list[Row]] = {}
    for piece in load_json(b"[%b]" % b",".join(texts)):
        for time, id_, columns, places in piece:
            cells = dict(zip(columns, _arrays_as_tuples(list(columns.values())), strict=True))
            row = Row(time, id_, cells)
            for term, went in zip(places[::2], places[1::2], strict=True):
                name = terms[term] if type(term) is int else term
                gone[name] = gone.get(name, 0) + went
                later.setdefault(name, []).append(row)
    for name, came in later.items():
        rows[name] = _Continued(rows.get(name) or _ByColumn([], [], {}), gone[name], came)


def plain_columns(rows: Kept) -> list[Any]:
    """A term's events by column: the first time and the steps to the later ones, ids, values."""
    if type(rows) is _ByColumn:
        return [_steps(rows.times), rows.ids, rows.columns]
    times, ids, cells = zip(*rows, strict=True)
    names = set[str]().union(*cells)
    return [_steps(times), ids, {name: [cell.get(name) for cell in cells] for name in sorted(names)}]


def _steps(times: Sequence[int]) -> list[int]:
    return [times[0], *map(sub, times[1:], times)]


def _arrays_as_tuples(values: list[Any]) -> list[Value]:
    return [tuple(value) if type(value) is list else value for value in values]


def _first_format(data: bytes) -> tuple[dict[str, Kept], dict[int, int]]:
    try:
        document = json.loads(zlib.decompress(data).decode("utf-8", "surrogatepass"))
    except zlib.error as error:
        raise ValueError("not a visitor's state") from error
    rows: dict[str, Kept] = {}
    for term, kept in document["rows"].items():
        cells = [
            dict(zip(columns, _arrays_as_tuples(list(columns.values())), strict=True)) for *_, columns in kept
        ]
        rows[term] = tuple(Row(time, id_, cell) for (time, id_, _), cell in zip(kept, cells, strict=True))
    return rows, {int(name[:16], 16): accepted // DAY for name, accepted in document["seen"].items()}
