"""Trees as plain JSON data and back, for the compiled artifact."""

from typing import Any

from ..evaluate import Base
from ..times import Window
from ..tree import CONDITION, Aggregate, Follow, Node, NodeType, Selection
from ..types import Type


def plain_node(node: Node) -> list[Any]:
    """A tree as JSON data."""
    return [node.op, str(node.type), [plain_node(arg) for arg in node.args], _plain_value(node.value)]


def read_node(data: list[Any]) -> Node:
    """The tree of JSON data."""
    op, type_, args, value = data
    return Node(op, _type(type_), tuple(read_node(arg) for arg in args), _read_value(value))


def plain_selection(selection: Selection) -> list[Any]:
    """A selection as JSON data."""
    return [
        selection.behavior,
        [plain_node(node) for node in selection.where],
        [_plain_window(window) for window in selection.windows],
        [[plain_selection(f.events), f.seconds, f.negated] for f in selection.follows],
    ]


def read_selection(data: list[Any]) -> Selection:
    """The selection of JSON data."""
    behavior, where, windows, follows = data
    return Selection(
        behavior,
        tuple(read_node(node) for node in where),
        tuple(Window(*window) for window in windows),
        tuple(Follow(read_selection(events), seconds, negated) for events, seconds, negated in follows),
    )


def plain_base(base: Base) -> list[Any]:
    """A base as JSON data."""
    return [base.behavior, [plain_node(node) for node in base.where]]


def read_base(data: list[Any]) -> Base:
    """The base of JSON data."""
    behavior, where = data
    return Base(behavior, tuple(map(read_node, where)))


def _type(name: str) -> NodeType:
    return CONDITION if name == CONDITION else Type(name)


def _plain_window(window: Window) -> list[Any]:
    return [window.kind, window.longest, window.shortest, window.phrase]


def _plain_value(value: Any) -> Any:
    if isinstance(value, Aggregate):
        column_type = None if value.column_type is None else str(value.column_type)
        return {"aggregate": [value.function, plain_selection(value.events), value.column, column_type]}
    if isinstance(value, Window):
        return {"window": _plain_window(value)}
    if isinstance(value, tuple):
        return {"list": list(value)}
    return value


def _read_value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, data),) = value.items()
    if kind == "window":
        return Window(*data)
    if kind == "list":
        return tuple(data)
    function, events, column, column_type = data
    return Aggregate(
        function, read_selection(events), column, None if column_type is None else Type(column_type)
    )
