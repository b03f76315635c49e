"""`in`: one of a list, part of a string, element of an array, member of a segment."""

from typing import TYPE_CHECKING, Any

from ..problems import step
from ..sqltext import literal
from ..tree import CONDITION, Node
from ..types import ELEMENT, Type
from .base import Closure, Operator, form, operator, reads
from .segments import read_segment

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..lower import Lowering
    from ..sentence import Speaker


@operator
class OneOf(Operator):
    """Whether a value is one of the listed ones. `value`: the constants, sorted."""

    name = "one_of"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        (value_of,) = args
        listed = frozenset(node.value)
        return lambda evaluation, element: value_of(evaluation, element) in listed

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return lowering.guarded(node.args, lambda value: {"in": [value, list(node.value)]})

    def sql(self, node: Node, *args: str) -> str:
        type_ = Type(node.args[0].type)
        return f"coalesce({args[0]} IN ({', '.join(literal(type_, item) for item in node.value)}), false)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        value = node.args[0]
        return f"{say.value(value)} is one of {say.listed(Type(value.type), node.value)}"

    def denial(self, node: Node, say: "Speaker") -> str:
        value = node.args[0]
        listed = say.listed(Type(value.type), node.value)
        return f"{say.value(value)} is not one of {listed}{say.missing(value)}"


form(
    "condition",
    "value container",
    {"in": "One of a list, part of a text, element of an array, or member of a segment."},
)


@reads("in")
def read_in(checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope") -> Node | None:
    """What `in` means follows from its second operand."""
    if len(operands) != 2:
        return checker.report(pointer, "operand-count", f"'in' takes two operands, not {len(operands)}")
    item, whole = operands
    if whole in ({"var": "segments"}, {"var": ["segments"]}) and scope.is_profile:
        return read_segment(checker, item, step(pointer, 0))
    if isinstance(whole, list):
        return _read_list(checker, item, whole, pointer, scope)
    container = checker.value(whole, step(pointer, 1), scope)
    if container is None:
        return None
    if container.type is Type.STRING:
        part = checker.value_of(item, step(pointer, 0), scope, Type.STRING, "'in' a string")
        return None if part is None else Node("contains", CONDITION, (container, part))
    if isinstance(container.type, Type) and container.type.is_array:
        element = ELEMENT[container.type]
        value = checker.value_of(item, step(pointer, 0), scope, element, f"'in' a {container.type.noun}")
        return None if value is None else Node("has", CONDITION, (container, value))
    message = f"'in' looks in a list, a string or an array, not in a {checker.noun(container)}; use == for one value"
    return checker.report(step(pointer, 1), "type-mismatch", message)


def _read_list(checker: "Checker", item: Any, listed: list[Any], pointer: str, scope: "Scope") -> Node | None:
    value = checker.value(item, step(pointer, 0), scope)
    if not listed:
        return checker.report(
            step(pointer, 1), "empty-list", "the list is empty, so nobody matches; add a value"
        )
    if value is None:
        return None
    if not isinstance(value.type, Type) or value.type.is_array:
        each = '; write {"some": [ARRAY, {"in": [{"var": ""}, [...]]}]}'
        hint = each if isinstance(value.type, Type) and value.type.is_array else ""
        message = f"'in' a list takes a single value, this is a {checker.noun(value)}{hint}"
        return checker.report(step(pointer, 0), "type-mismatch", message)
    constants = [
        checker.constant(entry, step(step(pointer, 1), index), value.type)
        for index, entry in enumerate(listed)
    ]
    kept = {node.value for node in constants if node is not None}
    if None in constants:
        return None
    return Node("one_of", CONDITION, (value,), tuple(sorted(kept)))
