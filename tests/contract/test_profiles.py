"""Profiles: the fake and DynamoDB."""

from typing import Any

import pytest
from msgspec.structs import replace
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.domain.profile import GRACE, SHARDS, BatchPart, Profile, shard_of
from segmentation.ports import Profiles

from tests.contract.profile_parts import BATCH, KEY, NUMBERINGS, PART, make_table
from tests.fakes import MemoryProfiles


@pytest.fixture(params=["fake", "dynamodb"])
def profiles(request: pytest.FixtureRequest) -> Profiles:
    if request.param == "fake":
        return MemoryProfiles()
    dynamodb = request.getfixturevalue("client")("dynamodb")
    make_table(dynamodb)
    return DynamoProfiles(dynamodb, "profiles", NUMBERINGS)


def plain(part: BatchPart | None) -> Any:
    assert part is not None
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in part.attributes.items()
    }


def test_nothing_is_known_of_a_stranger(profiles: Profiles) -> None:
    assert profiles.read([KEY]) == {KEY: Profile()}
    assert not profiles.read([KEY])[KEY].exists


def test_a_realtime_part_comes_back_whole(profiles: Profiles) -> None:
    assert not profiles.save({KEY: PART}).lost
    assert profiles.read([KEY])[KEY] == Profile(realtime=PART)
    bare = replace(PART, revision=2, due=None, untold=False, changes=(), members=(), batch="", quality=())
    assert not profiles.save({KEY: bare}).lost
    assert profiles.read([KEY])[KEY].realtime == bare


def test_an_alias_and_the_keys_of_a_profile_come_back(profiles: Profiles) -> None:
    alias = replace(PART, state=b"", members=(), alias="person_id:2", erased=77)
    joined = replace(PART, aliases={"td_client_id:a": 5, "email:b": 7})
    keys = {KEY: alias, "shop#person_id:2": joined}
    assert not profiles.save(keys).lost
    link = BatchPart("run1", 7, (), owner="person_id:2")
    profiles.publish(
        [(KEY, link), ("shop#person_id:2", replace(BATCH, identities=("email:b",), unjoined=("email:b",)))]
    )
    found = profiles.read(keys)
    assert {key: one.realtime for key, one in found.items()} == keys
    assert found[KEY].batch == link
    back = found["shop#person_id:2"].batch
    assert back is not None
    assert (back.identities, back.unjoined) == (("email:b",), ("email:b",))


def test_what_is_left_of_an_erased_visitor_is_nothing_known() -> None:
    assert not Profile(realtime=replace(PART, state=b"", erased=77)).exists
    assert Profile(realtime=PART).exists


def test_a_batch_part_comes_back_whole(profiles: Profiles) -> None:
    assert profiles.publish([(KEY, BATCH)]) == 1
    back = profiles.read([KEY])[KEY].batch
    assert back is not None
    assert (back.run, back.now, back.segments) == (BATCH.run, BATCH.now, BATCH.segments)
    assert plain(back) == plain(BATCH)
    assert [type(value) for value in plain(back).values()][6:8] == [bool, int]


def test_the_parts_do_not_disturb_each_other(profiles: Profiles) -> None:
    profiles.publish([(KEY, BATCH)])
    profiles.save({KEY: PART})
    profile = profiles.read([KEY])[KEY]
    assert profile.realtime == PART
    assert profile.batch is not None
    assert profile.batch.run == BATCH.run


def test_a_save_over_another_ones_write_is_lost(profiles: Profiles) -> None:
    profiles.save({KEY: PART})
    result = profiles.save({KEY: PART, "shop#person_id:2": PART})
    assert result.lost == {KEY}
    second = replace(PART, revision=2)
    assert not profiles.save({KEY: second}).lost
    assert profiles.save({KEY: replace(second, state=b"late")}).lost == {KEY}
    assert profiles.read([KEY])[KEY].realtime == second
    assert profiles.read(["shop#person_id:2"])["shop#person_id:2"].realtime == PART


def test_what_was_told_is_noted_only_at_its_revision(profiles: Profiles) -> None:
    profiles.save({KEY: PART})
    profiles.told({KEY: replace(PART, revision=2), "shop#person_id:nobody": PART})
    part = profiles.read([KEY])[KEY].realtime
    assert part is not None
    assert part.untold
    profiles.told({KEY: PART})
    assert profiles.read([KEY])[KEY].realtime == replace(PART, untold=False)


def due(profiles: Profiles, now: int, most: int = 10) -> list[str]:
    return [one for shard in range(SHARDS) for one in profiles.due(shard, now, most)]


def test_a_profile_is_due_when_its_membership_may_change(profiles: Profiles) -> None:
    part = replace(PART, untold=False)
    profiles.save({KEY: part, "shop#person_id:never": replace(part, due=None)})
    assert (due(profiles, 98), due(profiles, 99)) == ([], [KEY])
    assert profiles.due((shard_of(KEY) + 1) % SHARDS, 99, 10) == []
    profiles.save({KEY: replace(part, revision=2, due=None)})
    assert due(profiles, 1_000) == []


def test_untold_changes_are_due_until_they_are_told(profiles: Profiles) -> None:
    part = replace(PART, due=None)
    profiles.save({KEY: part})
    assert (due(profiles, 5 + GRACE - 1), due(profiles, 5 + GRACE)) == ([], [KEY])
    profiles.told({KEY: part})
    assert due(profiles, 1_000) == []
    later = replace(PART, revision=2)
    profiles.save({KEY: later})
    assert due(profiles, 5 + GRACE) == [KEY]
    profiles.told({KEY: later})
    assert (due(profiles, 98), due(profiles, 99)) == ([], [KEY])


def test_a_member_is_due_to_be_forgotten_before_the_item_goes(profiles: Profiles) -> None:
    part, never = replace(PART, due=None, untold=False), "shop#person_id:never"
    profiles.save({KEY: part, never: replace(part, members=())})
    assert part.forgotten_at == 498 * 86_400
    assert (due(profiles, 498 * 86_400 - 1), due(profiles, 498 * 86_400)) == ([], [KEY])
    later = replace(part, revision=2, untold=True)
    profiles.save({KEY: later})
    profiles.told({KEY: later})
    assert (due(profiles, 498 * 86_400 - 1), due(profiles, 498 * 86_400)) == ([], [KEY])


def test_the_longest_due_come_first_and_the_put_off_later(profiles: Profiles) -> None:
    keys = [f"shop#person_id:{number}" for number in range(200) if shard_of(f"shop#person_id:{number}") == 3]
    parts = {key: replace(PART, due=100 - place, untold=False) for place, key in enumerate(keys)}
    profiles.save(parts)
    assert profiles.due(3, 100, 3) == keys[:-4:-1]
    assert len(profiles.due(3, 100, 1_000)) == len(keys)
    last = {keys[-1]: parts[keys[-1]]}
    profiles.postpone({keys[-1]: replace(PART, revision=7)}, 500)
    assert profiles.due(3, 100, 1) == [keys[-1]]
    profiles.postpone(last, 500)
    assert profiles.due(3, 100, 1) == [keys[-2]]
    assert profiles.due(3, 500, 1_000)[-1] == keys[-1]


def test_an_older_run_writes_nothing(profiles: Profiles) -> None:
    profiles.publish([(KEY, BATCH)])
    older = replace(BATCH, run="20231231t000000z_ffff", segments=())
    assert profiles.publish([(KEY, older)]) == 0
    assert profiles.publish([(KEY, BATCH)]) == 1
    newer = replace(BATCH, run="20240102t000000z_0000", segments=())
    assert profiles.publish([(KEY, newer)]) == 1
    back = profiles.read([KEY])[KEY].batch
    assert back is not None
    assert back.run == newer.run


def test_a_link_is_taken_back_only_from_its_owner(profiles: Profiles) -> None:
    link = BatchPart("run1", 7, (), owner="person_id:1")
    other = replace(link, owner="person_id:2")
    gone = BatchPart("run2", 9, (), owner="")
    # Of b the same run says that it is another's; of c nobody knew; of d an earlier run says that it is another's.
    profiles.publish([("shop#email:a", link), ("shop#email:d", other)])
    profiles.publish(
        [("shop#email:b", replace(other, run="run2")), ("shop#email:e", replace(link, run="run3"))]
    )
    keys = [f"shop#email:{letter}" for letter in "abcde"]
    assert profiles.unlink((key, "person_id:1", gone) for key in keys) == 3
    found = profiles.read(keys)
    owners = [one.batch.owner if one.batch else None for one in found.values()]
    assert owners == ["", "person_id:2", "", "", "person_id:1"]
    assert not found["shop#email:a"].exists
    assert profiles.unlink([("shop#email:b", "person_id:2", gone)]) == 1
    profiles.publish([("shop#email:b", replace(other, run="run2"))])
    assert profiles.unlink([("shop#email:b", "person_id:2", replace(gone, run="run0"))]) == 0


def test_what_is_barred_is_gone_and_is_never_published(profiles: Profiles) -> None:
    profiles.publish([(KEY, BATCH)])
    profiles.save({KEY: PART})
    profiles.bar([KEY, "shop#email:a"], 1_000)
    assert profiles.read([KEY])[KEY] == Profile(realtime=PART)
    later = replace(BATCH, run="20990101t000000z_0000")
    assert profiles.publish([(KEY, later), ("shop#email:a", replace(later, owner="person_id:1"))]) == 0
    profiles.bar([KEY], 900)
    assert profiles.publish([(KEY, later)]) == 0
    assert profiles.read([KEY])[KEY].batch is None


def test_what_is_unbarred_is_published_again_and_nothing_else_is_touched(profiles: Profiles) -> None:
    profiles.publish([("shop#person_id:2", BATCH)])
    profiles.bar([KEY], 1_000)
    profiles.unbar([KEY, "shop#person_id:2", "shop#nobody"])
    assert profiles.read(["shop#person_id:2"])["shop#person_id:2"].run == BATCH.run
    assert profiles.publish([(KEY, BATCH)]) == 1
    assert profiles.read([KEY])[KEY].run == BATCH.run


def test_a_join_is_written_whole_or_not_at_all(profiles: Profiles) -> None:
    cookie = "shop#td_client_id:a"
    profiles.save({cookie: PART})
    alias = replace(PART, revision=2, state=b"", alias="person_id:1", untold=False)
    joined = replace(PART, aliases={"td_client_id:a": 5})
    assert not profiles.join(KEY, replace(joined, revision=3), {cookie: alias})
    assert not profiles.join(KEY, joined, {cookie: replace(alias, revision=4)})
    assert profiles.read([KEY, cookie]) == {KEY: Profile(), cookie: Profile(realtime=PART)}
    assert profiles.join(KEY, joined, {cookie: alias})
    assert not profiles.join(KEY, joined, {cookie: alias})
    assert profiles.read([KEY, cookie]) == {KEY: Profile(realtime=joined), cookie: Profile(realtime=alias)}


def test_many_are_read_and_written(profiles: Profiles) -> None:
    keys = [f"shop#person_id:{number}" for number in range(130)]
    assert profiles.publish((key, BATCH) for key in keys) == 130
    assert not profiles.save(dict.fromkeys(keys[:120], PART)).lost
    found = profiles.read([*keys, *keys])
    assert len(found) == 130
    assert all(profile.batch for profile in found.values())
    assert sum(profile.realtime is not None for profile in found.values()) == 120


def test_all_profiles_of_an_audience_are_removed_and_no_others(profiles: Profiles) -> None:
    ids = [f"shop#person_id:{n}" for n in range(60)]
    others = ["shop-two#person_id:1", "sho#person_id:1"]
    profiles.publish((one, BATCH) for one in [*ids, *others])
    profiles.save(dict.fromkeys(ids[:30], PART))
    cursor: str | None = ""
    for _ in range(200):
        cursor = profiles.remove("shop", cursor or "", lambda: False)
        if cursor is None:
            break
    assert cursor is None
    assert not any(one.exists for one in profiles.read(ids).values())
    assert all(one.exists for one in profiles.read(others).values())
    assert profiles.remove("shop", "", lambda: True) is None


def test_the_profiles_of_an_audience_are_found_page_by_page_without_links_and_the_erased(
    profiles: Profiles,
) -> None:
    alone, known = [f"shop#td_client_id:{n}" for n in range(30)], [f"shop#person_id:{n}" for n in range(30)]
    profiles.save(dict.fromkeys(alone + known[:10], PART))
    profiles.publish((one, BATCH) for one in [*known, "shop-two#person_id:1"])
    profiles.save({"shop#email:a": replace(PART, state=b"", members=(), alias="person_id:1")})
    profiles.save({"shop#person_id:gone": replace(PART, state=b"", members=(), erased=5)})
    profiles.save({"shop#person_id:anew": replace(PART, erased=5)})
    profiles.publish([("shop#email:b", replace(BATCH, owner="person_id:1"))])
    profiles.publish([("shop#email:c", replace(BATCH, owner=""))])
    profiles.bar(["shop#person_id:barred"], 5)
    found: set[str] = set()
    cursor: str | None = ""
    while cursor is not None:
        names, cursor = profiles.page("shop", cursor)
        found.update(names)
    assert found == {*alone, *known, "shop#person_id:anew"}
