"""Segments and audiences with schedules of their own."""

from segmentation.domain.pipeline import Job

from tests.fakes.batch import the_run
from tests.fakes.batch_world import DAY, NOW, World


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
