"""A visitor's membership at a moment: of its state, new events and what the last batch run said."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from segmentation.language.evaluate import Base, Evaluation, Known, Row
from segmentation.language.index import NEVER, State
from segmentation.language.values import Value, parse_value

from ..event import Event
from ..membership import Changes, Members, Turn
from .intake import take_in
from .limits import encode_within
from .program import Program
from .state import Visitor

MOST_MOMENTS = 64
"""How many moments between two evaluations are gone through one by one, and how many coming ones are looked at."""
MOST_CHANGES = 4_000
"""Of changes by time alone in one evaluation; beyond that only what they come to is told."""


class BatchView(msgspec.Struct, frozen=True):
    """What the last batch run said of the profile: segments, and attributes as they were published."""

    segments: frozenset[str] = frozenset()
    attributes: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Outcome(msgspec.Struct, frozen=True):
    """The result of an evaluation.

    `changes`: since the last evaluation, by moment. `accepted`: how many of the events were new. `is_new`: the state is
    another one than before; `encoded` is that as it is stored, where it was made on the way. `standing`: what the
    index holds of the visitor, for the next evaluation of just this state.
    """

    visitor: Visitor
    changes: Changes
    accepted: int
    is_new: bool
    encoded: bytes | None
    standing: State | None


def evaluate(
    program: Program,
    key: str,
    visitor: Visitor,
    batch: BatchView | None,
    events: Sequence[Event],
    now: int,
    *,
    continuous: bool = True,
    standing: State | None = None,
    ahead: bool = False,
    stored: bool = True,
) -> Outcome:
    """Take in events and find the membership at `now` (Unix seconds; time never goes back behind the last evaluation).

    `key` is the profile key: the master key of a known profile, else the visitor's id. Events may come late,
    twice or in any order; those that were seen before change nothing. `continuous`: rules and batch view
    are those of the last evaluation, so what time has changed since is told with its own moments. `standing` is
    used up. With `ahead` coming moments are looked at until one that changes membership, so that
    `due` is no false alarm. What is not to be `stored` may be of any size.
    """
    now = max(now, visitor.computed)
    view = batch or BatchView()
    index = program.index
    outside = view.segments - program.names

    def at(moment: int, state: Visitor) -> Evaluation:
        return Evaluation(_Known(program, state.rows, view), key, moment, program.zone, outside)

    def start(moment: int, state: Visitor) -> State:
        bases = program.bases_of(state.rows)
        return index.start(at(moment, state), attributes=view.attributes, bases=bases)

    bits, gone = program.placed(visitor.members)
    turns: list[Turn] = []
    if not continuous:
        standing = None
        visitor = replace(take_in(program, visitor, (), now).visitor, due=None)
    elif visitor.due is not None and visitor.due <= now:
        standing = standing or start(visitor.computed, visitor)
        steps = list(_steps(program, standing, lambda moment: at(moment, visitor), now))
        if sum(flipped.bit_count() for _, flipped, _ in steps) <= MOST_CHANGES:
            for moment, flipped, after in steps:
                turns.append(Turn(moment, None, flipped & after, flipped & ~after))
                bits ^= flipped
    taken = take_in(program, visitor, events, now)
    encoded = None
    state, written = taken.visitor, taken.visitor.stored
    if stored and (taken.accepted or not continuous):
        state, written = encode_within(state)
        encoded = written.data
        if state is not taken.visitor:
            standing = None
    if standing is None:
        standing = start(now, state)
    else:
        index.update(standing, at(now, state), bases=program.bases_of(taken.touched))
    result = standing.result
    turned = result ^ bits
    if turned or gone:
        cause = max(taken.causes, key=lambda event: (event.time, event.id)).id if taken.causes else None
        turns.append(Turn(now, cause, turned & result, turned & bits, gone))
    due = standing.due
    held: State | None = standing
    if ahead:
        held = None  # it goes on into times that have not come
        due = _next_flip(program, standing, lambda moment: at(moment, state))
    due_at = None if due == NEVER else due
    members = Members(program.numbering, result)
    next_state = Visitor(state.rows, state.seen, state.lost, members, now, due_at, written)
    is_new = not continuous or _differ(state, visitor)
    changes = Changes(program.numbering, turns)
    return Outcome(next_state, changes, len(taken.accepted), is_new, encoded, held)


def _differ(a: Visitor, b: Visitor) -> bool:
    return a is not b and (a.seen != b.seen or a.rows != b.rows or a.lost != b.lost)


def _steps(
    program: Program, standing: State, at: Callable[[int], Evaluation], now: int
) -> Iterator[tuple[int, int, int]]:
    """The moments up to `now` at which membership changed by itself: `(moment, bits that turned, bits after)`."""
    for count in range(MOST_MOMENTS + 1):
        moment = standing.due
        if moment > now:
            return
        if count == MOST_MOMENTS:
            moment = now
        before = standing.result
        flipped = before ^ program.index.update(standing, at(moment))
        if flipped:
            yield moment, flipped, standing.result


def _next_flip(program: Program, standing: State, at: Callable[[int], Evaluation]) -> int:
    """The next moment at which membership changes by itself, or up to which it surely does not."""
    before = standing.result
    moment = standing.due
    for _ in range(MOST_MOMENTS):
        if moment == NEVER or program.index.update(standing, at(moment)) != before:
            return moment
        moment = standing.due
    return moment


def known_of(program: Program, visitor: Visitor, batch: BatchView) -> Known:
    """What is known of a visitor, as rules read it."""
    return _Known(program, visitor.rows, batch)


class _Known:
    """A visitor's state and batch part, as rules read them."""

    def __init__(self, program: Program, rows: Mapping[str, Sequence[Row]], batch: BatchView) -> None:
        self._program = program
        self._rows = rows
        self._attributes = batch.attributes

    def attribute(self, name: str) -> Value:
        """The typed value of an attribute."""
        return parse_value(self._program.schema.attributes[name], self._attributes.get(name))

    def rows(self, base: Base) -> Sequence[Row]:
        """The kept events of a base."""
        return self._rows.get(self._program.term(base).id, ())
