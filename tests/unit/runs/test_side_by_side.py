"""Two at once, clocks that step back, events that are lost."""

import json

import pytest
from segmentation.domain.pipeline import MOST_SECONDS, Job, Outcome, State

from tests.fakes.batch import RunFailed, the_run
from tests.fakes.batch_world import DAY, NOW, World


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
    assert world.rig.finish(later).is_committed


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
    assert world.built().is_committed


def test_a_lost_event_is_made_good_by_the_sweeper(world: World) -> None:
    world.warehouse.instant = False
    run = the_run(world.rig.build("shop"))
    while not world.runs.read("shop", Job.BUILD, run.id).is_over:  # type: ignore[union-attr]
        for query in list(world.warehouse.queries):
            world.warehouse.finish(query)
        world.rig.advance.sweep()
    assert world.lake.json("audiences/shop/current.json")["version"] == run.id
