"""The warehouse, a table, a store or a segment fails: nothing else does, and what passes is waited for."""

import itertools

import pytest
from segmentation.domain.errors import Unavailable
from segmentation.domain.pipeline import Job, Run, State, Statement
from segmentation.usecases.build_audience import BuildSteps
from segmentation.usecases.run_engine import summary

from tests.fakes.batch import RunFailed, the_run
from tests.fakes.batch_world import (
    NOW,
    STATEMENTS,
    World,
)
from tests.fakes.documents import documents, published


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
    assert world.built().is_committed


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


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_passing_failure_of_each_query_passes(world: World, statement: str) -> None:
    world.warehouse.passing[statement] = 2
    run = the_run(world.rig.build("shop"))
    for _ in range(3):
        world.clock.time += 120
        world.rig.advance.sweep()
    assert world.rig.finish(run).is_committed
    run = the_run(world.rig.materialize("shop"))
    for _ in range(3):
        world.clock.time += 120
        world.rig.advance.sweep()
    assert world.rig.finish(run).is_committed
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
        assert world.rig.finish(run).is_committed
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
    assert world.rig.finish(run).is_committed
    assert world.queue.messages == [{"audience": "shop", "run": run.id}]


def test_a_mistake_of_ours_in_one_audience_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = documents()
    other["audience"]["id"] = "annex"  # before the shop
    for one in (*other["segments"], *other["destinations"]):
        one["audience"] = "annex"
    world.rig.sets["annex"] = published(**other)
    world.warehouse.instant = False
    for audience in ("annex", "shop"):
        world.rig.build(audience)
    world.warehouse.instant = True
    for query in list(world.warehouse.queries):
        world.warehouse.finish(query)

    original = BuildSteps.sql

    def mistaken(steps: BuildSteps, run: Run, statement: Statement) -> str:
        if run.audience == "annex":
            raise KeyError("a mistake")
        return original(steps, run, statement)

    monkeypatch.setattr(BuildSteps, "sql", mistaken)
    done = world.rig.advance.sweep()
    assert [(one.audience, one.state) for one in done.runs] == [("shop", State.COMMITTED)]
    assert [type(one) for one in done.errors] == [KeyError]  # the invocation fails: the alarm rings


def test_a_run_that_cannot_be_begun_says_so(world: World) -> None:
    world.runs.closed = True
    with pytest.raises(Unavailable):
        world.rig.build("shop")


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


def test_a_segment_that_fails_alone_holds_up_no_other(world: World) -> None:
    """Each has a schedule of its own, so that a run is of one segment; what fails is noted with it, and waits for itself."""
    world.schedule(adults="rate(1 day)", buyers="rate(1 hour)")
    world.built()
    world.materialized()
    world.warehouse.failing_segments["buyers"] = "Bytes scanned limit was exceeded"
    for _ in range(24):
        world.clock.time += 3_600
        world.rig.advance.sweep()
    record = world.current()
    adults, buyers = record.segments
    assert (adults.computed, adults.failed) == (NOW + 24 * 3_600, None)  # on its hour
    assert (buyers.computed, buyers.failed) == (NOW, "Bytes scanned limit was exceeded")
    assert buyers.failures > 3
    assert world.runs.lock("shop", Job.MATERIALIZE).failures == 0
    assert "contains(ARRAY['adults', 'buyers'], x)" in next(
        sql for name, sql in world.warehouse.statements if name == "merge"
    )


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
