"""A world of batch runs over fakes, a way through it, and what must be whole at its end."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from segmentation.domain.pipeline import Job, Run
from segmentation.domain.run import RunRecord

from tests.fakes import FakeWarehouse, FixedClock, MemoryLake, MemoryQueue, MemoryRuns
from tests.fakes.batch import Rig, the_run
from tests.fakes.documents import RAW, documents, published
from tests.fakes.fuse import Fuse

NOW = 1_704_067_200
DAY = 86_400
SAMPLES = ["sample_of_profiles", "sample_of_behavior_purchases", "sample_of_behavior_mailings"]
TABLES = ["profiles", "behavior_purchases", "behavior_mailings"]
STATEMENTS = [*TABLES, "count", *SAMPLES, "members", "changes", "sizes"]
SIZES: list[tuple[str | None, ...]] = [
    ("size", "adults", "2"),
    ("joined", "adults", "1"),
    ("left", "adults", "1"),
    ("profiles", "", "3"),
]


@dataclass
class World:
    """All stores, and the three functions over them."""

    document: dict[str, Any] = field(default_factory=documents)
    fuse: Fuse = field(default_factory=Fuse)
    warehouse: FakeWarehouse = field(
        default_factory=lambda: FakeWarehouse(
            tables=dict(RAW), answers={"count": [("profiles", "3")], "sizes": list(SIZES)}
        )
    )
    lake: MemoryLake = field(default_factory=MemoryLake)
    runs: MemoryRuns = field(default_factory=MemoryRuns)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    def __post_init__(self) -> None:
        self.rig = Rig(
            {"shop": published(**self.document)},
            self.warehouse,
            self.lake,
            self.runs,
            self.queue,
            self.clock,
            wrap=self.fuse.wrap,
        )

    def publish(self, **changes: Any) -> None:
        self.document.update(changes)
        self.rig.sets["shop"] = published(**self.document)

    def schedule(self, **schedules: str) -> None:
        for one in self.document["segments"]:
            if one["id"] in schedules:
                one["schedule"] = schedules[one["id"]]
        self.publish()

    def built(self) -> Run:
        return self.rig.finish(the_run(self.rig.build("shop")))

    def materialized(self, **arguments: Any) -> Run:
        return self.rig.finish(the_run(self.rig.materialize("shop", **arguments)))

    def current(self) -> RunRecord:
        return RunRecord.from_document(self.lake.json("memberships/shop/current.json"))

    def of(self, job: Job) -> list[Run]:
        """All runs, earliest first."""
        return self.runs.recent("shop", job)[::-1]


MOST_TRIES = 20


def whole_way(world: World) -> None:
    """Two builds and runs, one with a failing segment, as their callers would start them until they are done."""
    for number in (1, 2):
        world.warehouse.failing_segments = {"buyers": "broken"} if number == 2 else {}
        for job, begin in ((Job.BUILD, world.rig.build), (Job.MATERIALIZE, world.rig.materialize)):
            for _ in range(MOST_TRIES):
                if len([one for one in world.of(job) if one.is_committed]) >= number:
                    break
                world.clock.time += 1
                begin("shop")
                world.clock.time += 1
                world.rig.advance.sweep()
            else:
                pytest.fail(f"{job} {number} does not end well: {world.of(job)[-1]}")


def check_whole(world: World) -> None:
    """Nothing is half done, whatever happened."""
    assert world.runs.held() == []
    assert all(one.is_over for one in world.runs.runs.values())
    good = [one for one in world.of(Job.MATERIALIZE) if one.is_committed and not one.backfill]
    assert world.current().run == good[-1].id
    previous = None
    for run in good:
        record = RunRecord.from_document(world.lake.json(f"memberships/shop/{run.id}/run.json"))
        assert record.previous == previous
        previous = run.id
    assert {one["run"] for one in world.queue.messages} == {one.id for one in good}
    points = world.rig.sizes.of("shop", "adults", 0, 10**11)
    assert [one.run for one in points] == [one.id for one in good]
    builds = [one for one in world.of(Job.BUILD) if one.is_committed]
    pointer = world.lake.json("audiences/shop/current.json")
    assert pointer["version"] == builds[-1].id
    assert {pointer["tables"]["profiles"], *pointer["tables"]["behaviors"].values()} <= set(
        world.warehouse.made
    )
    assert world.current().members_table() in world.warehouse.made
