"""What was made of deleted segments goes: pages, exports, sizes, archived changes."""

import json
from typing import Any

import pytest
from segmentation.adapters.parquet import ParquetTables
from segmentation.domain.errors import Conflict, NotFound, Unavailable
from segmentation.domain.event_lake import CHANGES, MERGED_CHANGES
from segmentation.domain.profile import RETENTION
from segmentation.domain.rulebook import Edit
from segmentation.domain.segment_removal import AFTER, AGAIN, removals_path
from segmentation.usecases.ask_removal import ask_removal

from tests.fakes.removals import DAYS, NOW, World, change, check_gone
from tests.management.support import LakeRuleSets


@pytest.fixture
def world() -> World:
    return World()


def test_nothing_is_done_while_no_segment_is_deleted(world: World) -> None:
    before = dict(world.lake.objects)
    world.whole_way()
    assert world.lake.objects == before


def test_what_was_made_of_a_deleted_segment_goes(world: World) -> None:
    world.delete()
    assert world.remove.go_on().objects == 6
    assert world.published() == {"lonely-too", "adults"}
    # A run that was under way publishes it once more; its archived changes stay until that cannot be.
    world.lake.put("syndication/shop/r2/lonely/changes-000000-00000.json", b"[]")
    assert world.archived().count("lonely") == 2
    world.clock.time += AFTER - 1
    assert (world.remove.go_on().objects, world.archived().count("lonely")) == (1, 2)
    world.clock.time += 1
    assert world.remove.go_on().rows == 2
    check_gone(world)
    # Once more, since a merge may have copied what was there; then it is done.
    assert world.remove.go_on().rows == 0
    assert world.lake.json(removals_path("shop"))["walked"]["lonely"]["version"] == 2
    stood = dict(world.lake.objects)
    assert world.remove.go_on().objects == 0
    assert world.lake.objects == stood


def test_its_documents_history_stays(world: World) -> None:
    world.delete()
    world.whole_way()
    assert world.lake.json("history/shop/segments/lonely/00000001.json")["document"]["id"] == "lonely"


def test_who_comes_back_later_leaves_it_then_and_that_goes_too(world: World) -> None:
    world.delete()
    world.whole_way()
    ParquetTables(world.lake).write(
        "changes/shop/date=2024-02-01/late.parquet", CHANGES, [change(99, "lonely")]
    )
    assert world.remove.go_on().rows == 0
    world.clock.time += AGAIN
    assert world.remove.go_on().rows == 1
    check_gone(world)
    # Nobody comes back after longer than a visitor's state is kept.
    world.clock.time += RETENTION + AGAIN
    world.whole_way()
    stood = dict(world.lake.objects)
    world.clock.time += 2 * AGAIN
    world.remove.go_on()
    assert world.lake.objects == stood


def test_one_that_is_made_anew_keeps_what_is_of_the_new_one(world: World) -> None:
    document = json.loads(world.lake.objects["rules/shop/ruleset.json"])
    (lonely,) = [one for one in document["segments"] if one["id"] == "lonely"]
    world.delete()
    world.remove.go_on()
    world.edit(Edit("segments", "lonely", "created", lonely, expected=""))
    world.lake.put("syndication/shop/r2/lonely/contents.json", b"{}")
    world.whole_way()
    assert "lonely" in world.published()
    assert world.archived().count("lonely") == 2
    # Deleted for the second time, it is another removal.
    world.delete()
    world.whole_way()
    check_gone(world)


def test_a_merge_that_copies_rows_meanwhile_is_found(world: World) -> None:
    world.delete()
    world.clock.time += AFTER
    tables = ParquetTables(world.lake)
    day = f"changes/shop/date={DAYS[1]}/"
    world.lake.objects[f"{day}zz.parquet"] = world.lake.objects[f"{day}1.parquet"]
    looks = iter([True] * 3 + [False] * 9)
    world.remove.go_on(lambda: next(looks))  # cut off in the middle of the archive
    tables.merge([f"{day}1.parquet", f"{day}zz.parquet"], f"{day}aa.parquet", MERGED_CHANGES)
    world.lake.delete([f"{day}1.parquet", f"{day}zz.parquet"])
    world.whole_way()
    check_gone(world)


def test_an_object_that_nobody_can_read_holds_nothing_up(world: World) -> None:
    world.lake.put(f"changes/shop/date={DAYS[0]}/00-broken.parquet", b"no Parquet")
    world.delete()
    world.clock.time += AFTER
    assert world.remove.go_on().corrupt == 1
    world.lake.delete([f"changes/shop/date={DAYS[0]}/00-broken.parquet"])
    check_gone(world)


def test_an_archive_out_of_reach_leaves_it_for_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.delete()
    world.clock.time += AFTER

    def closed(*_: Any) -> int:
        raise Unavailable("the lake cannot be read")

    with monkeypatch.context() as patched:
        patched.setattr(ParquetTables, "remove", closed)
        assert world.remove.go_on().rows == 0
    world.whole_way()
    check_gone(world)


def test_by_hand_it_goes_at_once_but_never_while_it_is_in_the_rules(world: World) -> None:
    with pytest.raises(NotFound, match="'nobody'"):
        world.remove.one("nobody", "adults")
    with pytest.raises(Conflict, match="still in the rules"):
        world.remove.one("shop", "lonely")
    world.delete()
    assert (world.remove.one("shop", "lonely"), world.remove.one("shop", "lonely")) == (6, 0)


def test_the_removal_of_an_audience_knows_segments_that_were_deleted_before() -> None:
    world = World()
    world.delete()
    removal = ask_removal(world.lake, LakeRuleSets(world.lake), "shop", NOW)
    assert {"lonely", "adults"} <= set(removal.segments)
