"""The world in which what was made of segments is removed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from segmentation.adapters.parquet import ParquetTables
from segmentation.domain.event_lake import CHANGES
from segmentation.domain.rulebook import Edit
from segmentation.domain.sizes import SizePoint
from segmentation.usecases.edit_rules import Author, EditRules
from segmentation.usecases.remove_segments import RemoveSegments

from tests.fakes import FixedClock, MemoryLake, MemorySizes
from tests.fakes.documents import documents
from tests.management.support import LakeRuleSets
from tests.publishing import PublishRules

NOW = 1_704_067_200

DAYS = ("2023-12-30", "2023-12-31")


def change(number: int, segment: str) -> dict[str, object]:
    row = {"change_id": f"c{number}", "profile": f"p{number}", "segment": segment, "joined": True}
    return {**row, "moment": NOW, "computed": NOW, "rules": "r"}


@dataclass
class World:
    """Audiences with all that can be made of a segment."""

    wrap: Callable[[Any], Any] = lambda store: store
    lake: MemoryLake = field(default_factory=MemoryLake)
    sizes: MemorySizes = field(default_factory=MemorySizes)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    def __post_init__(self) -> None:
        document = documents()
        lonely = {"id": "lonely", "name": "L", "audience": "shop", "kind": "batch",
                  "rule": {">=": [{"var": "attributes.age"}, 65]}}  # fmt: skip
        document["segments"].append(lonely)
        parts = (document[name] for name in ("audience", "segments", "access", "destinations"))
        PublishRules(self.lake, self.clock)(*parts)
        for audience in ("shop", "other"):
            self.lake.put(f"syndication/{audience}/index.json", b'{"runs": ["r1", "r2"]}')
            for segment in ("lonely", "lonely-too", "adults"):
                for run in ("r1", "r2"):
                    for name in ("contents.json", "members-000000-00000.json"):
                        self.lake.put(f"syndication/{audience}/{run}/{segment}/{name}", b"{}")
                self.lake.put(f"exports/{audience}/{segment}/q1.json", b"{}")
                self.lake.put(f"explanations/{audience}/{segment}/q1.json", b"{}")
                self.sizes.add(audience, [SizePoint(segment, "r1", NOW, 1, 1, 0)], NOW)
            for number, day in enumerate(DAYS):
                rows = [change(10 * number + n, segment) for n, segment in enumerate(("lonely", "adults"))]
                ParquetTables(self.lake).write(
                    f"changes/{audience}/date={day}/{number}.parquet", CHANGES, rows
                )
        self.assemble()

    def assemble(self) -> None:
        lake = self.wrap(self.lake)
        tables = self.wrap(ParquetTables(self.lake))
        sets = LakeRuleSets(self.lake)
        self.remove = RemoveSegments(lake, tables, self.wrap(self.sizes), sets, self.clock)

    def edit(self, *edits: Edit) -> None:
        EditRules(self.lake, self.clock)("shop", edits, Author("me"))

    def delete(self) -> None:
        self.edit(Edit("segments", "lonely", "deleted", delete=True))

    def archived(self, audience: str = "shop") -> list[str]:
        tables = ParquetTables(self.lake)
        return [str(row["segment"]) for rows in tables.read(f"changes/{audience}/") for row in rows]

    def published(self, audience: str = "shop") -> set[str]:
        paths = [
            one.split("/")
            for one in self.lake.objects
            if one.startswith(("syndication/", "exports/", "explanations/"))
        ]
        return {part[-2] for part in paths if part[1] == audience and len(part) > 3}

    def whole_way(self) -> None:
        for _ in range(60):
            self.remove.go_on()
            self.clock.time += 3_600


def check_gone(world: World) -> None:
    assert world.published() == {"lonely-too", "adults"}
    assert world.archived() == ["adults", "adults"]
    assert {key[:2] for key in world.sizes.points if key[0] == "shop"} == {
        ("shop", "adults"),
        ("shop", "lonely-too"),
    }
    # Nothing of anybody else's.
    assert world.published("other") == {"lonely", "lonely-too", "adults"}
    assert sorted(world.archived("other")) == ["adults", "adults", "lonely", "lonely"]
