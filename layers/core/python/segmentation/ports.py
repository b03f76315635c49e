"""What the use cases need of the world. Each port has one contract suite, for its fake and its adapter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # nothing of it is needed to run, and each module is a file that a cold start opens
    from segmentation.domain.event import Event
    from segmentation.domain.event_lake import Kind, LakeTable, LakeView, Merging
    from segmentation.domain.pipeline import Job, Lock, QueryStatus, Run
    from segmentation.domain.profile import BatchPart, Profile, RealtimePart
    from segmentation.domain.publication import Piece
    from segmentation.domain.published import Published
    from segmentation.domain.run import QueryRecord
    from segmentation.domain.sizes import SizePoint
    from segmentation.domain.stream import Evaluation


class Clock(Protocol):
    """Gives the time. `now` is otherwise a parameter everywhere."""

    def now(self) -> int:
        """Whole Unix seconds."""


class EventLog(Protocol):
    """Accepted events, in order for each profile."""

    def append(self, events: Sequence[Event]) -> None:
        """Keep all events; `Unavailable` says how many were kept when not all could be."""

    def mark(self, name: str) -> list[str]:
        """Put a mark behind everything that was accepted, in each part of the log; the parts. `Unavailable`."""


class Limits(Protocol):
    """How often keys and tokens may be used, counted by all instances together."""

    def take(self, name: str, per_minute: int, now: int) -> int:
        """Count one request; 0, or seconds until there is room again. Never fails: a store out of reach limits nothing."""


class SigningSecrets(Protocol):
    """The secrets that keys of visitors are signed with."""

    def signing(self) -> Sequence[bytes]:
        """Those that are good now: the current one, and the one before it. `Unavailable` when they cannot be read."""


@dataclass(frozen=True, slots=True)
class SaveResult:
    """Which writes were not made: those that lost a race, and those that failed, with the reason."""

    lost: frozenset[str] = frozenset()
    failed: Mapping[str, str] = field(default_factory=dict)


class Profiles(Protocol):
    """State and membership by profile id (`<audience>#<column>:<value>`)."""

    def read(self, ids: Collection[str]) -> dict[str, Profile]:
        """Both parts of each profile; consistent. `Unavailable` when not all can be read in time."""

    def save(self, writes: Mapping[str, RealtimePart]) -> SaveResult:
        """Write real-time parts, each only if the stored revision is one below (none for revision 1)."""

    def join(self, key: str, part: RealtimePart, others: Mapping[str, RealtimePart]) -> bool:
        """Write a profile and its aliases, all or none, each as `save` does; whether it was. `Unavailable`: it may not be."""

    def told(self, parts: Mapping[str, RealtimePart]) -> None:
        """Note that the changes of these parts were sent, each only if its revision is still that one."""

    def due(self, shard: int, now: int, most: int) -> list[str]:
        """Profiles of a shard (`profile.shard_of`) whose `sweep_at` has come, the longest due first; not more than `most`."""

    def postpone(self, parts: Mapping[str, RealtimePart], until: int) -> None:
        """Let no sweep look at these before a moment (Unix seconds), each only if its revision is still that one."""

    def publish(self, parts: Iterable[tuple[str, BatchPart]]) -> int:
        """Write batch parts, each only over an older (or the same) run and never over an erasure; how many were written."""

    def bar(self, keys: Collection[str], at: int) -> None:
        """Remove batch parts, and let none be written again; what was barred later than `at` stays as it is."""

    def unbar(self, keys: Collection[str]) -> None:
        """Let batch parts be written again that were barred. `Unavailable`: not all were; doing it again is right."""

    def unlink(self, parts: Iterable[tuple[str, str, BatchPart]]) -> int:
        """Write batch parts as `publish` does; over one of the same run only if its owner is the one that is named (second).

        That of an earlier run says nothing any more, whoever's it is: runs may be published in any order.
        """

    def page(self, audience: str, cursor: str) -> tuple[list[str], str | None]:
        """Some profiles of an audience, from a cursor on ("" is the beginning), and where to go on (`None`: that was all).

        Those that a run or the stream has put there, and not mere links to one; a profile may come twice. It reads through
        the whole store. `Unavailable`.
        """

    def remove(self, audience: str, cursor: str, has_time: Callable[[], bool]) -> str | None:
        """Remove all profiles of an audience, from a cursor on ("" is the beginning); where to go on, if time was up.

        It reads through the whole store: there is no other way to find them all.
        """


class RuleSets(Protocol):
    """The published rule sets."""

    def all(self) -> Mapping[str, Published]:
        """The last good one of each audience, by audience id."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's content and the tag that a conditional put names."""

    data: bytes
    tag: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing says of an object: its path, its bytes, and when it was put (Unix seconds)."""

    path: str
    size: int
    put: int


class Lake(Protocol):
    """Objects by path."""

    def get(self, path: str) -> Stored | None:
        """An object, or nothing."""

    def range(self, path: str, first: int, size: int) -> bytes:
        """Some of an object's bytes, none beyond its end. `Unavailable` also where there is no such object."""

    def put(self, path: str, data: bytes, *, expected: str | None = None) -> bool:
        """Put an object whole. With `expected` (a tag, or "" for "does not exist"), only if that holds."""

    def list(self, prefix: str) -> Iterator[str]:
        """Paths below a prefix, sorted."""

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The objects below a prefix, sorted by path."""

    def delete(self, paths: Collection[str]) -> None:
        """Remove objects; those that do not exist are removed already."""

    def delete_prefix(self, prefix: str) -> None:
        """Remove everything below a prefix."""

    def uri(self, path: str) -> str:
        """How the warehouse names a path."""


class Uploads(Protocol):
    """Lets somebody without rights of their own put one object, or fetch one."""

    def url(self, path: str, seconds: int) -> str:
        """Where an HTTPS PUT of the object's bytes goes, and until when it may."""

    def reading(self, path: str, seconds: int) -> str:
        """Where the object is fetched by HTTPS GET, and until when."""


class Failures(Protocol):
    """What can never be processed, for a person to look at and to replay."""

    def put_aside(self, path: str, data: bytes) -> None:
        """Keep a document, over itself if it is there already; `Unavailable` when it is not kept."""


class Warehouse(Protocol):
    """SQL over the lake."""

    def run(self, name: str, sql: str) -> QueryRecord:
        """Run one statement to its end; `QueryFailed` names it and says why."""

    def rows(self, name: str, sql: str) -> tuple[QueryRecord, list[tuple[str | None, ...]]]:
        """Run a query and fetch its (few) rows, as text."""

    def start(self, name: str, sql: str, token: str) -> str:
        """Start a statement and go on; its query id. One token starts one query, however often it is asked.

        `QueryFailed`: it will never be taken. `Unavailable`: it may be, later.
        """

    def statuses(self, queries: Sequence[str]) -> dict[str, QueryStatus]:
        """Where queries stand; those that are forgotten are left out."""

    def results(self, query: str) -> list[tuple[str | None, ...]]:
        """The rows of a query that has succeeded, as text."""

    def stop(self, query: str) -> None:
        """Stop a query, if it still runs."""

    def columns(self, table: str) -> dict[str, str] | None:
        """A table's columns and their types as the catalog names them; `None`: no such table."""

    def named(self, prefix: str) -> list[str]:
        """The tables whose names begin so, sorted."""

    def drop(self, table: str) -> None:
        """Forget a table; its data stays. One that does not exist is forgotten already."""


class Runs(Protocol):
    """Batch runs and who may run; all writes are conditional, so they may come twice and at once."""

    def lock(self, audience: str, job: Job) -> Lock:
        """Who runs a job of an audience, consistently."""

    def held(self) -> list[Lock]:
        """The locks that have a holder."""

    def begin(self, run: Run, lock: Lock) -> bool:
        """Keep a new run and the lock with it as holder, both or neither; not if the lock's version is not one below."""

    def change(self, lock: Lock) -> bool:
        """Write a lock, if its version is one below."""

    def read(self, audience: str, job: Job, run: str) -> Run | None:
        """A run, consistently."""

    def save(self, run: Run) -> bool:
        """Write a run, if its version is one below. One that is over gives its lock back in the same write."""

    def note(self, run: Run) -> None:
        """Write a run that holds no lock, as it is."""

    def recent(self, audience: str, job: Job, most: int = 100, before: str | None = None) -> list[Run]:
        """The latest runs, latest first; of those before a run, if one is named."""

    def forget(self, audience: str) -> None:
        """Remove all runs and locks of an audience."""


class Sizes(Protocol):
    """How large segments were, for years."""

    def add(self, audience: str, points: Sequence[SizePoint], written: int) -> None:
        """Keep points; one of the same run and segment takes the place of the other. `written`: now."""

    def of(self, audience: str, segment: str, since: int, until: int) -> list[SizePoint]:
        """The points from a moment to before another, by moment, then by run."""

    def forget(self, audience: str, segment: str) -> None:
        """Remove all points of a segment."""


class Queue(Protocol):
    """Messages to another function, at least once."""

    def send(self, messages: Sequence[Mapping[str, Any]], *, after: int = 0) -> None:
        """Send all, to be received only after so many seconds (at the most 900).

        `Unavailable` when not all were taken (sending all again is right).
        """

    def delay(self, receipt: str, seconds: int) -> None:
        """Let a received message come back only after so long."""


class LakeCatalog(Protocol):
    """Makes what is archived known to the warehouse."""

    def register(
        self, tables: Sequence[LakeTable], earliest: Mapping[str, str], views: Sequence[LakeView] = ()
    ) -> None:
        """Let each table exist with at least its columns, from its earliest date (by table name) on; then the views."""


class Tables(Protocol):
    """Parquet objects in the lake."""

    def write(self, path: str, columns: Mapping[str, Kind], rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows as one object. A value that is not of its column's type is a bug."""

    def read(self, prefix: str) -> Iterator[list[dict[str, Any]]]:
        """Rows of all objects below a prefix, in batches, in the order of paths."""

    def remove(self, path: str, column: str, values: Collection[str]) -> int:
        """Rewrite an object without the rows whose column has one of the values; how many they were."""

    def pieces(self, prefix: str, rows: int) -> list[Piece]:
        """All objects below a prefix in pieces of at most so many rows, in the order of `read`."""

    def read_piece(self, piece: Piece) -> Iterator[list[dict[str, Any]]]:
        """Rows of a piece, in batches. Memory does not grow with the object."""

    def keys_by(
        self, piece: Piece, key: str, column: str, wanted: Collection[str]
    ) -> Iterator[dict[str, list[str]]]:
        """For each of the wanted values that is in the lists of `column`, the `key`s of those rows; in batches, in order."""

    def values(self, path: str, column: str, row: int) -> Iterator[list[Any]]:
        """One column of an object from a row on (counted from 0), in pieces, so that memory is bounded.

        `BadRequest`: it has no such column, or one of another type than text and whole numbers. `CorruptObject`.
        """

    def merge(self, sources: Sequence[str], target: str, merging: Merging) -> int:
        """Write the rows of several objects as one, with the columns of all; how many there are."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook's receiver said; `retry_after` in seconds, if it named a time."""

    status: int
    retry_after: int | None = None


class Webhooks(Protocol):
    """HTTP to a destination."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post; `Unavailable` when there was no answer, `Forbidden` when the address may not be called."""


class Secrets(Protocol):
    """The secret that webhooks are signed with."""

    def webhook_secret(self) -> bytes:
        """The key's bytes."""


class Function(Protocol):
    """Another function of this service."""

    def call(self, payload: Mapping[str, Any]) -> Any:
        """What the function answers, waited for. `Unavailable` if it did not run, or failed."""

    def start(self, payload: Mapping[str, Any]) -> None:
        """Have it run, without waiting for it. `Unavailable` if the request was not taken."""


class Downloads(Protocol):
    """Files that somebody without an account can fetch for a while."""

    def url(self, query: str, seconds: int, name: str) -> str:
        """The address of what a query of the warehouse answered, as a file called `name`."""


class StreamMetrics(Protocol):
    """How the reader of the event stream is doing."""

    def evaluation(self, since: int, until: int) -> Evaluation:
        """Over the time between two moments (Unix seconds). `Unavailable`: nobody can say."""
