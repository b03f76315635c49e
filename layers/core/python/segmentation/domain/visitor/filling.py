"""Events of the past into a visitor's state, for rules that did not read them when they came."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from ..event import Event
from .intake import take_in
from .joining import joined
from .program import Program
from .state import Visitor


def filled(
    program: Program, visitor: Visitor, events: Sequence[Event], terms: Collection[str], now: int
) -> Visitor:
    """The state with these events in some of its terms, each once, however often and in whatever order it is filled.

    Membership stays as it is: nothing that answers reads the terms. That an event was counted before for other terms is no
    reason to leave it out of these.
    """
    past = take_in(program, Visitor.new(), events, now).visitor
    rows = {name: kept for name, kept in past.rows.items() if name in terms}
    lost = {name: at for name, at in past.lost.items() if name in terms}
    return joined(visitor, [replace(past, rows=rows, seen={}, lost=lost)]) if rows else visitor
