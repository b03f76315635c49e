"""Comparisons, and whether a value is missing."""

import operator as op
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from ..problems import step
from ..tree import CONDITION, Node
from ..types import Type
from .base import Closure, Operator, form, operator, reads
from .phrases import Relation

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..lower import Lowering
    from ..sentence import Speaker


class Comparison(Operator):
    """Two values of one type; false where either is missing."""

    symbol: str
    standard: str
    python: Any

    @property
    def relation(self) -> Relation:
        """How a sentence calls it."""
        return cast(Relation, self.name)

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        left, right = args
        compare = self.python
        if node.args[1].op == "constant":
            constant = node.args[1].value

            def against_constant(evaluation: Any, element: Any) -> bool:
                value = left(evaluation, element)
                return value is not None and compare(value, constant)

            return against_constant

        def between_values(evaluation: Any, element: Any) -> bool:
            a = left(evaluation, element)
            b = right(evaluation, element)
            return a is not None and b is not None and compare(a, b)

        return between_values

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        # Engines read texts such as 1d or 2026-01-01 as durations and moments; with a letter before, no more.
        text = self.name != "eq" and node.args[0].type in (Type.STRING, Type.DATE)

        def compared(*values: Any) -> Any:
            return {self.standard: [{"cat": ["t", value]} for value in values] if text else list(values)}

        return lowering.guarded(node.args, compared)

    def sql(self, node: Node, *args: str) -> str:
        comparison = f"{args[0]} {self.symbol} {args[1]}"
        if all(arg.is_never_missing for arg in node.args):
            return f"({comparison})"
        return f"coalesce({comparison}, false)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.compare(self.relation, *node.args)

    def denial(self, node: Node, say: "Speaker") -> str:
        return say.compare(self.relation, *node.args, denied=True)


@operator
class Equal(Comparison):
    """`==`."""

    name, symbol, standard, python = "eq", "=", "===", op.eq


@operator
class Less(Comparison):
    """`<`; `a > b` is `b < a`."""

    name, symbol, standard, python = "lt", "<", "<", op.lt


@operator
class LessOrEqual(Comparison):
    """`<=`; `a >= b` is `b <= a`."""

    name, symbol, standard, python = "le", "<=", "<=", op.le


@operator
class Present(Operator):
    """Whether a value is there at all."""

    name = "present"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        (arg,) = args
        return lambda evaluation, element: arg(evaluation, element) is not None

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return {"!==": [lowering.lower(node.args[0]), None]}

    def sql(self, node: Node, *args: str) -> str:
        return f"({args[0]} IS NOT NULL)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"{say.value(node.args[0])} is present"

    def denial(self, node: Node, say: "Speaker") -> str:
        return f"{say.value(node.args[0])} is missing"


form(
    "condition",
    "value_or_null value_or_null",
    {
        "==": "Equal; with null: the value is missing. Never true of a missing value.",
        "===": "The same as ==.",
        "!=": "Not equal, true also where a value is missing; with null: the value is present.",
        "!==": "The same as !=.",
    },
)
form(
    "condition",
    "value value value?",
    {
        "<": "Less than, or before; with three operands: between, borders excluded. False of missing values.",
        "<=": "At most, or not after; with three operands: between, borders included. False of missing values.",
    },
)
form(
    "condition",
    "value value",
    {
        ">": "More than, or after. False of missing values.",
        ">=": "At least, or not before. False of missing values.",
    },
)


@reads("==", "===", "!=", "!==")
def read_equality(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """Equality of two values of one type, or with `null`: missing."""
    if len(operands) != 2:
        return checker.report(pointer, "operand-count", f"{name!r} takes two operands, not {len(operands)}")
    negated = name.startswith("!")
    if None in [item if item is None else 0 for item in operands]:
        index = 0 if operands[0] is not None else 1
        if operands[index] is None:
            return checker.report(pointer, "null-with-null", "null is compared with null; name a value")
        value = checker.value(operands[index], step(pointer, index), scope)
        if value is None:
            return None
        present = Node("present", CONDITION, (value,))
        return present if negated else Node("not", CONDITION, (present,))
    pair = checker.values(operands, pointer, scope)
    if pair is None:
        return None
    if isinstance(pair[0].type, Type) and pair[0].type.is_array:
        message = f"a {pair[0].type.noun} is not compared as a whole; use some, all, none or in"
        return checker.report(pointer, "array-compared", message)
    equal = Node("eq", CONDITION, pair)
    return Node("not", CONDITION, (equal,)) if negated else equal


@reads("<", "<=", ">", ">=")
def read_order(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """An order of two values, or (`<`, `<=`) of three: between."""
    most = 3 if name in ("<", "<=") else 2
    if not 2 <= len(operands) <= most:
        wanted = "two or three operands (between)" if most == 3 else "two operands"
        return checker.report(pointer, "operand-count", f"{name!r} takes {wanted}, not {len(operands)}")
    values = checker.values(operands, pointer, scope)
    if values is None:
        return None
    type_ = values[0].type
    if not isinstance(type_, Type) or not type_.is_ordered:
        noun = type_.noun if isinstance(type_, Type) else type_
        return checker.report(pointer, "not-ordered", f"a {noun} has no order; {name!r} cannot compare it")
    op_name = "lt" if name in ("<", ">") else "le"
    if name.startswith(">"):
        return Node(op_name, CONDITION, (values[1], values[0]))
    links = [Node(op_name, CONDITION, pair) for pair in pairwise(values)]
    return links[0] if len(links) == 1 else Node("and", CONDITION, tuple(links))
