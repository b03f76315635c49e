"""A state comes back from its bytes, whether it was written as a whole or event by event."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.domain.event import Event
from segmentation.domain.visitor import Program, Visitor
from segmentation.domain.visitor.intake import take_in

from tests.examples import examples
from tests.properties.arrival_world import PUBLISHED

HOUR = 3_600
NOW = 1_700_000_000
PROGRAM = Program(PUBLISHED.rules)
EVENT = st.tuples(
    st.integers(0, 40),
    st.sampled_from(["purchases", "mailings"]),
    st.integers(-3 * HOUR, 600),
    st.sampled_from(
        [{}, {"item": "a"}, {"item": "ü\ud800"}, {"item": "b", "amount": -0.0}, {"amount": 1e22}]
    ),
)
STEP = st.tuples(st.integers(0, 2 * HOUR), st.lists(EVENT, max_size=4), st.booleans())


def name(number: int) -> str:
    """Ids are text of senders: some of it is half a character."""
    return f"e{number}" if number % 9 else f"e{number}\ud800"


@settings(max_examples=examples(80))
@given(st.lists(STEP, max_size=40))
def test_states_come_back(
    steps: Sequence[tuple[int, Sequence[tuple[int, str, int, dict[str, object]]], bool]],
) -> None:
    visitor, now = Visitor.new(), NOW
    for passed, found, anew in steps:
        now += passed
        events = [
            Event(name(number), "shop", behavior, "person_id:1", now + offset, now, columns)
            for number, behavior, offset, columns in found
        ]
        visitor = take_in(PROGRAM, visitor, events, now).visitor
        stored = visitor.written()
        read = Visitor.decode(stored.data)
        assert (read.rows, read.seen, read.lost) == (visitor.rows, visitor.seen, visitor.lost)
        assert [*read.seen] == [*visitor.seen]
        assert repr(sorted(read.rows.items())) == repr(sorted(visitor.rows.items()))
        visitor = read if anew else Visitor(visitor.rows, visitor.seen, visitor.lost, stored=stored)
