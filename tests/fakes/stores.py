"""The fakes. What goes wrong is set on them as plain attributes."""

import datetime as dt
import hashlib
import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from segmentation.domain.errors import QueryFailed, Unavailable
from segmentation.domain.event import Event
from segmentation.domain.event_lake import TEXT_MAP, Kind, LakeTable, Merging
from segmentation.domain.profile import BatchPart, Profile, RealtimePart
from segmentation.domain.published import Published
from segmentation.domain.run import QueryRecord
from segmentation.language.types import Type
from segmentation.ports import Answer, Entry, SaveResult, Stored


@dataclass
class FixedClock:
    """Stands still until it is moved."""

    time: int = 1_700_000_000

    def now(self) -> int:
        return self.time


@dataclass
class MemoryEventLog:
    """Keeps the first `room` events, then no more."""

    events: list[Event] = field(default_factory=list)
    room: int = 1_000_000

    def append(self, events: Sequence[Event]) -> None:
        taken = list(events)[: max(0, self.room - len(self.events))]
        self.events.extend(taken)
        if len(taken) < len(events):
            raise Unavailable(f"{len(taken)} of {len(events)} events were kept; send the whole request again")


@dataclass
class MemoryProfiles:
    """`before_save` runs before each save: another writer. `broken` ids cannot be written."""

    realtime: dict[str, RealtimePart] = field(default_factory=dict)
    batch: dict[str, BatchPart] = field(default_factory=dict)
    before_save: list[Callable[["MemoryProfiles"], None]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    unreadable: bool = False
    reads: int = 0

    def read(self, ids: Collection[str]) -> dict[str, Profile]:
        if self.unreadable:
            raise Unavailable("profiles cannot be read")
        self.reads += 1
        return {one: Profile(self.realtime.get(one), self.batch.get(one)) for one in ids}

    def save(self, writes: Mapping[str, RealtimePart]) -> SaveResult:
        if self.before_save:
            self.before_save.pop(0)(self)
        lost, failed = set(), {}
        for one, part in writes.items():
            stored = self.realtime.get(one)
            if one in self.broken:
                failed[one] = "broken"
            elif (stored.revision if stored else 0) != part.revision - 1:
                lost.add(one)
            else:
                self.realtime[one] = part
        return SaveResult(frozenset(lost), failed)

    def clear_outbox(self, revisions: Mapping[str, int]) -> None:
        for one, revision in revisions.items():
            part = self.realtime.get(one)
            if part is not None and part.revision == revision:
                self.realtime[one] = replace(part, outbox=())

    def publish(self, parts: Iterable[tuple[str, BatchPart]]) -> int:
        written = 0
        for one, part in parts:
            stored = self.batch.get(one)
            if stored is None or stored.run <= part.run:
                self.batch[one] = part
                written += 1
        return written


@dataclass
class StaticRuleSets:
    """The rule sets that it is given."""

    sets: dict[str, Published]

    def all(self) -> Mapping[str, Published]:
        return self.sets


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
class FakeWarehouse:
    """Remembers statements. Queries named in `answers` answer that; others run in SQLite, for simple SQL.

    Statements whose name holds a key of `failing` fail with its reason.
    """

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    answers: dict[str, list[tuple[str | None, ...]]] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    statements: list[tuple[str, str]] = field(default_factory=list)

    def run(self, name: str, sql: str) -> QueryRecord:
        self.statements.append((name, sql))
        for part, reason in self.failing.items():
            if part in name:
                raise QueryFailed(name, "query-0", reason)
        return QueryRecord(f"query-{len(self.statements)}", 10, 1)

    def rows(self, name: str, sql: str) -> tuple[QueryRecord, list[tuple[str | None, ...]]]:
        record = self.run(name, sql)
        if name in self.answers:
            return record, self.answers[name]
        connection = sqlite3.connect(":memory:")
        try:
            found = connection.execute(sql).fetchall()
        except sqlite3.Error as error:
            raise QueryFailed(name, record.id, str(error)) from error
        finally:
            connection.close()
        return record, [tuple(None if cell is None else str(cell) for cell in row) for row in found]

    def columns(self, table: str) -> dict[str, str] | None:
        return self.tables.get(table.lower())


@dataclass
class MemoryQueue:
    """Messages as the receiver would parse them."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    delays: list[tuple[str, int]] = field(default_factory=list)
    closed: bool = False

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        if self.closed:
            raise Unavailable("messages cannot be sent")
        self.messages.extend(json.loads(json.dumps(one)) for one in messages)

    def delay(self, receipt: str, seconds: int) -> None:
        self.delays.append((receipt, seconds))


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
class MemoryLakeCatalog:
    """What was registered, by name."""

    tables: dict[str, LakeTable] = field(default_factory=dict)
    earliest: dict[str, str] = field(default_factory=dict)

    def register(self, tables: Sequence[LakeTable], earliest: Mapping[str, str]) -> None:
        for table in tables:
            known = self.tables[table.name].columns if table.name in self.tables else {}
            self.tables[table.name] = LakeTable(table.name, table.folder, {**known, **table.columns})
        self.earliest.update(earliest)


def _plain(type_: Kind, value: Any) -> Any:
    if type_ == TEXT_MAP and value is not None:
        return list(value.items())
    if value is None or not (type_ is Type.DATE or type_ in (Type.STRINGS, Type.NUMBERS)):
        return value
    if type_ is Type.DATE:
        return dt.date.fromisoformat(value)
    return list(value)


@dataclass
class FakeWebhooks:
    """Answers in order, then 200."""

    answers: list[Answer | Exception] = field(default_factory=list)
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.posts.append((url, dict(headers), body))
        answer = self.answers.pop(0) if self.answers else Answer(200)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class FakeSecrets:
    """A secret."""

    secret: bytes = b"0123456789abcdef01234567"

    def webhook_secret(self) -> bytes:
        return self.secret
