"""Profiles: the fake and DynamoDB."""

import random
import string
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.domain.errors import Unavailable
from segmentation.domain.membership import Change, Changes, Members, Turn
from segmentation.domain.profile import GRACE, SHARDS, BatchPart, Profile, RealtimePart, shard_of
from segmentation.domain.published import MOST_ID_BYTES
from segmentation.domain.stored_membership import numbering_path
from segmentation.domain.visitor.limits import MOST_STATE_BYTES
from segmentation.language.index import Numbering
from segmentation.ports import Profiles, SaveResult

from tests.contract.conftest import Client
from tests.fakes import MemoryLake, MemoryProfiles

KEY = "shop#person_id:1"
NUMBERINGS = LakeNumberings(MemoryLake())
PART = RealtimePart(
    revision=1,
    state=b"\x00state",
    members=("a", "b"),
    changes=(Change("b", True, 4), Change("c", False, 4), Change("a", True, 5, "e1")),
    computed=5,
    rules="v1",
    batch="run1",
    due=99,
    untold=True,
    quality=("capped",),
    expires=1_000,
)
BATCH = BatchPart(
    "20240101t000000z_aaaa",
    7,
    ("s1", "s2"),
    {
        "text": "ü",
        "empty": "",
        "whole": 3.0,
        "fraction": 0.1,
        "huge": 1.7976931348623157e308,
        "tiny": 5e-324,
        "yes": True,
        "second": 1_514_764_800,
        "day": "2018-01-01",
        "texts": ("a", None),
        "numbers": (1.5, None),
    },
)


def make_table(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="profiles",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "profile", "AttributeType": "S"},
            {"AttributeName": "part", "AttributeType": "S"},
            {"AttributeName": "due_shard", "AttributeType": "S"},
            {"AttributeName": "sweep_at", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "due",
                "KeySchema": [
                    {"AttributeName": "due_shard", "KeyType": "HASH"},
                    {"AttributeName": "sweep_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        KeySchema=[
            {"AttributeName": "profile", "KeyType": "HASH"},
            {"AttributeName": "part", "KeyType": "RANGE"},
        ],
    )


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


class Reluctant:
    """A DynamoDB that leaves keys unprocessed, or throttles writes, a few times."""

    def __init__(self, real: Any, times: int) -> None:
        self.real, self.times, self.calls = real, times, 0

    def batch_get_item(self, RequestItems: dict[str, Any]) -> Any:
        self.calls += 1
        if self.times:
            self.times -= 1
            keys = RequestItems["profiles"]["Keys"]
            some = self.real.batch_get_item(RequestItems={"profiles": {"Keys": keys[:1]}})
            left = {"profiles": {"Keys": keys[1:], "ConsistentRead": True}} if keys[1:] else {}
            return {**some, "UnprocessedKeys": left}
        return self.real.batch_get_item(RequestItems=RequestItems)

    def put_item(self, **request: Any) -> Any:
        self._throttle("PutItem")
        return self.real.put_item(**request)

    def transact_write_items(self, **request: Any) -> Any:
        self._throttle("TransactWriteItems")
        return self.real.transact_write_items(**request)

    def _throttle(self, operation: str) -> None:
        self.calls += 1
        if self.times:
            self.times -= 1
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, operation)


def test_unprocessed_keys_are_asked_again(client: Client) -> None:
    make_table(client("dynamodb"))
    DynamoProfiles(client("dynamodb"), "profiles", NUMBERINGS).publish(
        (f"k{number}", BATCH) for number in range(6)
    )
    reluctant = Reluctant(client("dynamodb"), 3)
    found = DynamoProfiles(reluctant, "profiles", NUMBERINGS, lambda _: None).read(
        [f"k{number}" for number in range(6)]
    )
    assert all(profile.batch for profile in found.values())
    assert reluctant.calls == 4


def test_a_table_that_never_gives_all_is_unavailable(client: Client) -> None:
    make_table(client("dynamodb"))
    reluctant = Reluctant(client("dynamodb"), 100)
    with pytest.raises(Unavailable):
        DynamoProfiles(reluctant, "profiles", NUMBERINGS, lambda _: None).read(
            [f"k{number}" for number in range(50)]
        )


def test_throttled_batch_writes_are_repeated(client: Client) -> None:
    make_table(client("dynamodb"))
    reluctant = Reluctant(client("dynamodb"), 3)
    assert DynamoProfiles(reluctant, "profiles", NUMBERINGS, lambda _: None).publish([(KEY, BATCH)]) == 1
    assert reluctant.calls == 4


@pytest.mark.parametrize("keys", [[KEY], [KEY, "shop#person_id:2"]])
def test_a_throttled_save_is_repeated_then_said_and_not_taken_for_a_lost_race(
    client: Client, keys: list[str]
) -> None:
    make_table(client("dynamodb"))
    writes = dict.fromkeys(keys, PART)
    result = DynamoProfiles(Reluctant(client("dynamodb"), 100), "profiles", NUMBERINGS, lambda _: None).save(
        writes
    )
    assert result == SaveResult(frozenset(), dict.fromkeys(keys, "ThrottlingException"))
    reluctant = Reluctant(client("dynamodb"), 3)
    assert DynamoProfiles(reluctant, "profiles", NUMBERINGS, lambda _: None).save(writes) == SaveResult()
    assert reluctant.calls == 4


def test_a_hundred_are_one_request_and_those_that_lose_cost_one_more(client: Client) -> None:
    make_table(client("dynamodb"))
    counting = Reluctant(client("dynamodb"), 0)
    store = DynamoProfiles(counting, "profiles", NUMBERINGS, lambda _: None)
    keys = [f"shop#person_id:{number}" for number in range(100)]
    assert store.save(dict.fromkeys(keys, PART)) == SaveResult()
    assert counting.calls == 1
    mixed = {key: replace(PART, revision=2 if place % 10 else 3) for place, key in enumerate(keys)}
    assert store.save(mixed) == SaveResult(frozenset(keys[::10]))
    assert counting.calls == 3
    store.told(mixed)
    left = [one.realtime.untold for one in store.read(keys).values() if one.realtime]
    assert (sum(left), len(left)) == (10, 100)


class Conflicting:
    """A DynamoDB with another transaction at one of the items, a few times; and one item that is never taken."""

    def __init__(self, real: Any, times: int) -> None:
        self.real, self.times = real, times

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> Any:
        keys = [one["Put"]["Item"]["profile"]["S"] for one in TransactItems]
        codes = ["None"] * len(keys)
        if self.times:
            self.times -= 1
            codes[1] = "TransactionConflict"
        if "shop#person_id:3" in keys:
            codes[keys.index("shop#person_id:3")] = "ItemCollectionSizeLimitExceeded"
        if set(codes) != {"None"}:
            response: Any = {
                "Error": {"Code": "TransactionCanceledException", "Message": "no"},
                "CancellationReasons": [{"Code": code} for code in codes],
            }
            raise ClientError(response, "TransactWriteItems")
        return self.real.transact_write_items(TransactItems=TransactItems)


def test_a_conflict_is_waited_for_and_one_bad_item_holds_up_nobody(client: Client) -> None:
    make_table(client("dynamodb"))
    store = DynamoProfiles(Conflicting(client("dynamodb"), 2), "profiles", NUMBERINGS, lambda _: None)
    keys = [f"shop#person_id:{number}" for number in range(6)]
    result = store.save(dict.fromkeys(keys, PART))
    assert result == SaveResult(failed={"shop#person_id:3": "ItemCollectionSizeLimitExceeded"})
    table = DynamoProfiles(client("dynamodb"), "profiles", NUMBERINGS)
    assert sum(one.realtime is not None for one in table.read(keys).values()) == 5


def test_a_read_is_one_request_for_fifty_profiles(client: Client) -> None:
    make_table(client("dynamodb"))
    counting = Reluctant(client("dynamodb"), 0)
    DynamoProfiles(counting, "profiles", NUMBERINGS).read([f"k{number}" for number in range(50)])
    assert counting.calls == 1


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


def test_a_large_store_has_many_pages(client: Client) -> None:
    make_table(client("dynamodb"))
    profiles = DynamoProfiles(client("dynamodb"), "profiles", lambda _: None)
    large = replace(PART, state=bytes(MOST_STATE_BYTES))
    profiles.save({f"shop#person_id:{n}": large for n in range(25)})
    found, pages, cursor = set[str](), 0, ""
    while cursor is not None:
        names, cursor = profiles.page("shop", cursor)  # type: ignore[assignment]
        found.update(names)
        pages += 1
    assert (len(found), pages > 1) == (25, True)


def test_the_largest_item_is_one_that_dynamodb_takes(client: Client) -> None:
    chance = random.Random(3)
    letters = string.ascii_lowercase + string.digits
    names: set[str] = set()
    while sum(len(one) + 3 for one in names) < MOST_ID_BYTES:
        names.add("".join(chance.choices(letters, k=64)))
    left = [name for name in sorted(names) if chance.random() < 0.5]
    members = tuple(sorted(names - set(left)))
    changes = [Change(one, True, 1_700_000_000, "e") for one in members]
    changes += [Change(one, False, 1_700_000_000, "e") for one in left] + [
        Change(one, True, 1_700_000_000 - 9) for one in left
    ]
    part = RealtimePart(
        1, chance.randbytes(MOST_STATE_BYTES), members, tuple(changes), 1_700_000_000, "v" * 64, "r" * 30, 1_700_000_000, True,
        ("capped", "failed"), 1_700_000_000, aliases={f"td_client_id:{number:0200}": 1_700_000_000 for number in range(200)},
    )  # fmt: skip
    make_table(client("dynamodb"))
    profiles = DynamoProfiles(client("dynamodb"), "profiles", NUMBERINGS, lambda _: None)
    assert not profiles.save({"k": part}).failed
    assert profiles.read(["k"])["k"].realtime == part


def test_membership_is_bits_where_the_numbering_is_kept(client: Client) -> None:
    names = [f"segment-{number}" for number in range(1_000)]
    numbering, lake = Numbering(names, kept=True), MemoryLake()
    lake.put(numbering_path("shop", numbering.id), numbering.dump())
    turn = Turn(5, "e1", numbering.bits(names[:2]), numbering.bits(names[900:]), ("gone",))
    part = replace(
        PART, members=Members(numbering, numbering.bits(names[:900])), changes=Changes(numbering, [turn])
    )
    make_table(client("dynamodb"))
    store = DynamoProfiles(client("dynamodb"), "profiles", LakeNumberings(lake))
    assert not store.save({KEY: part}).failed
    assert store.read([KEY])[KEY].realtime == part
    (item,) = client("dynamodb").scan(TableName="profiles")["Items"]
    assert len(item["members"]["B"]) == 1 + 113
