"""The SQL of a behavior whose rows are accepted events, alone or beside those of a raw table.

A row is what the stream saw of the event: columns by their declared names, nothing looked up. Of an event that
was accepted several times the first one stands, as on the stream. An event of a key that was joined since, or that raw
tables know, is the profile's that the key leads to.
"""

from collections.abc import Mapping
from dataclasses import replace

from segmentation.language import RuleSet, Segment
from segmentation.language.tree import Aggregate, Follow, Node, Selection
from segmentation.language.types import Schema, Type

from .audience import Audience, Behavior, Column, Source
from .build_sql import behavior_query
from .event_lake import EXTRA, column_in_file, events_table
from .links_sql import followed, has_links, leads
from .source_sql import Catalog, parse_text

STREAMED = "streamed"
"""The column of a behavior with rows of both kinds that says which of them the stream saw."""


def behavior_rows(audience: Audience, behavior: Behavior, catalog: Catalog) -> str:
    """One row an event: `profile_key`, `event_id`, `time`, the declared columns, and `streamed` where it is of both.

    An event that is in the raw table and was accepted too is one event; its columns are the table's.
    """
    if behavior.source is Source.TABLE:
        return behavior_query(audience, behavior, catalog)
    names = ["profile_key", "event_id", '"time"', *(_q(column.name) for column in behavior.columns)]
    columns = ", ".join(names)
    rows = f"SELECT {columns}, sequence, 1 AS seen FROM ({_events(audience, behavior, catalog)}) e"
    if behavior.source is Source.BOTH:
        table = behavior_query(audience, behavior, catalog)
        # An empty sequence comes before all others: the table's row stands.
        rows = f"SELECT {columns}, '' AS sequence, 0 AS seen FROM ({table}) t UNION ALL {rows}"
    same = "PARTITION BY profile_key, event_id"
    number = f"row_number() OVER ({same} ORDER BY sequence, {', '.join(_ordered(behavior))}) AS rn"
    seen = f"max(seen) OVER ({same}) AS ever_seen"
    numbered = f"SELECT {columns}, seen, {number}, {seen} FROM ({rows}) r"
    streamed = ""
    if behavior.source is Source.BOTH:
        streamed = f", CASE WHEN event_id IS NULL THEN seen ELSE ever_seen END = 1 AS {STREAMED}"
    return f"SELECT {columns}{streamed} FROM ({numbered}) n WHERE rn = 1 OR event_id IS NULL"


def as_the_stream_saw(rules: RuleSet, audience: Audience) -> RuleSet:
    """The rules of a batch run: its real-time ones read, of behaviors with rows of both kinds, the streamed ones.

    So a batch segment that refers to a real-time one sees what the stream sees, whatever a raw table knows beyond.
    """
    mixed = {name for name, one in audience.behaviors.items() if one.source is Source.BOTH}
    if not mixed:
        return rules
    behaviors: dict[str, Mapping[str, Type]] = {
        name: {**columns, STREAMED: Type.BOOLEAN} if name in mixed else columns
        for name, columns in rules.schema.behaviors.items()
    }

    def narrowed(segment: Segment) -> Segment:
        if segment.kind != "realtime" or segment.rule is None:
            return segment
        return replace(segment, rule=_node(segment.rule, mixed))

    schema = Schema(rules.schema.attributes, behaviors, rules.schema.time_zone)
    return RuleSet(rules.audience, schema, tuple(narrowed(segment) for segment in rules.segments))


def _node(node: Node, mixed: set[str]) -> Node:
    value = node.value
    if isinstance(value, Aggregate):
        value = replace(value, events=_selection(value.events, mixed))
    return Node(node.op, node.type, tuple(_node(one, mixed) for one in node.args), value)


def _selection(selection: Selection, mixed: set[str]) -> Selection:
    where = selection.where
    if selection.behavior in mixed:
        where = (*where, Node("truth", "condition", (Node("column", Type.BOOLEAN, value=STREAMED),)))
    follows = tuple(
        Follow(_selection(one.events, mixed), one.seconds, one.negated) for one in selection.follows
    )
    return Selection(selection.behavior, where, selection.windows, follows)


def _events(audience: Audience, behavior: Behavior, catalog: Catalog) -> str:
    """The archived events of known profiles, each as often as it was archived."""
    table = events_table(audience, behavior.name).name
    known = catalog[table] or {}
    name, joins, parts = "a.profile", "", ""
    if has_links(audience):
        joins, name = followed(audience, name)
        parts = f"WITH {', '.join(leads(audience, catalog))} "
    prefix = f"{audience.master_key}:"
    key = f"CASE WHEN starts_with({name}, '{prefix}') THEN substr({name}, {len(prefix) + 1}) END"
    columns = [f"{key} AS profile_key", "event_id", '"time"', "a.sequence AS sequence"]
    columns += [f"{archived_value(column, known)} AS {_q(column.name)}" for column in behavior.columns]
    rows = f"SELECT {', '.join(columns)} FROM {table} a{joins}"
    return f"{parts}SELECT * FROM ({rows}) e WHERE profile_key <> ''"


def archived_value(column: Column, known: Mapping[str, str]) -> str:
    """A declared column's value: of its own column in the files, or of where it lay before it was declared so."""

    def sent_as(type_: Type) -> str:
        extra = f"element_at({EXTRA}, '{column.name}__{type_}')"
        own = column_in_file(column.name, type_)
        if type_ is column.type or own not in known or type_ is not Type.STRING:
            return extra
        return f"coalesce({_q(own)}, {extra})"

    found = [_q(column_in_file(column.name, column.type))]
    match column.type:
        case Type.STRING:
            found.append(sent_as(Type.STRING))
        case Type.NUMBER:
            found.append(parse_text(Type.NUMBER, sent_as(Type.NUMBER)))
        case Type.BOOLEAN:
            found.append(parse_text(Type.BOOLEAN, sent_as(Type.BOOLEAN)))
        case Type.DATE:
            found.append(parse_text(Type.DATE, sent_as(Type.STRING)))
        case Type.TIMESTAMP:
            found.append(parse_text(Type.TIMESTAMP, sent_as(Type.STRING)))
            number = parse_text(Type.NUMBER, sent_as(Type.NUMBER))
            if (before := column_in_file(column.name, Type.NUMBER)) in known:
                number = f"coalesce({_q(before)}, {number})"
            found.append(
                f"CASE WHEN {number} BETWEEN -62135596800 AND 253402300799 THEN CAST(floor({number}) AS bigint) END"
            )
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"


def _ordered(behavior: Behavior) -> list[str]:
    return ['"time"', *(_q(column.name) for column in behavior.columns if not column.type.is_array)]


def _q(name: str) -> str:
    return f'"{name}"'
