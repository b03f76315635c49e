"""Two visitors who turn out to be one: their states as one state."""

from collections.abc import Sequence

from msgspec.structs import replace
from segmentation.language.evaluate import Row

from .state import Visitor


def joined(visitor: Visitor, others: Sequence[Visitor]) -> Visitor:
    """A visitor's state with what is known of others in it, each event once.

    Joining is done as often as one likes, in any order, to one end. What was computed of the state stays that of `visitor`,
    for the next evaluation to find what changes; that one also drops what no longer counts.
    """
    rows: dict[str, dict[str, Row]] = {}
    seen: dict[int, int] = {}
    lost: dict[str, int] = {}
    for one in (visitor, *others):
        for term, kept in one.rows.items():
            known = rows.setdefault(term, {})
            for row in kept:
                known[row.id] = _both(known[row.id], row) if row.id in known else row
        for name, at in one.seen.items():
            seen[name] = max(seen.get(name, at), at)
        for term, at in one.lost.items():
            lost[term] = max(lost.get(term, at), at)
    ordered = {
        term: tuple(sorted(known.values(), key=lambda row: (row.time, row.id)))
        for term, known in rows.items()
    }
    # Ids go in the order in which they were accepted.
    remembered = dict(sorted(seen.items(), key=lambda item: item[1]))
    return replace(visitor, rows=ordered, seen=remembered, lost=lost, stored=None)


def _both(one: Row, other: Row) -> Row:
    """One event that was kept twice, at times for rules that read other columns of it.

    One id with two contents is a mistake of the sender's; what becomes of it must not depend on the order.
    """
    first, second = sorted((one, other), key=_content)
    return Row(first.time, first.id, {**second.columns, **first.columns})


def _content(row: Row) -> tuple[int, str]:
    return row.time, repr(sorted(row.columns.items()))
