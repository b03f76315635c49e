"""Events into a visitor's state: each once, the oldest out when they can count no more."""

import hashlib
from collections.abc import Sequence

from segmentation.language.evaluate import Row
from segmentation.language.values import parse_value

from ..event import Event
from .program import Program
from .state import Visitor
from .terms import MOST_EVENTS, Term

MOST_IDS = 2_000
"""Event ids remembered to drop duplicates, the latest accepted."""


def take_in(
    program: Program, visitor: Visitor, events: Sequence[Event], now: int
) -> tuple[Visitor, list[Event]]:
    """The state with these events in it, and those that were new."""
    terms = {name: term for name in visitor.rows if (term := program.term_named(name))}
    rows = {name: [*visitor.rows[name]] for name in terms}
    kept_ids: dict[str, set[str]] = {}
    seen = dict(visitor.seen)
    accepted = []
    for event in events:
        name = _short_id(event)
        if name in seen:
            continue
        # From its acceptance on, not from its own time: a late event may come twice as well.
        seen[name] = max(event.time, now)
        accepted.append(event)
        schema = program.schema.behaviors.get(event.behavior, {})
        typed = {column: parse_value(type_, event.columns.get(column)) for column, type_ in schema.items()}
        for term in program.terms_of(event.behavior, Row(event.time, event.id, typed)):
            into = rows.setdefault(term.id, [])
            # An id that was forgotten may come again; among the kept rows it is still known.
            if term.id not in kept_ids:
                kept_ids[term.id] = {row.id for row in into}
            if event.id in kept_ids[term.id]:
                continue
            terms[term.id] = term
            kept_ids[term.id].add(event.id)
            columns = {c: typed[c] for c in term.columns if typed.get(c) is not None}
            into.append(Row(event.time, event.id, columns))
    trimmed = {name: kept for name, term in terms.items() if (kept := _trim(rows[name], term, now))}
    return Visitor(trimmed, _remembered(seen, now - program.memory)), accepted


def _trim(rows: list[Row], term: Term, now: int) -> tuple[Row, ...]:
    """The rows that can still count, oldest first; events later than now wait beside the latest."""
    oldest = None if term.reach is None else now - term.reach
    ordered = sorted(
        (row for row in rows if oldest is None or row.time > oldest), key=lambda row: (row.time, row.id)
    )
    past = [row for row in ordered if row.time <= now]
    return (*past[-term.keep :], *ordered[len(past) :][:MOST_EVENTS])


def _remembered(seen: dict[str, int], oldest: int) -> dict[str, int]:
    kept = {name: time for name, time in seen.items() if time > oldest}
    if len(kept) <= MOST_IDS:
        return kept
    return dict(sorted(kept.items(), key=lambda item: item[1])[-MOST_IDS:])


def _short_id(event: Event) -> str:
    # Ids come from tables, and two tables may count from 1.
    name = f"{event.behavior}:{event.id}"
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()
