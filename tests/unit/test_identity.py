"""Keys that turn out to be one person's: whatever the order, the crashes and the races, as if there had been one key."""

import pytest
from msgspec.structs import replace
from segmentation.domain.event import Event
from segmentation.domain.joining import MOST_ALIAS_BYTES
from segmentation.domain.profile import GRACE, BatchPart
from segmentation.domain.visitor import Program, Visitor, evaluate
from segmentation.domain.visitor.joining import joined

from tests.fakes import MemoryProfiles
from tests.fakes.identities import PUBLISHED, C, E, P, Shop, event
from tests.fakes.stream import NOW


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_what_a_visitor_did_before_is_the_customers_after(shop: Shop) -> None:
    shop.deliver(event("1", C), event("2", C), event("3", P))
    assert shop.values(C) == ["bought"]
    result = shop.deliver(event("4", P, C))
    assert (result.joined, result.failed) == (1, set())
    assert shop.item(C).alias == P
    assert shop.values(P) == shop.values(C) == ["bought", "bought-thrice"]
    assert shop.queue.inside() == {P: {"bought", "bought-thrice"}}


def test_stragglers_of_the_old_key_follow(shop: Shop) -> None:
    shop.deliver(event("1", P, C))
    shop.deliver(event("2", C), event("3", C))
    assert shop.values(P) == ["bought", "bought-thrice"]
    assert shop.item(C).state == b""


def test_identify_may_come_first(shop: Shop) -> None:
    """The two keys are on two shards of the stream, and the old one's lags."""
    shop.deliver(event("4", P, C))
    shop.deliver(event("1", C), event("2", C))
    assert shop.values(C) == ["bought", "bought-thrice"]


def test_chains_resolve_and_become_short(shop: Shop) -> None:
    shop.deliver(event("1", C, E))
    assert shop.item(C).alias == E
    shop.deliver(event("2", E, P))
    assert shop.item(E).alias == P
    assert shop.values(C) == ["bought"]
    shop.deliver(event("3", C))
    assert shop.item(C).alias == P
    assert shop.values(C) == shop.values(E) == shop.values(P) == ["bought", "bought-thrice"]


def test_the_batch_part_becomes_visible_by_the_cookie(shop: Shop) -> None:
    shop.profiles.batch[f"shop#{P}"] = BatchPart("run1", NOW, (), {"country": "DE"})
    shop.deliver(event("1", C))
    assert "german-buyer" not in shop.values(C)
    shop.deliver(event("2", P, C))
    (entry,) = shop.answer(C)
    assert "german-buyer" in entry["values"]
    assert entry["attributes"] == {"country": "DE"}
    assert entry["key"] == {"td_client_id": "c"}


def test_two_customers_who_share_a_browser_are_two(shop: Shop) -> None:
    other = "person_id:2"
    shop.deliver(event("1", C), event("2", P, C))
    result = shop.deliver(event("3", other, C))
    assert result.conflicts == 1
    assert shop.item(C).alias == P
    assert shop.values(other) == ["bought", "quiet"]
    assert shop.values(P) == ["bought"]


def test_an_alias_is_written_anew_before_it_expires(shop: Shop) -> None:
    shop.deliver(event("1", P, C))
    first = shop.item(C).expires
    for days in range(50, 500, 50):
        shop.clock.time = NOW + days * 86_400
        shop.deliver(event(f"at {days}", C, time=shop.clock.time))
    assert shop.item(C).expires > shop.clock.time + 250 * 86_400 > first
    revision = shop.item(C).revision
    shop.deliver(event("last", C, time=shop.clock.time))
    assert shop.item(C).revision == revision  # not at every event


def test_an_ordinary_read_is_one_request_and_a_joined_key_is_remembered(shop: Shop) -> None:
    shop.deliver(event("1", P, C), event("2", P, C))

    def reads(name: str) -> int:
        before = shop.profiles.reads
        shop.values(name)
        return shop.profiles.reads - before

    assert [reads(P), reads(C), reads(C)] == [1, 2, 1]
    before = shop.profiles.reads
    shop.deliver(event("3", P, C), event("4", P, C))
    assert shop.profiles.reads == before + 1


def test_a_key_that_the_raw_tables_know_leads_to_its_owner(shop: Shop) -> None:
    """It had events of its own before the run said whose it is."""
    shop.deliver(event("1", E), event("2", E))
    shop.profiles.batch[f"shop#{E}"] = BatchPart("run1", NOW, (), owner=P)
    shop.profiles.batch[f"shop#{P}"] = BatchPart(
        "run1", NOW, (), {"country": "DE"}, identities=(E,), unjoined=(E,)
    )
    assert shop.values(P) == shop.values(E) == ["bought", "german-buyer"]
    shop.deliver(event("3", P))
    assert shop.item(E).alias == P
    assert shop.values(E) == ["bought", "bought-thrice", "german-buyer"]


def test_a_key_without_events_needs_no_item_of_its_own(shop: Shop) -> None:
    shop.profiles.batch[f"shop#{E}"] = BatchPart("run1", NOW, (), owner=P)
    shop.profiles.batch[f"shop#{P}"] = BatchPart("run1", NOW, (), identities=(E,))
    shop.deliver(event("1", P))
    shop.deliver(event("2", E), event("3", E))
    assert f"shop#{E}" not in shop.profiles.realtime
    assert shop.values(P) == ["bought", "bought-thrice"]


def test_a_profile_that_is_being_evaluated_elsewhere_is_not_overwritten(shop: Shop) -> None:
    """The old key gets an event while it is being joined: the join is lost, and done again with it."""
    other = Shop(profiles=shop.profiles)
    shop.deliver(event("1", C))

    def meanwhile(profiles: MemoryProfiles) -> None:
        assert other.deliver(event("2", C)).failed == set()

    shop.profiles.before_save.append(meanwhile)
    result = shop.deliver(event("3", P, C))
    assert (result.races, result.failed) == (1, set())
    assert shop.values(C) == ["bought", "bought-thrice"]


def test_the_old_keys_batch_that_was_under_way_follows(shop: Shop) -> None:
    """The other way round: the old key's batch has read its item when the key is joined."""
    other = Shop(profiles=shop.profiles)
    shop.deliver(event("1", C))
    shop.profiles.before_save.append(lambda _: other.until_taken(event("3", P, C)))
    result = shop.deliver(event("2", C))
    assert (result.races, result.failed) == (1, set())
    assert shop.item(C).alias == P
    assert shop.values(P) == ["bought", "bought-thrice"]


def test_a_join_that_cannot_be_written_comes_back_alone(shop: Shop) -> None:
    shop.profiles.broken.add(f"shop#{C}")
    assert shop.deliver(event("1", P, C), event("2", "person_id:2")).failed == {"0"}
    shop.profiles.broken.clear()
    shop.until_taken(event("1", P, C))
    assert shop.values(C) == ["bought", "quiet"]


def test_states_joined_in_any_order_are_one() -> None:
    program = Program(PUBLISHED.rules)

    def state(*events: Event) -> Visitor:
        return evaluate(program, "1", Visitor.new(), None, events, NOW).visitor

    one, two = state(event("a", P, amount=1), event("b", P)), state(event("b", C), event("c", C, item="x"))
    together = joined(one, [two])
    assert (together.rows, together.seen) == (joined(two, [one]).rows, joined(two, [one]).seen)
    assert joined(together, [one, two]) == together
    assert {row.id for rows in together.rows.values() for row in rows} == {"a", "b", "c"}


def test_a_closed_queue_loses_nothing_of_a_join(shop: Shop) -> None:
    shop.deliver(event("1", C))
    shop.queue.closed = True
    shop.deliver(event("2", P, C))
    assert shop.item(C).alias == P
    assert (shop.item(C).untold, shop.item(P).untold) == (True, True)
    shop.queue.closed = False
    shop.deliver(event("2", P, C))
    shop.clock.time = NOW + GRACE
    shop.sweep()
    assert shop.queue.inside() == {P: {"bought"}}
    assert (shop.item(C).untold, shop.item(P).untold) == (False, False)


def test_long_aliases_take_no_more_than_their_room(shop: Shop) -> None:
    for number in range(60):
        shop.clock.time = NOW + number
        shop.deliver(event(str(number), P, f"td_client_id:{number:03}{'é' * 400}"))
    aliases = shop.item(P).aliases
    assert sum(len(name.encode()) for name in aliases) < MOST_ALIAS_BYTES
    assert len(aliases) == 39
    assert f"td_client_id:059{'é' * 400}" in aliases


def test_keys_that_lead_to_each_other_hold_up_nobody(shop: Shop) -> None:
    """No write makes it so; were it so, a batch of other people's events must not wait for it, nor a reader."""
    shop.deliver(event("1", E, C), event("2", P))
    shop.profiles.realtime[f"shop#{E}"] = replace(shop.item(E), alias=C, state=b"")
    result = shop.deliver(event("3", C), event("4", P), event("5", E))
    assert (result.failed, result.visitors) == (set(), 3)
    assert shop.item(E).alias is None
    assert shop.values(C) == shop.values(E) == ["bought"]
    shop.deliver(event("6", C), event("7", E))
    assert "bought-thrice" in shop.values(C)


def test_a_profile_keeps_the_latest_of_too_many_aliases(shop: Shop) -> None:
    for number in range(230):
        shop.clock.time = NOW + number
        shop.deliver(event(str(number), P, f"td_client_id:{number}"))
    aliases = shop.item(P).aliases
    assert len(aliases) == 200
    assert "td_client_id:229" in aliases
    assert shop.item("td_client_id:0").alias == P
    assert replace(shop.item("td_client_id:0"), expires=0).members == ()
