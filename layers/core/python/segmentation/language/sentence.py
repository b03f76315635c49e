"""A rule in plain English, as the console shows it.

What each operator says stands with the operator (`Operator.sentence`, `denial`, `comparison`, `between`);
here is what they share: names, literals, joining, and the layout of a long rule as indented lines.
A sentence is what is said of a person: "age is at least 18, and has at least 3 purchases in the last 30 days".
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from .clauses import MIRROR, Between, clauses_said, without_not
from .document import Segment
from .limits import WHOLE, Limit
from .operators import OPERATORS
from .operators.phrases import Relation, say_number
from .times import Window, zone
from .tree import CONDITION, Aggregate, Follow, Node, Selection
from .types import Type

MOST_LISTED = 12
"""How many items of a list are said; the others are counted."""
LONG_LINE = 90
"""A line longer than this moves the conditions on its events to lines of their own."""

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
_GROUPS = ("and", "or")
_OTHER = {"and": "or", "or": "and"}
_HEADERS = {
    ("and", False): "all of:",
    ("or", False): "any of:",
    ("and", True): "not all of:",
    ("or", True): "none of:",
}


@dataclass(frozen=True)
class Names:
    """How people call things; what has no name here is called by its id, underscores as spaces."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    behaviors: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    segments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a long rule: its text, and how deep it stands."""

    depth: int
    text: str

    def __str__(self) -> str:
        return "  " * self.depth + self.text


def sentence(rule: Node, time_zone: str = "UTC", names: Names | None = None) -> str:
    """A rule as one sentence. Moments are said in `time_zone`."""
    return Speaker(zone(time_zone), names or Names()).condition(rule)


def outline(rule: Node, time_zone: str = "UTC", names: Names | None = None) -> list[Line]:
    """A rule as lines, a condition each, groups indented."""
    return list(Speaker(zone(time_zone), names or Names()).lines(rule))


def segment_sentence(segment: Segment, time_zone: str = "UTC", names: Names | None = None) -> str:
    """Who is in a segment, its limit included."""
    if segment.rule is None:
        return "is on the uploaded list"
    speaker = Speaker(zone(time_zone), names or Names())
    text = speaker.condition(segment.rule)
    return f"{text}; {speaker.limit(segment.limit)}" if segment.limit else text


def segment_outline(segment: Segment, time_zone: str = "UTC", names: Names | None = None) -> list[Line]:
    """The same as lines, the limit last."""
    if segment.rule is None:
        return [Line(0, segment_sentence(segment))]
    speaker = Speaker(zone(time_zone), names or Names())
    limit = [Line(0, speaker.limit(segment.limit))] if segment.limit else []
    return [*speaker.lines(segment.rule), *limit]


class Speaker:
    """Says nodes. Operators are handed one, to say their arguments with."""

    def __init__(self, time_zone: ZoneInfo, names: Names) -> None:
        self.zone = time_zone
        self.names = names
        self.element = "it"
        self._without_where = False

    # Conditions

    def condition(self, node: Node, *, denied: bool = False) -> str:
        """What a condition says of a person, or (`denied`) that it does not hold."""
        operator = OPERATORS[node.op]
        return operator.denial(node, self) if denied else operator.sentence(node, self)

    def group(self, word: str, nodes: Sequence[Node], *, denied: bool = False) -> str:
        """Conditions joined by `and` or `or`; groups of the other kind stand in parentheses."""
        return f", {word} ".join(self._texts(word, nodes, denied))

    def _texts(self, word: str, nodes: Sequence[Node], denied: bool) -> list[str]:
        texts = []
        for item in clauses_said([(node, denied) for node in nodes], word):
            if isinstance(item, Between):
                texts.append(self._between(item))
                continue
            node, negative = item
            if node.op not in _GROUPS:
                texts.append(self.condition(node, denied=negative))
                continue
            # Not (a or b) is: not a, and not b.
            inner = node.op if not negative else _OTHER[node.op]
            parts = self._texts(inner, node.args, negative)
            if inner == word or len(parts) == 1:
                texts.extend(parts)
            else:
                texts.append(f"({f', {inner} '.join(parts)})")
        return texts

    def _between(self, item: Between) -> str:
        operator = OPERATORS[item.value.op]
        return operator.between(item.value, item.low, item.high, item.denied, self)

    def compare(self, relation: Relation, left: Node, right: Node, *, denied: bool = False) -> str:
        """A comparison of two values; a constant is said last."""
        if left.op == "constant" and right.op != "constant":
            left, right, relation = right, left, MIRROR[relation]
        if denied and relation != "eq" and _is_known(left) and _is_known(right):
            relation, denied = _OPPOSITE[relation], False
        return OPERATORS[left.op].comparison(left, relation, right, denied, self)

    def elements(self, node: Node, which: str) -> str:
        """That some or all elements of an array (the first argument) fulfil a condition (the second)."""
        array = self.value(node.args[0])
        condition, negative = without_not(node.args[1], False)
        if condition.op in _GROUPS or (negative and "no" in which):
            with self.about("it"):
                return f"{which} {array} fulfils ({self.condition(node.args[1])})"
        with self.about(f"{which} {array}"):
            return self.condition(condition, denied=negative)

    def missing(self, *nodes: Node) -> str:
        """What a denial adds: that it also holds where a value is missing."""
        unsure = [node for node in nodes if not _is_known(node)]
        if not unsure:
            return ""
        return " (or is missing)" if len(unsure) == 1 else " (or one of them is missing)"

    # Values

    def value(self, node: Node) -> str:
        """A value as a noun phrase."""
        return OPERATORS[node.op].sentence(node, self)

    def operand(self, node: Node) -> str:
        """A value inside arithmetic: in parentheses where it is arithmetic itself."""
        text = self.value(node)
        return f"({text})" if OPERATORS[node.op].compound else text

    def literal(self, type_: Type, value: object) -> str:
        """A constant as people write it."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if type_ is Type.NUMBER and isinstance(value, int | float):
            return say_number(value)
        if type_ is Type.TIMESTAMP and isinstance(value, int):
            return say_moment(value, self.zone)
        return say_text(str(value)) if type_ is Type.STRING else str(value)

    def listed(self, type_: Type, values: Sequence[object]) -> str:
        """A list of constants: A, B or C."""
        items = [self.literal(type_, value) for value in values[:MOST_LISTED]]
        if len(values) > MOST_LISTED:
            items.append(f"{len(values) - MOST_LISTED:,} more")
        return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"

    @contextmanager
    def about(self, element: str) -> Iterator[None]:
        """Say `element` for the array element in scope."""
        outer, self.element = self.element, element
        try:
            yield
        finally:
            self.element = outer

    # Names

    def attribute(self, name: str) -> str:
        """What an attribute is called."""
        return self.names.attributes.get(name) or _spaced(name)

    def column(self, name: str) -> str:
        """What a column of an event is called."""
        return self.names.columns.get(name) or _spaced(name)

    def segment(self, name: str) -> str:
        """What a segment is called."""
        known = self.names.segments.get(name)
        return f'"{known}"' if known else name

    # Events

    def events(self, selection: Selection, *, one: bool = False) -> str:
        """Which events: purchases with department GROCERY in the last 90 days."""
        name = self.names.behaviors.get(selection.behavior) or _spaced(selection.behavior)
        words = [singular(name) if one else name]
        simple = self._with(selection.where)
        if simple and not self._without_where:
            words.append(simple)
        words.extend(self.window(window) for window in selection.windows)
        if selection.where and not simple and not self._without_where:
            words.append(f"(where {self.condition(_all_of(selection.where))})")
        words.extend(self._follow(follow) for follow in selection.follows)
        return " ".join(words)

    def _with(self, where: Sequence[Node]) -> str:
        """Conditions that are all `column is constant`, without their verbs; else nothing."""
        parts = []
        for node in where:
            if node.op == "eq" and node.args[0].op == "column" and node.args[1].op == "constant":
                parts.append(f"{self.value(node.args[0])} {self.value(node.args[1])}")
            elif node.op == "one_of" and node.args[0].op == "column":
                column = node.args[0]
                parts.append(f"{self.value(column)} {self.listed(Type(column.type), node.value)}")
            else:
                return ""
        return "with " + " and ".join(parts) if parts else ""

    def _follow(self, follow: Follow) -> str:
        events = with_article(self.events(follow.events, one=True))
        if follow.events.follows:
            events = f"({events})"
        negation = "not " if follow.negated else ""
        return f"{negation}followed within {say_seconds(follow.seconds)} by {events}"

    def window(self, window: Window) -> str:
        """When: in the last 90 days."""
        match window.kind:
            case "within" if window.shortest == 0:
                count, unit = _units(window.longest)
                return f"in the last {unit}" if count == 1 else f"in the last {count:,} {unit}s"
            case "within":
                longest, shortest = _units(window.longest), _units(window.shortest)
                first = f"{longest[0]:,}" if longest[1] == shortest[1] else say_seconds(window.longest)
                return f"between {first} and {say_seconds(window.shortest)} ago"
            case "older_than":
                return f"at least {say_seconds(window.shortest)} ago"
            case "within_next":
                count, unit = _units(window.longest)
                return f"in the next {unit}" if count == 1 else f"in the next {count:,} {unit}s"
            case _:
                return window.phrase

    # Whole rules

    def limit(self, limit: Limit) -> str:
        """Which of the members stay."""
        size = (
            f"{limit.count:,}"
            if limit.count is not None
            else f"{say_number((limit.share or 0) * 100 / WHOLE)}%"
        )
        order = "highest" if limit.descending else "lowest"
        return f"of these only the {size} with the {order} {_without_the(self.value(limit.by))}"

    def lines(self, node: Node, depth: int = 0, *, denied: bool = False) -> Iterator[Line]:
        """A rule as indented lines."""
        node, denied = without_not(node, denied)
        if node.op not in _GROUPS:
            yield from self._leaf(node, depth, denied=denied)
            return
        items = clauses_said([(arg, False) for arg in node.args], node.op)
        if len(items) == 1:
            yield Line(depth, self.condition(node, denied=denied))
            return
        yield Line(depth, _HEADERS[node.op, denied])
        for item in items:
            if isinstance(item, Between):
                yield Line(depth + 1, self._between(item))
            else:
                yield from self.lines(item[0], depth + 1, denied=item[1])

    def _leaf(self, node: Node, depth: int, *, denied: bool) -> Iterator[Line]:
        text = self.condition(node, denied=denied)
        selections = [inner.value.events for inner in node.walk() if isinstance(inner.value, Aggregate)]
        lifted = len(selections) == 1 and selections[0].where and not selections[0].follows
        if len(text) <= LONG_LINE or not lifted:
            yield Line(depth, text)
            return
        self._without_where = True
        try:
            text = self.condition(node, denied=denied)
        finally:
            self._without_where = False
        yield Line(depth, f"{text}, counting only those where:")
        yield from self.lines(_all_of(selections[0].where), depth + 1)


_OPPOSITE: dict[Relation, Relation] = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}


def _all_of(nodes: tuple[Node, ...]) -> Node:
    return nodes[0] if len(nodes) == 1 else Node("and", CONDITION, nodes)


def _is_known(node: Node) -> bool:
    return node.is_never_missing or (node.op == "column" and node.value == "time")


def _spaced(name: str) -> str:
    return name.replace("_", " ").strip() or name


def _without_the(phrase: str) -> str:
    return phrase.removeprefix("the ")


def singular(noun: str) -> str:
    """One of what a behavior's name says: purchases -> purchase, deliveries -> delivery."""
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("sses", "xes", "ches", "shes", "zes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def with_article(noun: str) -> str:
    """a purchase, an order."""
    return f"{'an' if noun[:1].lower() in 'aeio' else 'a'} {noun}"


def say_text(text: str) -> str:
    """Text as it is where it reads like a value, else in quotation marks."""
    plain = all(char.isalnum() or char in "-_+.@&/%" for char in text)
    return text if text and plain and (text[0].isupper() or text[0].isdigit()) else f'"{text}"'


def say_moment(second: int, time_zone: ZoneInfo) -> str:
    """A moment as local time with its offset; the first second of a day as the day alone."""
    try:
        local = dt.datetime.fromtimestamp(second, time_zone)
    except (OverflowError, ValueError):
        local = dt.datetime.fromtimestamp(second, dt.UTC)
    if local.time() == dt.time(0):
        return local.date().isoformat()
    return local.isoformat(sep=" ")


def _units(seconds: int) -> tuple[int, str]:
    """The largest unit that divides a duration; a single day is said in hours, weeks as days."""
    for size, unit in _UNITS:
        if seconds % size == 0 and not (unit == "day" and seconds == size):
            return seconds // size, unit
    return seconds, "second"


def say_seconds(seconds: int) -> str:
    """A duration: 259200 -> 3 days."""
    count, unit = _units(seconds)
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"
