"""People are erased by any of their keys, stay erased, and come back only as somebody new or when it is lifted."""

import pytest
from msgspec.structs import replace
from segmentation.domain.erasure import Erasure, excluded_table, key_hash
from segmentation.domain.errors import NotFound, Unavailable
from segmentation.domain.event_lake import LINKS
from segmentation.domain.joining import MOST_ALIASES
from segmentation.domain.profile import BatchPart
from segmentation.usecases.erasure_requests import keep
from segmentation.usecases.lift_erasure import LiftErasure

from tests.fakes import MemoryProfiles, StaticRuleSets
from tests.fakes.identities import NOW, PUBLISHED, C, Crash, D, E, P, Shop, event
from tests.unit.erasing.privacy import DAY, OTHER, Privacy


@pytest.mark.parametrize(("column", "value"), [("person_id", "1"), ("email", "aa"), ("td_client_id", "c")])
def test_a_person_is_erased_by_any_of_their_keys(known: Privacy, column: str, value: str) -> None:
    shop = known.shop
    request = known.erase("shop", column, value)
    assert request.names == (E, P, C)
    assert known.request() == request
    for name in (P, E, C):
        assert shop.answer(name) == []
        assert (shop.item(name).state, shop.item(name).alias, shop.item(name).erased) == (b"", None, NOW)
    assert shop.values(OTHER) == ["bought", "quiet"]
    left = {(one["segment"], *one["left"]) for one in shop.queue.messages}
    assert left == {("bought", P), ("german-buyer", P)}


def test_late_events_and_late_runs_do_not_bring_them_back(known: Privacy) -> None:
    shop = known.shop
    known.erase("shop", "person_id", "1")
    shop.clock.time += 60
    late = event("4", P, C, time=NOW - 5)
    shop.deliver(late, replace(event("5", C), time=NOW + 10), event("1", C))
    shop.profiles.publish(
        [
            (f"shop#{P}", BatchPart("run2", NOW, ("bought",))),
            (f"shop#{E}", BatchPart("run2", NOW, (), owner=P)),
        ]
    )
    assert [shop.answer(name) for name in (P, C, E)] == [[], [], []]
    assert shop.item(P).state == b""


def test_who_comes_again_is_new_and_the_past_stays_erased(known: Privacy) -> None:
    shop = known.shop
    known.erase("shop", "person_id", "1")
    shop.clock.time += 60
    anew = replace(event("6", C, time=NOW + 30), received=NOW + 30)
    shop.deliver(anew, event("1", C))
    assert shop.values(C) == ["bought", "quiet"]
    assert shop.item(C).erased == NOW
    assert shop.answer(P) == []
    shop.deliver(event("7", C, time=NOW - 100))
    assert shop.values(C) == ["bought", "quiet"]


def test_a_key_that_became_anothers_is_not_erased(known: Privacy) -> None:
    shop = known.shop
    shop.profiles.batch[f"shop#{E}"] = BatchPart("run2", NOW, (), owner=OTHER)
    request = known.erase("shop", "person_id", "1")
    assert request.names == (P, C)
    assert shop.values(E) == ["bought", "quiet"]


def test_an_unknown_audience_or_identity_is_said(privacy: Privacy) -> None:
    with pytest.raises(NotFound, match="no rule set of audience 'nope'"):
        privacy.erase("nope", "person_id", "1")
    with pytest.raises(
        NotFound, match="'phone' is no identity of audience 'shop'; its identities are person_id"
    ):
        privacy.erase("shop", "phone", "1")


@pytest.mark.parametrize("death", ["before", "after"])
def test_a_request_that_was_cut_off_is_finished_by_the_next_pass(known: Privacy, death: str) -> None:
    profiles = known.shop.profiles
    profiles.deaths = {profiles.writes: death}
    with pytest.raises(Crash):
        known.erase("shop", "email", "aa")
    assert not known.request().store
    known.night(60)
    assert known.request().store
    assert known.request().names == (E, P, C)
    assert [known.shop.answer(name) for name in (P, C, E)] == [[], [], []]
    left = {one["id"] for one in known.shop.queue.messages}
    assert len(left) == 2  # told twice perhaps, under the same ids


def test_partners_that_cannot_be_told_now_are_told_later(known: Privacy) -> None:
    known.shop.queue.closed = True
    with pytest.raises(Unavailable):
        known.erase("shop", "person_id", "1")
    known.shop.queue.closed = False
    assert known.night(60).open == 1
    assert {one["segment"] for one in known.shop.queue.messages} == {"bought", "german-buyer"}
    assert known.shop.answer(P) == []


def test_a_key_that_is_joined_meanwhile_goes_too(known: Privacy) -> None:
    other = Shop(profiles=known.shop.profiles)

    def meanwhile(_: MemoryProfiles) -> None:
        other.until_taken(event("9", P, D))

    known.shop.profiles.before_save.append(meanwhile)
    assert D in known.erase("shop", "person_id", "1").names
    assert known.shop.answer(D) == []


def lift(privacy: Privacy, column: str, value: str) -> list[Erasure]:
    sets = StaticRuleSets({"shop": PUBLISHED})
    return LiftErasure(privacy.shop.profiles, privacy.lake, sets, privacy.shop.clock)("shop", column, value)


def test_a_lifted_erasure_lets_runs_and_builds_take_them_in_and_the_past_stays_erased(known: Privacy) -> None:
    shop = known.shop
    known.erase("shop", "person_id", "1")
    known.night(60)
    excluded = [path for path in known.tables.objects if path.startswith(excluded_table("shop").folder)]
    assert len(excluded) == 1
    (lifted,) = lift(known, "email", "aa")
    assert (lifted.names, lifted.done is not None) == ((), True)
    assert excluded[0] not in known.lake.objects
    shop.profiles.publish([(f"shop#{P}", BatchPart("run2", NOW, ("bought",)))])
    assert shop.profiles.batch[f"shop#{P}"].segments == ("bought",)
    shop.deliver(event("1", P), event("9", P, time=NOW - 5))
    assert shop.item(P).state == b""
    known.archive("late", event("4", P))
    assert known.night(2 * DAY).rows == 0  # nobody looks for them any more
    with pytest.raises(NotFound, match="or it was lifted already"):
        lift(known, "person_id", "1")


def test_a_lifting_that_is_cut_off_is_done_again(known: Privacy) -> None:
    known.erase("shop", "person_id", "1")
    known.shop.profiles.unreadable = True
    with pytest.raises(Unavailable):
        lift(known, "person_id", "1")
    known.shop.profiles.unreadable = False
    assert len(lift(known, "person_id", "1")) == 1


def test_of_an_erasure_that_is_done_any_key_finds_it(known: Privacy) -> None:
    request = known.erase("shop", "person_id", "1")
    keep(known.lake, request.finished(NOW))
    lift(known, "td_client_id", "c")
    assert f"shop#{C}" not in known.shop.profiles.barred
    assert f"shop#{P}" in known.shop.profiles.barred  # it is not known any more which key that is


def test_keys_that_the_profile_forgot_go_too(known: Privacy) -> None:
    """A profile remembers two hundred aliases; a browser that keeps no cookies brings another one each time."""
    cookies = [f"td_client_id:{number}" for number in range(MOST_ALIASES + 20)]
    shop = known.shop
    for number, cookie in enumerate(cookies):
        shop.clock.time = NOW + number
        shop.deliver(event(f"c{number}", P, cookie, time=NOW))
    assert cookies[0] not in shop.item(P).aliases
    rows = [{"profile": one, "owner": P, "moment": NOW, "sequence": "1"} for one in cookies]
    another = {"profile": "td_client_id:shared", "owner": P, "moment": NOW, "sequence": "1"}
    known.tables.write("links/shop/date=2023-11-14/a.parquet", LINKS, [*rows, another])
    known.archive("a", event("x", cookies[0]), event("y", "td_client_id:shared"))
    shop.deliver(event("s", OTHER, "td_client_id:shared"))  # it leads to somebody else by now
    exported = known.export("shop", "person_id", "1")
    assert {*cookies} < {*exported["keys"]}
    assert [row["event_id"] for row in exported["events"]["purchases"]] == ["x"]
    known.erase("shop", "person_id", "1")
    known.night(60)
    for _ in range(3):
        known.night()
    assert known.people() == {"td_client_id:shared"}
    assert shop.item(cookies[0]).erased
    assert shop.item(cookies[0]).alias is None
    assert shop.item("td_client_id:shared").alias == OTHER
    assert shop.item(OTHER).state
    assert known.request().store
    assert {key_hash(one) for one in cookies} <= {*known.request().hashes}


def test_joined_keys_are_taken_out_by_either_side(known: Privacy) -> None:
    path = "links/shop/date=2023-11-14/a.parquet"
    pairs = [(C, P), (D, P), (E, "person_id:9"), ("td_client_id:z", OTHER)]
    rows = [{"profile": one, "owner": other, "moment": NOW, "sequence": "1"} for one, other in pairs]
    known.tables.write(path, LINKS, rows)
    known.lake.put(path, b"")
    known.erase("shop", "person_id", "1")
    assert known.night(60).rows == 3
    assert [row["profile"] for row in known.tables.objects[path]] == ["td_client_id:z"]
