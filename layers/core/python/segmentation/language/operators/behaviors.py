"""Aggregates over a profile's events, and the event expressions that select them."""

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from .. import hints
from ..problems import did_you_mean, step
from ..times import parse_duration
from ..tree import Aggregate, Follow, Node, Selection
from ..types import Type
from ..values import exact_sum
from .arrays import read_array
from .base import Bound, Closure, NotLowered, Operator, form, operator, reads
from .phrases import Relation, is_one, quantities, quantity
from .time import read_literal_window

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..evaluate import Compiler, Row
    from ..lower import Lowering
    from ..sentence import Speaker
    from ..sql import Writer

_SCALARS = (Type.STRING, Type.NUMBER, Type.BOOLEAN, Type.TIMESTAMP, Type.DATE)
COLUMN_TYPES = {
    "count_distinct": _SCALARS,
    "sum": (Type.NUMBER,),
    "avg": (Type.NUMBER,),
    "min": (Type.NUMBER, Type.TIMESTAMP, Type.DATE),
    "max": (Type.NUMBER, Type.TIMESTAMP, Type.DATE),
    "first": _SCALARS,
    "last": _SCALARS,
}
"""Which column types each aggregate takes."""


@operator
class AggregateEvents(Operator):
    """A figure over the events of a selection. `value`: the `Aggregate`."""

    name = "aggregate"

    def compile(self, node: Node, compiler: "Compiler") -> Closure:
        aggregate: Aggregate = node.value
        select = compiler.selection(aggregate.events)
        figure = FIGURES[aggregate.function]
        column = aggregate.column or ""

        def compute(evaluation: Any, _element: Any) -> Any:
            memo = evaluation.memo
            if node not in memo:
                memo[node] = figure(select(evaluation), column)
            return memo[node]

        return compute

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        aggregate: Aggregate = node.value
        if aggregate.function in ("sum", "avg"):
            raise NotLowered(aggregate.function)
        edge = aggregate.function in ("first", "last")
        order = (aggregate.function, aggregate.column or "") if edge else None
        items = lowering.events(aggregate.events, order)
        value = {"var": f"current.{aggregate.column}"}
        so_far = {"var": "accumulator"}
        match aggregate.function:
            case "first" | "last":
                return {"reduce": [items, value, None]}
            case "min" | "max":
                pair = [value, so_far] if aggregate.function == "min" else [so_far, value]
                texts = (
                    [{"cat": ["t", item]} for item in pair] if aggregate.column_type is Type.DATE else pair
                )
                better = {"or": [{"===": [so_far, None]}, {"<": texts}]}
                taken = {"and": [{"!==": [value, None]}, better]}
                return {"reduce": [items, {"if": [taken, value, so_far]}, None]}
            case "count_distinct":
                known = {"or": [{"===": [value, None]}, {"in": [value, so_far]}]}
                items = {"reduce": [items, {"if": [known, so_far, {"merge": [so_far, [value]]}]}, []]}
        return {"reduce": [items, {"+": [so_far, 1]}, 0]}

    def render(self, node: Node, writer: "Writer") -> str:
        return writer.aggregate(node.value)

    def sentence(self, node: Node, say: "Speaker") -> str:
        aggregate: Aggregate = node.value
        figure = _SAID[aggregate.function, aggregate.column == "time"]
        return figure.format(column=say.column(aggregate.column or ""), events=say.events(aggregate.events))

    def comparison(self, node: Node, relation: Relation, other: Node, denied: bool, say: "Speaker") -> str:
        if other.op != "constant" or node.value.function not in _COUNTS:
            return super().comparison(node, relation, other, denied, say)
        amount = quantity(relation, other.value)
        if not denied:
            return f"has {amount} {self._counted(node, say, one=is_one(amount))}"
        # Only "exactly" is ever denied: the other relations have an opposite, for a count is never missing.
        if other.value == 0:
            return f"has at least one {self._counted(node, say, one=True)}"
        return f"does not have {amount} {self._counted(node, say, one=is_one(amount))}"

    def between(self, node: Node, low: Bound, high: Bound, denied: bool, say: "Speaker") -> str:
        if node.value.function not in _COUNTS:
            return super().between(node, low, high, denied, say)
        has = "does not have" if denied else "has"
        return f"{has} {quantities(low, high)} {self._counted(node, say)}"

    def _counted(self, node: Node, say: "Speaker", *, one: bool = False) -> str:
        aggregate: Aggregate = node.value
        if aggregate.function == "count":
            return say.events(aggregate.events, one=one)
        noun = "value" if one else "values"
        return f"different {say.column(aggregate.column or '')} {noun} in {say.events(aggregate.events)}"


_COUNTS = ("count", "count_distinct")
_OF = "{column} of {events}"
_SAID = {
    ("count", False): "the number of {events}",
    ("count_distinct", False): "the number of different {column} values in {events}",
    ("count_distinct", True): "the number of different times of {events}",
    ("sum", False): f"the total {_OF}",
    ("avg", False): f"the average {_OF}",
    ("min", False): f"the lowest {_OF}",
    ("max", False): f"the highest {_OF}",
    ("min", True): "the earliest time of {events}",
    ("max", True): "the latest time of {events}",
    ("first", False): f"the first {_OF}",
    ("first", True): "the first time of {events}",
    ("last", False): f"the last {_OF}",
    ("last", True): "the last time of {events}",
}
"""How each aggregate is said, by function and whether it is of the events' time."""


def _value(row: "Row", column: str) -> Any:
    return row.time if column == "time" else row.columns.get(column)


def _present(rows: "list[Row]", column: str) -> list[Any]:
    return [value for row in rows if (value := _value(row, column)) is not None]


def _avg(rows: "list[Row]", column: str) -> float | None:
    total, count = exact_sum(_present(rows, column))
    return total / count if count else None


def _first(rows: "list[Row]", column: str) -> Any:
    if not rows:
        return None
    edge = min((row.time, row.id) for row in rows)
    return min(_present([row for row in rows if (row.time, row.id) == edge], column), default=None)


def _last(rows: "list[Row]", column: str) -> Any:
    if not rows:
        return None
    edge = max((row.time, row.id) for row in rows)
    return max(_present([row for row in rows if (row.time, row.id) == edge], column), default=None)


FIGURES: dict[str, Any] = {
    "count": lambda rows, _column: float(len(rows)),
    "count_distinct": lambda rows, column: float(len(set(_present(rows, column)))),
    "sum": lambda rows, column: exact_sum(_present(rows, column))[0],
    "avg": _avg,
    "min": lambda rows, column: min(_present(rows, column), default=None),
    "max": lambda rows, column: max(_present(rows, column), default=None),
    "first": _first,
    "last": _last,
}
"""Each aggregate function over rows in any order and, where it takes one, a column."""


def followed(times: list[int], start: int, seconds: int) -> bool:
    """Whether any of the sorted `times` is after `start` and at most `seconds` later."""
    index = bisect_right(times, start)
    return index < len(times) and times[index] <= start + seconds


form("value", "collection", {"count": "How many events, or elements of an array."})
form(
    "value",
    "events column",
    {
        "count_distinct": "How many different values a column has.",
        "sum": "The sum of a column; 0 for no events.",
        "avg": "The average of a column; missing for no events.",
        "min": "The lowest, or earliest, value of a column.",
        "max": "The highest, or latest, value of a column.",
        "first": "A column of the first event, by time.",
        "last": "A column of the last event, by time.",
    },
)
form(
    "condition",
    "events column",
    {
        "first": "A boolean column of the first event is true.",
        "last": "A boolean column of the last event is true.",
    },
)
form("events", "events element_condition", {"filter": "The events that fulfil a condition."})
form("elements", "value element_condition", {"filter": "The elements that fulfil a condition."})
form(
    "events",
    "events duration duration?",
    {"within": "The events of the last 30d; with two durations from the first to the second ago."},
)
form("events", "events duration", {"older_than": "The events of at least so long ago."})
form("events", "events past_period", {"during": "The events of a calendar period."})
form(
    "events",
    "events events duration",
    {
        "followed_by": "The events after which one of the second came in time; inside a within.",
        "not_followed_by": "The events whose time has passed without one of the second; inside a within.",
    },
)


@reads("count", *COLUMN_TYPES)
def read_aggregate(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """An event expression and, for all but `count`, a column; `count` also takes an array."""
    wanted = 1 if name == "count" else 2
    if len(operands) != wanted:
        takes = (
            'one operand, events or an array, with a condition {"count": [{"filter": [EVENTS, CONDITION]}]}'
            if name == "count"
            else f'events and a column name, e.g. {{"{name}": [EVENTS, "price"]}}'
        )
        message = f"{name!r} takes {takes}, not {hints.operands(len(operands))}"
        return checker.report(pointer, "operand-count", message)
    if not checker.is_events(operands[0]):
        if name == "count":
            return _read_array_count(checker, operands[0], step(pointer, 0), scope)
        hint = checker.named(operands[0])
        message = f'{name!r} takes events, such as {{"var": "behaviors.NAME"}} or a filter over them{hint}'
        return checker.report(step(pointer, 0), "not-events", message)
    if not scope.is_profile:
        return checker.report(
            pointer,
            "profile-in-filter",
            f"{name!r} over a behavior cannot stand inside a filter; compare the figure outside of it",
        )
    events = checker.events(operands[0], step(pointer, 0))
    if events is None:
        return None
    if name == "count":
        return Node("aggregate", Type.NUMBER, value=Aggregate("count", events, None, None))
    columns = checker.schema.columns(events.behavior)
    column = operands[1]
    if not isinstance(column, str) or column not in columns:
        plain = column.get("var") if isinstance(column, dict) else column
        hint = did_you_mean(str(plain), columns)
        if plain is not column:
            hint = f"; name the column by text alone{hint}"
        message = f"behavior {events.behavior!r} has no column {hints.show(column)}{hint}"
        return checker.report(step(pointer, 1), "unknown-column", message)
    type_ = columns[column]
    if type_ not in COLUMN_TYPES[name]:
        takes = ", ".join(t.noun for t in COLUMN_TYPES[name])
        fitting = sorted(c for c, t in columns.items() if t in COLUMN_TYPES[name])
        fit = f"; columns that fit: {', '.join(fitting)}" if fitting else "; the behavior has none"
        message = f"{name!r} takes a column of type {takes}, {column!r} is a {type_.noun}{fit}"
        return checker.report(step(pointer, 1), "type-mismatch", message)
    result = Type.NUMBER if name in ("count_distinct", "sum", "avg") else type_
    return Node("aggregate", result, value=Aggregate(name, events, column, type_))


def _read_array_count(checker: "Checker", item: Any, pointer: str, scope: "Scope") -> Node | None:
    if isinstance(item, dict) and set(item) == {"filter"} and isinstance(item["filter"], list):
        operands, below = item["filter"], step(pointer, "filter")
        if len(operands) != 2:
            return checker.report(
                below, "operand-count", "'filter' takes an array and a condition on its elements"
            )
        array, condition = read_array(checker, operands, below, scope, "filter")
        return Node("array_count", Type.NUMBER, (array, condition)) if array and condition else None
    array = checker.value(item, pointer, scope)
    if array is None:
        return None
    if not isinstance(array.type, Type) or not array.type.is_array:
        message = f"'count' takes events or an array, this is a {checker.noun(array)}{checker.named(item)}"
        return checker.report(pointer, "type-mismatch", message)
    return Node("array_count", Type.NUMBER, (array,))


@reads("filter", "followed_by", "not_followed_by")
def read_bare_events(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """Event expressions are no values by themselves."""
    message = f"{name!r} gives events or elements; put it inside an aggregate, e.g. count"
    return checker.report(pointer, "events-as-value", message)


def read_events(checker: "Checker", item: Any, pointer: str) -> Selection | None:
    """An event expression: a behavior, narrowed by filters, windows and sequences."""
    ((name, raw),) = item.items()
    operands = raw if isinstance(raw, list) else [raw]
    below = step(pointer, name)
    if name == "var":
        return _read_behavior(checker, operands, below)
    if name in ("followed_by", "not_followed_by"):
        return _read_sequence(checker, name, operands, below)
    events = checker.events(operands[0], step(below, 0)) if operands else None
    if name == "filter":
        if len(operands) != 2:
            checker.report(below, "operand-count", "'filter' takes events and a condition on each event")
            return None
        if events is None:
            return None
        condition = checker.element_condition(operands[1], step(below, 1), events.behavior)
        return None if condition is None else _narrow(events, where=(condition,))
    if name == "within_next":
        checker.report(
            below, "future-events", "events lie in the past; 'within_next' is for timestamps and dates"
        )
        return None
    window = read_literal_window(checker, name, operands, below)
    if window is not None and window.phrase.startswith(("next", "tomorrow")):
        checker.report(below, "future-events", f"events lie in the past; {window.phrase!r} never holds any")
        return None
    return _narrow(events, windows=(window,)) if events and window else None


def _narrow(events: Selection, **more: Any) -> Selection:
    parts = {name: getattr(events, name) + more.get(name, ()) for name in ("where", "windows", "follows")}
    return Selection(events.behavior, **parts)


def _read_behavior(checker: "Checker", operands: list[Any], pointer: str) -> Selection | None:
    path = operands[0] if len(operands) == 1 else None
    if not isinstance(path, str) or not path.startswith("behaviors."):
        checker.report(pointer, "bad-path", 'events are read as {"var": "behaviors.NAME"}')
        return None
    name = path.removeprefix("behaviors.")
    if name not in checker.schema.behaviors:
        behavior, dot, column = name.partition(".")
        hint = did_you_mean(behavior, checker.schema.behaviors)
        if dot and column in checker.schema.behaviors.get(behavior, ()):
            hint = f'; a figure names the column apart, e.g. {{"sum": [{{"var": "behaviors.{behavior}"}}, "{column}"]}}'
        checker.report(pointer, "unknown-behavior", f"the audience has no behavior {name!r}{hint}")
        return None
    return Selection(name)


def _read_sequence(checker: "Checker", name: str, operands: list[Any], pointer: str) -> Selection | None:
    if len(operands) != 3:
        message = f'{name!r} takes two event expressions and a duration, e.g. "3d", not {hints.operands(len(operands))}'
        checker.report(pointer, "operand-count", message)
        return None
    first = checker.events(operands[0], step(pointer, 0))
    second = checker.events(operands[1], step(pointer, 1))
    seconds = parse_duration(operands[2])
    if seconds is None:
        message = f"{hints.show(operands[2])} is no duration{hints.for_duration(operands[2])}"
        checker.report(step(pointer, 2), "bad-duration", message)
    if first is None or second is None or seconds is None:
        return None
    if not checker.inside_within:
        message = f'{name!r} needs an enclosing "within", e.g. {{"within": [{{"{name}": [...]}}, "7d"]}}'
        checker.report(pointer, "sequence-without-window", message)
        return None
    return _narrow(first, follows=(Follow(second, seconds, name == "not_followed_by"),))
