"""Uploads that are appended to a list without end become one, whatever fails on the way."""

import json

import pytest
from segmentation.domain.list_upload import UploadState
from segmentation.domain.lists import MERGE_AGAIN, MERGED_FROM, Lists, ListState, ListVersion, members_folder
from segmentation.usecases.current_build import current_lists

from tests.fakes.fuse import Fuse, Killed
from tests.fakes.uploads_world import World

CALM = 900.0


def appended(world: World, count: int) -> None:
    for number in range(count):
        world.taken(f"person_id\n{number}\n".encode(), segment="vip", mode="append")
        world.clock.time += 1


def sweep(world: World) -> None:
    world.jobs.sweep(lambda: CALM)


def vip(world: World) -> ListState:
    return current_lists(world.lake, "shop").of("vip")


def merges(world: World) -> list[str]:
    return [sql for name, sql in world.warehouse.statements if name == "list_merge"]


def test_few_uploads_stay_as_they_are(world: World) -> None:
    appended(world, MERGED_FROM - 1)
    sweep(world)
    assert (len(vip(world).uploads), vip(world).merge, merges(world)) == (MERGED_FROM - 1, None, [])


def test_many_become_one_and_those_who_are_read_stay_for_a_while(world: World) -> None:
    appended(world, MERGED_FROM)
    sources = [one.id for one in vip(world).uploads]
    sweep(world)
    state = vip(world)
    (one,) = state.uploads
    assert (one.identity, one.rows, state.merge) == ("person_id", MERGED_FROM, None)
    assert sorted(state.dropped) == sorted(sources)
    (sql,) = merges(world)
    assert sql.startswith(
        "UNLOAD (SELECT segment, key, min(line) AS line FROM shop_listed WHERE version IN ("
    )
    assert all(f"'vip.{source}'" in sql for source in sources)
    assert f"TO '{world.lake.uri(members_folder('shop', 'vip', one.id))}'" in sql
    assert any(path.startswith("listed/shop/version=vip.") for path in world.tables.objects)
    world.clock.time += 1_001
    sweep(world)
    assert vip(world).dropped == {}
    # And so on: there is no end to it.
    appended(world, MERGED_FROM)
    sweep(world)
    assert [upload.rows for upload in vip(world).uploads] == [2 * MERGED_FROM]


def test_uploads_by_other_identities_are_not_mixed_with_them(world: World) -> None:
    appended(world, MERGED_FROM - 1)
    world.taken(b"email\na@x.org\n", identity="email", mode="append")
    sweep(world)
    assert vip(world).merge is None
    appended(world, 1)
    sweep(world)
    assert [one.identity for one in vip(world).uploads] == ["person_id", "email"]


def test_what_is_appended_meanwhile_stays_beside(world: World) -> None:
    appended(world, MERGED_FROM)
    world.warehouse.instant = False
    sweep(world)
    merge = vip(world).merge
    assert merge is not None
    assert len(vip(world).uploads) == MERGED_FROM
    world.warehouse.instant = True
    appended(world, 2)
    sweep(world)  # it goes on with the one that is under way
    assert vip(world).merge == merge
    world.warehouse.finish(merge.query)
    world.jobs.query_ended(merge.query, lambda: CALM)
    assert [one.rows for one in vip(world).uploads] == [MERGED_FROM, 1, 1]
    assert len(merges(world)) == 1


@pytest.mark.parametrize("how", ["replaced", "emptied"])
def test_a_list_that_is_changed_meanwhile_is_what_it_was_changed_to(world: World, how: str) -> None:
    appended(world, MERGED_FROM)
    world.warehouse.instant = False
    sweep(world)
    merge = vip(world).merge
    assert merge is not None
    world.warehouse.instant = True
    if how == "replaced":
        world.taken(b"person_id\n77\n")
    else:
        world.uploads.empty("shop", "vip")
    world.warehouse.finish(merge.query)
    world.jobs.query_ended(merge.query, lambda: CALM)
    sweep(world)
    assert [key for key, _ in world.members()] == (["77"] if how == "replaced" else [])
    assert vip(world).merge is None
    assert merge.id in vip(world).dropped  # what the query wrote is removed in its time


def test_a_query_that_fails_is_started_again_later_each_time_in_a_folder_of_its_own(world: World) -> None:
    appended(world, MERGED_FROM)
    world.warehouse.failing["list_merge"] = "HIVE_BAD_DATA"
    waits = []
    for _ in range(3):
        sweep(world)
        merge = vip(world).merge
        assert merge is not None
        waits.append(merge.due - world.clock.time)
        sweep(world)
        assert vip(world).merge == merge  # not before its time
        world.clock.time = merge.due
    assert waits == [MERGE_AGAIN, 2 * MERGE_AGAIN, 4 * MERGE_AGAIN]
    assert len({sql.partition(" TO ")[2] for sql in merges(world)}) == 3
    assert len(vip(world).uploads) == MERGED_FROM
    del world.warehouse.failing["list_merge"]
    sweep(world)
    assert len(vip(world).uploads) == 1


def test_a_throttle_is_waited_for_and_a_forgotten_query_asked_again(world: World) -> None:
    appended(world, MERGED_FROM)
    world.warehouse.throttled = 1
    sweep(world)
    assert len(vip(world).uploads) == MERGED_FROM
    world.warehouse.instant = False
    sweep(world)
    merge = vip(world).merge
    assert merge is not None
    assert merge.query
    del world.warehouse.queries[merge.query]
    sweep(world)
    again = vip(world).merge
    assert again is not None
    assert (again.attempt, again.sources) == (2, merge.sources)


def test_an_append_waits_where_a_query_would_have_to_name_too_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmentation.usecases.import_lists.MOST_UPLOADS", MERGED_FROM)
    appended(world, MERGED_FROM)
    waits = world.taken(b"person_id\n99\n", mode="append")
    assert waits.state is UploadState.MATCHING
    sweep(world)  # merges, then takes up what waits
    assert world.status(waits).state is UploadState.COMMITTED
    assert [one.rows for one in vip(world).uploads] == [MERGED_FROM, 1]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_each_write_the_list_is_the_same(after: bool) -> None:
    at = 0
    while True:
        world = World()
        appended(world, MERGED_FROM)
        fuse = Fuse(at, after)
        lake, warehouse = world.jobs.lake, world.jobs.warehouse
        for name, store in (("lake", lake), ("warehouse", warehouse)):
            object.__setattr__(world.jobs, name, fuse.wrap(store))
        try:
            sweep(world)
        except Killed:
            assert sum(one.rows for one in vip(world).uploads) == MERGED_FROM
            object.__setattr__(world.jobs, "lake", lake)
            object.__setattr__(world.jobs, "warehouse", warehouse)
            sweep(world)
        assert [one.rows for one in vip(world).uploads] == [MERGED_FROM]
        assert len(merges(world)) == 1
        if fuse.writes <= at:
            break
        at += 1
    assert at >= 4


def test_two_at_once_merge_once(world: World) -> None:
    appended(world, MERGED_FROM)
    other = Fuse(what=lambda: sweep(world))
    for at in range(5):
        other.at, other.writes = at, 0
        jobs = World().jobs
        for name in ("tables", "lake_catalog", "rule_sets", "clock", "imports"):
            object.__setattr__(jobs, name, getattr(world.jobs, name))
        object.__setattr__(jobs, "lake", other.wrap(world.lake))
        object.__setattr__(jobs, "warehouse", other.wrap(world.warehouse))
        jobs.sweep(lambda: CALM)
        assert [one.rows for one in vip(world).uploads] == [(at + 1) * MERGED_FROM]
        appended(world, MERGED_FROM)
    assert len(merges(world)) == 5


def test_a_merge_comes_back_from_json() -> None:
    uploads = tuple(ListVersion(f"u{n}", "person_id", 1) for n in range(MERGED_FROM))
    lists = Lists({"vip": ListState(uploads).merging(1_700_000_000)})
    assert lists.of("vip").merge is not None
    assert Lists.from_document(json.loads(json.dumps(lists.to_document()))) == lists
    before = {
        "vip": {"uploads": [], "taken": [], "dropped": {}}
    }  # as lists were written before there were merges
    assert Lists.from_document(before).of("vip") == ListState()
