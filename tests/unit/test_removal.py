"""Removal of an audience: everything goes, nothing of anybody else's, wherever it is cut off."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import segmentation
from segmentation.domain.errors import NotFound, Unavailable
from segmentation.domain.lists import lists_path
from segmentation.domain.pipeline import Job, Outcome
from segmentation.domain.profile import BatchPart, RealtimePart
from segmentation.domain.removal import FOLDERS, SETTLED_SECONDS, STEPS, Removal, is_of, removed_path
from segmentation.domain.sizes import SizePoint
from segmentation.usecases.remove_audiences import RemoveAudiences

from tests.fakes import (
    FakeWarehouse,
    FixedClock,
    MemoryLake,
    MemoryProfiles,
    MemoryRuns,
    MemorySizes,
    StaticRuleSets,
)
from tests.fakes.batch import Rig, the_run
from tests.fakes.documents import RAW, published
from tests.fakes.fuse import Fuse, Killed

NOW = 1_704_067_200
SIZES: list[tuple[str | None, ...]] = [("size", "adults", "2"), ("profiles", "", "3")]
LIVE = RealtimePart(1, b"state", (), (), NOW, "r")


class RuleSetsOfTheLake(StaticRuleSets):
    """Rule sets that are gone when their object is."""

    def __init__(self, lake: MemoryLake) -> None:
        super().__init__({"shop": published(), "shop-two": published()})
        self._lake = lake

    def all(self) -> Any:
        return {
            name: one for name, one in self.sets.items() if f"rules/{name}/ruleset.json" in self._lake.objects
        }


@dataclass
class World:
    """An audience with everything that there can be of one, and another whose id begins like it."""

    wrap: Callable[[Any], Any] = lambda store: store
    lake: MemoryLake = field(default_factory=MemoryLake)
    runs: MemoryRuns = field(default_factory=MemoryRuns)
    profiles: MemoryProfiles = field(default_factory=MemoryProfiles)
    sizes: MemorySizes = field(default_factory=MemorySizes)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    def __post_init__(self) -> None:
        self.warehouse = FakeWarehouse(
            tables=dict(RAW), answers={"count": [("profiles", "3")], "sizes": list(SIZES)}
        )
        self.sets = RuleSetsOfTheLake(self.lake)
        for audience in ("shop", "shop-two"):
            for folder in FOLDERS:
                self.lake.put(f"{folder}/{audience}/some/thing", b"x")
            self.lake.put(f"rules/{audience}/ruleset.json", b"{}")
            self.lake.put(lists_path(audience), b"{}")
            part = BatchPart("20240101t000000z_0001", NOW, ("adults",))
            self.profiles.batch |= {f"{audience}#person_id:{n}": part for n in range(3)}
            self.profiles.realtime |= {f"{audience}#person_id:{n}": LIVE for n in range(5)}
            self.sizes.add(audience, [SizePoint("adults", "r", NOW, 1, 1, 0)], NOW)
        self.rig = Rig(
            {"shop": published()}, self.warehouse, self.lake, self.runs, clock=self.clock, sizes=self.sizes
        )
        self.rig.finish(the_run(self.rig.build("shop")))
        self.rig.finish(the_run(self.rig.materialize("shop")))
        self.warehouse.tables |= {
            name: {} for name in ("shop_two_20240101t000000_0001_profiles", "shop_prices")
        }
        self.others = self.of_others()
        self.assemble()

    def assemble(self) -> None:
        stores = (self.lake, self.warehouse, self.runs, self.profiles, self.sizes)
        self.remove = RemoveAudiences(*map(self.wrap, stores), self.sets, self.clock)

    def of_others(self) -> tuple[set[str], ...]:
        return (
            {path for path in self.lake.objects if "shop-two" in path},
            {one for one in (*self.profiles.batch, *self.profiles.realtime) if one.startswith("shop-two#")},
            {
                one
                for one in self.warehouse.named("")
                if one.startswith("shop_two") or one in (*RAW, "shop_prices")
            },
            {key[0] for key in self.sizes.points if key[0] != "shop"},
        )

    def whole_way(self) -> None:
        """Asked for, and carried on each hour until it is done."""
        if "rules/shop/ruleset.json" in self.lake.objects:
            self.remove.ask("shop")
        for _ in range(10):
            if not self.remove.go_on().open:
                return
            self.clock.time += 3_600
            self.rig.advance.sweep()
        pytest.fail(f"it does not end: {self.lake.json('removals/shop.json')}")

    def check_gone(self) -> None:
        left = [path for path in self.lake.objects if "shop" in path and "shop-two" not in path]
        assert left == [removed_path("shop")]
        assert not [one for one in (*self.profiles.batch, *self.profiles.realtime) if one.startswith("shop#")]
        assert self.warehouse.named("shop_2") == []
        assert not [key for key in self.sizes.points if key[0] == "shop"]
        assert not [key for key in (*self.runs.runs, *self.runs.locks) if key[0] == "shop"]
        assert self.of_others() == self.others


@pytest.fixture
def world() -> World:
    return World()


def test_everything_of_an_audience_goes_and_nothing_of_another(world: World) -> None:
    removal = world.remove.ask("shop")
    assert removal.segments == ("adults", "adults-buying", "buyers", "buying-now", "germans-buying")
    assert world.remove.ask("shop") == removal
    assert world.remove.go_on().open == ["shop"]
    # At once nothing is collected, computed or served any more; what was made waits until all is quiet.
    assert "shop" not in world.sets.all()
    assert world.profiles.batch["shop#person_id:1"]
    world.clock.time += SETTLED_SECONDS - 1
    assert world.remove.go_on().open == ["shop"]
    assert world.profiles.batch["shop#person_id:1"]
    world.clock.time += 1
    assert world.remove.go_on().open == ["shop"]
    assert "shop#person_id:1" not in world.profiles.batch
    assert "events/shop/some/thing" in world.lake.objects  # until the profiles' stream has run dry
    world.clock.time += SETTLED_SECONDS
    assert world.remove.go_on().done == ["shop"]
    world.check_gone()
    assert world.remove.go_on().open == world.remove.go_on().done == []
    done = Removal.from_document(world.lake.json(removed_path("shop")))
    assert (done.step, done.asked, done.ended) == ("done", NOW, world.clock.time)


def test_tables_are_told_apart_by_what_builds_and_runs_call_them() -> None:
    assert is_of("shop_20240101t000000_0001_profiles", "shop")
    assert is_of("the_shop_20240101t000000z_0001_members", "the-shop")
    assert not is_of("shop_two_20240101t000000_0001_profiles", "shop")
    assert not is_of("shop_prices", "shop")


def test_every_folder_that_the_code_writes_for_an_audience_is_known() -> None:
    package = Path(segmentation.__path__[0])
    sources = (path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    written = {name for text in sources for name in re.findall(r'f"([a-z_]+)/\{audience', text)}
    assert written >= {"audiences", "events"}
    assert written - {"removals", "removed"} <= set(FOLDERS)


def test_tables_over_archived_events_are_dropped_too(world: World) -> None:
    removal = world.remove.ask("shop")
    # Two behaviors, lists, keys that were joined or erased, changes of membership, and the view of them.
    assert len(removal.tables) == 7
    world.warehouse.tables |= {name: {} for name in removal.tables}
    world.whole_way()
    assert not set(removal.tables) & set(world.warehouse.tables)


def test_a_run_under_way_is_stopped_and_waited_for(world: World) -> None:
    world.warehouse.instant = False
    run = the_run(world.rig.materialize("shop"))
    world.remove.ask("shop")
    world.remove.go_on()
    world.clock.time += SETTLED_SECONDS
    assert world.remove.go_on().open == ["shop"]
    assert {world.warehouse.queries[one].outcome for one in run.active_queries} == {Outcome.STOPPED}
    assert world.profiles.batch["shop#person_id:1"]
    world.rig.advance.sweep()
    assert world.runs.lock("shop", Job.MATERIALIZE).holder is None
    world.whole_way()
    world.check_gone()


def test_many_profiles_are_removed_in_several_goes(world: World) -> None:
    world.remove.ask("shop")
    world.remove.go_on()
    world.clock.time += SETTLED_SECONDS
    looks = iter([True, True, True] + [False] * 100)
    world.remove.go_on(lambda: next(looks))
    left = len([one for one in world.profiles.realtime if one.startswith("shop#")])
    assert left > 0
    world.whole_way()
    world.check_gone()


def test_an_audience_that_is_published_again_meanwhile_is_left_alone(world: World) -> None:
    world.remove.ask("shop")
    world.remove.go_on()
    world.lake.put("rules/shop/ruleset.json", b"{}")
    world.clock.time += SETTLED_SECONDS
    assert world.remove.go_on().open == ["shop"]
    assert world.profiles.batch["shop#person_id:1"]


def test_what_is_not_there_is_said(world: World) -> None:
    with pytest.raises(NotFound, match="'nobody'"):
        world.remove.ask("nobody")


def test_a_store_out_of_reach_leaves_it_for_later(world: World) -> None:
    world.remove.ask("shop")
    world.remove.go_on()
    world.clock.time += 2 * SETTLED_SECONDS
    world.remove.go_on()
    world.clock.time += SETTLED_SECONDS
    world.runs.closed = True

    def out_of_reach(audience: str) -> None:
        raise Unavailable("runs cannot be removed")

    forget, world.runs.forget = world.runs.forget, out_of_reach  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        world.remove.go_on()
    world.runs.forget, world.runs.closed = forget, False  # type: ignore[method-assign]
    world.whole_way()
    world.check_gone()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_each_write_it_ends_whole(after: bool) -> None:
    at = 0
    while True:
        fuse = Fuse(at, after)
        world = World(fuse.wrap)
        try:
            world.whole_way()
        except Killed:
            world.assemble()
            world.whole_way()
        world.check_gone()
        if fuse.writes <= at:
            break
        at += 1
    assert at > 20


def test_steps_follow_each_other_and_survive_json() -> None:
    removal: Removal | None = Removal("shop", NOW, ("a",), ("t",), since=NOW, cursor="c")
    seen = []
    while removal is not None:
        assert Removal.from_document(json.loads(json.dumps(removal.to_document()))) == removal
        seen.append(removal.step)
        removal = replace(removal, cursor="x").following(NOW)
        assert removal is None or removal.cursor == ""
    assert tuple(seen) == STEPS
