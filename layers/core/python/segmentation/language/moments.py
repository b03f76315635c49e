"""When a rule may change its answer by itself: events enter and leave windows, and days go by.

Nothing else changes between two such moments, so evaluating at each of them, in order, misses nothing.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator

from .evaluate import Compiler, Evaluation, base_of
from .operators import Closure
from .times import Window
from .tree import Aggregate, Node, Selection
from .types import Type
from .values import Value

NEVER = 252_455_616_000
"""9970-01-01: from here on nothing changes any more; later calendar periods have no end."""
Moments = Callable[[Evaluation], Iterator[int]]
"""All moments after an evaluation's own at which something may change, in no order."""


def moments_of(rules: Iterable[Node], compiler: Compiler) -> Moments:
    """The moments of some rules; what they share is looked at once."""
    nodes = list(dict.fromkeys(node for rule in rules for node in rule.walk()))
    aggregates = (node.value for node in nodes if isinstance(node.value, Aggregate))
    selections = list(dict.fromkeys(s for aggregate in aggregates for s in aggregate.events.selections()))
    # Conditions inside selections read an event's columns; their moments are the events'.
    inside = {node for s in selections for condition in s.where for node in condition.walk()}
    windows = [
        (compiler.compile(node.args[0]), node.args[0].type is Type.DATE, node.value)
        for node in nodes
        if node.op == "in_window" and node not in inside
    ]

    def moments(evaluation: Evaluation) -> Iterator[int]:
        for selection in selections:
            yield from _of_selection(selection, evaluation)
        for moment_of, is_day, window in windows:
            yield from _of_window(moment_of(evaluation, None), is_day, window, evaluation)

    return moments


def changes(
    holds: Closure, moments: Moments, at: Callable[[int], Evaluation], now: int, most: int
) -> tuple[int | None, int | None]:
    """The first moment after `now` at which a condition changes its truth, and where the search ended.

    Of the two one is `None`, or both: it never changes. The second says that nothing changes up to there,
    and that `most` moments were looked at.
    """
    evaluation = at(now)
    truth = bool(holds(evaluation, None))
    for _ in range(most):
        moment = min(moments(evaluation), default=None)
        if moment is None or moment >= NEVER:
            return None, None
        evaluation = at(moment)
        if bool(holds(evaluation, None)) is not truth:
            return moment, None
    return None, evaluation.now


def _of_selection(selection: Selection, evaluation: Evaluation) -> Iterator[int]:
    now, zone = evaluation.now, evaluation.zone
    base, moving = base_of(selection)
    windows = [node for condition in moving for node in condition.walk() if node.op == "in_window"]
    for row in evaluation.rows(base):
        if row.time > now:
            yield row.time
        for window in selection.windows:
            yield from window.moments(row.time, now, zone)
        for follow in selection.follows:
            if row.time + follow.seconds > now:
                yield row.time + follow.seconds
        for node in windows:
            column = node.args[0]
            value = row.time if column.value == "time" else row.columns.get(column.value)
            yield from _of_window(value, column.type is Type.DATE, node.value, evaluation)


def _of_window(value: Value, is_day: bool, window: Window, evaluation: Evaluation) -> Iterable[int]:
    if value is None:
        return ()
    if is_day:
        return window.moments_of_day(dt.date.fromisoformat(str(value)), evaluation.now, evaluation.zone)
    return window.moments(int(value), evaluation.now, evaluation.zone)  # type: ignore[arg-type]
