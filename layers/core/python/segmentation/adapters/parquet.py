"""Parquet objects in the lake. The only importer of pyarrow, so the only module that needs its layer."""

import datetime as dt
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from segmentation.domain.errors import BadRequest, CorruptObject, Unavailable
from segmentation.domain.event_lake import TEXT_MAP, Kind, Merging
from segmentation.domain.publication import Piece
from segmentation.language.problems import did_you_mean
from segmentation.language.types import Type
from segmentation.ports import Lake

ROWS_A_BATCH = 5_000
BYTES_A_READ = 8 * 1024 * 1024
"""Of an object that is read piece by piece."""
ROWS_A_GROUP = 250_000
"""Of a merged object: what a reader looks for is told apart by the statistics of each group."""

_ARROW: Mapping[Kind, Any] = {
    Type.STRING: pa.string(),
    Type.NUMBER: pa.float64(),
    Type.BOOLEAN: pa.bool_(),
    Type.TIMESTAMP: pa.int64(),
    Type.DATE: pa.date32(),
    Type.STRINGS: pa.list_(pa.string()),
    Type.NUMBERS: pa.list_(pa.float64()),
    TEXT_MAP: pa.map_(pa.string(), pa.string()),
}


UNREADABLE = (
    pa.ArrowInvalid,
    pa.ArrowNotImplementedError,
    pa.ArrowTypeError,
    OSError,
    UnicodeDecodeError,
)
"""What pyarrow says of bytes that are not what they should be: much of it as an error of a system that is in order."""


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Where an object is read: what cannot be is named."""
    try:
        yield
    except UNREADABLE as error:
        raise CorruptObject(path, str(error)) from error


class ParquetTables:
    """Tables as Parquet; the types are those of built audiences (timestamps are Unix seconds)."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def write(self, path: str, columns: Mapping[str, Kind], rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows as one object."""
        arrays = {
            name: pa.array([_plain(type_, row.get(name)) for row in rows], type=_ARROW[type_])
            for name, type_ in columns.items()
        }
        buffer = io.BytesIO()
        pq.write_table(pa.table(arrays), buffer, compression="zstd")
        self._lake.put(path, buffer.getvalue())

    def read(self, prefix: str) -> Iterator[list[dict[str, Any]]]:
        """Rows of all objects below a prefix, in batches, in the order of paths."""
        for path in self._lake.list(prefix):
            data = self._data(path)
            if not data:
                continue
            with _reading(path):
                source = pq.ParquetFile(pa.BufferReader(data))
                batches = source.iter_batches(batch_size=ROWS_A_BATCH)
            while True:
                with _reading(path):
                    batch = next(batches, None)
                    rows = None if batch is None else batch.to_pylist()
                if rows is None:
                    break
                yield rows

    def pieces(self, prefix: str, rows: int) -> list[Piece]:
        """All objects below a prefix in pieces, by what their footers say."""
        found = []
        for entry in self._lake.entries(prefix):
            if not entry.size:
                continue
            footer = self._open(entry.path, entry.size).metadata
            for group in range(footer.num_row_groups):
                count = footer.row_group(group).num_rows
                found += [
                    Piece(entry.path, group, first, min(first + rows, count))
                    for first in range(0, count, rows)
                ]
        return found

    def read_piece(self, piece: Piece) -> Iterator[list[dict[str, Any]]]:
        """Rows of a piece; the columns of its row group are streamed."""
        for batch in self._batches(piece):
            with _reading(piece.path):
                rows = batch.to_pylist()
            yield rows

    def keys_by(
        self, piece: Piece, key: str, column: str, wanted: Collection[str]
    ) -> Iterator[dict[str, list[str]]]:
        """The keys of a piece's rows by what is in their lists; no row becomes an object of Python's."""
        names = sorted(wanted)
        value_set = pa.array(names, pa.string())
        for batch in self._batches(piece, [key, column]):
            lists = batch.column(column)
            numbers: Any = pc.index_in(pc.list_flatten(lists), value_set=value_set)
            inside = pc.is_valid(numbers)
            numbers, rows = numbers.filter(inside), pc.list_parent_indices(lists).filter(inside)
            order = pc.array_sort_indices(numbers)  # stable: the keys of a value stay in the order of rows
            keys = batch.column(key).take(rows.take(order)).to_pylist()
            at, found = 0, {}
            for one in pc.value_counts(numbers.take(order)).to_pylist():
                found[names[one["values"]]] = keys[at : at + one["counts"]]
                at += one["counts"]
            yield found

    def _batches(self, piece: Piece, columns: list[str] | None = None) -> Iterator[Any]:
        source, at = self._open(piece.path, self._size(piece.path)), 0
        with _reading(piece.path):
            batches = source.iter_batches(ROWS_A_BATCH, [piece.group], columns, use_threads=False)
        while True:
            with _reading(piece.path):
                batch = next(batches, None)
            if batch is None:
                return
            begin, end = max(piece.first - at, 0), min(piece.last - at, batch.num_rows)
            at += batch.num_rows
            if begin < end:
                yield batch.slice(begin, end - begin)
            if at >= piece.last:
                return

    def _size(self, path: str) -> int:
        entry = next((one for one in self._lake.entries(path) if one.path == path), None)
        if entry is None:
            raise Unavailable(f"{path} was removed while it was being read")
        return entry.size

    def _open(self, path: str, size: int) -> Any:
        source = pa.PythonFile(_Remote(self._lake, path, size), mode="r")
        with _reading(path):
            return pq.ParquetFile(source, buffer_size=BYTES_A_READ)

    def values(self, path: str, column: str, row: int) -> Iterator[list[Any]]:
        """One column of an object, a row group at a time; only what is needed of it is fetched."""
        try:
            source = self._open(path, self._size(path))
            names = source.schema_arrow.names
            if column not in names:
                raise BadRequest(f"the file has no column {column!r}{did_you_mean(column, names)}")
            kind = source.schema_arrow.field(column).type
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
            whole = pa.types.is_decimal(kind) and kind.scale == 0  # as databases write whole numbers
            if not (text or whole or pa.types.is_integer(kind)):
                raise BadRequest(f"column {column!r} is of type {kind}; text or whole numbers are taken")
            for group in range(source.num_row_groups):
                rows = source.metadata.row_group(group).num_rows
                if row < rows:
                    for batch in source.iter_batches(ROWS_A_BATCH, [group], [column]):
                        if row < batch.num_rows:
                            found = batch.column(0).slice(row)
                            yield (found.cast(pa.string()) if whole else found).to_pylist()
                        row = max(row - batch.num_rows, 0)
                else:
                    row -= rows
        except UNREADABLE as error:
            raise CorruptObject(path, str(error)) from error

    def merge(self, sources: Sequence[str], target: str, merging: Merging) -> int:
        """Write the rows of several objects as one; columns that an object lacks are missing in its rows."""
        tables, schema = [], pa.schema([])
        for path in sources:
            data = self._data(path)
            with _reading(path):
                table = pq.read_table(pa.BufferReader(data))
                schema = pa.unify_schemas([schema, table.schema])  # or it is no file of this folder
            tables.append(table)
        rows = _distinct(pa.concat_tables(tables, promote_options="default"), merging)
        rows = rows.sort_by([(name, "ascending") for name in merging.order])
        buffer = io.BytesIO()
        pq.write_table(rows, buffer, compression="zstd", row_group_size=ROWS_A_GROUP)
        self._lake.put(target, buffer.getvalue())
        return int(rows.num_rows)

    def remove(self, path: str, column: str, values: Collection[str]) -> int:
        """Rewrite an object without some of its rows; one that has none of them is only read."""
        data, wanted = self._data(path), pa.array(sorted(values), pa.string())
        try:
            named = pq.read_table(pa.BufferReader(data), columns=[column])[column]
            inside: Any = pc.is_in(named, value_set=wanted)
            found: Any = pc.fill_null(inside, False)
            count = int(pc.sum(found).as_py() or 0)
            if not count:
                return 0
            rows = pq.read_table(pa.BufferReader(data)).filter(pc.invert(found))
        except (*UNREADABLE, KeyError) as error:
            raise CorruptObject(path, str(error)) from error
        buffer = io.BytesIO()
        pq.write_table(rows, buffer, compression="zstd", row_group_size=ROWS_A_GROUP)
        self._lake.put(path, buffer.getvalue())
        return count

    def _data(self, path: str) -> bytes:
        stored = self._lake.get(path)
        if stored is None:
            raise Unavailable(f"{path} was removed while it was being read")
        return stored.data


class _Remote(io.RawIOBase):
    """An object of the lake as a file of which only what is asked for is fetched."""

    def __init__(self, lake: Lake, path: str, size: int) -> None:
        super().__init__()
        self._lake, self._path, self._size, self._at = lake, path, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(self._size - self._at, 0)
        wanted = left if size < 0 else min(size, left)
        data = self._lake.range(self._path, self._at, wanted) if wanted else b""
        self._at += len(data)
        return data


def _distinct(table: pa.Table, merging: Merging) -> pa.Table:
    """Of rows that are equal in the columns `distinct`, the first one by the columns `first`."""
    columns = [*merging.distinct, *merging.first]
    order = pc.sort_indices(table.select(columns), sort_keys=[(name, "ascending") for name in columns])
    keys = table.select(merging.distinct).take(order)
    if keys.num_rows < 2:
        return table
    differs: list[Any] = [pc.not_equal(keys[name][1:], keys[name][:-1]) for name in merging.distinct]
    new = pc.fill_null(reduce(pc.or_, differs), True)
    mask: Any = pa.chunked_array([pa.array([True]), *new.chunks]).combine_chunks()
    return table.take(order.filter(mask))


def _plain(type_: Kind, value: Any) -> Any:
    """Days are text in the language; text that no UTF-8 can hold is kept with its escapes."""
    if value is None:
        return None
    if type_ is Type.DATE:
        return dt.date.fromisoformat(value)
    if type_ is Type.STRING:
        return value.encode("utf-8", "backslashreplace").decode()
    if type_ == TEXT_MAP:
        return [(_plain(Type.STRING, name), _plain(Type.STRING, text)) for name, text in value.items()]
    if type_ is Type.STRINGS:
        return [None if one is None else _plain(Type.STRING, one) for one in value]
    return list(value) if type_ is Type.NUMBERS else value
