"""Batch runs that go right, and what is refused before one begins.

On real SQL they are tried in tests/contract/test_batch_path.py; the warehouse here is a fake that answers nothing but
counts: what matters is what is kept, and what is done twice.
"""

import json
from dataclasses import asdict
from typing import Any

import pytest
from segmentation.domain.errors import NotFound
from segmentation.domain.pipeline import Job, State
from segmentation.domain.run import RunRecord, run_id, table_name
from segmentation.domain.sizes import SizePoint
from segmentation.usecases.run_engine import summary

from tests.fakes.batch import RunFailed, the_run
from tests.fakes.batch_world import NOW, World


def as_json(record: RunRecord) -> Any:
    """A record as it is read again."""
    return json.loads(json.dumps(record.to_document()))


def test_ids_sort_by_time_and_are_legal_in_tables() -> None:
    assert run_id(NOW, "ab12") == "20240101t000000z_ab12"
    assert run_id(NOW, "ffff") < run_id(NOW + 1, "0000")
    assert table_name("the-shop", run_id(NOW, "ab12"), "members") == "the_shop_20240101t000000z_ab12_members"


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


def test_segments_that_no_run_computes_are_named(world: World) -> None:
    world.built()
    with pytest.raises(NotFound, match="no batch segment or list is called 'buying-now', 'nobody'"):
        world.materialized(segments=["adults", "nobody", "buying-now"])
    assert world.of(Job.MATERIALIZE) == []


def test_thousands_of_segments_that_read_what_is_not_built_fit_into_the_record_of_a_run(world: World) -> None:
    """A store's item takes 400 kB, and would take no such run at all: it would hold its lock for hours."""
    world.built()
    world.materialized()
    audience = json.loads(json.dumps(world.document["audience"]))
    names = [f"a_rather_long_name_of_a_new_column_{number}" for number in range(60)]
    audience["attributes"][0]["columns"] |= {one: {"type": "string", "column": "country"} for one in names}
    model = world.document["segments"][0]
    rule = {"or": [{"==": [{"var": f"attributes.{one}"}, "x"]} for one in names[:40]]}
    new = [
        {**model, "id": f"long-{n}", "rule": {"==": [{"var": f"attributes.{one}"}, "x"]}}
        for n, one in enumerate(names)
    ]
    new += [{**model, "id": f"wide-{n}", "rule": rule} for n in range(240)]
    world.publish(audience=audience, segments=[*world.document["segments"], *new])
    world.clock.time += 60
    run = world.materialized()
    assert len(json.dumps(asdict(run))) < 12_000
    assert summary(run)["failed_segments"] == 300
    (failed,) = run.failed
    assert failed.reason.endswith("more reasons")
    reasons = {one.id: one.failed for one in world.current().segments}
    assert (reasons["adults"], len(reasons)) == (None, 302)
    assert "lacks attribute 'a_rather_long_name_of_a_new_column_59'; it is" in (reasons["long-59"] or "")
    assert "and 35 more; it is" in (reasons["wide-3"] or "")


def test_segments_need_a_built_audience(world: World) -> None:
    with pytest.raises(RunFailed, match=r"NotBuilt: .*start a build first"):
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
