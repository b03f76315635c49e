"""From JSON to the typed tree: every problem is found at once, and nothing is guessed."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from . import hints
from .caps import within_caps
from .operators import READERS
from .operators.behaviors import read_events
from .operators.sources import resolve_profile
from .problems import Problem, did_you_mean, step
from .times import zone
from .tree import CONDITION, Aggregate, Node, Selection
from .types import Schema, Type
from .values import is_text, parse_date, parse_instant, parse_time

_NO_VALUE = '; write text, a number, true, false or an expression (a list stands only in {"in": [x, [...]]})'

_EVENT_OPERATORS = (
    "filter",
    "within",
    "older_than",
    "during",
    "within_next",
    "followed_by",
    "not_followed_by",
)


@dataclass(frozen=True)
class Scope:
    """What `var` reads at a place: the profile, an event's columns, or an array's element."""

    columns: dict[str, Type] | None = None
    behavior: str = ""
    element: Type | None = None

    @property
    def is_profile(self) -> bool:
        """Whether this is the profile's own level."""
        return self.columns is None and self.element is None

    def resolve(self, checker: "Checker", path: str, pointer: str) -> Node | None:
        """The node of a path, or a reported problem."""
        if self.element is not None:
            if path == "":
                return Node("element", self.element)
            message = f'inside an array {path!r} reads nothing; {{"var": ""}} is the element, the profile cannot be read'
            return checker.report(pointer, "unknown-path", message)
        if self.columns is None:
            return resolve_profile(checker, path, pointer)
        if path in self.columns:
            return Node("column", self.columns[path], value=path)
        if path.startswith(("attributes.", "behaviors.")) or path == "segments":
            own = path.removeprefix(f"behaviors.{self.behavior}.")
            mend = "join a condition on the profile to the aggregate's with and"
            if own in self.columns:
                mend = f"did you mean {own!r}?"
            message = f"inside a filter var reads the event's columns, not the profile ({path!r}); {mend}"
            return checker.report(pointer, "profile-in-filter", message)
        hint = did_you_mean(path, self.columns)
        message = f"behavior {self.behavior!r} has no column {path!r}{hint}"
        return checker.report(pointer, "unknown-column", message)


PROFILE = Scope()


class Checker:
    """Checks one rule, which may name these segments. `problems` fills up; a `None` result means that one was reported."""

    def __init__(self, schema: Schema, segments: Collection[str]) -> None:
        self.schema = schema
        self.segments = segments
        self.zone = zone(schema.time_zone)
        self.problems: list[Problem] = []
        self._within = 0

    def rule(self, rule: Any, pointer: str = "/rule") -> Node | None:
        """The typed tree of a rule, or `None` with `problems`."""
        if not within_caps(rule, pointer, self.problems):
            return None
        node = self.condition(rule, pointer, PROFILE)
        return None if self.problems else node

    def report(self, pointer: str, code: str, message: str) -> None:
        """Note a problem; returns `None`, for the caller to give in place of what was wanted."""
        self.problems.append(Problem(pointer, code, message))

    def noun(self, node: Node) -> str:
        """What a node is, in a message."""
        return node.type.noun if isinstance(node.type, Type) else "condition"

    def named(self, item: Any) -> str:
        """A hint for a text that stands for an expression and is the name of what is to be read."""
        return hints.for_text(item, self.schema.attributes, self.schema.behaviors)

    def expression(self, item: Any, pointer: str, scope: Scope) -> Node | None:
        """An operator applied to operands."""
        if not item:
            message = "the expression is empty; write an operator and its operands, e.g. a comparison"
            return self.report(pointer, "one-operator", message)
        if len(item) != 1:
            names = ", ".join(map(repr, item))
            message = (
                f"an expression is an object with one operator, this one has {len(item)}: {names}; "
                "join several conditions with and / or"
            )
            return self.report(pointer, "one-operator", message)
        ((name, raw),) = item.items()
        reader = READERS.get(name)
        if reader is None:
            message = f"unknown operator {name!r}{hints.for_operator(name, READERS)}"
            return self.report(pointer, "unknown-operator", message)
        operands = raw if isinstance(raw, list) else [raw]
        before = len(self.problems)
        node = reader(self, name, operands, step(pointer, name), scope)
        if operands is not raw:
            self._point_at_lone_operand(step(pointer, name), before)
        return node

    def _point_at_lone_operand(self, pointer: str, before: int) -> None:
        """An operand that stands without its list has no `/0` in the document."""
        written = f"{pointer}/0"
        for place in range(before, len(self.problems)):
            problem = self.problems[place]
            if problem.pointer == written or problem.pointer.startswith(f"{written}/"):
                found = pointer + problem.pointer[len(written) :]
                self.problems[place] = Problem(found, problem.code, problem.message)

    def condition(self, item: Any, pointer: str, scope: Scope) -> Node | None:
        """What is true or false: a comparison, a test, a group, or a boolean column."""
        if not isinstance(item, dict):
            example = f'; the element is {{"var": ""}}, e.g. {{"==": [{{"var": ""}}, {hints.quoted(item)}]}}'
            usual = "; write a comparison, a membership test or a boolean column"
            message = f"{hints.show(item)} is no condition{usual if scope.element is None else example}"
            return self.report(pointer, "not-a-condition", message)
        node = self.expression(item, pointer, scope)
        if node is None or node.type == CONDITION:
            return node
        if node.type is Type.BOOLEAN:
            return Node("truth", CONDITION, (node,))
        message = f"a {self.noun(node)} is no condition (there is no truthiness); compare it with something"
        return self.report(pointer, "not-a-condition", message)

    def value(self, item: Any, pointer: str, scope: Scope, expected: Type | None = None) -> Node | None:
        """A value: a literal (read as `expected` where that is given) or an expression."""
        if not isinstance(item, dict):
            return self.constant(item, pointer, expected)
        node = self.expression(item, pointer, scope)
        if node is not None and node.type == CONDITION:
            return self.report(
                pointer, "condition-as-value", "a condition is no value; join conditions with and / or"
            )
        return node

    def value_of(self, item: Any, pointer: str, scope: Scope, type_: Type, taker: str) -> Node | None:
        """A value that must be of one type, because `taker` takes nothing else."""
        node = self.value(item, pointer, scope, type_)
        if node is not None and node.type is not type_:
            hint = hints.for_literal(item, type_) if node.op == "constant" else f"; use a {type_.noun}"
            message = f"{taker} takes a {type_.noun}, this is a {self.noun(node)}{hint}"
            return self.report(pointer, "type-mismatch", message)
        return node

    def values(self, items: Sequence[Any], pointer: str, scope: Scope) -> tuple[Node, ...] | None:
        """Values of one type: literals are read as the type of the expressions beside them."""
        nodes: dict[int, Node | None] = {
            i: self.value(item, step(pointer, i), scope)
            for i, item in enumerate(items)
            if isinstance(item, dict)
        }
        if None in nodes.values():
            return None
        known = [node for node in nodes.values() if node is not None]
        expected = known[0].type if known and isinstance(known[0].type, Type) else None
        for i, item in enumerate(items):
            if i not in nodes:
                nodes[i] = self.constant(item, step(pointer, i), expected)
        ordered = [node for i in range(len(items)) if (node := nodes[i]) is not None]
        if len(ordered) < len(items):
            return None
        for i, node in enumerate(ordered[1:], start=1):
            if node.type is not ordered[0].type:
                named = "".join(self.named(item) for item in items)
                hint = named or "; both sides need one type"
                message = f"a {self.noun(ordered[0])} is compared with a {self.noun(node)}{hint}"
                return self.report(step(pointer, i), "type-mismatch", message)
        return tuple(ordered)

    def constant(self, item: Any, pointer: str, expected: Type | None = None) -> Node | None:
        """A literal as a typed constant. Text may stand for a timestamp or a date where one is expected."""
        if isinstance(item, bool):
            node = Node("constant", Type.BOOLEAN, value=item)
        elif isinstance(item, int | float):
            node = self._number(item, expected)
        elif isinstance(item, str):
            return self._text(item, pointer, expected)
        elif item is None:
            message = 'null is no value; {"==": [x, null]} asks whether x is missing'
            return self.report(pointer, "null-literal", message)
        else:
            return self.report(pointer, "not-a-value", f"{hints.show(item)} is no value here{_NO_VALUE}")
        if node.value is None and node.type is Type.TIMESTAMP:
            message = f"{hints.show(item)} is no moment of the years 1 to 9999; write Unix seconds (not milliseconds) or ISO 8601"
            return self.report(pointer, "bad-timestamp", message)
        if node.value is None:
            message = f"{hints.show(item)} is not a number that a double can hold; write a finite one"
            return self.report(pointer, "bad-number", message)
        if expected is not None and node.type is not expected:
            hint = hints.for_literal(item, expected)
            message = f"a {expected.noun} is compared with a {self.noun(node)}, {hints.show(item)}{hint}"
            return self.report(pointer, "type-mismatch", message)
        return node

    def _number(self, item: float, expected: Type | None) -> Node:
        if expected is Type.TIMESTAMP:
            return Node("constant", Type.TIMESTAMP, value=parse_time(item))
        try:
            number: float | None = float(item) + 0.0  # of the two zeros one is enough
        except OverflowError:
            number = None
        return Node(
            "constant", Type.NUMBER, value=number if number is not None and math.isfinite(number) else None
        )

    def _text(self, item: str, pointer: str, expected: Type | None) -> Node | None:
        if not is_text(item):
            return self.report(pointer, "bad-text", hints.BAD_TEXT)
        if expected is Type.TIMESTAMP:
            moment = parse_instant(item, self.zone)
            if moment is None:
                message = f"{item!r} is no moment; write ISO 8601, e.g. 2026-01-31T09:00:00Z (relative to now: within, during)"
                return self.report(pointer, "bad-timestamp", message)
            return Node("constant", Type.TIMESTAMP, value=moment)
        if expected is Type.DATE:
            day = parse_date(item)
            if day is None:
                return self.report(
                    pointer, "bad-date", f"{item!r} is no date; write YYYY-MM-DD, a day of the calendar"
                )
            return Node("constant", Type.DATE, value=day)
        if expected is not None and expected is not Type.STRING:
            hint = hints.for_literal(item, expected)
            message = f"a {expected.noun} is compared with a string, {hints.show(item)}{hint}"
            return self.report(pointer, "type-mismatch", message)
        return Node("constant", Type.STRING, value=item)

    # Events

    @property
    def inside_within(self) -> bool:
        """Whether the event expression being read stands inside a sliding window."""
        return self._within > 0

    def is_events(self, item: Any) -> bool:
        """Whether an expression is about a behavior's events rather than a value."""
        while isinstance(item, dict) and len(item) == 1:
            ((name, raw),) = item.items()
            first = raw[0] if isinstance(raw, list) and raw else raw
            if name == "var":
                return isinstance(first, str) and first.startswith("behaviors.")
            if name in ("followed_by", "not_followed_by"):
                return True
            if name not in _EVENT_OPERATORS:
                return False
            item = first
        return False

    def events(self, item: Any, pointer: str) -> Selection | None:
        """An event expression."""
        if not self.is_events(item):
            message = 'events are wanted here: {"var": "behaviors.NAME"}, or a filter or window over it'
            self.report(pointer, "not-events", message)
            return None
        sliding = "within" in item
        outer, self._within = self._within, self._within + 1 if sliding else self._within
        before = len(self.problems)
        try:
            return read_events(self, item, pointer)
        finally:
            self._within = outer
            ((name, raw),) = item.items()
            if not isinstance(raw, list):
                self._point_at_lone_operand(step(pointer, name), before)

    def element_scope(self, element: Type) -> Scope:
        """The scope of a condition on array elements."""
        return Scope(element=element)

    def element_condition(self, item: Any, pointer: str, behavior: str) -> Node | None:
        """A condition on each event of a behavior."""
        return self.condition(item, pointer, Scope(self.schema.columns(behavior), behavior))

    def at_least_one(self, events: Selection, condition: Node) -> Node:
        """That one of the events fulfils a condition."""
        narrowed = Selection(events.behavior, (*events.where, condition), events.windows, events.follows)
        count = Node("aggregate", Type.NUMBER, value=Aggregate("count", narrowed, None, None))
        return Node("le", CONDITION, (Node("constant", Type.NUMBER, value=1.0), count))
