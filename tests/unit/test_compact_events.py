"""Small files become one, whatever is killed and whoever else is at work; no event is ever missing or twice."""

import itertools

import pytest
from segmentation.adapters.parquet import ParquetTables
from segmentation.domain.compaction import GRACE, NOTE_KEPT, File, Merge, note_of, plan
from segmentation.domain.errors import Unavailable
from segmentation.domain.event import Event
from segmentation.domain.event_lake import MERGED_EVENTS

from tests.fakes import MemoryLake, MemoryLakeCatalog
from tests.fakes.kept_events import DAY, FOLDER, NOON, Killed, World, batches, event


def test_small_files_become_one_and_go_when_nobody_can_be_reading_them() -> None:
    world = World()
    world.archive(*batches(10))
    result = world.compact()
    assert (result.merged, result.objects, result.rows, result.finished) == (10, 1, 30, True)
    assert len(world.names()) == 11  # a query that has listed the ten may still read them
    world.clock.time += GRACE
    assert world.compact().removed == 0
    world.clock.time += 1
    assert world.compact().removed == 10
    assert len(world.names()) == 1
    assert sorted(world.rows()) == sorted(
        (f"person_id:{m}", f"e{n}-{m}") for n in range(10) for m in range(3)
    )
    writes = world.lake.writes
    assert world.compact().merged == 0
    assert world.lake.writes == writes  # nothing to do is nothing done


def test_a_day_that_is_not_over_gathers_files_first() -> None:
    world = World()
    world.archive(*batches(7, time=NOON))
    assert world.compact().merged == 0
    world.archive(*batches(1, time=NOON))
    assert world.compact().merged == 8
    world.archive([event("late", time=NOON)])
    assert world.compact().merged == 0
    world.clock.time += DAY
    assert world.compact().merged == 2  # the day is over


def test_an_event_that_was_sent_twice_is_kept_once_the_first() -> None:
    world = World()
    world.archive([event("a")], [event("a"), event("b")], [event("a", "2")])
    world.compact()
    world.clock.time += GRACE + 1
    world.compact()
    assert world.rows() == [("person_id:1", "a"), ("person_id:1", "b"), ("person_id:2", "a")]


def test_columns_of_all_times_are_kept() -> None:
    world = World()
    world.archive([event("a")])
    world.archive(
        [Event("b", "shop", "purchases", "person_id:1", NOON - DAY, NOON, {"new": "x", "amount": "y"})]
    )
    world.compact()
    (merged,) = [name for name in world.names() if name.startswith("merged-")]
    rows = [row for batch in world.tables.read(f"{FOLDER}date=2023-12-31/{merged}") for row in batch]
    assert [row["amount__number"] for row in rows] == [1.5, None]
    assert dict(rows[1]["extra"]) == {"new__string": "x", "amount__string": "y"}


def deaths() -> list[tuple[int, bool]]:
    """Every write that two passes over ten files come to."""
    world = World()
    world.archive(*batches(10))
    before = world.lake.writes
    world.compact()
    world.clock.time += GRACE + 1
    world.compact()
    return [(number, after) for number in range(before, world.lake.writes) for after in (False, True)]


def assert_killed_within(world: World, passes: int) -> None:
    for _ in range(passes):
        try:
            world.compact()
        except Killed:
            return
        world.clock.time += GRACE + 1
    pytest.fail("nothing was killed")


@pytest.mark.parametrize(("deadly", "after"), deaths())
def test_killed_at_any_write_the_data_is_whole_and_the_next_pass_goes_on(deadly: int, after: bool) -> None:
    world = World()
    world.archive(*batches(10))
    expected = sorted(world.rows())
    world.lake.deadly, world.lake.after = deadly, after
    assert_killed_within(world, passes=2)
    assert sorted(set(world.rows())) == expected
    world.lake.deadly = -1
    for _ in range(3):
        world.compact()
        assert sorted(set(world.rows())) == expected
        world.clock.time += max(GRACE, NOTE_KEPT) + 1
    assert sorted(world.rows()) == expected
    assert len(world.names()) == 1
    assert len(list(world.lake.list(FOLDER))) == 2  # the file and its note


def test_late_events_join_the_merged_ones() -> None:
    world = World()
    world.archive(*batches(3))
    world.compact()
    world.clock.time += GRACE + 1
    world.archive([event("late")])
    world.compact()
    world.clock.time += GRACE + 1
    world.compact()
    assert len(world.names()) == 1
    assert len(world.rows()) == len(set(world.rows())) == 10


def test_a_redelivery_after_the_merge_is_recognized() -> None:
    """The stream keeps records for two days: what was merged and removed may be written once more."""
    world = World()
    world.archive(*batches(2))
    world.compact()
    world.clock.time += GRACE + 1
    world.compact()
    world.sequence = 0
    world.archive(*batches(2))
    assert len(world.rows()) == 12
    world.compact()
    assert len(world.rows()) == 6
    assert len(world.names()) == 1


def test_two_at_once_and_one_of_them_slow() -> None:
    """The slow one puts its file when the other has merged, with what came later, and removed everything."""
    world = World()
    world.archive(*batches(3))
    slow = Merge(tuple((name, ()) for name in world.names()))
    prefix = f"{FOLDER}date=2023-12-31/"
    stored = {name: world.lake.objects[prefix + name] for name in slow.sources}
    world.archive([event("later")])
    world.compact()
    world.clock.time += GRACE + 1
    world.compact()
    aside = MemoryLake({prefix + name: data for name, data in stored.items()})
    ParquetTables(aside).merge([prefix + name for name in slow.sources], "slow", MERGED_EVENTS)
    world.lake.put(prefix + slow.note, slow.content())
    world.lake.put(prefix + slow.target, aside.objects["slow"])
    assert len(set(world.rows())) == 10
    world.clock.time += GRACE + 1
    world.compact()
    assert len(world.rows()) == len(set(world.rows())) == 10


def test_a_corrupt_file_is_left_out_and_named() -> None:
    world = World()
    world.archive(*batches(3))
    path = f"{FOLDER}date=2023-12-31/shard-0-broken.parquet"
    world.lake.put(path, b"PAR1 no PAR1")
    result = world.compact()
    assert (result.corrupt, result.merged, result.rows) == (1, 3, 9)
    world.clock.time += GRACE + 1
    world.compact()
    assert [name for name in world.names() if not name.startswith("merged")] == ["shard-0-broken.parquet"]


def test_a_file_that_vanishes_holds_up_no_other_folder() -> None:
    world = World()
    world.archive(*batches(3), *batches(3, time=NOON - 3 * DAY))
    first = next(iter(world.lake.list(FOLDER)))
    get = world.lake.get
    world.lake.get = lambda path: None if path == first else get(path)  # type: ignore[method-assign]
    result = world.compact()
    assert (result.failed, result.objects) == (1, 1)


def test_a_catalog_out_of_reach_keeps_no_files_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.archive(*batches(3))

    def closed(*_: object) -> None:
        raise Unavailable("table shop_events_purchases cannot be registered: ThrottlingException")

    monkeypatch.setattr(MemoryLakeCatalog, "register", closed)
    result = world.compact()
    assert (result.failed, result.merged) == (1, 3)


def test_without_time_it_stops_and_the_next_goes_on() -> None:
    world = World()
    world.archive(*batches(3), *batches(3, time=NOON - 3 * DAY))
    ticks = itertools.chain([900, 900], itertools.repeat(10))
    first = world.compact(lambda: float(next(ticks)))
    assert (first.objects, first.finished) == (1, False)
    second = world.compact()
    assert (second.objects, second.finished) == (1, True)


def test_the_tables_are_registered_from_their_first_day_on() -> None:
    world = World()
    world.archive(*batches(1, time=NOON - 9 * DAY), *batches(1))
    world.compact()
    assert set(world.catalog.tables) == {
        "shop_events_purchases",
        "shop_events_mailings",
        "shop_segment_changes_archived",
        "shop_erased_keys",
        "shop_joined_keys",
    }
    assert world.catalog.earliest == {"shop_events_purchases": "2023-12-23"}


def test_large_files_stay_and_bins_have_an_end() -> None:
    mega = 2**20
    files = [File(f"f{n:02}", size * mega, 0) for n, size in enumerate([40, 20, 20, 20, 20, 31, 1])]
    todo = plan(files, {}, 10_000, is_over=True)
    assert [merge.sources for merge in todo.merges] == [("f01", "f02", "f03"), ("f04", "f05", "f06")]
    assert todo.removals == ()


def test_a_clock_that_steps_back_removes_nothing() -> None:
    merge = Merge((("a", ()), ("b", ())))
    files = [
        File("a", 1, 0),
        File("b", 1, 0),
        File(merge.target, 2, 1_000_000),
        File(merge.note, 1, 1_000_000),
    ]
    notes = {merge.target: merge.holds}
    assert plan(files, notes, 900_000, is_over=True) == plan(files, notes, 1_000_000, is_over=True)
    assert plan(files, notes, 900_000, is_over=True).removals == ()
    assert plan(files, notes, 1_000_000 + GRACE + 1, is_over=True).removals == ("a", "b")
    assert note_of(merge.target) == merge.note
