"""What an operator is, and the two tables in which all operators stand.

One operator is defined in one place: a `reads` function turns its JSON-Logic form into a checked node,
an `Operator` gives that node its Python meaning and its SQL.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..tree import Node

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..evaluate import Compiler, Evaluation
    from ..sql import Writer

Closure = Callable[["Evaluation", Any], Any]
"""A compiled node: `(evaluation, element) -> value`; `element` is the event or array element in scope."""

Reader = Callable[["Checker", str, list[Any], str, "Scope"], Node | None]
"""`(checker, operator name, operands, pointer of the operands, scope) -> node`, problems reported."""

OPERATORS: dict[str, "Operator"] = {}
READERS: dict[str, Reader] = {}


class Operator:
    """The readings of one kind of node. Subclasses set `name` and are registered by `operator`."""

    name: str

    def compile(self, node: Node, compiler: "Compiler") -> Closure:
        """The node as a closure; by default from the closures of its arguments."""
        return self.evaluate(node, *(compiler.compile(arg) for arg in node.args))

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        """The node's Python meaning over the closures of its arguments."""
        raise TypeError(f"{self.name} defines neither compile nor evaluate")

    def render(self, node: Node, writer: "Writer") -> str:
        """The node as a Trino expression; by default from the expressions of its arguments."""
        return self.sql(node, *(writer.expression(arg) for arg in node.args))

    def sql(self, node: Node, *args: str) -> str:
        """The node's Trino SQL over the expressions of its arguments. Conditions are never NULL."""
        raise TypeError(f"{self.name} defines neither render nor sql")


def operator(cls: type[Operator]) -> type[Operator]:
    """Register an operator under its name."""
    OPERATORS[cls.name] = cls()
    return cls


def reads(*names: str) -> Callable[[Reader], Reader]:
    """Register the reader of these JSON-Logic operators."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(names, reader))
        return reader

    return register
