"""Backfills are history; what is superseded goes in its time; what waits too long is late."""

import pytest
from segmentation.domain.pipeline import Job
from segmentation.domain.run import RunRecord
from segmentation.usecases.advance_runs import LATE_SECONDS
from segmentation.usecases.past_runs import RUNS_AT_ONCE

from tests.fakes.batch import RunFailed, the_run
from tests.fakes.batch_world import DAY, NOW, World


def test_a_backfill_is_history_and_nothing_else(world: World) -> None:
    world.built()
    early = world.materialized(now=NOW - 5 * DAY)
    world.clock.time += 60
    late = world.materialized(now=NOW)
    told = list(world.queue.messages)
    world.clock.time += 60
    between = world.materialized(now=NOW - 2 * DAY)
    assert between.is_committed
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
    assert after.is_committed


def test_what_a_backfill_is_compared_with_stays_until_it_has_ended(world: World) -> None:
    world.built()
    early = world.materialized(now=NOW - 5 * DAY)
    world.clock.time += 60
    world.materialized(now=NOW)
    world.clock.time += 8 * DAY
    world.clock.time -= world.clock.time % 3_600  # when it is cleaned
    world.warehouse.instant = False
    backfill = the_run(world.rig.materialize("shop", now=NOW - 2 * DAY))
    assert backfill.backfill
    world.rig.advance.sweep()
    changes = f"memberships/shop/{early.id}/run.json"
    assert changes in world.lake.objects
    world.warehouse.instant = True
    for query in list(world.warehouse.queries):
        world.warehouse.finish(query)
    assert world.rig.finish(backfill).is_committed
    world.rig.advance.sweep()
    assert changes not in world.lake.objects


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
