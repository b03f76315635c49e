"""What the tables of a built version hold, and what rules want beyond that.

Documents are changed at once, tables with the next build: what was declared since is in no table yet, and a query that
names it is refused by the warehouse whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.language import RuleSet
from segmentation.language.document import Segment
from segmentation.language.tree import Aggregate
from segmentation.language.types import Type

from .audience import Audience, Source
from .lake_sql import STREAMED

MOST_NAMED = 5
TIME = "time"
"""A column that every behavior has."""


@dataclass(frozen=True, slots=True)
class Built:
    """The attributes and behaviors of a version, with the types that their columns were built with."""

    version: str
    attributes: Mapping[str, str]
    behaviors: Mapping[str, Mapping[str, str]]

    def lacks(self, segments: Iterable[Segment]) -> str | None:
        """What these read and the version does not have, in words; nothing: it has all."""
        missing = dict.fromkeys(one for segment in segments for one in self._missing(segment))
        if not missing:
            return None
        named = list(missing)
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        return f"the audience as it is built (version {self.version}) lacks {', '.join(named[:MOST_NAMED])}{more}"

    def _missing(self, segment: Segment) -> Iterable[str]:
        for node in segment.nodes():
            if node.op == "attribute":
                yield from _differs(f"attribute {node.value!r}", self.attributes.get(node.value), node.type)
            if not isinstance(node.value, Aggregate):
                continue
            for selection in node.value.events.selections():
                if selection.behavior not in self.behaviors:
                    yield f"behavior {selection.behavior!r}"
            for behavior, column, type_ in _columns_read(node.value):
                columns = self.behaviors.get(behavior)
                if columns is not None:
                    what = f"column {column!r} of behavior {behavior!r}"
                    yield from _differs(what, columns.get(column), type_)


def columns_document(audience: Audience) -> dict[str, Any]:
    """What a build of an audience makes, for the version's pointer."""
    behaviors = {}
    for name, behavior in audience.behaviors.items():
        columns = {column: str(type_) for column, type_ in behavior.types().items()}
        streamed = {STREAMED: str(Type.BOOLEAN)} if behavior.source is Source.BOTH else {}
        behaviors[name] = {**columns, **streamed}
    attributes = {name: str(column.type) for name, column in audience.columns().items()}
    return {"attributes": attributes, "behaviors": behaviors}


def built_of(pointer: Mapping[str, Any], version: str) -> Built | None:
    """What a version has, by its pointer; nothing, where an earlier release built it and did not say."""
    columns = pointer.get("layout", {}).get("columns")
    return None if columns is None else Built(version, columns["attributes"], columns["behaviors"])


def needed(rules: RuleSet, name: str, by_id: Mapping[str, Segment] | None = None) -> list[Segment]:
    """A segment and all that it refers to. `by_id`: the rules, for who asks about many."""
    by_id = by_id or {one.id: one for one in rules}
    found: dict[str, Segment] = {}
    waiting = [name]
    while waiting:
        one = by_id[waiting.pop()]
        if one.id not in found:
            found[one.id] = one
            waiting.extend(one.references)
    return list(found.values())


def columns_read(segments: Iterable[Segment]) -> dict[str, set[str]]:
    """The columns of events that segments read beside `time`, by behavior."""
    found: dict[str, set[str]] = {}
    for segment in segments:
        for behavior in segment.behaviors:
            found.setdefault(behavior, set())
        for node in segment.nodes():
            if isinstance(node.value, Aggregate):
                for behavior, column, _ in _columns_read(node.value):
                    found[behavior].add(column)
    return found


def _columns_read(aggregate: Aggregate) -> Iterable[tuple[str, str, str]]:
    """The columns of events that an aggregate reads beside `time`: behavior, column, type."""
    if aggregate.column is not None and aggregate.column != TIME:
        yield aggregate.events.behavior, aggregate.column, str(aggregate.column_type)
    for selection in aggregate.events.selections():
        for condition in selection.where:
            for node in condition.walk():
                if node.op == "column" and node.value != TIME:
                    yield selection.behavior, node.value, str(node.type)


def _differs(what: str, built: str | None, wanted: str) -> Iterable[str]:
    if built is None:
        yield what
    elif built != wanted:
        yield f"{what} as a {wanted} (it was built as a {built})"
