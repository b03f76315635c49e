"""Objects and tables in memory. What goes wrong is set as plain attributes."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from segmentation.domain.errors import BadRequest, Unavailable
from segmentation.domain.event_lake import TEXT_MAP, Kind, LakeTable, LakeView, Merging
from segmentation.domain.publication import Piece
from segmentation.language.types import Type
from segmentation.ports import Entry, Stored


@dataclass
class MemoryLake:
    """A dictionary. `before_put` runs before each put: another writer. `time` is the store's own clock."""

    objects: dict[str, bytes] = field(default_factory=dict)
    before_put: Callable[[str], None] = lambda _: None
    time: int = 1_700_000_000
    put_at: dict[str, int] = field(default_factory=dict)

    def get(self, path: str) -> Stored | None:
        data = self.objects.get(path)
        return None if data is None else Stored(data, hashlib.md5(data).hexdigest())

    def put(self, path: str, data: bytes, *, expected: str | None = None) -> bool:
        self.before_put(path)
        if expected is not None:
            stored = self.get(path)
            if (stored.tag if stored else "") != expected:
                return False
        self.objects[path] = data
        self.put_at[path] = self.time
        return True

    def range(self, path: str, first: int, size: int) -> bytes:
        if path not in self.objects:
            raise Unavailable(f"{path} cannot be read: there is no such object")
        return self.objects[path][first : first + size]

    def list(self, prefix: str) -> Iterator[str]:
        yield from sorted(path for path in self.objects if path.startswith(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        for path in sorted(self.objects):
            if path.startswith(prefix):
                yield Entry(path, len(self.objects[path]), self.put_at.get(path, self.time))

    def delete(self, paths: Collection[str]) -> None:
        for path in paths:
            self.objects.pop(path, None)

    def delete_prefix(self, prefix: str) -> None:
        if not prefix.endswith("/"):
            raise ValueError("a prefix to delete must end in '/'")
        for path in list(self.list(prefix)):
            del self.objects[path]

    def uri(self, path: str) -> str:
        return f"s3://lake/{path}"

    def json(self, path: str) -> Any:
        """An object's document, for a test."""
        return json.loads(self.objects[path])


@dataclass
class MemoryTables:
    """Rows by path."""

    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    batch: int = 2

    def write(self, path: str, columns: Mapping[str, Kind], rows: Sequence[Mapping[str, Any]]) -> None:
        self.objects[path] = [
            {name: _plain(type_, row.get(name)) for name, type_ in columns.items()} for row in rows
        ]

    def read(self, prefix: str) -> Iterator[list[dict[str, Any]]]:
        for path in sorted(self.objects):
            if path.startswith(prefix):
                rows = self.objects[path]
                for start in range(0, len(rows), self.batch):
                    yield rows[start : start + self.batch]

    def remove(self, path: str, column: str, values: Collection[str]) -> int:
        if path not in self.objects:
            raise Unavailable(f"{path} was removed while it was being read")
        kept = [row for row in self.objects[path] if row[column] not in values]
        count = len(self.objects[path]) - len(kept)
        self.objects[path] = kept
        return count

    def pieces(self, prefix: str, rows: int) -> list[Piece]:
        found = [(path, len(self.objects[path])) for path in sorted(self.objects) if path.startswith(prefix)]
        return [
            Piece(path, 0, first, min(first + rows, count))
            for path, count in found
            for first in range(0, count, rows)
        ]

    def read_piece(self, piece: Piece) -> Iterator[list[dict[str, Any]]]:
        if piece.path not in self.objects:
            raise Unavailable(f"{piece.path} was removed while it was being read")
        rows = self.objects[piece.path][piece.first : piece.last]
        for start in range(0, len(rows), self.batch):
            yield rows[start : start + self.batch]

    def keys_by(
        self, piece: Piece, key: str, column: str, wanted: Collection[str]
    ) -> Iterator[dict[str, list[str]]]:
        for rows in self.read_piece(piece):
            found: dict[str, list[str]] = {}
            for row in rows:
                for value in row[column] or ():
                    if value in wanted:
                        found.setdefault(value, []).append(row[key])
            yield found

    def values(self, path: str, column: str, row: int) -> Iterator[list[Any]]:
        rows = self.objects[path]
        if rows and column not in rows[0]:
            raise BadRequest(f"the file has no column {column!r}")
        for start in range(row, len(rows), self.batch):
            yield [one[column] for one in rows[start : start + self.batch]]

    def merge(self, sources: Sequence[str], target: str, merging: Merging) -> int:
        for path in sources:
            if path not in self.objects:
                raise Unavailable(f"{path} was removed while it was being read")
        rows = [row for path in sources for row in self.objects[path]]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        first: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in sorted(rows, key=lambda row: tuple(row[name] for name in merging.first)):
            first.setdefault(tuple(row[name] for name in merging.distinct), row)
        kept = sorted(first.values(), key=lambda row: tuple(row[name] for name in merging.order))
        self.objects[target] = [{name: row.get(name) for name in columns} for row in kept]
        return len(kept)


@dataclass
class FakeUploads:
    """Addresses that nobody listens to."""

    def url(self, path: str, seconds: int) -> str:
        return f"https://lake.example/{path}?expires={seconds}"

    def reading(self, path: str, seconds: int) -> str:
        return f"https://lake.example/{path}?read&expires={seconds}"


@dataclass
class MemoryLakeCatalog:
    """What was registered, by name."""

    tables: dict[str, LakeTable] = field(default_factory=dict)
    earliest: dict[str, str] = field(default_factory=dict)
    views: dict[str, LakeView] = field(default_factory=dict)

    def register(
        self, tables: Sequence[LakeTable], earliest: Mapping[str, str], views: Sequence[LakeView] = ()
    ) -> None:
        for table in tables:
            known = self.tables[table.name].columns if table.name in self.tables else {}
            self.tables[table.name] = replace(table, columns={**known, **table.columns})
        self.earliest.update(earliest)
        self.views |= {one.name: one for one in views}


def _plain(type_: Kind, value: Any) -> Any:
    if type_ == TEXT_MAP and value is not None:
        return list(value.items())
    if value is None or not (type_ is Type.DATE or type_ in (Type.STRINGS, Type.NUMBERS)):
        return value
    if type_ is Type.DATE:
        return dt.date.fromisoformat(value)
    return list(value)
