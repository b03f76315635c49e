"""Profiles in DynamoDB: throttled, in conflict, in as few requests as can be, and as large as may be."""

import random
import string
from typing import Any

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.domain.batch_room import MOST_BATCH_ID_BYTES, fitting_attributes, fitting_names
from segmentation.domain.errors import Unavailable
from segmentation.domain.joining import MOST_ALIASES, remembered
from segmentation.domain.membership import Changes, Members, Turn
from segmentation.domain.profile import RealtimePart
from segmentation.domain.published import MOST_ID_BYTES
from segmentation.domain.stored_membership import numbering_path
from segmentation.domain.visitor.evaluation import MOST_CHANGES
from segmentation.domain.visitor.limits import MOST_STATE_BYTES
from segmentation.language.index import Numbering
from segmentation.ports import SaveResult

from tests.contract.conftest import Client
from tests.contract.profile_parts import BATCH, KEY, NUMBERINGS, PART, make_table
from tests.fakes import MemoryLake

FACE = chr(0x1F600)
"""A character of four bytes."""


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


def _names(chance: random.Random, length: int) -> tuple[str, ...]:
    """As many as the segments of an audience may be, of that length."""
    letters = string.ascii_lowercase + string.digits
    names: set[str] = set()
    while sum(len(one) + 3 for one in names) < MOST_ID_BYTES:
        names.add("".join(chance.choices(letters, k=length)))
    return tuple(sorted(names))


@pytest.mark.parametrize("length", [12, 64])
@pytest.mark.parametrize("kept", [False, True])
def test_the_largest_item_is_one_that_dynamodb_takes(client: Client, kept: bool, length: int) -> None:
    """A full state, the longest keys, and all segments of an audience at once, left for others of as many names."""
    chance, lake, moment = random.Random(3), MemoryLake(), 1_700_000_000
    before, after = _names(chance, length), _names(chance, length)
    numbering = Numbering(after, kept=kept)
    if kept:
        lake.put(numbering_path("shop", numbering.id), numbering.dump())
    all_of_them = numbering.bits(after)
    turns = [Turn(moment - 64 + n, None, (1 << 62) - 1 << n, 0) for n in range(MOST_CHANGES // 62)]
    turns.append(Turn(moment, "é" * 512, all_of_them, 0, before))
    aliases = remembered({}, (f"{'c' * 128}:{FACE * 197}{n:03}" for n in range(MOST_ALIASES)), moment)
    part = RealtimePart(
        1, chance.randbytes(MOST_STATE_BYTES), Members(numbering, all_of_them), Changes(numbering, turns), moment,
        "v" * 64, "r" * 30, moment, True, ("capped", "failed", "ids"), moment, aliases=aliases, erased=moment,
    )  # fmt: skip
    key = f"shop#{'c' * 128}:{FACE * 200}"
    make_table(client("dynamodb"))
    profiles = DynamoProfiles(client("dynamodb"), "profiles", LakeNumberings(lake), lambda _: None)
    assert not profiles.save({key: part}).failed
    found = profiles.read([key])[key].realtime
    assert found is not None
    assert set(found.changes) == set(part.changes)
    assert replace(found, changes=()) == replace(part, changes=())


def test_the_largest_batch_part_is_one_that_dynamodb_takes(client: Client) -> None:
    chance = random.Random(4)
    segments = tuple(f"{number:06}{'x' * 57}" for number in range(MOST_BATCH_ID_BYTES // 64))
    attributes = fitting_attributes(
        {
            "words": tuple("".join(chance.choices(string.ascii_letters, k=9)) for _ in range(4_800)),
            "numbers": tuple(chance.random() * 1e-9 for _ in range(1_500)),
            "too-long": "é" * 60_000,
        }
    )
    assert set(attributes) == {"words", "numbers"}
    names = fitting_names([f"email:{number:04}{FACE * 190}" for number in range(500)])
    part = replace(BATCH, segments=segments, attributes=attributes, identities=names, unjoined=names)
    make_table(client("dynamodb"))
    profiles = DynamoProfiles(client("dynamodb"), "profiles", NUMBERINGS)
    key = f"shop#{'c' * 128}:{FACE * 200}"
    assert profiles.publish([(key, part)]) == 1
    found = profiles.read([key])[key].batch
    assert found is not None
    assert {name: tuple(one) for name, one in found.attributes.items()} == attributes
    assert replace(found, attributes={}) == replace(part, attributes={})


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
