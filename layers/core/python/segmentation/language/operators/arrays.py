"""String and number arrays: `some`, `all`, `none`, and `count` over `filter`.

A missing element stays and is counted. `none` is the complement of `some`, so it holds for a missing
array; `some` and `all` do not, and the count of a missing array is missing.
"""

from typing import TYPE_CHECKING, Any

from .. import hints
from ..problems import step
from ..tree import CONDITION, Node
from ..types import ELEMENT, Type
from .base import Bound, Closure, Operator, form, operator, reads
from .phrases import Relation, is_one, quantities, quantity

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..lower import Lowering
    from ..sentence import Speaker
    from ..sql import Writer


@operator
class Some(Operator):
    """Whether any element fulfils the condition. Arguments: the array, the condition."""

    name = "some"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        array_of, holds = args

        def some(evaluation: Any, element: Any) -> bool:
            array = array_of(evaluation, element)
            return array is not None and any(holds(evaluation, item) for item in array)

        return some

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        array, condition = (lowering.lower(arg) for arg in node.args)
        return {"and": [{"!==": [array, None]}, {"some": [array, condition]}]}

    def render(self, node: Node, writer: "Writer") -> str:
        array, condition = (writer.expression(arg) for arg in node.args)
        return f"coalesce(any_match({array}, {writer.element} -> {condition}), false)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.elements(node, "at least one of")

    def denial(self, node: Node, say: "Speaker") -> str:
        return say.elements(node, "none of") + say.missing(node.args[0])


@operator
class All(Operator):
    """Whether every element does, and there is one."""

    name = "all"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        array_of, holds = args

        def every(evaluation: Any, element: Any) -> bool:
            array = array_of(evaluation, element)
            return bool(array) and all(holds(evaluation, item) for item in array)

        return every

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        array, condition = (lowering.lower(arg) for arg in node.args)
        return {"and": [{"!==": [array, None]}, {"all": [array, condition]}]}

    def render(self, node: Node, writer: "Writer") -> str:
        array, condition = (writer.expression(arg) for arg in node.args)
        every = f"all_match({array}, {writer.element} -> {condition})"
        return f"coalesce(cardinality({array}) > 0 AND {every}, false)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.elements(node, "each of")

    def denial(self, node: Node, say: "Speaker") -> str:
        return say.elements(node, "not each of") + " (or there are none)"


@operator
class ArrayCount(Operator):
    """How many elements there are, or how many fulfil the condition."""

    name = "array_count"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        array_of = args[0]
        holds = args[1] if len(args) == 2 else None

        def count(evaluation: Any, element: Any) -> float | None:
            array = array_of(evaluation, element)
            if array is None:
                return None
            return float(len(array) if holds is None else sum(1 for item in array if holds(evaluation, item)))

        return count

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        array, *condition = (lowering.lower(arg) for arg in node.args)
        items = {"filter": [array, *condition]} if condition else array
        counted = {"reduce": [items, {"+": [{"var": "accumulator"}, 1]}, 0]}
        return {"if": [{"!==": [array, None]}, counted, None]}

    def render(self, node: Node, writer: "Writer") -> str:
        array = writer.expression(node.args[0])
        if len(node.args) == 2:
            array = f"filter({array}, {writer.element} -> {writer.expression(node.args[1])})"
        return f"CAST(cardinality({array}) AS double)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"the number of {self._entries(node, say)}"

    def comparison(self, node: Node, relation: Relation, other: Node, denied: bool, say: "Speaker") -> str:
        if other.op != "constant":
            return super().comparison(node, relation, other, denied, say)
        has = "does not have" if denied else "has"
        missing = say.missing(node.args[0]) if denied else ""
        amount = quantity(relation, other.value)
        return f"{has} {amount} {self._entries(node, say, one=is_one(amount))}{missing}"

    def between(self, node: Node, low: Bound, high: Bound, denied: bool, say: "Speaker") -> str:
        has = "does not have" if denied else "has"
        missing = say.missing(node.args[0]) if denied else ""
        return f"{has} {quantities(low, high)} {self._entries(node, say)}{missing}"

    def _entries(self, node: Node, say: "Speaker", *, one: bool = False) -> str:
        which = f" (where {say.condition(node.args[1])})" if len(node.args) == 2 else ""
        return f"{'entry' if one else 'entries'} in {say.value(node.args[0])}{which}"


@operator
class Has(Operator):
    """Whether a present value is an element. Arguments: the array, the value."""

    name = "has"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        array_of, value_of = args

        def has(evaluation: Any, element: Any) -> bool:
            array = array_of(evaluation, element)
            value = value_of(evaluation, element)
            return array is not None and value is not None and value in array

        return has

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return lowering.guarded(node.args, lambda array, value: {"in": [value, array]})

    def sql(self, node: Node, *args: str) -> str:
        return f"coalesce(contains({args[0]}, {args[1]}), false)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"{say.value(node.args[0])} contains {say.value(node.args[1])}"

    def denial(self, node: Node, say: "Speaker") -> str:
        array, value = node.args
        return f"{say.value(array)} does not contain {say.value(value)}{say.missing(*node.args)}"


form(
    "condition",
    "collection element_condition",
    {
        "some": "At least one element (or event) fulfils the condition.",
        "all": "Every element (or event) fulfils the condition, and there is one.",
        "none": "No element (or event) fulfils the condition; true of a missing array.",
    },
)


@reads("some", "all", "none")
def read_quantifier(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """An array and a condition on its elements; over a behavior, `some` and `none` count its events."""
    if len(operands) != 2:
        count = hints.operands(len(operands))
        message = f"{name!r} takes an array and a condition on its elements, not {count}"
        return checker.report(pointer, "operand-count", message)
    if checker.is_events(operands[0]):
        return _over_events(checker, name, operands, pointer)
    array, condition = read_array(checker, operands, pointer, scope, name)
    if array is None or condition is None:
        return None
    node = Node("all" if name == "all" else "some", CONDITION, (array, condition))
    return Node("not", CONDITION, (node,)) if name == "none" else node


def _over_events(checker: "Checker", name: str, operands: list[Any], pointer: str) -> Node | None:
    events = checker.events(operands[0], step(pointer, 0))
    condition = (
        None if events is None else checker.element_condition(operands[1], step(pointer, 1), events.behavior)
    )
    if events is None or condition is None:
        return None
    some_hold = checker.at_least_one(events, condition)
    if name == "some":
        return some_hold
    if name == "none":
        return Node("not", CONDITION, (some_hold,))
    some_fail = checker.at_least_one(events, Node("not", CONDITION, (condition,)))
    return Node("and", CONDITION, (some_hold, Node("not", CONDITION, (some_fail,))))


def read_array(
    checker: "Checker", operands: list[Any], pointer: str, scope: "Scope", name: str
) -> tuple[Node | None, Node | None]:
    """An array, and a condition on its elements."""
    array = checker.value(operands[0], step(pointer, 0), scope)
    if array is None:
        return None, None
    if not isinstance(array.type, Type) or not array.type.is_array:
        message = f"{name!r} takes an array, this is a {checker.noun(array)}{checker.named(operands[0])}"
        return checker.report(step(pointer, 0), "type-mismatch", message), None
    inner = checker.element_scope(ELEMENT[array.type])
    return array, checker.condition(operands[1], step(pointer, 1), inner)
