"""Lowering: a checked rule as guarded standard JSON-Logic over prepared data.

Any JSON-Logic engine can run the result; the tests run a third-party one as the oracle. What bare JSON-Logic
leaves open is written out: each comparison asks first whether its values are there, windows are instants,
calendar periods too. The data must be prepared as `Lowered` says: typed, events deduplicated, sorted, and
cut at `now`, the events of sequences marked with the moment that follows them.

What cannot be lowered raises `NotLowered`; `NOT_LOWERED` lists it all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from .operators import OPERATORS, NotLowered
from .tree import Node, Selection

Json = Any

NOT_LOWERED: Mapping[str, str] = {
    "sum": "JSON-Logic adds in doubles; sums are exact",
    "avg": "JSON-Logic adds in doubles; averages are exact",
    "matches": "JSON-Logic has no regular expressions",
    "lower": "JSON-Logic has no case mapping",
    "upper": "JSON-Logic has no case mapping",
    "starts_with": "with a part that is no literal: JSON-Logic cannot ask for the length of a text",
    "ends_with": "with a part that is no literal: JSON-Logic cannot ask for the length of a text",
}
"""What of the language JSON-Logic cannot say, and why."""


@dataclass(frozen=True, slots=True)
class Source:
    """Events that the data must hold as `{"var": "events.NAME"}`: all of `behavior`, up to `now`.

    They stand in the order of time, then id; `order` says more: for `("last", column)` rows without an id
    of one second come by the column's value, missing first; for `("first", column)` all is the other way
    round, so that the last element is the first event. `follows`: column -> a rule that gives the later
    events; each event has in that column the time of the first of them after it, if there is one.
    """

    name: str
    behavior: str
    follows: tuple[tuple[str, Json], ...] = ()
    order: tuple[str, str] | None = None


@dataclass(slots=True)
class Lowered:
    """A rule, and the data that it needs.

    The data is an object: `attributes` (typed; moments in seconds, dates as ISO text, what is missing left
    out), `segments` (ids), `shares` (name -> the bucket of the seed in `shares`), `events` (see `sources`,
    to be prepared in this order).
    """

    rule: Json
    sources: list[Source] = field(default_factory=list)
    shares: dict[str, str] = field(default_factory=dict)


class Lowering:
    """Lowers the nodes of one rule for one moment."""

    def __init__(self, now: int, time_zone: ZoneInfo) -> None:
        self.now = now
        self.zone = time_zone
        self.sources: dict[tuple[Any, ...], Source] = {}
        self.shares: dict[str, str] = {}

    def lower(self, node: Node) -> Json:
        """A node as JSON-Logic: a condition is true or false, a missing value null."""
        return OPERATORS[node.op].lower(node, self)

    def guarded(self, nodes: tuple[Node, ...], body: Any, otherwise: Json = False) -> Json:
        """`body(values)` where all values are there, else `otherwise`; compound ones are computed once."""
        values = [self.lower(node) for node in nodes]
        simple = all(node.op in ("constant", "attribute", "column", "element", "bucket") for node in nodes)
        bound = values if simple else [{"var": f"current.{i}"} for i in range(len(values))]
        varying = [value for node, value in zip(nodes, bound, strict=True) if node.op != "constant"]
        guards = [{"!==": [value, None]} for value in varying]
        if otherwise is False:
            result: Json = {"and": [*guards, body(*bound)]} if guards else body(*bound)
        else:
            test = {"and": guards} if len(guards) > 1 else guards[0] if guards else True
            result = {"if": [test, body(*bound), otherwise]}
        return result if simple else let(values, result)

    def events(self, selection: Selection, order: tuple[str, str] | None = None) -> Json:
        """The selected events, sorted."""
        source = self._source(selection, order)
        conditions = list(self._conditions(selection))
        events = {"var": f"events.{source.name}"}
        if not conditions:
            return events
        return {"filter": [events, conditions[0] if len(conditions) == 1 else {"and": conditions}]}

    def _source(self, selection: Selection, order: tuple[str, str] | None) -> Source:
        follows = tuple(
            (f"follows_{i}", self.events(follow.events)) for i, follow in enumerate(selection.follows)
        )
        key = (selection.behavior, selection.follows, order)
        if key not in self.sources:
            self.sources[key] = Source(f"e{len(self.sources)}", selection.behavior, follows, order)
        return self.sources[key]

    def _conditions(self, selection: Selection) -> Iterator[Json]:
        time = {"var": "time"}
        for window in selection.windows:
            low, high = window.bounds(self.now, self.zone)
            if low is not None:
                yield {"<": [low, time]}
            yield {"<=": [time, high]}
        for node in selection.where:
            yield self.lower(node)
        for i, follow in enumerate(selection.follows):
            later, end = {"var": f"follows_{i}"}, {"+": [time, follow.seconds]}
            followed = {"and": [{"!==": [later, None]}, {"<=": [later, end]}]}
            if follow.negated:
                yield {"<=": [end, self.now]}
                yield {"!": [followed]}
            else:
                yield followed


def lower_rule(rule: Node, now: int, time_zone: ZoneInfo) -> Lowered:
    """The rule as standard JSON-Logic at a moment. Raises `NotLowered`."""
    lowering = Lowering(now, time_zone)
    lowered = lowering.lower(rule)
    return Lowered(lowered, list(lowering.sources.values()), {v: k for k, v in lowering.shares.items()})


def let(values: list[Json], body: Json) -> Json:
    """`body` with the values as `current.0`, `current.1`, ...: JSON-Logic's only way to name a value."""
    return {"reduce": [[values], body, None]}


__all__ = ["NOT_LOWERED", "Lowered", "Lowering", "NotLowered", "Source", "let", "lower_rule"]
