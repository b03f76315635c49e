"""The fakes. What goes wrong is set on them as plain attributes."""

import datetime as dt
import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from segmentation.domain.errors import BadRequest, QueryFailed, Unavailable
from segmentation.domain.event import Event
from segmentation.domain.event_lake import TEXT_MAP, Kind, LakeTable, Merging
from segmentation.domain.pipeline import Job, Lock, Outcome, QueryStatus, Run, released
from segmentation.domain.profile import BatchPart, Profile, RealtimePart, shard_of
from segmentation.domain.publication import Piece
from segmentation.domain.published import Published
from segmentation.domain.run import QueryRecord
from segmentation.domain.sizes import SizePoint
from segmentation.domain.stream import Evaluation, Mark
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
    marks: list[Mark] = field(default_factory=list)
    shards: tuple[str, ...] = ("shard-0", "shard-1")

    def mark(self, name: str) -> list[str]:
        self.marks += [Mark(name, shard) for shard in self.shards]
        return list(self.shards)

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
    barred: dict[str, int] = field(default_factory=dict)
    unreadable: bool = False
    reads: int = 0
    room: int | None = None
    """So many batch parts are taken, then no more until it is set anew."""
    put_off: dict[str, int] = field(default_factory=dict)

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
                self.put_off.pop(one, None)
        return SaveResult(frozenset(lost), failed)

    def join(self, key: str, part: RealtimePart, others: Mapping[str, RealtimePart]) -> bool:
        if self.before_save:
            self.before_save.pop(0)(self)
        written = {key: part, **others}
        if self.broken & written.keys():
            raise Unavailable("a joined profile was not written: broken")
        for one, new in written.items():
            stored = self.realtime.get(one)
            if (stored.revision if stored else 0) != new.revision - 1:
                return False
        self.realtime.update(written)
        for one in written:
            self.put_off.pop(one, None)
        return True

    def told(self, parts: Mapping[str, RealtimePart]) -> None:
        for one, part in parts.items():
            stored = self.realtime.get(one)
            if stored is not None and stored.revision == part.revision:
                self.realtime[one] = replace(stored, untold=False)
                self.put_off.pop(one, None)

    def due(self, shard: int, now: int, most: int) -> list[str]:
        moments = {
            one: self.put_off.get(one, part.sweep_at)
            for one, part in self.realtime.items()
            if shard_of(one) == shard
        }
        found = sorted(
            (moment, one) for one, moment in moments.items() if moment is not None and moment <= now
        )
        return [one for _, one in found[:most]]

    def postpone(self, parts: Mapping[str, RealtimePart], until: int) -> None:
        for one, part in parts.items():
            if one in self.realtime and self.realtime[one].revision == part.revision:
                self.put_off[one] = until

    def publish(self, parts: Iterable[tuple[str, BatchPart]]) -> int:
        written = 0
        for one, part in parts:
            if self.room is not None:
                if not self.room:
                    raise Unavailable("a batch part was not written: ThrottlingException")
                self.room -= 1
            stored = self.batch.get(one)
            if one not in self.barred and (stored is None or stored.run <= part.run):
                self.batch[one] = part
                written += 1
        return written

    def unlink(self, parts: Iterable[tuple[str, str, BatchPart]]) -> int:
        return self.publish(
            (one, part)
            for one, owner, part in parts
            if (stored := self.batch.get(one)) is None or stored.run != part.run or stored.owner == owner
        )

    def remove(self, audience: str, cursor: str, has_time: Callable[[], bool]) -> str | None:
        for store in (self.realtime, self.batch, self.barred):
            for one in sorted(store):
                if one > cursor and one.startswith(f"{audience}#"):
                    del store[one]
                    if not has_time():
                        return cursor
        return None

    def bar(self, keys: Collection[str], at: int) -> None:
        if self.unreadable:
            raise Unavailable("profiles cannot be written")
        for one in keys:
            if self.barred.get(one, -1) < at:
                self.barred[one] = at
                self.batch.pop(one, None)


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
class MemoryFailures:
    """Documents by path; `closed` takes none."""

    objects: dict[str, bytes] = field(default_factory=dict)
    closed: bool = False

    def put_aside(self, path: str, data: bytes) -> None:
        if self.closed:
            raise Unavailable("the bucket is closed")
        self.objects[path] = data


@dataclass
class FakeWarehouse:
    """Remembers statements. Queries named in `answers` answer that; others run in SQLite, for simple SQL.

    Statements whose name, or whose SQL, holds a key of `failing` fail with its reason, and so do queries for the members
    of the segments in `failing_segments`. Queries that were started end at once if `instant`, else when `finish` is called; a
    statement whose name holds a key of `passing` first fails so many times for a reason that may pass; so many starts as
    `throttled` are not taken.
    """

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    answers: dict[str, list[tuple[str | None, ...]]] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    failing_segments: dict[str, str] = field(default_factory=dict)
    statements: list[tuple[str, str]] = field(default_factory=list)
    instant: bool = True
    passing: dict[str, int] = field(default_factory=dict)
    throttled: int = 0
    blind: int = 0
    """So many questions about queries are not answered."""
    queries: dict[str, QueryStatus] = field(default_factory=dict)
    started: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Query -> name, SQL and token."""
    made: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def run(self, name: str, sql: str) -> QueryRecord:
        self.statements.append((name, sql))
        for part, reason in self.failing.items():
            if part in name:
                raise QueryFailed(name, "query-0", reason)
        return QueryRecord(f"query-{len(self.statements)}", 10, 1)

    def rows(self, name: str, sql: str) -> tuple[QueryRecord, list[tuple[str | None, ...]]]:
        record = self.run(name, sql)
        return record, self._answer(name, sql, record.id)

    def _answer(self, name: str, sql: str, query: str) -> list[tuple[str | None, ...]]:
        if (answer := self.answers.get(_first_attempt(name))) is not None:
            return answer
        connection = sqlite3.connect(":memory:")
        try:
            found = connection.execute(sql).fetchall()
        except sqlite3.Error as error:
            raise QueryFailed(name, query, str(error)) from error
        finally:
            connection.close()
        return [tuple(None if cell is None else str(cell) for cell in row) for row in found]

    def start(self, name: str, sql: str, token: str) -> str:
        if self.throttled:
            self.throttled -= 1
            raise Unavailable(f"{name!r} is not taken just now: TooManyRequestsException")
        for query, (_, text, used) in self.started.items():
            if used == token:
                assert text == sql, "one token, two texts"
                return query
        query = f"query-{len(self.started) + 1}"
        self.statements.append((name, sql))
        self.started[query] = (name, sql, token)
        self.queries[query] = QueryStatus(Outcome.ACTIVE)
        if self.instant:
            self.finish(query)
        return query

    def finish(self, query: str) -> None:
        """Let a query end."""
        name, sql, _ = self.started[query]
        if self.queries[query].outcome is not Outcome.ACTIVE:
            return
        for part, times in self.passing.items():
            if part in name and times:
                self.passing[part] = times - 1
                self.queries[query] = QueryStatus(Outcome.PASSING, 5, 1, "INTERNAL_ERROR")
                return
        for part, reason in self.failing.items():
            if part in name or part in sql:
                self.queries[query] = QueryStatus(Outcome.FAILED, 5, 1, reason)
                return
        for segment, reason in self.failing_segments.items():
            if name.startswith("members") and f"'{segment}'" in sql:
                self.queries[query] = QueryStatus(Outcome.FAILED, 5, 1, reason)
                return
        if made := re.match(r"CREATE TABLE (\w+) ", sql):
            assert made[1] not in self.made, f"table {made[1]} is made twice"
            self.made.append(made[1])
        else:
            try:
                self._answer(name, sql, query)
            except QueryFailed as error:
                self.queries[query] = QueryStatus(Outcome.FAILED, 0, 1, error.reason)
                return
        self.queries[query] = QueryStatus(Outcome.SUCCEEDED, 10, 1)

    def statuses(self, queries: Sequence[str]) -> dict[str, QueryStatus]:
        if self.blind:
            self.blind -= 1
            raise Unavailable("queries cannot be asked about: ThrottlingException")
        return {one: self.queries[one] for one in queries if one in self.queries}

    def results(self, query: str) -> list[tuple[str | None, ...]]:
        name, sql, _ = self.started[query]
        return self._answer(name, sql, query)

    def stop(self, query: str) -> None:
        if query in self.queries and self.queries[query].outcome is Outcome.ACTIVE:
            self.queries[query] = QueryStatus(Outcome.STOPPED, 0, 1, "Query cancelled by user")

    def columns(self, table: str) -> dict[str, str] | None:
        return self.tables.get(table.lower())

    def named(self, prefix: str) -> list[str]:
        return sorted(one for one in {*self.tables, *self.made} if one.startswith(prefix))

    def drop(self, table: str) -> None:
        self.dropped.append(table)
        self.tables.pop(table, None)
        if table in self.made:
            self.made.remove(table)


def _first_attempt(name: str) -> str:
    """What a statement is called when it is started the first time."""
    return re.sub(r"_\d+$", "", name)


@dataclass
class MemoryRuns:
    """Runs and locks in dictionaries."""

    runs: dict[tuple[str, str, str], Run] = field(default_factory=dict)
    locks: dict[tuple[str, str], Lock] = field(default_factory=dict)
    closed: bool = False

    def _open(self) -> None:
        if self.closed:
            raise Unavailable("runs cannot be written: ThrottlingException")

    def lock(self, audience: str, job: Job) -> Lock:
        return self.locks.get((audience, job), Lock(audience, job))

    def held(self) -> list[Lock]:
        return [one for _, one in sorted(self.locks.items()) if one.holder is not None]

    def begin(self, run: Run, lock: Lock) -> bool:
        self._open()
        key = (run.audience, str(run.job), run.id)
        return key not in self.runs and self.change(lock) and self._put(run)

    def change(self, lock: Lock) -> bool:
        self._open()
        if self.lock(lock.audience, lock.job).version != lock.version - 1:
            return False
        self.locks[lock.audience, lock.job] = lock
        return True

    def read(self, audience: str, job: Job, run: str) -> Run | None:
        return self.runs.get((audience, str(job), run))

    def save(self, run: Run) -> bool:
        self._open()
        stored = self.read(run.audience, run.job, run.id)
        if stored is None or stored.version != run.version - 1:
            return False
        if run.is_over:
            lock = self.lock(run.audience, run.job)
            if lock.holder != run.id:
                return False
            self.locks[run.audience, run.job] = released(lock, run)
        return self._put(run)

    def note(self, run: Run) -> None:
        self._open()
        self._put(run)

    def _put(self, run: Run) -> bool:
        self.runs[run.audience, str(run.job), run.id] = run
        return True

    def recent(self, audience: str, job: Job, most: int = 100, before: str | None = None) -> list[Run]:
        found = [run for key, run in sorted(self.runs.items(), reverse=True) if key[:2] == (audience, job)]
        return [run for run in found if before is None or run.id < before][:most]

    def forget(self, audience: str) -> None:
        self.runs = {key: one for key, one in self.runs.items() if key[0] != audience}
        self.locks = {key: one for key, one in self.locks.items() if key[0] != audience}


@dataclass
class MemorySizes:
    """Points by audience, segment, moment and run."""

    points: dict[tuple[str, str, int, str], SizePoint] = field(default_factory=dict)

    def add(self, audience: str, points: Sequence[SizePoint], written: int) -> None:
        for one in points:
            self.points[audience, one.segment, one.now, one.run] = one

    def of(self, audience: str, segment: str, since: int, until: int) -> list[SizePoint]:
        found = sorted((key, one) for key, one in self.points.items() if key[:2] == (audience, segment))
        return [one for _, one in found if since <= one.now < until]

    def forget(self, audience: str, segment: str) -> None:
        self.points = {key: one for key, one in self.points.items() if key[:2] != (audience, segment)}


@dataclass
class MemoryQueue:
    """Messages as the receiver would parse them."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    delays: list[tuple[str, int]] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    closed: bool = False

    def send(self, messages: Sequence[Mapping[str, Any]], *, after: int = 0) -> None:
        if self.closed:
            raise Unavailable("messages cannot be sent")
        self.messages.extend(json.loads(json.dumps(one)) for one in messages)
        self.waits.extend(after for _ in messages)

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


@dataclass
class MemoryLakeCatalog:
    """What was registered, by name."""

    tables: dict[str, LakeTable] = field(default_factory=dict)
    earliest: dict[str, str] = field(default_factory=dict)

    def register(self, tables: Sequence[LakeTable], earliest: Mapping[str, str]) -> None:
        for table in tables:
            known = self.tables[table.name].columns if table.name in self.tables else {}
            self.tables[table.name] = replace(table, columns={**known, **table.columns})
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
    secrets: Sequence[bytes] = ()
    """While one is rotated: those that are good."""

    def webhook_secret(self) -> bytes:
        return self.secret

    def signing(self) -> Sequence[bytes]:
        return self.secrets or (self.secret,)


@dataclass
class MemoryLimits:
    """Counts by name and minute."""

    taken: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self, name: str, per_minute: int, now: int) -> int:
        key = (name, now // 60)
        self.taken[key] = self.taken.get(key, 0) + 1
        return 0 if self.taken[key] <= per_minute else 60 - now % 60


@dataclass
class MemoryStreamMetrics:
    """Batches that were read, each with its moment, the age of its records in seconds, and whether reading failed."""

    batches: list[tuple[int, float, bool]] = field(default_factory=list)
    broken: bool = False

    def evaluation(self, since: int, until: int) -> Evaluation:
        if self.broken:
            raise Unavailable("no metrics")
        found = [one for one in self.batches if since <= one[0] < until]
        minutes = [(at // 60 * 60, age) for at, age, _ in found]
        at = max((minute for minute, _ in minutes), default=None)
        lag = None if at is None else round(max(age for minute, age in minutes if minute == at))
        return Evaluation(lag, at, sum(failed for *_, failed in found))
