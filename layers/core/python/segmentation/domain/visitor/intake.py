"""Events into a visitor's state: each once, the oldest out when they can count no more."""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import islice
from operator import itemgetter

import msgspec
from segmentation.language.evaluate import Row
from segmentation.language.values import parse_value

from ..event import Event
from .program import Program
from .state import DAY, FORGOTTEN, Visitor
from .terms import MOST_EVENTS, Term

MOST_IDS = 4_000
"""Event ids remembered to drop duplicates, the latest accepted; at times an eighth more.

An event that comes twice as it was is also known by its time and id among the kept events, or is older than
all that count. So beyond this only a second event of an old id and another time or other columns can count again, as an
event of its own. While one could, `Visitor.lost` says so under `FORGOTTEN`.
"""
LAST_DAY = (1 << 16) - 1


class Intake(msgspec.Struct, frozen=True):
    """What events made of a state: what is kept, the events that were new, and the terms whose events are others now.

    `causes`: of the new ones those that may have changed something.
    """

    visitor: Visitor
    accepted: list[Event]
    touched: frozenset[str]
    causes: list[Event]


def take_in(program: Program, visitor: Visitor, events: Sequence[Event], now: int) -> Intake:
    """Take events into a state. Without any, what can count no more is let go."""
    if not events:
        return _clear(program, visitor, now)
    seen = dict(visitor.seen)
    accepted: list[Event] = []
    entered: dict[str, tuple[Term, list[Row]]] = {}
    latest = now + program.memory
    for event in events:
        entrance = program.entrance(event.behavior)
        if entrance is None:  # no rule reads it
            continue
        name = short_id(event.behavior, event.id)
        if name in seen:
            continue
        # From its acceptance on, not from its own time: a late event may come twice as well. Ids go in their order, so one of
        # the far future must not hold up all that come after it.
        seen[name] = min(min(max(event.time, now), latest) // DAY, LAST_DAY)
        accepted.append(event)
        raw = event.columns
        typed = {
            column: parse_value(type_, raw[column])
            for column, type_ in entrance.columns.items()
            if column in raw
        }
        bare = Row(event.time, event.id)
        for term in entrance.terms_of(Row(event.time, event.id, typed)):
            row = bare
            if term.columns:
                kept = {column: typed[column] for column in term.columns if typed.get(column) is not None}
                row = Row(event.time, event.id, kept)
            entered.setdefault(term.id, (term, []))[1].append(row)
    if not accepted:
        return Intake(visitor, accepted, frozenset(), accepted)
    rows, lost = dict(visitor.rows), dict(visitor.lost)
    for term, new in entered.values():
        _put(rows, lost, term, _merged(rows.get(term.id, ()), new), now)
    seen = _remembered(seen, lost, now - program.memory)
    # What was stored is continued by what came, unless ids went.
    stored = visitor.stored if len(seen) == len(visitor.seen) + len(accepted) else None
    after = Visitor(rows, seen, lost, visitor.members, visitor.computed, None, stored)
    causes = accepted
    if FORGOTTEN in visitor.lost:  # some may have come before
        fresh = {id_ for name in entered for id_ in _ids(rows, name) - _ids(visitor.rows, name)}
        causes = [event for event in accepted if event.id in fresh]
    return Intake(after, accepted, frozenset(entered), causes)


def _ids(rows: Mapping[str, Sequence[Row]], term: str) -> set[str]:
    return set(map(_id, rows.get(term, ())))


def short_id(behavior: str, event: str) -> int:
    """An event's id in 64 bits. Ids come from tables, and two tables may count from 1."""
    name = f"{behavior}:{event}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=9).digest()[:8], "big")


def _clear(program: Program, visitor: Visitor, now: int) -> Intake:
    """Let go of terms that no rule has, of events that can count no more, and of old ids."""
    rows: dict[str, Sequence[Row]] = {}
    lost: dict[str, int] = {}
    for name, kept in visitor.rows.items():
        term = program.term_named(name)
        if term is not None:
            if name in visitor.lost:
                lost[name] = visitor.lost[name]
            _put(rows, lost, term, kept, now)
    if FORGOTTEN in visitor.lost:
        lost[FORGOTTEN] = visitor.lost[FORGOTTEN]
    seen = _remembered(dict(visitor.seen), lost, now - program.memory)
    after = Visitor(rows, seen, lost, visitor.members, visitor.computed)
    return Intake(after, [], frozenset(), [])


def _merged(kept: Sequence[Row], new: list[Row]) -> Sequence[Row]:
    # An id that was forgotten may come again; among the kept events it is still known.
    known = set(map(_id, kept))
    fresh = [row for row in new if row[1] not in known]
    if len(fresh) > 1 or (fresh and kept and fresh[0][:2] < kept[-1][:2]):
        return sorted((*kept, *fresh), key=_by_time)
    return (*kept, *fresh)


_time, _id, _by_time = itemgetter(0), itemgetter(1), itemgetter(0, 1)
"""Of rows."""


def _put(
    rows: dict[str, Sequence[Row]], lost: dict[str, int], term: Term, ordered: Sequence[Row], now: int
) -> None:
    """Keep the events of a term that can still count, oldest first; those later than now wait beside the latest."""
    first, past = 0, len(ordered)
    if term.reach is not None and ordered and ordered[0][0] <= now - term.reach:
        first = bisect_right(ordered, now - term.reach, key=_time)
    if ordered and ordered[-1][0] > now:
        past = bisect_right(ordered, now, lo=first, key=_time)
    if past - first > term.keep:
        first = past - term.keep
        if term.whole:
            lost[term.id] = max(lost.get(term.id, 0), ordered[first - 1][0])
    last = min(len(ordered), past + MOST_EVENTS)
    if last < len(ordered):
        lost[term.id] = max(lost.get(term.id, 0), ordered[-1][0])
    kept = tuple(ordered[first:last] if first or last < len(ordered) else ordered)
    if kept:
        rows[term.id] = kept
    else:
        rows.pop(term.id, None)
    if term.id in lost and term.reach is not None and lost[term.id] <= now - term.reach:
        del lost[term.id]


def _remembered(seen: dict[int, int], lost: dict[str, int], oldest: int) -> dict[int, int]:
    """The ids in the order in which they were accepted; the day of the oldest moment is still whole."""
    day = oldest // DAY
    while seen:
        name = next(iter(seen))
        if seen[name] >= day:
            break
        del seen[name]
    if FORGOTTEN in lost and lost[FORGOTTEN] <= oldest:
        del lost[FORGOTTEN]
    # They go many at a time: whenever ids go, all of the state is written anew.
    if len(seen) <= MOST_IDS + MOST_IDS // 8:
        return seen
    return latest_ids(seen, MOST_IDS, lost)


def latest_ids(seen: Mapping[int, int], most: int, lost: dict[str, int]) -> dict[int, int]:
    """The ids accepted last; until when an older one would have been known is noted in `lost`."""
    gone = max(islice(seen.values(), len(seen) - most))
    lost[FORGOTTEN] = max(lost.get(FORGOTTEN, 0), (gone + 1) * DAY)
    return dict(islice(seen.items(), len(seen) - most, None))
