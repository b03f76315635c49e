"""A shop that erases people, over fakes."""

from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.erasure import Erasure
from segmentation.domain.event_lake import event_columns, event_row
from segmentation.usecases.erase_profiles import Erased, EraseProfiles
from segmentation.usecases.erase_visitor import EraseVisitor
from segmentation.usecases.export_visitor import ExportVisitor

from tests.fakes import FakeWarehouse, MemoryLake, MemoryTables, StaticRuleSets
from tests.fakes.identities import PUBLISHED, Shop

OTHER = "person_id:2"
DAY = 86_400


@dataclass
class Privacy:
    """A shop with a lake, and those who erase."""

    shop: Shop = field(default_factory=Shop)
    lake: MemoryLake = field(default_factory=MemoryLake)
    tables: MemoryTables = field(default_factory=MemoryTables)
    failures: MemoryLake = field(default_factory=MemoryLake)
    seconds: float = 900

    def __post_init__(self) -> None:
        sets, clock = StaticRuleSets({"shop": PUBLISHED}), self.shop.clock
        self.erase = EraseVisitor(
            self.shop.profiles,
            self.lake,
            sets,
            self.shop.queue,
            clock,
            lambda: f"{len(self.lake.objects):04x}",
        )
        self.profiles = EraseProfiles(self.erase, MirroredLake(self), self.tables, sets, clock, self.failures)
        self.export = ExportVisitor(self.shop.profiles, self.lake, self.tables, FakeWarehouse(), sets, clock)

    def request(self) -> Erasure:
        """The one request."""
        (path,) = self.lake.list("erasures/shop/requests/")
        return Erasure.from_document(self.lake.json(path))

    def night(self, after: int = DAY) -> Erased:
        self.shop.clock.time += after
        return self.profiles(lambda: self.seconds)

    def archive(self, name: str, *events: Any, day: str = "2023-11-14") -> str:
        path = f"events/shop/purchases/date={day}/{name}.parquet"
        types = PUBLISHED.audience.behaviors["purchases"].types()
        self.tables.write(path, event_columns(types), [event_row(one, "1", types) for one in events])
        return path

    def people(self) -> set[str]:
        """Whose rows are in the lake's files."""
        return {
            row["profile"]
            for path, rows in self.tables.objects.items()
            if path.startswith(("events/", "changes/"))
            for row in rows
        }


@dataclass
class MirroredLake:
    """The lake with the tables' files in its listings, as it is one bucket."""

    privacy: Privacy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.privacy.lake, name)

    def list(self, prefix: str) -> Any:
        paths = {*self.privacy.lake.objects, *self.privacy.tables.objects}
        return iter(sorted(path for path in paths if path.startswith(prefix)))
