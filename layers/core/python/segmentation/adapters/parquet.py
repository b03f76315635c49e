"""Parquet objects in the lake. The only importer of pyarrow, so the only module that needs its layer."""

import datetime as dt
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from segmentation.domain.errors import Unavailable
from segmentation.language.types import Type
from segmentation.ports import Lake

ROWS_A_BATCH = 5_000

_ARROW: Mapping[Type, Any] = {
    Type.STRING: pa.string(),
    Type.NUMBER: pa.float64(),
    Type.BOOLEAN: pa.bool_(),
    Type.TIMESTAMP: pa.int64(),
    Type.DATE: pa.date32(),
    Type.STRINGS: pa.list_(pa.string()),
    Type.NUMBERS: pa.list_(pa.float64()),
}


class ParquetTables:
    """Tables as Parquet; the types are those of built audiences (timestamps are Unix seconds)."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def write(self, path: str, columns: Mapping[str, Type], rows: Sequence[Mapping[str, Any]]) -> None:
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
            stored = self._lake.get(path)
            if stored is None:
                raise Unavailable(f"{path} was removed while it was being read")
            if not stored.data:
                continue
            source = pq.ParquetFile(pa.BufferReader(stored.data))
            for batch in source.iter_batches(batch_size=ROWS_A_BATCH):
                yield batch.to_pylist()


def _plain(type_: Type, value: Any) -> Any:
    """Days are text in the language; text that no UTF-8 can hold is kept with its escapes."""
    if value is None:
        return None
    if type_ is Type.DATE:
        return dt.date.fromisoformat(value)
    if type_ is Type.STRING:
        return value.encode("utf-8", "backslashreplace").decode()
    if type_ is Type.STRINGS:
        return [None if one is None else _plain(Type.STRING, one) for one in value]
    return list(value) if type_.is_array else value
