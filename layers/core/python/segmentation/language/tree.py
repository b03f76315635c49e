"""The typed tree: what a checked rule is, and what every reading of it starts from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from .times import Window
from .types import Type

CONDITION: Literal["condition"] = "condition"
"""The type of what is true or false, never missing."""

ZERO_OF_NOTHING = frozenset({"count", "count_distinct", "sum"})
"""The aggregates that are 0, not missing, where there are no events (decision 6)."""

NodeType = Type | Literal["condition"]


@dataclass(frozen=True, slots=True)
class Node:
    """An operator applied to nodes.

    `op` names the operator (a key of `operators.OPERATORS`), `type` is the type of the result, `args` are
    the operands that vary by profile, `value` holds what is fixed when the rule is written.
    """

    op: str
    type: NodeType
    args: tuple["Node", ...] = ()
    value: Any = None
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        # Trees are keys everywhere, also while events are evaluated, so each is hashed once.
        if not self._hash:
            object.__setattr__(self, "_hash", hash((self.op, self.type, self.args, self.value)) or 1)
        return self._hash

    @property
    def is_never_missing(self) -> bool:
        """Whether the value is there for every profile, so that no reading need guard against its absence."""
        if isinstance(self.value, Aggregate):
            return self.value.function in ZERO_OF_NOTHING
        return self.type == CONDITION or self.op in ("constant", "bucket")

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, those inside event selections included."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.args)
            if isinstance(node.value, Aggregate):
                stack.extend(node.value.events.conditions())


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events of a behavior: those for which every part holds.

    Filters and windows around an event expression all narrow the events of one behavior, in whatever
    order they were written, so they stand here side by side.
    """

    behavior: str
    where: tuple[Node, ...] = ()
    windows: tuple[Window, ...] = ()
    follows: tuple["Follow", ...] = ()

    def conditions(self) -> Iterator[Node]:
        """The conditions of this selection and of those that it is followed by."""
        for selection in self.selections():
            yield from selection.where

    def selections(self) -> Iterator["Selection"]:
        """This selection, and those that it is followed by."""
        yield self
        for follow in self.follows:
            yield from follow.events.selections()


@dataclass(frozen=True, slots=True)
class Follow:
    """That an event has (or, `negated`, in its whole time has not) one of `events` within `seconds`."""

    events: Selection
    seconds: int
    negated: bool


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One figure over a selection of events; `column` is `None` for `count` alone."""

    function: str
    events: Selection
    column: str | None
    column_type: Type | None
