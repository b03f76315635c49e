"""`and`, `or`, `!`, `!!`, a boolean value as a condition, and what depends on nothing."""

from typing import TYPE_CHECKING, Any

from ..problems import step
from ..tree import CONDITION, Node
from .base import Closure, Operator, form, operator, reads

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..lower import Lowering
    from ..sentence import Speaker


@operator
class And(Operator):
    """True where every condition is."""

    name = "and"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        if len(args) == 2:
            first, second = args
            return lambda evaluation, element: first(evaluation, element) and second(evaluation, element)
        return lambda evaluation, element: all(arg(evaluation, element) for arg in args)

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return {"and": [lowering.lower(arg) for arg in node.args]}

    def sql(self, node: Node, *args: str) -> str:
        return "(" + " AND ".join(args) + ")"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.group("and", node.args)

    def denial(self, node: Node, say: "Speaker") -> str:
        return say.group("or", node.args, denied=True)


@operator
class Or(Operator):
    """True where any condition is."""

    name = "or"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        if len(args) == 2:
            first, second = args
            return lambda evaluation, element: first(evaluation, element) or second(evaluation, element)
        return lambda evaluation, element: any(arg(evaluation, element) for arg in args)

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return {"or": [lowering.lower(arg) for arg in node.args]}

    def sql(self, node: Node, *args: str) -> str:
        return "(" + " OR ".join(args) + ")"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.group("or", node.args)

    def denial(self, node: Node, say: "Speaker") -> str:
        return say.group("and", node.args, denied=True)


@operator
class Not(Operator):
    """The plain complement."""

    name = "not"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        (arg,) = args
        return lambda evaluation, element: not arg(evaluation, element)

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return {"!": [lowering.lower(node.args[0])]}

    def sql(self, node: Node, *args: str) -> str:
        return f"(NOT {args[0]})"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.condition(node.args[0], denied=True)

    def denial(self, node: Node, say: "Speaker") -> str:
        return say.condition(node.args[0])


@operator
class Always(Operator):
    """What holds for everybody or for nobody, because it reads nothing. `value`: which of the two."""

    name = "always"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        truth = node.value
        return lambda _evaluation, _element: truth

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return node.value

    def sql(self, node: Node, *args: str) -> str:
        return "true" if node.value else "false"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return "always" if node.value else "never"

    def denial(self, node: Node, say: "Speaker") -> str:
        return "never" if node.value else "always"


@operator
class Truth(Operator):
    """A boolean value as a condition: present and true."""

    name = "truth"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        (arg,) = args
        return lambda evaluation, element: arg(evaluation, element) is True

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return {"===": [lowering.lower(node.args[0]), True]}

    def sql(self, node: Node, *args: str) -> str:
        return f"coalesce({args[0]}, false)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"{say.value(node.args[0])} is true"

    def denial(self, node: Node, say: "Speaker") -> str:
        return f"{say.value(node.args[0])} is not true{say.missing(node.args[0])}"


form("condition", "condition+", {"and": "Every condition holds.", "or": "At least one condition holds."})
form(
    "condition",
    "condition",
    {
        "!": "The condition does not hold; true where what it reads is missing.",
        "!!": "The condition itself.",
        "not": "The same as !, as jsonlogic-py writes it.",
    },
)


@reads("and", "or")
def read_group(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """A group of conditions, never empty."""
    if not operands:
        return checker.report(
            pointer, "empty-group", f"{name!r} holds no condition; add one or delete the group"
        )
    nodes = [checker.condition(item, step(pointer, i), scope) for i, item in enumerate(operands)]
    kept = [node for node in nodes if node is not None]
    return Node(name, CONDITION, tuple(kept)) if len(kept) == len(nodes) else None


@reads("!", "!!", "not")
def read_not(checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope") -> Node | None:
    """A complement, or (`!!`) the condition itself. `not` is what jsonlogic-py writes for `!`."""
    if len(operands) != 1:
        return checker.report(pointer, "operand-count", f"{name!r} takes one condition, not {len(operands)}")
    node = checker.condition(operands[0], step(pointer, 0), scope)
    return node if node is None or name == "!!" else Node("not", CONDITION, (node,))
