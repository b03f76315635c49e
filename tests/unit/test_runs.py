"""Batch runs where things go wrong; that they go right on real SQL is in tests/contract/test_batch_path.py.

The warehouse is a fake that answers nothing but counts: what matters here is what is kept, and what is done twice.
"""

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segmentation.domain.errors import NotFound, Unavailable
from segmentation.domain.pipeline import MOST_SECONDS, Job, Outcome, Progress, Run, State
from segmentation.domain.run import RunRecord, run_id, table_name
from segmentation.domain.sizes import SizePoint
from segmentation.usecases.advance_runs import LATE_SECONDS
from segmentation.usecases.past_runs import RUNS_AT_ONCE
from segmentation.usecases.run_engine import summary

from tests.fakes import FakeWarehouse, FixedClock, MemoryLake, MemoryQueue, MemoryRuns
from tests.fakes.batch import Rig, RunFailed, the_run
from tests.fakes.documents import RAW, documents, published
from tests.fakes.fuse import Fuse, Killed

NOW = 1_704_067_200
DAY = 86_400
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


@pytest.fixture
def world() -> World:
    return World()


def as_json(record: RunRecord) -> Any:
    """A record as it is read again."""
    return json.loads(json.dumps(record.to_document()))


def test_ids_sort_by_time_and_are_legal_in_tables() -> None:
    assert run_id(NOW, "ab12") == "20240101t000000z_ab12"
    assert run_id(NOW, "ffff") < run_id(NOW + 1, "0000")
    assert table_name("the-shop", run_id(NOW, "ab12"), "members") == "the_shop_20240101t000000z_ab12_members"


# ---------------------------------------------------------------------------------------- the way it goes well


def test_a_start_returns_before_the_queries_end(world: World) -> None:
    world.warehouse.instant = False
    run = the_run(world.rig.build("shop"))
    assert (run.state, run.step, len(run.active_queries)) == (State.RUNNING, "tables", 3)
    assert "audiences/shop/current.json" not in world.lake.objects


def test_the_end_of_a_query_carries_its_run_on(world: World) -> None:
    world.warehouse.instant = False
    run = the_run(world.rig.build("shop"))
    for query in run.active_queries:
        world.warehouse.finish(query)
        world.rig.advance.query_ended(query)
    (counting,) = world.of(Job.BUILD)[0].active_queries
    world.warehouse.finish(counting)
    world.rig.advance.query_ended(counting)
    for query in world.of(Job.BUILD)[0].active_queries:  # the samples
        world.warehouse.finish(query)
        done = world.rig.advance.query_ended(query)
    assert [(one.id, one.state) for one in done.runs] == [(run.id, State.COMMITTED)]
    assert world.lake.json("audiences/shop/current.json")["version"] == run.id
    assert world.runs.held() == []


def test_the_end_of_a_foreign_query_is_none_of_ours(world: World) -> None:
    world.warehouse.instant = False
    run = the_run(world.rig.build("shop"))
    assert world.rig.advance.query_ended("somebody-elses").runs == []
    assert world.of(Job.BUILD) == [run]


def test_a_run_is_recorded_committed_and_handed_on(world: World) -> None:
    built = world.built()
    run = world.materialized(now=NOW - 5)
    record = world.current()
    assert world.lake.json(f"memberships/shop/{run.id}/run.json") == as_json(record)
    assert (record.run, record.now, record.started, record.profiles) == (run.id, NOW - 5, NOW, 3)
    assert (record.attributes, record.audience_version, record.previous) == (
        ("age", "country"),
        built.id,
        None,
    )
    sizes = [(one.id, one.size, one.joined, one.left, one.computed) for one in record.segments]
    assert sizes == [("adults", 2, 1, 1, NOW), ("buyers", 0, 0, 0, NOW)]
    assert world.queue.messages == [{"audience": "shop", "run": run.id}]
    points = world.rig.sizes.of("shop", "adults", 0, 2 * NOW)
    assert points == [SizePoint("adults", run.id, NOW - 5, 2, 1, 1)]
    said = summary(run)
    assert (said["state"], said["rows"], said["bytes_scanned"], said["error"]) == ("committed", 3, 30, None)
    assert said["queries"] == [one.id for one in record.queries]
    assert said["dollars"] == record.dollars == pytest.approx(3 * 10e6 * 5 / 1e12)


def test_an_unknown_audience_is_named(world: World) -> None:
    for start in (world.rig.build, world.rig.materialize):
        with pytest.raises(NotFound, match="'nobody'"):
            start("nobody")


def test_segments_need_a_built_audience(world: World) -> None:
    with pytest.raises(RunFailed, match=r"NotBuilt: .*run build_audience first"):
        world.materialized()
    assert not world.queue.messages
    assert (
        "not built"
        in world.lake.json(f"memberships/shop/{world.of(Job.MATERIALIZE)[0].id}/failed.json")["reason"]
    )


def test_a_large_audience_has_a_sample_and_a_small_one_none(world: World) -> None:
    first = world.built()  # nobody knows yet how large it is
    pointer = world.lake.json("audiences/shop/current.json")
    behaviors = {name: f"shop_{first.id}_sample_of_behavior_{name}" for name in ("purchases", "mailings")}
    profiles = f"shop_{first.id}_sample_of_profiles"
    assert pointer["sample"] == {"profiles": profiles, "behaviors": behaviors, "share": 1.0}
    world.clock.time += 60
    world.built()
    assert world.lake.json("audiences/shop/current.json")["sample"] is None
    world.warehouse.answers["count"] = [
        ("profiles", "400000"),
        ("behavior_purchases", "7"),
        ("behavior_mailings", "0"),
    ]
    for _ in range(2):
        world.clock.time += 60
        world.built()
    assert world.lake.json("audiences/shop/current.json")["sample"]["share"] == 0.25
    name, sql = world.warehouse.statements[-1]
    assert name == "sample_of_behavior_mailings"
    assert f"< {16**13 // 4}" in sql


def test_raw_tables_that_do_not_fit_fail_the_build_at_once(world: World) -> None:
    world.built()
    del world.warehouse.tables["mail"]
    world.clock.time += 60
    with pytest.raises(RunFailed, match=r"RuleError: .*mail"):
        world.built()
    assert len(world.warehouse.started) == 7


def test_a_version_without_profiles_does_not_follow_one_with_some(world: World) -> None:
    first = world.built()
    world.warehouse.answers["count"] = [("profiles", "0")]
    world.clock.time += 60
    with pytest.raises(RunFailed, match="no profiles at all"):
        world.built()
    assert world.lake.json("audiences/shop/current.json")["version"] == first.id


# --------------------------------------------------------------------------------- the warehouse and the tables fail


@pytest.mark.parametrize("failing", ["profiles", "behavior_purchases", "count"])
def test_a_failed_build_leaves_the_last_version(world: World, failing: str) -> None:
    world.built()
    before = world.lake.objects["audiences/shop/current.json"]
    world.warehouse.failing[failing] = "HIVE_BAD_DATA: broken file"
    world.clock.time += 60
    with pytest.raises(RunFailed, match="HIVE_BAD_DATA"):
        world.built()
    assert world.lake.objects["audiences/shop/current.json"] == before
    world.warehouse.failing.clear()
    assert world.built().ended_well


@pytest.mark.parametrize("failing", ["CREATE TABLE", "changes", "sizes"])
def test_a_failed_query_fails_the_run_and_nothing_else(world: World, failing: str) -> None:
    world.built()
    good = world.materialized()
    world.queue.messages.clear()
    world.warehouse.failing[failing] = "Query exhausted resources"
    world.clock.time += 60
    with pytest.raises(RunFailed, match="exhausted"):
        world.materialized()
    assert world.current().run == good.id
    (failed,) = [path for path in world.lake.objects if path.endswith("failed.json")]
    assert "exhausted" in world.lake.json(failed)["reason"]
    assert not world.queue.messages
    world.warehouse.failing.clear()
    world.clock.time += 60
    world.materialized()
    assert world.current().previous == good.id


SAMPLES = ["sample_of_profiles", "sample_of_behavior_purchases", "sample_of_behavior_mailings"]
TABLES = ["profiles", "behavior_purchases", "behavior_mailings"]
STATEMENTS = [*TABLES, "count", *SAMPLES, "members", "changes", "sizes"]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_passing_failure_of_each_query_passes(world: World, statement: str) -> None:
    world.warehouse.passing[statement] = 2
    run = the_run(world.rig.build("shop"))
    for _ in range(3):
        world.clock.time += 120
        world.rig.advance.sweep()
    assert world.rig.finish(run).ended_well
    run = the_run(world.rig.materialize("shop"))
    for _ in range(3):
        world.clock.time += 120
        world.rig.advance.sweep()
    assert world.rig.finish(run).ended_well
    assert [
        one.attempt for one in [*world.of(Job.BUILD)[0].statements, *world.of(Job.MATERIALIZE)[0].statements]
    ].count(3) == 1
    record = world.current()
    tables = [sql for name, sql in world.warehouse.statements if name.startswith("sizes")]
    assert record.members_table() in tables[-1]


@pytest.mark.parametrize("start", range(10))
@pytest.mark.parametrize("times", [1, 3])
def test_a_throttle_at_each_start_passes(start: int, times: int) -> None:
    world = World()

    def throttled() -> None:
        world.warehouse.throttled = times

    original, count = world.warehouse.start, 0

    def counting(name: str, sql: str, token: str) -> str:
        nonlocal count
        count += 1
        if count == start + 1:
            throttled()
        return original(name, sql, token)

    world.warehouse.start = counting  # type: ignore[method-assign]
    for begin in (world.rig.build, world.rig.materialize):
        run = the_run(begin("shop"))
        for _ in range(5):
            world.clock.time += 1_000
            world.rig.advance.sweep()
        assert world.rig.finish(run).ended_well
    assert count == 10 + times


@pytest.mark.parametrize("store", ["runs", "queue", "blind"])
def test_a_store_out_of_reach_is_waited_for(world: World, store: str) -> None:
    world.built()
    world.warehouse.instant = False
    run = the_run(world.rig.materialize("shop"))
    if store == "blind":
        world.warehouse.blind = 1
    else:
        setattr(getattr(world, store), "closed", True)  # noqa: B010 - the name varies
    for query in list(world.warehouse.queries):
        world.warehouse.finish(query)
    world.rig.advance.sweep()
    assert world.runs.read("shop", Job.MATERIALIZE, run.id).state is State.RUNNING  # type: ignore[union-attr]
    world.runs.closed = world.queue.closed = False
    world.warehouse.instant = True
    for query in list(world.warehouse.queries):
        world.warehouse.finish(query)
    assert world.rig.finish(run).ended_well
    assert world.queue.messages == [{"audience": "shop", "run": run.id}]


def test_a_run_that_cannot_be_begun_says_so(world: World) -> None:
    world.runs.closed = True
    with pytest.raises(Unavailable):
        world.rig.build("shop")


# ----------------------------------------------------------------------------------------------- a segment fails


def test_a_failing_segment_keeps_its_last_members_and_takes_no_other_down(world: World) -> None:
    world.built()
    world.materialized()
    first = world.current()
    world.warehouse.failing_segments["buyers"] = "Bytes scanned limit was exceeded"
    world.clock.time += 60
    run = world.materialized()
    record = world.current()
    assert record.run == run.id
    adults, buyers = record.segments
    assert (adults.failed, adults.computed) == (None, NOW + 60)
    assert (buyers.failed, buyers.failures) == ("Bytes scanned limit was exceeded", 1)
    assert (buyers.computed, buyers.now) == (NOW, NOW)
    assert summary(run)["failed_segments"] == 1
    merge = next(sql for name, sql in world.warehouse.statements if name == "merge")
    assert f"LEFT JOIN {first.members_table()} o" in merge
    assert "contains(ARRAY['buyers'], x)" in merge
    assert record.members == "merge"

    world.warehouse.failing_segments.clear()
    world.clock.time += 60
    world.rig.advance.sweep()
    assert world.current().run == run.id  # too early to try again
    world.clock.time += 3_600
    world.rig.advance.sweep()
    again = world.current()
    assert again.previous == run.id
    assert [(one.id, one.failed, one.computed) for one in again.segments] == [
        ("adults", None, NOW + 60),
        ("buyers", None, NOW + 60 + 3_660),
    ]


def test_a_segment_that_fails_again_is_tried_later_each_time(world: World) -> None:
    world.built()
    world.materialized()
    world.warehouse.failing_segments["buyers"] = "broken"
    world.materialized()
    tries = []
    for _ in range(48):
        before = world.current().run
        world.clock.time += 900
        world.rig.advance.sweep()
        if (
            world.current().run != before
            or world.runs.lock("shop", Job.MATERIALIZE).failed == world.clock.time
        ):
            tries.append(world.clock.time)
    assert len(tries) <= 4
    assert all(later - earlier >= 3_600 for earlier, later in itertools.pairwise(tries))


def test_a_segment_that_never_worked_has_nobody_in_it(world: World) -> None:
    world.built()
    world.warehouse.failing_segments["buyers"] = "broken"
    world.materialized()
    (adults, buyers) = world.current().segments
    assert (adults.failed, buyers.failed, buyers.computed, buyers.version) == (None, "broken", 0, "")


def test_a_query_that_is_too_long_takes_no_other_segment_down(world: World) -> None:
    # As JSON it has fewer bytes than a rule may have, and its literals are short; its SQL is longer.
    rule = {"or": [{"<=": [number, {"var": "attributes.age"}, number + 0.5]} for number in range(4_000)]}
    segments = [*world.document["segments"]]
    segments.append({**segments[0], "id": "too-long", "rule": rule})
    world.publish(segments=segments)
    world.built()
    world.materialized()
    counted = {one.id: one.failed for one in world.current().segments}
    assert counted["adults"] is None
    assert "bytes" in (counted["too-long"] or "")


# ------------------------------------------------------------------------------------------------- two at once


def test_of_two_starts_at_once_one_runs_and_one_is_recorded_as_skipped(world: World) -> None:
    world.built()
    world.warehouse.instant = False
    first, second = the_run(world.rig.materialize("shop")), the_run(world.rig.materialize("shop"))
    assert (first.state, second.state) == (State.RUNNING, State.SKIPPED)
    assert second.error == f"run {first.id} is under way"
    assert world.runs.read("shop", Job.MATERIALIZE, second.id) == second
    world.warehouse.instant = True
    for query in first.active_queries:
        world.warehouse.finish(query)
    world.rig.finish(first)
    assert len(world.queue.messages) == 1
    assert world.of(Job.MATERIALIZE)[-1].state is State.SKIPPED  # asked for by hand: not made up for


def test_one_firing_of_the_schedule_starts_one_run(world: World) -> None:
    world.built()
    firing = {"requested": "schedule", "scheduled": "2024-01-01T03:00:00Z"}
    run = the_run(world.rig.materialize("shop", **firing))
    world.rig.finish(run)
    again = the_run(world.rig.materialize("shop", **firing))
    assert (again.state, again.error) == (State.SKIPPED, "this firing of the schedule was taken already")
    later = the_run(world.rig.materialize("shop", requested="schedule", scheduled="2024-01-02T03:00:00Z"))
    assert world.rig.finish(later).ended_well


def test_a_schedule_that_fires_while_a_run_is_under_way_is_made_up_for(world: World) -> None:
    world.built()
    world.warehouse.instant = False
    run = the_run(world.rig.materialize("shop"))
    world.clock.time += 60
    firing = {"requested": "schedule", "scheduled": "2024-01-01T03:00:00Z"}
    assert the_run(world.rig.materialize("shop", **firing)).state is State.SKIPPED
    assert (
        the_run(world.rig.materialize("shop", **firing)).error
        == "this firing of the schedule was taken already"
    )
    world.warehouse.instant = True
    for query in run.active_queries:
        world.warehouse.finish(query)
    world.rig.finish(run)
    world.rig.advance.sweep()
    assert world.current().previous == run.id
    assert [one.state for one in world.of(Job.MATERIALIZE)].count(State.COMMITTED) == 2
    world.rig.advance.sweep()
    assert [one.state for one in world.of(Job.MATERIALIZE)].count(State.COMMITTED) == 2


def test_a_failed_scheduled_run_is_tried_again_after_an_hour(world: World) -> None:
    world.built()
    world.warehouse.failing["changes"] = "broken"
    firing = {"requested": "schedule", "scheduled": "2024-01-01T03:00:00Z"}
    with pytest.raises(RunFailed):
        world.rig.finish(the_run(world.rig.materialize("shop", **firing)))
    world.warehouse.failing.clear()
    world.rig.advance.sweep()
    assert "memberships/shop/current.json" not in world.lake.objects
    world.clock.time += 3_600
    world.rig.advance.sweep()
    assert world.current().started == NOW + 3_600


def test_a_pointer_that_somebody_else_moved_is_not_overwritten(world: World) -> None:
    world.built()
    world.materialized()
    world.warehouse.instant = False
    world.clock.time += 60
    run = the_run(world.rig.materialize("shop"))
    theirs = {**world.lake.json("memberships/shop/current.json"), "run": "20230101t000000z_ffff"}
    world.lake.objects["memberships/shop/current.json"] = json.dumps(theirs).encode()
    world.warehouse.instant = True
    for query in run.active_queries:
        world.warehouse.finish(query)
    with pytest.raises(RunFailed, match="Superseded"):
        world.rig.finish(run)
    assert world.lake.json("memberships/shop/current.json") == theirs


# --------------------------------------------------------------------------------------- clocks, time, lost events


def test_a_clock_that_steps_back_makes_no_earlier_id(world: World) -> None:
    world.built()
    first = world.materialized()
    world.clock.time -= 10 * DAY
    second, third = world.materialized(), world.materialized()
    assert first.id < second.id < third.id
    assert world.current().run == third.id
    assert not world.current().backfill
    assert world.current().now == NOW - 10 * DAY


def test_a_clock_that_stepped_back_after_a_run_does_not_silence_its_schedule(world: World) -> None:
    world.schedule(adults="rate(1 day)")
    world.clock.time = NOW + 400 * DAY  # wrong
    world.built()
    world.rig.advance.sweep()
    assert world.current().started == NOW + 400 * DAY
    world.clock.time = NOW
    world.rig.advance.sweep()
    assert world.current().started == NOW
    run = world.current().run
    world.rig.advance.sweep()
    assert world.current().run == run
    world.clock.time += DAY
    world.rig.advance.sweep()
    assert world.current().started == NOW + DAY


def test_a_run_that_hangs_is_given_up_its_queries_stopped_and_the_lock_free(world: World) -> None:
    world.warehouse.instant = False
    run = the_run(world.rig.build("shop"))
    world.clock.time += MOST_SECONDS - 60
    assert world.rig.advance.sweep().late == {f"shop/build/{run.id}"}
    world.clock.time += 120
    (over,) = world.rig.advance.sweep().runs
    assert (over.id, over.state) == (run.id, State.FAILED)
    assert "given up at step 'tables'" in (over.error or "")
    assert {world.warehouse.queries[one].outcome for one in run.active_queries} == {Outcome.STOPPED}
    world.warehouse.instant = True
    assert world.built().ended_well


def test_a_lost_event_is_made_good_by_the_sweeper(world: World) -> None:
    world.warehouse.instant = False
    run = the_run(world.rig.build("shop"))
    while not world.runs.read("shop", Job.BUILD, run.id).is_over:  # type: ignore[union-attr]
        for query in list(world.warehouse.queries):
            world.warehouse.finish(query)
        world.rig.advance.sweep()
    assert world.lake.json("audiences/shop/current.json")["version"] == run.id


# ------------------------------------------------------------------------------------------ schedules of their own


def test_a_segment_is_computed_when_its_own_schedule_says(world: World) -> None:
    world.schedule(adults="rate(6 hours)")
    world.built()
    world.materialized()
    first = world.current()
    world.clock.time += 6 * 3_600 - 1
    world.rig.advance.sweep()
    assert world.current() == first
    world.clock.time += 1
    world.rig.advance.sweep()
    adults, buyers = world.current().segments
    assert (adults.computed, buyers.computed) == (NOW + 6 * 3_600, NOW)
    assert (world.current().previous, world.of(Job.MATERIALIZE)[-1].requested) == (first.run, "due")
    members = [sql for name, sql in world.warehouse.statements if name == "members"][-1]
    assert "'adults'" in members
    assert "'buyers'" not in members


def test_cron_is_of_the_audiences_time_zone(world: World) -> None:
    world.schedule(adults="cron(0 6 * * ? *)")  # New York: 11:00 UTC
    world.built()
    world.materialized()
    first = world.current().run
    world.clock.time = NOW + 11 * 3_600 - 1
    world.rig.advance.sweep()
    assert world.current().run == first
    world.clock.time += 1
    world.rig.advance.sweep()
    assert world.current().previous == first


def test_after_build_is_after_each_build(world: World) -> None:
    world.schedule(buyers="after build")
    built = world.built()
    world.rig.advance.sweep()
    (segment,) = world.current().segments
    assert (segment.id, segment.audience_version) == ("buyers", built.id)
    before = world.current().run
    world.rig.advance.sweep()
    assert world.current().run == before
    world.clock.time += 60
    again = world.built()
    world.rig.advance.sweep()
    assert world.current().previous == before
    assert world.current().segments[0].audience_version == again.id


def test_the_templates_schedule_leaves_segments_with_their_own_alone(world: World) -> None:
    world.schedule(adults="rate(1 day)")
    world.built()
    world.rig.advance.sweep()
    assert [one.id for one in world.current().segments] == ["adults"]
    world.clock.time += 60
    firing = {"requested": "schedule", "scheduled": "2024-01-01T03:00:00Z"}
    world.rig.finish(the_run(world.rig.materialize("shop", **firing)))
    assert [(one.id, one.computed) for one in world.current().segments] == [
        ("adults", NOW),
        ("buyers", NOW + 60),
    ]


def test_an_audience_is_built_when_its_own_schedule_says(world: World) -> None:
    world.publish(audience={**world.document["audience"], "schedule": "rate(1 day)"})
    assert world.rig.build() == []  # the template's schedule builds the others
    world.rig.advance.sweep()
    first = world.lake.json("audiences/shop/current.json")["version"]
    world.clock.time += DAY - 1
    world.rig.advance.sweep()
    assert world.lake.json("audiences/shop/current.json")["version"] == first
    world.clock.time += 1
    world.rig.advance.sweep()
    assert world.lake.json("audiences/shop/current.json")["version"] > first


def test_a_removed_segment_lets_its_members_go_by_itself(world: World) -> None:
    world.built()
    world.materialized()
    segments = [one for one in world.document["segments"] if one["id"] != "buyers"]
    access = {"write_keys": [], "tokens": [], "partners": []}
    world.publish(segments=segments, access=access, destinations=[])
    world.clock.time += 60
    world.rig.advance.sweep()
    record = world.current()
    assert [one.id for one in record.segments] == ["adults"]
    merge = [sql for name, sql in world.warehouse.statements if name == "merge"][-1]
    assert "contains(ARRAY['adults'], x)" in merge
    world.rig.advance.sweep()
    assert world.current() == record


# --------------------------------------------------------------------------------------------- backfill, cleaning


def test_a_backfill_is_history_and_nothing_else(world: World) -> None:
    world.built()
    early = world.materialized(now=NOW - 5 * DAY)
    world.clock.time += 60
    late = world.materialized(now=NOW)
    told = list(world.queue.messages)
    world.clock.time += 60
    between = world.materialized(now=NOW - 2 * DAY)
    assert between.ended_well
    record = RunRecord.from_document(world.lake.json(f"memberships/shop/{between.id}/run.json"))
    assert (record.backfill, record.now, record.previous) == (True, NOW - 2 * DAY, early.id)
    points = world.rig.sizes.of("shop", "adults", 0, 2 * NOW)
    assert [(one.run, one.backfill) for one in points] == [
        (early.id, False),
        (between.id, True),
        (late.id, False),
    ]
    assert world.current().run == late.id
    assert world.queue.messages == told
    world.clock.time += 60
    after = world.materialized(now=NOW + 120)
    assert world.current().previous == late.id
    assert after.ended_well


def test_superseded_versions_and_runs_go_when_they_were_kept_long_enough(world: World) -> None:
    world.built()
    runs = [world.materialized()]
    names = ("adults/members-000000-00000.json", "_publication/parts/000000.json", "_publication/told.json")
    for name in (*names, "adults/changes-000000-00000.json"):
        world.lake.put(f"syndication/shop/{runs[0].id}/{name}", b"[]")
    for _ in range(3):
        world.clock.time += 4 * DAY
        world.built()
        runs.append(world.materialized())
        world.rig.advance.sweep()
    pages = [path.rsplit("/", 1)[1] for path in world.lake.objects if path.startswith("syndication/shop/2")]
    assert sorted(pages) == ["changes-000000-00000.json", "told.json"]  # of changes partners read much longer
    folders = {path.split("/")[2] for path in world.lake.objects if path.startswith("memberships/shop/2")}
    # Superseded 8 and 4 days ago, and the current one.
    assert folders == {one.id for one in runs[1:]}
    assert {one.id for one in world.of(Job.MATERIALIZE) if one.cleaned} == {runs[0].id}
    assert not [one for one in world.warehouse.made if runs[0].id in one]
    versions = [one.id for one in world.of(Job.BUILD)]
    kept = {path.split("/")[2] for path in world.lake.objects if path.startswith("audiences/shop/2")}
    assert kept == set(versions[1:])
    pointer = world.lake.json("audiences/shop/current.json")
    assert pointer["tables"]["profiles"] in world.warehouse.made


def test_old_runs_are_found_however_many_there_were_since(world: World) -> None:
    """More of them than a look at the store gives at once."""
    world.built()
    runs = []
    for _ in range(RUNS_AT_ONCE + 20):
        world.clock.time += 3_600
        runs.append(world.materialized())
    world.clock.time += 8 * DAY
    world.clock.time -= world.clock.time % 3_600
    last = world.materialized()
    world.rig.advance.sweep()
    # The last of them was superseded just now.
    assert {one.id for one in world.of(Job.MATERIALIZE)[-RUNS_AT_ONCE:] if not one.cleaned} == {
        runs[-1].id,
        last.id,
    }
    folders = {path.split("/")[2] for path in world.lake.objects if path.startswith("memberships/shop/2")}
    assert folders == {runs[-1].id, last.id}


def test_what_waits_too_long_is_late(world: World) -> None:
    world.publish(audience={**world.document["audience"], "schedule": "rate(1 day)"})
    world.schedule(adults="rate(6 hours)")
    world.rig.advance.sweep()
    world.materialized()
    world.warehouse.failing["changes"] = world.warehouse.failing["count"] = "broken"
    world.clock.time += 6 * 3_600
    assert world.rig.advance.sweep().late == set()
    world.clock.time += LATE_SECONDS
    assert world.rig.advance.sweep().late == {"shop/adults"}
    world.clock.time += 18 * 3_600
    assert world.rig.advance.sweep().late == {"shop", "shop/adults"}
    world.warehouse.failing.clear()
    world.clock.time += DAY
    world.rig.advance.sweep()
    world.rig.advance.sweep()
    assert world.rig.advance.sweep().late == set()


def test_a_version_in_use_is_not_removed_when_a_new_one_comes_late(world: World) -> None:
    world.built()
    world.clock.time += 30 * DAY
    second = world.built()
    world.rig.advance.sweep()
    versions = {path.split("/")[2] for path in world.lake.objects if path.startswith("audiences/shop/2")}
    assert len(versions) == 2  # superseded just now, however old
    assert second.id in versions


def test_what_a_failed_run_left_is_kept_for_a_day(world: World) -> None:
    world.built()
    world.warehouse.failing["changes"] = "broken"
    with pytest.raises(RunFailed):
        world.materialized()
    failed = world.of(Job.MATERIALIZE)[-1]
    world.warehouse.failing.clear()
    world.clock.time += DAY
    world.rig.advance.sweep()
    assert f"memberships/shop/{failed.id}/failed.json" in world.lake.objects
    world.clock.time += 3_600
    world.rig.advance.sweep()
    assert f"memberships/shop/{failed.id}/failed.json" not in world.lake.objects
    assert not [one for one in world.warehouse.made if failed.id in one]


# ------------------------------------------------------------------------------- killed between any two writes


MOST_TRIES = 20


def whole_way(world: World) -> None:
    """Two builds and runs, one with a failing segment, as their callers would start them until they are done."""
    for number in (1, 2):
        world.warehouse.failing_segments = {"buyers": "broken"} if number == 2 else {}
        for job, begin in ((Job.BUILD, world.rig.build), (Job.MATERIALIZE, world.rig.materialize)):
            for _ in range(MOST_TRIES):
                if len([one for one in world.of(job) if one.ended_well]) >= number:
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
    good = [one for one in world.of(Job.MATERIALIZE) if one.ended_well and not one.backfill]
    assert world.current().run == good[-1].id
    previous = None
    for run in good:
        record = RunRecord.from_document(world.lake.json(f"memberships/shop/{run.id}/run.json"))
        assert record.previous == previous
        previous = run.id
    assert {one["run"] for one in world.queue.messages} == {one.id for one in good}
    points = world.rig.sizes.of("shop", "adults", 0, 10**11)
    assert [one.run for one in points] == [one.id for one in good]
    builds = [one for one in world.of(Job.BUILD) if one.ended_well]
    pointer = world.lake.json("audiences/shop/current.json")
    assert pointer["version"] == builds[-1].id
    assert {pointer["tables"]["profiles"], *pointer["tables"]["behaviors"].values()} <= set(
        world.warehouse.made
    )
    assert world.current().members_table() in world.warehouse.made


def writes_of_a_whole_way() -> int:
    world = World()
    whole_way(world)
    check_whole(world)
    return world.fuse.writes


WRITES = writes_of_a_whole_way()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(WRITES))
def test_killed_at_each_write_it_ends_whole(at: int, after: bool) -> None:
    world = World(fuse=Fuse(at, after))
    with pytest.raises(Killed):
        whole_way(world)
    world.rig.assemble()
    for _ in range(3):
        world.rig.advance.sweep()
    whole_way(world)
    check_whole(world)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(WRITES))
def test_two_invocations_at_once_at_each_write_do_what_one_does(at: int, after: bool) -> None:
    """Another process sweeps, or starts the same, in the middle of this one's work."""
    world = World()
    other = Rig(
        world.rig.sets,
        world.warehouse,
        world.lake,
        world.runs,
        world.queue,
        world.clock,
        sizes=world.rig.sizes,
    )
    other.new_suffix = lambda: "beef"
    other.assemble()
    world.fuse.at, world.fuse.after, world.fuse.what = at, after, lambda: other.advance.sweep()
    whole_way(world)
    check_whole(world)


# ----------------------------------------------------------------------------------------------- anything at all

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("build"), st.just(0)),
        st.tuples(st.just("materialize"), st.just(0)),
        st.tuples(st.just("firing"), st.integers(0, 3)),
        st.tuples(st.just("finish"), st.integers(0, 5)),
        st.tuples(st.just("event"), st.integers(0, 40)),
        st.tuples(st.just("sweep"), st.just(0)),
        st.tuples(st.just("kill"), st.integers(0, 12)),
        st.tuples(st.just("interleave"), st.integers(0, 12)),
        st.tuples(st.just("clock"), st.integers(-100_000, 100_000)),
        st.tuples(st.just("throttle"), st.integers(1, 3)),
        st.tuples(st.just("passing"), st.sampled_from([0, 1, 2, 3, 4, 5, 6])),
        st.tuples(st.just("failing"), st.integers(0, len(STATEMENTS) + 1)),
        st.tuples(st.just("mended"), st.just(0)),
        st.tuples(st.just("stop"), st.integers(0, 5)),
    ),
    max_size=60,
)
SEGMENTS = ["buyers", "adults"]


class Chaos:
    """Does what a list of events says, and watches that no run ends twice."""

    def __init__(self) -> None:
        self.world = World()
        self.world.warehouse.instant = False
        self.other = Rig(
            self.world.rig.sets,
            self.world.warehouse,
            self.world.lake,
            self.world.runs,
            self.world.queue,
            self.world.clock,
            sizes=self.world.rig.sizes,
        )
        self.over: dict[tuple[str, str, str], State] = {}
        self.firings = 0
        numbers = iter(range(10_000))
        self.other.new_suffix = lambda: f"f{next(numbers):03x}"
        self.other.assemble()

    def active(self) -> list[str]:
        queries = self.world.warehouse.queries
        return [one for one, status in queries.items() if status.outcome is Outcome.ACTIVE]

    def do(self, what: str, number: int) -> None:
        world, rig = self.world, self.world.rig
        fuse, warehouse = world.fuse, world.warehouse
        match what:
            case "build":
                rig.build("shop")
            case "materialize":
                rig.materialize("shop")
            case "firing":
                firing = f"2024-01-01T0{number}:00:00Z"
                rig.materialize("shop", requested="schedule", scheduled=firing)
            case "finish":
                for query in self.active()[: number + 1]:
                    warehouse.finish(query)
            case "event":
                rig.advance.query_ended(f"query-{number}")
            case "sweep":
                rig.advance.sweep()
            case "kill":
                fuse.at, fuse.after, fuse.what = fuse.writes + number // 2, bool(number % 2), None
            case "interleave":
                fuse.at, fuse.after = fuse.writes + number // 2, bool(number % 2)
                fuse.what = lambda: self.other.advance.sweep() and None
            case "clock":
                world.clock.time += number
            case "throttle":
                warehouse.throttled = number
            case "passing":
                warehouse.passing[STATEMENTS[number]] = 2
            case "failing":
                if number < len(STATEMENTS):
                    warehouse.failing[STATEMENTS[number]] = "broken"
                else:
                    warehouse.failing_segments[SEGMENTS[number - len(STATEMENTS)]] = "broken"
            case "mended":
                warehouse.failing.clear()
                warehouse.failing_segments.clear()
            case "stop":
                for query in self.active()[number : number + 1]:
                    warehouse.stop(query)

    def step(self, what: str, number: int) -> None:
        try:
            self.do(what, number)
        except Killed:
            self.world.rig.assemble()
        self.watch()

    def watch(self) -> None:
        world = self.world
        for key, run in world.runs.runs.items():
            if run.is_over:
                assert self.over.setdefault(key, run.state) is run.state
        if "memberships/shop/current.json" in world.lake.objects:
            run = world.runs.runs["shop", "materialize", world.current().run]
            assert run.ended_well or run.step in ("commit", "tell"), run
        if "audiences/shop/current.json" in world.lake.objects:
            version = world.lake.json("audiences/shop/current.json")["version"]
            run = world.runs.runs["shop", "build", version]
            assert run.ended_well or run.step in ("commit", "tell"), run

    def calm(self) -> None:
        """Trouble ends; the minutes pass."""
        world = self.world
        world.fuse.at, world.warehouse.throttled = -1, 0
        world.warehouse.failing.clear()
        world.warehouse.failing_segments.clear()
        world.warehouse.passing.clear()
        for job, begin in ((Job.BUILD, world.rig.build), (Job.MATERIALIZE, world.rig.materialize)):
            before = len([one for one in world.of(job) if one.ended_well])
            for _ in range(60):
                for query in self.active():
                    world.warehouse.finish(query)
                world.clock.time += 600
                world.rig.advance.sweep()
                self.watch()
                if world.runs.lock("shop", job).holder is None:
                    if len([one for one in world.of(job) if one.ended_well]) > before:
                        break
                    begin("shop")
        for _ in range(20):
            for query in self.active():
                world.warehouse.finish(query)
            world.rig.advance.sweep()
        self.watch()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS)
def test_whatever_happens_each_run_ends_once_and_the_pointers_name_good_ones(
    events: list[tuple[str, int]],
) -> None:
    chaos = Chaos()
    for what, number in events:
        chaos.step(what, number)
    chaos.calm()
    check_whole(chaos.world)
    for run in chaos.world.runs.runs.values():
        assert all(one.progress is not Progress.STARTED for one in run.statements) or not run.ended_well
