"""What an operator is, and the two tables in which all operators stand.

One operator is defined in one place: a `reads` function turns its JSON-Logic form into a checked node,
an `Operator` gives that node its Python meaning, its SQL and its sentence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..tree import Node
from .phrases import Relation, verb

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..evaluate import Compiler, Evaluation
    from ..lower import Lowering
    from ..sentence import Speaker
    from ..sql import Writer

Closure = Callable[["Evaluation", Any], Any]
"""A compiled node: `(evaluation, element) -> value`; `element` is the event or array element in scope."""

Reader = Callable[["Checker", str, list[Any], str, "Scope"], Node | None]
"""`(checker, operator name, operands, pointer of the operands, scope) -> node`, problems reported."""

Bound = tuple[Relation, Node]
"""A relation, and the constant that it is to."""

OPERATORS: dict[str, "Operator"] = {}
READERS: dict[str, Reader] = {}
FORMS: dict[str, list["Form"]] = {}


@dataclass(frozen=True, slots=True)
class Form:
    """How an operator is written, for the published JSON Schema.

    `gives`: condition, value or events. `takes`: its operands by name (see `infra.rule_schema`), the last
    one with `?` where it may be left out or `+` where more of it may follow. `says`: what it means.
    """

    gives: str
    takes: str
    says: str


class NotLowered(Exception):
    """JSON-Logic cannot say this; the text names the operator or function."""


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

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        """The node as guarded standard JSON-Logic; a condition is true or false, a missing value null."""
        raise NotLowered(self.name)

    compound = False
    """Whether the phrase of this value needs parentheses inside another one."""

    def sentence(self, node: Node, say: "Speaker") -> str:
        """The node in plain English: what a condition says of a person, or a value as a noun phrase."""
        raise TypeError(f"{self.name} defines no sentence")

    def denial(self, node: Node, say: "Speaker") -> str:
        """What is said where a condition does not hold."""
        return f"not ({self.sentence(node, say)})"

    def comparison(self, node: Node, relation: Relation, other: Node, denied: bool, say: "Speaker") -> str:
        """That a value stands in a relation to another one, or (`denied`) that it does not."""
        missing = say.missing(node, other) if denied else ""
        if relation == "eq" and other.op == "constant" and other.value == "":
            return f"{say.value(node)} is {'not ' if denied else ''}empty{missing}"
        return f"{say.value(node)} {verb(node.type, relation, denied)} {say.value(other)}{missing}"

    def between(self, node: Node, low: Bound, high: Bound, denied: bool, say: "Speaker") -> str:
        """That a value keeps two bounds, or (`denied`) that it does not."""
        missing = say.missing(node) if denied else ""
        first, last = say.value(low[1]), say.value(high[1])
        if (low[0], high[0]) == ("ge", "le"):
            return f"{say.value(node)} {'is not' if denied else 'is'} between {first} and {last}{missing}"
        above, below = verb(node.type, low[0], False), verb(node.type, high[0], False)
        bounds = f"{above} {first} and {below.removeprefix('is ')} {last}"
        return f"not ({say.value(node)} {bounds})" if denied else f"{say.value(node)} {bounds}"


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


def form(gives: str, takes: str, says: Mapping[str, str]) -> None:
    """Note how operators are written: name -> what it means."""
    for name, meaning in says.items():
        FORMS.setdefault(name, []).append(Form(gives, takes, meaning))
