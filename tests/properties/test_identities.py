"""Random histories of keys, with deaths and races, against one profile that has all events."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.domain.event import Event
from segmentation.domain.profile import GRACE
from segmentation.domain.visitor import Program, Visitor, evaluate

from tests.examples import examples
from tests.fakes.identities import HOUR, NOW, PUBLISHED, C, Crash, D, E, P, Shop, Store, event

KEYS = ([P, E, C, D], ["person_id:2", "email:bb", "td_client_id:e", "td_client_id:f"])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[Event]], dict[int, str], list[int]]:
    """Batches of events of two people, who in the end have shown that all their keys are theirs; deaths; and races."""
    events: list[Event] = []
    for person in range(draw(st.integers(1, 2))):
        keys = KEYS[person]
        # Events that say whose the keys are, as a random tree over them.
        links = [
            (keys[n], keys[draw(st.integers(0, n - 1))]) for n in range(1, len(keys)) if keys[n][:2] != "td"
        ]
        links += [(key, keys[draw(st.integers(0, 1))]) for key in keys[2:]]
        carried = [*links, *draw(st.lists(st.sampled_from(keys).map(lambda key: (key,)), max_size=8))]
        for names in carried:
            events.append(
                event(
                    f"{person}-{len(events)}",
                    *names,
                    time=NOW - draw(st.integers(-600, 9_000)),
                    item=draw(st.sampled_from(["a", "b", None])),
                    amount=draw(st.sampled_from([1, 2.5, 7])),
                )
            )
    again = draw(st.lists(st.sampled_from(events), max_size=5))
    shuffled = draw(st.permutations([*events, *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=5)))
    bounds = [0, *cuts, len(shuffled)]
    batches = [list(shuffled[a:b]) for a, b in pairwise(bounds) if a < b]
    deaths = draw(st.dictionaries(st.integers(0, 15), st.sampled_from(["before", "after"]), max_size=4))
    return batches, deaths, draw(st.lists(st.integers(0, 4), max_size=3))


def oracle(events: list[Event], person: int, now: int) -> list[str]:
    """One profile with all events, evaluated afresh."""
    own = [one for one in events if one.id.startswith(f"{person}-")]
    outcome = evaluate(Program(PUBLISHED.rules), str(person + 1), Visitor.new(), None, own, now)
    return sorted(outcome.visitor.members)


def deliver_all(shop: Shop, batches: list[list[Event]], races: list[int]) -> Iterator[list[Event]]:
    """Deliver all batches; those named in `races` while the one before is being written, by another function."""
    other = Shop(profiles=shop.profiles, queue=shop.queue)
    number = 0
    while number < len(batches):
        batch = batches[number]
        if number in races and number + 1 < len(batches):
            following = batches[number + 1]
            shop.profiles.before_save.append(lambda _, events=following: other.until_taken(*events))
            shop.until_taken(*batch)
            if shop.profiles.before_save:  # nothing had to be written
                shop.profiles.before_save.clear()
                other.until_taken(*following)
            number += 1
        else:
            shop.until_taken(*batch)
        number += 1
        yield batch


@settings(max_examples=examples(100))
@given(histories())
def test_keys_in_any_order_are_one_profile(
    history: tuple[list[list[Event]], dict[int, str], list[int]],
) -> None:
    batches, deaths, races = history
    shop = Shop(profiles=Store(deaths=dict(deaths)))
    list(deliver_all(shop, batches, races))
    events = [one for batch in batches for one in batch]
    people = sorted({int(one.id[0]) for one in events})
    # Partners were told the same, at the latest by a sweep: each person is in what it is in, under its strongest key alone.
    for number in range(5):  # a sweep dies, too, but not every one
        shop.clock.time += GRACE
        if number > 2:
            shop.profiles.deaths.clear()
        with suppress(Crash):
            shop.sweep()
    told = shop.queue.inside()
    for person in people:
        assert told.pop(KEYS[person][0], set()) == set(oracle(events, person, shop.clock.time))
    assert not any(told.values())
    for now in (NOW + 300, NOW + HOUR, NOW + 3 * HOUR):
        shop.clock.time = now
        for person in people:
            expected = oracle(events, person, now)
            assert {name: shop.values(name) for name in KEYS[person]} == dict.fromkeys(KEYS[person], expected)
