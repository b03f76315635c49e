"""Random histories of a visitor's events, and what must hold after each."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from segmentation.domain.event import Event
from segmentation.domain.visitor import BatchView, Visitor, evaluate
from segmentation.domain.visitor.state import FORGOTTEN

from tests.properties.arrival_world import (
    BATCH,
    DAY,
    HOUR,
    NOW,
    PEOPLE,
    PROGRAM,
    WINDOWS,
    World,
    oracle,
)

Told = tuple[str, bool, int, str | None]


def expected(person: str, log: Sequence[tuple[int, dict[str, Event], str | None]], end: int) -> list[Told]:
    """All changes, second by second."""
    told: list[Told] = []
    members: frozenset[str] = frozenset()

    def turn(after: frozenset[str], moment: int, cause: str | None) -> None:
        nonlocal members
        told.extend((one, one in after, moment, cause) for one in sorted(after ^ members))
        members = after

    before: dict[str, Event] = {}
    since = end
    for moment, events, cause in [*log, (end, None, None)]:
        if before or since < moment:
            midnight = (since // DAY + 1) * DAY + 5 * HOUR  # of New York, in November
            turns = {one.time + window for one in before.values() for window in WINDOWS}
            turns |= {midnight - DAY, midnight, midnight + DAY}
            for between in sorted(one for one in turns if since < one <= moment):
                turn(oracle(person, before, between), between, None)
        if events is None:
            break
        turn(oracle(person, events, moment), moment, cause)
        before, since = events, moment
    return told


def said(world: World, person: str) -> list[Told]:
    """What a partner was told, each id once, in the order of first arrival."""
    first: dict[str, Told] = {}
    for one in world.queue.messages:
        if f"person_id:{person}" in one["joined"] + one["left"]:
            told = (one["segment"], bool(one["joined"]), one["now"], one["event"])
            assert first.setdefault(one["id"], told) == told
    return list(first.values())


@st.composite
def pools(draw: st.DrawFn, *, contested: bool) -> list[Event]:
    """Events; `contested`: some of them bear an id that another one has."""
    pool = []
    for number in range(draw(st.integers(1, 9))):
        behavior = draw(st.sampled_from(["purchases", "purchases", "mailings"]))
        columns = (
            {"item": draw(st.sampled_from(["a", "b", None])), "amount": draw(st.sampled_from([1, 2.5, 7]))}
            if behavior == "purchases"
            else {"name": "x"}
        )
        away = draw(st.integers(-90, 30)) * 60 + draw(st.sampled_from([0, 0, 1, -300_000]))
        shared = contested and draw(st.booleans()) and number > 0
        identity = f"e{draw(st.integers(0, number)) if shared else number}"
        person = draw(st.sampled_from(["1", "1", "1", "2"]))
        pool.append(Event(identity, "shop", behavior, f"person_id:{person}", NOW + away, NOW, columns))
    return pool


@st.composite
def histories(draw: st.DrawFn, *, contested: bool = True) -> tuple[list[tuple[Any, ...]], dict[int, str]]:
    pool = draw(pools(contested=contested))
    batches = st.lists(st.sampled_from(pool), min_size=1, max_size=6)
    functions = st.sampled_from([0, 1])
    steps = st.one_of(
        st.tuples(st.just("deliver"), functions, batches),
        st.tuples(st.just("deliver"), functions, batches),
        st.tuples(st.just("race"), batches, batches),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 600, 3_000, 2 * HOUR, 9 * HOUR])),
        st.tuples(st.just("sweep"), functions),
    )
    history = draw(st.lists(steps, min_size=1, max_size=9))
    faults = draw(
        st.dictionaries(st.integers(0, 60), st.sampled_from(["before", "after", "refused"]), max_size=6)
    )
    return [*history, ("deliver", 0, list(draw(st.permutations(pool))))], faults


def play(
    history: Sequence[tuple[Any, ...]],
    faults: dict[int, str],
    world_of: Callable[[dict[int, str]], World] = World,
) -> World:
    world = world_of(dict(faults))
    for act, *arguments in history:
        if act == "wait":
            world.time += arguments[0]
        else:
            getattr(world, act)(*arguments)
        for person in PEOPLE:
            log = world.store.written.get(f"shop#person_id:{person}")
            if log:
                assert world.reading(person) == oracle(person, log[-1][1], max(world.time, log[-1][0]))
    world.calm()
    for _ in range(2):  # untold changes are due a minute later
        world.time += 60
        world.sweep(0)
    return world


def check(
    history: Sequence[tuple[Any, ...]],
    faults: dict[int, str],
    *,
    ids: bool = True,
    world: Callable[[dict[int, str]], World] = World,
) -> None:
    """`ids`: all of them are remembered."""
    _check(history, play(history, faults, world), ids=ids)


def _check(history: Sequence[tuple[Any, ...]], world: World, *, ids: bool) -> None:
    sent = {f"{e.profile}/{e.behavior}:{e.id}" for act, *rest in history if act in ("deliver", "race") for part in rest if isinstance(part, list) for e in part}  # fmt: skip
    taken = {
        f"{key.partition('#')[2]}/{one}" for key, log in world.store.written.items() for one in log[-1][1]
    }
    assert taken == sent
    for person in PEOPLE:
        key = f"shop#person_id:{person}"
        log = world.store.written.get(key, [])
        if not log:
            assert said(world, person) == []
            continue
        # Every change once, at its own moment, with the event that caused it.
        assert sorted(said(world, person), key=str) == sorted(expected(person, log, world.time), key=str)
        part = world.store.realtime[key]
        assert not part.untold
        assert frozenset(part.members) == oracle(person, log[-1][1], world.time)
        # The state is that of the same events delivered once, in order.
        view = BatchView(frozenset(BATCH.segments), BATCH.attributes) if person == "1" else None
        once = Visitor.new()
        for one in sorted(log[-1][1].values(), key=lambda one: (one.time, one.id)):
            once = evaluate(PROGRAM, person, once, view, [one], max(one.time, NOW)).visitor
        kept = Visitor.decode(part.state, frozenset(part.members), part.computed, part.due)
        later = max(world.time, once.computed, kept.computed)
        states = [evaluate(PROGRAM, person, one, view, [], later).visitor for one in (once, kept)]
        assert states[0].rows == states[1].rows
        assert states[0].members == states[1].members
        assert not ids or states[0].seen.keys() == states[1].seen.keys()
        for one in states:
            assert one.lost.keys() <= (set() if ids else {FORGOTTEN})
