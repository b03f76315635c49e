"""A visitor's membership at a moment: of its state, new events and what the last batch run said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.language.evaluate import Base, Evaluation, Known, Row
from segmentation.language.index import NEVER
from segmentation.language.normal import digest
from segmentation.language.values import Value, parse_value

from ..event import Event
from ..membership import Flip
from .intake import take_in
from .program import Program
from .state import Visitor

MOST_MOMENTS = 64
"""How many coming moments are looked at when an event arrives; `Visitor.recheck` says where that ended."""


@dataclass(frozen=True)
class BatchView:
    """What the last batch run said of the profile: segments, and attributes as they were published."""

    segments: frozenset[str] = frozenset()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """That a visitor joined or left a segment. The id is the same however often it is computed."""

    id: str
    segment: str
    joined: bool
    version: str
    moment: int
    event: str | None


@dataclass(frozen=True)
class Outcome:
    """The result of an evaluation: the new state, what changed, and how many of the events were new."""

    visitor: Visitor
    changes: tuple[Change, ...]
    accepted: int


def evaluate(
    program: Program, key: str, visitor: Visitor, batch: BatchView | None, events: Sequence[Event], now: int
) -> Outcome:
    """Take in events and find the membership at `now` (Unix seconds).

    `key` is the profile key: the master key of a known profile, else the visitor's id. Events may come
    late, twice or in any order; those that were seen before change nothing.
    """
    state, accepted = take_in(program, visitor, events, now)
    view = batch or BatchView()
    known = _Known(program, state.rows, view)

    outside = view.segments - program.names

    def at(moment: int) -> Evaluation:
        return Evaluation(known, key, moment, program.zone, outside)

    index = program.index
    standing = index.start(at(now), attributes=view.attributes, bases=program.bases_of(state.rows))
    current = standing.result
    members = frozenset(index.members(current))
    flips: list[Flip] = []
    recheck = None
    moment = now
    for count in range(MOST_MOMENTS + 1):
        if standing.due == NEVER:
            break
        if count == MOST_MOMENTS:
            recheck = moment
            break
        moment = standing.due
        flipped = current ^ index.update(standing, at(moment))
        if flipped:
            joined, left = flipped & standing.result, flipped & current
            flips.append((moment, tuple(sorted(index.members(joined))), tuple(sorted(index.members(left)))))
            current = standing.result
    cause = max(accepted, key=lambda event: (event.time, event.id)).id if accepted else None
    changes = tuple(
        _change(key, segment, segment in members, program.versions.get(segment, ""), now, cause)
        for segment in sorted(members ^ visitor.members)
    )
    after = Visitor(state.rows, state.seen, members, tuple(flips), recheck)
    return Outcome(after, changes, len(accepted))


def known_of(program: Program, visitor: Visitor, batch: BatchView) -> Known:
    """What is known of a visitor, as rules read it."""
    return _Known(program, visitor.rows, batch)


class _Known:
    """A visitor's state and batch part, as rules read them."""

    def __init__(self, program: Program, rows: Mapping[str, tuple[Row, ...]], batch: BatchView) -> None:
        self._program = program
        self._rows = rows
        self._attributes = batch.attributes

    def attribute(self, name: str) -> Value:
        return parse_value(self._program.schema.attributes[name], self._attributes.get(name))

    def rows(self, base: Base) -> Sequence[Row]:
        return self._rows.get(self._program.term(base).id, ())


def _change(key: str, segment: str, joined: bool, version: str, now: int, cause: str | None) -> Change:
    name = digest(key, segment, version, "joined" if joined else "left", cause or str(now))
    return Change(name, segment, joined, version, now, cause)
