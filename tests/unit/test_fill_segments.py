"""Fills where things go wrong; that they go right is in tests/contract/test_fill.py."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from segmentation.domain.errors import Unavailable
from segmentation.domain.fill import ATTEMPTS, LATE, RETRY, SETTLE, Fill, Step, fill_path, mark_path
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published, parse_published
from segmentation.usecases.edit_rules import rule_set_path
from segmentation.usecases.fill_segments import Filled, FillSegments
from segmentation.usecases.follow_rules import walk_path
from segmentation.usecases.update_visitors import UpdateVisitors

from tests.fakes import (
    FakeWarehouse,
    FixedClock,
    MemoryEventLog,
    MemoryLake,
    MemoryLakeCatalog,
    MemoryProfiles,
    MemoryQueue,
    MemoryTables,
)
from tests.fakes.edited_rules import Rules, count, segment


@dataclass
class World:
    """A fill of one pending segment."""

    lake: MemoryLake = field(default_factory=MemoryLake)
    warehouse: FakeWarehouse = field(
        default_factory=lambda: FakeWarehouse(tables={"shop_events_purchases": {"item__string": "string"}})
    )
    log: MemoryEventLog = field(default_factory=MemoryEventLog)

    def __post_init__(self) -> None:
        self.clock = FixedClock(self.lake.time)
        rules = Rules(self.lake)
        rules.publish(segment("s", count("7d", 3)))
        rules.publish(segment("s", count("7d", 9)))
        profiles, programs = MemoryProfiles(), Programs()
        self.fill = FillSegments(
            self.log,
            self.lake,
            MemoryTables(),
            MemoryLakeCatalog(),
            self.warehouse,
            profiles,
            self,
            programs,
            UpdateVisitors(profiles, MemoryQueue(), programs, self.clock),
            self.clock,
        )

    def all(self) -> dict[str, Published]:
        return {"shop": parse_published(self.lake.json(rule_set_path("shop")))}

    def after(self, seconds: int) -> Filled:
        self.clock.time += seconds
        return self.fill(lambda: 900)

    def archive(self) -> None:
        for mark in self.log.marks:
            self.lake.put(mark_path(mark.name, mark.shard), b"")
        self.log.marks.clear()

    @property
    def standing(self) -> dict[str, Any]:
        return dict(self.all()["shop"].standing)

    @property
    def current(self) -> Fill:
        return Fill.from_document(json.loads(self.lake.objects[fill_path("shop")]))


@pytest.fixture
def world() -> World:
    return World()


def test_it_waits_for_every_shard(world: World) -> None:
    world.after(SETTLE)
    assert (world.current.step, world.current.marks) == (Step.WAIT, ("shard-0", "shard-1"))
    world.lake.put(mark_path(world.current.id, "shard-0"), b"")
    world.after(60)
    assert world.current.step is Step.WAIT
    assert world.after(LATE).late == 1
    world.archive()
    world.after(60)
    assert world.standing == {}


def test_marks_that_were_not_taken_are_put_again(world: World) -> None:
    world.log.mark = lambda name: (_ for _ in ()).throw(Unavailable("not taken"))  # type: ignore[method-assign]
    assert world.after(SETTLE).failed == 1
    assert world.current.step is Step.MARK
    del world.log.mark  # type: ignore[method-assign]
    world.after(60)
    assert world.current.step is Step.WAIT


def test_a_query_that_fails_is_tried_again_and_then_given_up_for_an_hour(world: World) -> None:
    world.warehouse.failing = {"fill": "no such luck"}
    world.after(SETTLE)
    world.archive()
    world.after(60)
    failed = world.current
    assert (failed.step, failed.attempt, failed.reason) == (Step.FAILED, ATTEMPTS, "no such luck")
    assert len({name for name, _ in world.warehouse.statements}) == ATTEMPTS
    assert set(world.standing) == {"s"}  # the version before goes on answering
    world.after(60)
    assert world.current == failed
    world.warehouse.failing = {}
    world.after(RETRY)
    assert world.current.id != failed.id
    world.archive()
    world.after(60)
    assert world.standing == {}
    world.after(SETTLE)
    assert fill_path("shop") not in world.lake.objects
    assert [path for path in world.lake.objects if path.startswith("fills/")] == [walk_path("shop")]


def test_of_two_at_once_one_makes_each_step(world: World) -> None:
    def other(path: str) -> None:
        if path == fill_path("shop"):
            world.lake.before_put = lambda _: None
            world.fill(lambda: 900)

    world.lake.before_put = other
    world.after(SETTLE)
    assert world.current.step is Step.WAIT
    world.archive()
    world.lake.before_put = other
    world.after(60)
    world.after(60)
    assert world.standing == {}
