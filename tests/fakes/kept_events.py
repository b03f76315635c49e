"""An archive of events and its caretaker, which can be killed at any write."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from segmentation.adapters.parquet import ParquetTables
from segmentation.domain.event import Event
from segmentation.domain.stream import StreamRecord
from segmentation.usecases.archive_events import ArchiveEvents
from segmentation.usecases.compact_events import Compacted, CompactEvents

from tests.fakes import FixedClock, MemoryLake, MemoryLakeCatalog, StaticRuleSets
from tests.fakes.documents import published

DAY = 86_400
NOON = 1_704_110_400  # 2024-01-01T12:00:00Z
FOLDER = "events/shop/purchases/"


class Killed(Exception):
    """What a function does not catch: its process is gone."""


@dataclass
class MortalLake(MemoryLake):
    """Dies at the write of a number, before or after doing it."""

    deadly: int = -1
    after: bool = False
    writes: int = 0

    def put(self, path: str, data: bytes, *, expected: str | None = None) -> bool:
        self._die(False)
        done = MemoryLake.put(self, path, data, expected=expected)
        self._die(True)
        return done

    def delete(self, paths: Collection[str]) -> None:
        for path in sorted(paths):  # a request is not one step: it may end halfway
            self._die(False)
            MemoryLake.delete(self, [path])
            self._die(True)

    def _die(self, after: bool) -> None:
        self.writes += after
        if self.after is after and self.writes == self.deadly + after:
            raise Killed


@dataclass
class World:
    """A lake, its archive and its caretaker, under one clock."""

    lake: MortalLake = field(default_factory=MortalLake)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    catalog: MemoryLakeCatalog = field(default_factory=MemoryLakeCatalog)
    sequence: int = 0

    def __post_init__(self) -> None:
        self.tables = ParquetTables(self.lake)
        self.sets = StaticRuleSets({"shop": published()})

    def archive(self, *batches: list[Event]) -> None:
        use_case = ArchiveEvents(self.tables, MemoryLake(), self.sets)
        for batch in batches:
            records = [
                StreamRecord(str(self.sequence + number), one.to_json()) for number, one in enumerate(batch)
            ]
            use_case("shard", records)
            self.sequence += len(batch)

    def compact(self, seconds_left: Callable[[], float] = lambda: 900.0) -> Compacted:
        self.lake.time = self.clock.time
        return CompactEvents(self.lake, self.tables, self.catalog, self.sets, self.clock)(seconds_left)

    def names(self, folder: str = FOLDER) -> list[str]:
        """What a query would read."""
        names = [path.rpartition("/")[2] for path in self.lake.list(folder)]
        return [name for name in names if not name.startswith("_")]

    def rows(self, folder: str = FOLDER) -> list[tuple[str, str]]:
        """Profile and event id of each row that a query would read."""
        found = []
        for path in list(self.lake.list(folder)):
            if not path.rpartition("/")[2].startswith("_"):
                for batch in self.tables.read(path):
                    found += [(row["profile"], row["event_id"]) for row in batch]
        return found


def event(identifier: str, person: str = "1", time: int = NOON - DAY) -> Event:
    return Event(identifier, "shop", "purchases", f"person_id:{person}", time, NOON, {"amount": 1.5})


def batches(count: int, time: int = NOON - DAY) -> list[list[Event]]:
    return [[event(f"e{n}-{m}", str(m), time) for m in range(3)] for n in range(count)]
