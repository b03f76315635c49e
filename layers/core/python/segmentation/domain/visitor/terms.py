"""What must be kept of a visitor's events for a rule set: each selection of events once, for all rules."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from segmentation.language.evaluate import Base, base_of
from segmentation.language.normal import canonical, digest
from segmentation.language.tree import Aggregate, Node, Selection

MOST_EVENTS = 1_000
"""Events kept for a term that needs the events themselves; beyond that the oldest go (decision 12)."""
MOST_COUNTED = 10_000
"""Events kept for a count against a constant; a larger constant is as one that nobody reaches."""


@dataclass(frozen=True)
class Term:
    """Events kept for rules: equal selections are kept once, however many segments read them.

    `keep`: how many of the latest; `reach`: seconds back from now, `None` for ever; `columns`: what of each
    event is read later; `whole`: rules would need more than `keep` if there are more.
    """

    id: str
    base: Base
    columns: tuple[str, ...]
    keep: int
    reach: int | None
    whole: bool


def terms_of(rules: Iterable[Node]) -> tuple[Term, ...]:
    """What must be kept for these rules: equal bases once, for the most that any of them needs."""
    keep: dict[Base, int] = {}
    whole: dict[Base, bool] = {}
    reach: dict[Base, int | None] = {}
    columns: dict[Base, set[str]] = {}
    for aggregate, enough in _aggregates(rules):
        for selection in aggregate.events.selections():
            base, moving = base_of(selection)
            exact = selection is not aggregate.events or moving or selection.follows
            needed = None if exact or not _latest_first(selection) else enough
            keep[base] = max(keep.get(base, 1), MOST_EVENTS if needed is None else min(needed, MOST_COUNTED))
            whole[base] = whole.get(base, False) or needed is None or needed > MOST_COUNTED
            far = _reach(selection)
            reach[base] = far if base not in reach else _farther(reach[base], far)
            read = {node.value for condition in moving for node in condition.walk() if node.op == "column"}
            if selection is aggregate.events and aggregate.column:
                read.add(aggregate.column)
            columns.setdefault(base, set()).update(read - {"time"})
    return tuple(
        Term(
            digest(base.behavior, *(canonical(node) for node in base.where)),
            base,
            tuple(sorted(columns[base])),
            keep[base],
            reach[base],
            whole[base],
        )
        for base in keep
    )


def _aggregates(rules: Iterable[Node]) -> Iterator[tuple[Aggregate, int | None]]:
    """Each aggregate with how many of the latest events decide it: `None` where all do.

    The last event is one; a count that is compared with a constant is decided by one event more than that.
    """
    for rule in rules:
        for node in rule.walk():
            for position, arg in enumerate(node.args):
                if isinstance(arg.value, Aggregate):
                    other = node.args[1 - position] if node.op in ("eq", "lt", "le") else None
                    decided = other is not None and other.op == "constant" and arg.value.function == "count"
                    enough = int(max(other.value, 0)) + 1 if decided and other else None
                    yield arg.value, 1 if arg.value.function == "last" else enough


def _latest_first(selection: Selection) -> bool:
    """Whether the latest events are in the selection first, so that the last few decide a count."""
    return all(window.ends_now for window in selection.windows)


def _reach(selection: Selection) -> int | None:
    """Seconds back from now beyond which an event cannot be selected."""
    reaches = [window.reach for window in selection.windows if window.reach is not None]
    return min(reaches, default=None)


def _farther(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else max(a, b)
