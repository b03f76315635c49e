"""Arithmetic over numbers: a missing operand, division by zero or overflow gives a missing value."""

import math
import sys
from functools import reduce
from typing import TYPE_CHECKING, Any

from ..problems import step
from ..tree import Node
from ..types import Type
from .base import Closure, Operator, form, operator, reads

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..lower import Lowering
    from ..sentence import Speaker


def _finite(expression: str) -> str:
    return f"nullif(nullif({expression}, infinity()), -infinity())"


class Arithmetic(Operator):
    """A function of two numbers."""

    standard: str

    compound = True
    word: str

    def apply(self, a: float, b: float) -> float:
        """The Python meaning; may raise ZeroDivisionError or overflow to infinity."""
        raise TypeError(f"{self.name} defines no apply")

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        def computed(a: Any, b: Any) -> Any:
            finite = {"<=": [-sys.float_info.max, {"var": "current"}, sys.float_info.max]}
            present = {"and": [{"!==": [{"var": "current"}, None]}, finite]}
            result = {
                "reduce": [[{self.standard: [a, b]}], {"if": [present, {"var": "current"}, None]}, None]
            }
            return {"if": [{"===": [b, 0]}, None, result]} if self.standard in ("/", "%") else result

        return lowering.guarded(node.args, computed, otherwise=None)

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        left, right = args
        apply = self.apply

        def compute(evaluation: Any, element: Any) -> float | None:
            a = left(evaluation, element)
            b = right(evaluation, element)
            if a is None or b is None:
                return None
            try:
                result = apply(a, b)
            except ZeroDivisionError:
                return None
            return result if math.isfinite(result) else None

        return compute

    def sentence(self, node: Node, say: "Speaker") -> str:
        left, right = node.args
        return f"{say.operand(left)} {self.word} {say.operand(right)}"


@operator
class Add(Arithmetic):
    """`a + b`."""

    name, standard = "add", "+"
    word = "plus"

    def apply(self, a: float, b: float) -> float:
        return a + b

    def sql(self, node: Node, *args: str) -> str:
        return _finite(f"{args[0]} + {args[1]}")


@operator
class Subtract(Arithmetic):
    """`a - b`."""

    name, standard = "subtract", "-"
    word = "minus"

    def apply(self, a: float, b: float) -> float:
        return a - b

    def sentence(self, node: Node, say: "Speaker") -> str:
        left, right = node.args
        if left.op == "constant" and left.value == 0:
            return f"minus {say.operand(right)}"
        return super().sentence(node, say)

    def sql(self, node: Node, *args: str) -> str:
        return _finite(f"{args[0]} - {args[1]}")


@operator
class Multiply(Arithmetic):
    """`a * b`."""

    name, standard = "multiply", "*"
    word = "times"

    def apply(self, a: float, b: float) -> float:
        return a * b

    def sql(self, node: Node, *args: str) -> str:
        return _finite(f"{args[0]} * {args[1]}")


@operator
class Divide(Arithmetic):
    """`a / b`."""

    name, standard = "divide", "/"
    word = "divided by"

    def apply(self, a: float, b: float) -> float:
        return a / b

    def sql(self, node: Node, *args: str) -> str:
        return _finite(f"{args[0]} / nullif({args[1]}, 0e0)")


@operator
class Remainder(Arithmetic):
    """`a % b`, with the sign of `a`."""

    name, standard = "remainder", "%"
    word = "modulo"

    def apply(self, a: float, b: float) -> float:
        return math.fmod(a, b) if b else math.nan

    def sql(self, node: Node, *args: str) -> str:
        return f"({args[0]} % nullif({args[1]}, 0e0))"


_OPERATOR = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "remainder"}
_ARITY = {"+": (2, 10_000), "*": (2, 10_000), "-": (1, 2), "/": (2, 2), "%": (2, 2)}


form("value", "value value+", {"+": "The sum of numbers.", "*": "The product of numbers."})
form("value", "value value?", {"-": "The difference of two numbers, or a number with its sign turned."})
form(
    "value",
    "value value",
    {
        "/": "The quotient; missing where the divisor is 0.",
        "%": "The remainder, with the sign of the left number; missing where the divisor is 0.",
    },
)


@reads("+", "-", "*", "/", "%")
def read_arithmetic(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """Numbers in, a number out; `+` and `*` go from left to right."""
    least, most = _ARITY[name]
    if not least <= len(operands) <= most:
        wanted = {"+": "two or more", "*": "two or more", "-": "one or two"}.get(name, "two")
        return checker.report(
            pointer, "operand-count", f"{name!r} takes {wanted} numbers, not {len(operands)}"
        )
    numbers = [
        checker.value_of(item, step(pointer, i), scope, Type.NUMBER, f"{name!r}")
        for i, item in enumerate(operands)
    ]
    nodes = [node for node in numbers if node is not None]
    if len(nodes) < len(numbers):
        return None
    if len(nodes) == 1:
        nodes.insert(0, Node("constant", Type.NUMBER, value=0.0))
    return reduce(lambda a, b: Node(_OPERATOR[name], Type.NUMBER, (a, b)), nodes)
