"""Where values come from: constants, attributes, columns of an event, elements of an array."""

from typing import TYPE_CHECKING, Any

from .. import hints
from ..problems import did_you_mean
from ..sqltext import literal
from ..tree import Aggregate, Node
from ..types import Type
from .base import Closure, Operator, form, operator, reads

if TYPE_CHECKING:
    from ..check import Checker, Scope
    from ..lower import Lowering
    from ..sentence import Speaker
    from ..sql import Writer


@operator
class Constant(Operator):
    """A literal. `value`: the typed value."""

    name = "constant"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        value = node.value
        return lambda _evaluation, _element: value

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return node.value

    def sql(self, node: Node, *args: str) -> str:
        return literal(Type(node.type), node.value)

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.literal(Type(node.type), node.value)


@operator
class Attribute(Operator):
    """A column of the profile. `value`: its name."""

    name = "attribute"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        name = node.value
        return lambda evaluation, _element: evaluation.attribute(name)

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return {"var": f"attributes.{node.value}"}

    def render(self, node: Node, writer: "Writer") -> str:
        return writer.attribute(node.value)

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.attribute(node.value)


@operator
class Column(Operator):
    """A column of the event in scope. `value`: its name."""

    name = "column"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        name = node.value
        if name == "time":
            return lambda _evaluation, event: event.time
        return lambda _evaluation, event: event.columns.get(name)

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return {"var": node.value}

    def render(self, node: Node, writer: "Writer") -> str:
        return writer.column(node.value)

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.column(node.value)


@operator
class Element(Operator):
    """The array element in scope."""

    name = "element"

    def evaluate(self, node: Node, *args: Closure) -> Closure:
        return lambda _evaluation, element: element

    def lower(self, node: Node, lowering: "Lowering") -> Any:
        return {"var": ""}

    def render(self, node: Node, writer: "Writer") -> str:
        return writer.element

    def sentence(self, node: Node, say: "Speaker") -> str:
        return say.element


form(
    "value",
    "path",
    {"var": 'A column of the profile (attributes.NAME); in a filter one of the event; in an array "".'},
)
form("events", "events_path", {"var": "The profile's events of a behavior (behaviors.NAME)."})


@reads("var")
def read_var(checker: "Checker", name: str, operands: list[Any], pointer: str, scope: "Scope") -> Node | None:
    """A path: what it may be depends on where it stands."""
    if len(operands) != 1 or not isinstance(operands[0], str):
        return checker.report(
            pointer, "bad-path", "var takes one path, a string such as attributes.NAME, and no default"
        )
    return scope.resolve(checker, operands[0], pointer)


def _latest(checker: "Checker", behavior: str, column: str, pointer: str) -> Node | None:
    """An attribute that events set: what the latest event says that has a value, as if the rule had asked for that."""
    said = {"filter": [{"var": f"behaviors.{behavior}"}, {"!=": [{"var": column}, None]}]}
    events = checker.events(said, pointer)
    if events is None:
        return None
    type_ = checker.schema.behaviors[behavior][column]
    return Node("aggregate", type_, value=Aggregate("last", events, column, type_))


def resolve_profile(checker: "Checker", path: str, pointer: str) -> Node | None:
    """A path at profile level."""
    root, dot, name = path.partition(".")
    if root == "attributes" and dot:
        if name in checker.schema.attributes:
            return Node("attribute", checker.schema.attributes[name], value=name)
        if name in checker.schema.set_by_events:
            return _latest(checker, *checker.schema.set_by_events[name], pointer)
        hint = did_you_mean(name, {*checker.schema.attributes, *checker.schema.set_by_events})
        return checker.report(pointer, "unknown-attribute", f"the audience has no attribute {name!r}{hint}")
    if root == "behaviors" and dot:
        behavior, _, column = name.partition(".")
        how = f'{{"sum": [{{"var": "behaviors.{behavior}"}}, "{column}"]}}' if column else "count"
        message = f"the events of {path!r} are no value; aggregate them, e.g. with {how}"
        return checker.report(pointer, "events-as-value", message)
    if path == "segments":
        message = 'segments are only read as {"in": ["segment-id", {"var": "segments"}]}'
        return checker.report(pointer, "segments-as-value", message)
    hint = hints.for_path(path, checker.schema.attributes, checker.schema.behaviors)
    message = f"{path!r} is no path here; write attributes.NAME or behaviors.NAME{hint}"
    return checker.report(pointer, "unknown-path", message)
