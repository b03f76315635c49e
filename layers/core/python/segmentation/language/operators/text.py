"""Text: substring, beginning, end, regular expressions, case."""

from typing import TYPE_CHECKING, Any

from .. import hints
from ..automaton import searcher
from ..patterns import PatternError, java, parse
from ..problems import step
from ..sqltext import text
from ..tree import CONDITION, Node
from ..types import Type
from ..values import is_text, simple_lower, simple_upper
from .base import Closure, NotLowered, Operator, form, operator, reads

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..lower import Lowering
    from ..sentence import Speaker


class TextTest(Operator):
    """A test of two strings; false where either is missing."""

    verbs: tuple[str, str]

    def holds(self, value: str, part: str) -> bool:
        """The Python meaning."""
        raise TypeError(f"{self.name} defines no holds")

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        value_of, part_of = args
        holds = self.holds

        def test(evaluation: Any, element: Any) -> bool:
            value = value_of(evaluation, element)
            part = part_of(evaluation, element)
            return value is not None and part is not None and holds(value, part)

        return test

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"{say.value(node.args[0])} {self.verbs[0]} {say.value(node.args[1])}"

    def denial(self, node: Node, say: "Speaker") -> str:
        whole, part = node.args
        return f"{say.value(whole)} {self.verbs[1]} {say.value(part)}{say.missing(whole, part)}"


@operator
class Contains(TextTest):
    """Whether a string holds another. Arguments: the whole, the part."""

    name = "contains"
    verbs = ("contains", "does not contain")

    def holds(self, value: str, part: str) -> bool:
        return part in value

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return lowering.guarded(node.args, lambda whole, part: {"in": [part, whole]})

    def sql(self, node: Node, *args: str) -> str:
        return f"coalesce(strpos({args[0]}, {args[1]}) > 0, false)"


@operator
class StartsWith(TextTest):
    """Whether a string begins with another."""

    name = "starts_with"
    verbs = ("begins with", "does not begin with")

    def holds(self, value: str, part: str) -> bool:
        return value.startswith(part)

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        if node.args[1].op != "constant":
            raise NotLowered(self.name)
        part = node.args[1].value
        return lowering.guarded(
            node.args[:1], lambda whole: {"===": [{"substr": [whole, 0, len(part)]}, part]}
        )

    def sql(self, node: Node, *args: str) -> str:
        return f"coalesce(starts_with({args[0]}, {args[1]}), false)"


@operator
class EndsWith(TextTest):
    """Whether a string ends with another."""

    name = "ends_with"
    verbs = ("ends with", "does not end with")

    def holds(self, value: str, part: str) -> bool:
        return value.endswith(part)

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        if node.args[1].op != "constant":
            raise NotLowered(self.name)
        part = node.args[1].value
        if not part:  # `substr` from -0 would be the whole
            return {"!==": [lowering.lower(node.args[0]), None]}
        return lowering.guarded(node.args[:1], lambda whole: {"===": [{"substr": [whole, -len(part)]}, part]})

    def sql(self, node: Node, *args: str) -> str:
        value, part = args
        tail = f"substr({value}, length({value}) - length({part}) + 1)"
        return f"coalesce(length({value}) >= length({part}) AND {tail} = {part}, false)"


@operator
class Matches(Operator):
    """Whether a pattern occurs in a string. `value`: the pattern as it was written."""

    name = "matches"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        (value_of,) = args
        found_in = searcher(node.value)

        def test(evaluation: Any, element: Any) -> bool:
            value = value_of(evaluation, element)
            return value is not None and found_in(value)

        return test

    def sql(self, node: Node, *args: str) -> str:
        return f"coalesce(regexp_like({args[0]}, {text(java(parse(node.value)))}), false)"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"{say.value(node.args[0])} matches the pattern {node.value}"

    def denial(self, node: Node, say: "Speaker") -> str:
        value = node.args[0]
        return f"{say.value(value)} does not match the pattern {node.value}{say.missing(value)}"


class CaseMapping(Operator):
    """A string, mapped code point by code point."""

    mapping: Any

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        (value_of,) = args
        mapping = type(self).mapping

        def mapped(evaluation: Any, element: Any) -> str | None:
            value = value_of(evaluation, element)
            return None if value is None else mapping(value)

        return mapped

    def sql(self, node: Node, *args: str) -> str:
        return f"{self.name}({args[0]})"

    def sentence(self, node: Node, say: "Speaker") -> str:
        return f"{say.value(node.args[0])} in {self.name} case"


@operator
class Lower(CaseMapping):
    """Lower case."""

    name = "lower"
    mapping = staticmethod(simple_lower)


@operator
class Upper(CaseMapping):
    """Upper case."""

    name = "upper"
    mapping = staticmethod(simple_upper)


form(
    "condition",
    "value value",
    {"starts_with": "The text begins with another one.", "ends_with": "The text ends with another one."},
)
form("condition", "value pattern", {"matches": "The pattern occurs in the text."})
form(
    "value",
    "value",
    {"lower": "The text in lower case, code point by code point.", "upper": "The text in upper case."},
)


@reads("starts_with", "ends_with")
def read_affix(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """Two strings: the whole and its beginning or end."""
    if len(operands) != 2:
        return checker.report(pointer, "operand-count", f"{name!r} takes two strings, not {len(operands)}")
    whole, part = (
        checker.value_of(item, step(pointer, i), scope, Type.STRING, f"{name!r}")
        for i, item in enumerate(operands)
    )
    return Node(name, CONDITION, (whole, part)) if whole and part else None


@reads("matches")
def read_matches(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """A string and a literal pattern."""
    if len(operands) != 2:
        return checker.report(
            pointer, "operand-count", f"'matches' takes a string and a pattern, not {len(operands)}"
        )
    value = checker.value_of(operands[0], step(pointer, 0), scope, Type.STRING, "'matches'")
    if not isinstance(operands[1], str):
        return checker.report(
            step(pointer, 1), "bad-pattern", "the pattern of 'matches' is text; write it as a literal"
        )
    if not is_text(operands[1]):
        return checker.report(step(pointer, 1), "bad-text", hints.BAD_TEXT)
    try:
        parse(operands[1])
    except PatternError as error:
        return checker.report(step(pointer, 1), "bad-pattern", str(error))
    return Node("matches", CONDITION, (value,), operands[1]) if value else None


@reads("lower", "upper")
def read_case(
    checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope"
) -> Node | None:
    """A string in lower or upper case."""
    if len(operands) != 1:
        return checker.report(pointer, "operand-count", f"{name!r} takes one string, not {len(operands)}")
    value = checker.value_of(operands[0], step(pointer, 0), scope, Type.STRING, f"{name!r}")
    return Node(name, Type.STRING, (value,)) if value else None
