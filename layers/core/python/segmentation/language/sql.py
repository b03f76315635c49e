"""All batch segments of an audience as one Trino query, as Athena engine v3 runs it.

The query reads each table once, however many segments there are:

    events of a behavior -> one row a profile with every distinct aggregate   (one GROUP BY a behavior)
    profiles LEFT JOIN those -> the segments' conditions, layer upon layer by dependency -> segment sets

Behaviors that are tied by a sequence (`followed_by`) share one pass over the union of their events.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from .document import RuleSet, Segment
from .evaluate import base_of
from .limits import WHOLE
from .operators import OPERATORS
from .partitions import Partitions
from .sqltext import identifier, sql_type, text
from .times import zone
from .tree import ZERO_OF_NOTHING, Aggregate, Follow, Node, Selection
from .values import SUM_LIMIT

LONGEST_QUERY = 262_144
"""Bytes of a query that Athena takes (its quota "DML query string length")."""
WRAPPING = 8_192
"""Bytes left for the CREATE TABLE AS around a query."""
IDENTITIES = "identities"
"""The column of a profile's other identity keys."""

_TEXT_OR_BREAK = re.compile(r"'(?:[^']|'')*'|\n")


class Writer:
    """Writes expressions for one place in the query: profile level, or a row of an event pass."""

    def __init__(self, plan: "Plan", events: "EventPass | None" = None, behavior: str = "") -> None:
        self.now = plan.now
        self.zone = plan.zone
        self.element = "x"
        self._plan = plan
        self._events = events
        self._behavior = behavior

    def expression(self, node: Node) -> str:
        """A node as SQL."""
        return OPERATORS[node.op].render(node, self)

    def attribute(self, name: str) -> str:
        """A column of the profile."""
        return self._plan.attribute(name)

    def column(self, name: str) -> str:
        """A column of the event row."""
        return self._plan.event_column(self._behavior, name)

    def segment(self, segment: str) -> str:
        """Whether the profile is in a segment that an earlier layer computed."""
        return self._plan.segment_column(segment)

    def once(self, expression: str) -> str:
        """The column that holds an expression over `p.profile_key`, computed once for all segments."""
        return self._plan.once(expression)

    def aggregate(self, aggregate: Aggregate) -> str:
        """The column that holds an aggregate."""
        return self._plan.aggregate_column(aggregate)


class EventPass:
    """One pass over the events of one behavior, or of several that sequences tie together."""

    def __init__(self, name: str, behaviors: Sequence[str]) -> None:
        self.name = name
        self.behaviors = list(behaviors)
        self.aggregates: dict[Aggregate, str] = {}

    def selections(self) -> Iterable[Selection]:
        """All selections of the pass, those inside sequences included."""
        for aggregate in self.aggregates:
            yield from aggregate.events.selections()


class Plan:
    """Collects what the segments need, then writes the query."""

    def __init__(
        self,
        rule_set: RuleSet,
        tables: Mapping[str, str],
        now: int,
        wanted: Sequence[Segment],
        lists_table: str | None,
        partitions: Mapping[str, Partitions] | None = None,
    ) -> None:
        self.now = now
        self.zone: ZoneInfo = zone(rule_set.schema.time_zone)
        self._schema = rule_set.schema
        self._tables = tables
        self._lists_table = lists_table
        self._partitions = partitions or {}
        self._by_id = {segment.id: segment for segment in rule_set}
        self.segments = self._needed(wanted)
        lists = [segment.id for segment in self.segments if segment.kind == "list"]
        self._has_lists = bool(lists)
        if lists and lists_table is None:
            raise ValueError(f"list segments need the table of their members: {', '.join(lists)}")
        self._number = {segment.id: i for i, segment in enumerate(self.segments)}
        self._attributes: dict[str, None] = {}
        self._once: dict[str, str] = {}
        self._has_identities = False
        self._passes = self._plan_passes()
        self._pass_of = {aggregate: p for p in self._passes for aggregate in p.aggregates}

    def _needed(self, wanted: Sequence[Segment]) -> tuple[Segment, ...]:
        """The wanted segments and all that they refer to, in dependency order."""
        needed: set[str] = set()
        stack = [segment.id for segment in wanted]
        while stack:
            name = stack.pop()
            if name not in needed:
                needed.add(name)
                stack.extend(self._by_id[name].references)
        return tuple(segment for segment in self._by_id.values() if segment.id in needed)

    def _aggregates(self) -> list[Aggregate]:
        found: dict[Aggregate, None] = {}
        for segment in self.segments:
            for node in segment.nodes():
                if isinstance(node.value, Aggregate):
                    found[node.value] = None
        return list(found)

    def _plan_passes(self) -> list[EventPass]:
        aggregates = self._aggregates()
        group: dict[str, str] = {}

        def root(name: str) -> str:
            while group.setdefault(name, name) != name:
                name = group[name]
            return name

        for aggregate in aggregates:
            first, *others = [selection.behavior for selection in aggregate.events.selections()]
            for other in [first, *others]:
                group[root(other)] = root(first)
        passes: dict[str, EventPass] = {}
        for aggregate in aggregates:
            key = root(aggregate.events.behavior)
            if key not in passes:
                members = sorted(name for name in group if root(name) == key)
                passes[key] = EventPass(f"e{len(passes)}", members)
            event_pass = passes[key]
            event_pass.aggregates[aggregate] = f"{event_pass.name}_a{len(event_pass.aggregates)}"
        return list(passes.values())

    # Columns

    def attribute(self, name: str) -> str:
        """A column of the profile, noted as read."""
        self._attributes[name] = None
        return f"p_{name}"

    def once(self, expression: str) -> str:
        """A column of an expression over the profile key, noted as read."""
        return self._once.setdefault(expression, f"k{len(self._once)}")

    def event_column(self, behavior: str, name: str) -> str:
        """A column of an event pass."""
        return "t" if name == "time" else identifier(f"{behavior}.{name}")

    def segment_column(self, segment: str) -> str:
        """The column of a segment's truth."""
        return f"s{self._number[segment]}"

    def aggregate_column(self, aggregate: Aggregate) -> str:
        """The column of an aggregate; counts and sums of nothing are 0."""
        column = self._pass_of[aggregate].aggregates[aggregate]
        return f"coalesce({column}, 0e0)" if aggregate.function in ZERO_OF_NOTHING else column

    # Events

    def _pass_sql(self, event_pass: EventPass) -> str:
        follows = self._follow_layers(event_pass)
        lines = self._union(event_pass)
        source = _nest(lines)
        flags: dict[Follow, str] = {}
        for layer in follows:
            columns = []
            for follow in layer:
                column = f"f{len(flags)}"
                columns.append(f"{self._follow_sql(event_pass, follow, flags)} AS {column}")
                flags[follow] = column
            source = _nest(f"SELECT *,{_list(columns)}\nFROM {source}")
        edges = {
            a: f"edge{i}"
            for i, a in enumerate(a for a in event_pass.aggregates if a.function in ("first", "last"))
        }
        if edges:
            columns = [
                f"{'min' if a.function == 'first' else 'max'}(CASE WHEN {self._selected(event_pass, a.events, flags)}"
                f" THEN t END) OVER (PARTITION BY profile_key) AS {column}"
                for a, column in edges.items()
            ]
            source = _nest(f"SELECT *,{_list(columns)}\nFROM {source}")
        figures = [
            f"{self._figure(aggregate, self._selected(event_pass, aggregate.events, flags), edges)} AS {column}"
            for aggregate, column in event_pass.aggregates.items()
        ]
        return f"SELECT profile_key,{_list(figures)}\nFROM {source}\nGROUP BY profile_key"

    def _union(self, event_pass: EventPass) -> str:
        """The events of the pass with the columns that are read, those of other behaviors as NULL."""
        columns = {behavior: self._columns_read(event_pass, behavior) for behavior in event_pass.behaviors}
        parts = []
        for number, behavior in enumerate(event_pass.behaviors):
            listed = ["profile_key", '"time" AS t', "coalesce(event_id, '') AS i"]
            if len(event_pass.behaviors) > 1:
                listed.append(f"{number} AS b")
            for owner, names in columns.items():
                types = self._schema.columns(owner)
                for name in names:
                    value = (
                        identifier(name) if owner == behavior else f"CAST(NULL AS {sql_type(types[name])})"
                    )
                    listed.append(f"{value} AS {self.event_column(owner, name)}")
            low = self._earliest(event_pass, behavior)
            conditions = [f'"time" <= {self.now}'] + ([] if low is None else [f'"time" > {low}'])
            partitions = self._partitions.get(behavior)
            pruned = partitions.reaching(low) if partitions else None
            conditions += [pruned] if pruned else []
            table = identifier(self._tables[behavior])
            parts.append(f"SELECT {', '.join(listed)}\nFROM {table}\nWHERE {' AND '.join(conditions)}")
        return "\nUNION ALL\n".join(parts)

    def _columns_read(self, event_pass: EventPass, behavior: str) -> list[str]:
        names = {a.column for a in event_pass.aggregates if a.column and a.events.behavior == behavior}
        for selection in event_pass.selections():
            if selection.behavior == behavior:
                names |= {n.value for c in selection.where for n in c.walk() if n.op == "column"}
        return sorted(names - {"time"})

    def _earliest(self, event_pass: EventPass, behavior: str) -> int | None:
        """Before this moment no event of the behavior counts for anything; `None`: all do."""
        lows: list[int | None] = []

        def visit(selection: Selection, after: int | None) -> None:
            bounds = [window.bounds(self.now, self.zone)[0] for window in selection.windows]
            low = max((one for one in (*bounds, after) if one is not None), default=None)
            if selection.behavior == behavior:
                lows.append(low)
            for follow in selection.follows:  # it comes after the event that it follows
                visit(follow.events, low)

        for aggregate in event_pass.aggregates:
            visit(aggregate.events, None)
        known = [low for low in lows if low is not None]
        return min(known) if known and len(known) == len(lows) else None

    def _follow_layers(self, event_pass: EventPass) -> list[list[Follow]]:
        """The sequences of the pass, inner ones first."""
        layers: dict[int, dict[Follow, None]] = {}

        def depth(selection: Selection) -> int:
            below = [depth(follow.events) for follow in selection.follows]
            for follow, level in zip(selection.follows, below, strict=True):
                layers.setdefault(level, {})[follow] = None
            return 1 + max(below, default=-1)

        for aggregate in event_pass.aggregates:
            depth(aggregate.events)
        return [list(layers[level]) for level in sorted(layers)]

    def _follow_sql(self, event_pass: EventPass, follow: Follow, flags: Mapping[Follow, str]) -> str:
        selected = self._selected(event_pass, follow.events, flags)
        frame = f"ORDER BY t RANGE BETWEEN 1 FOLLOWING AND {follow.seconds} FOLLOWING"
        found = f"count(CASE WHEN {selected} THEN 1 END) OVER (PARTITION BY profile_key {frame})"
        if follow.negated:
            return f"({found} = 0 AND t <= {self.now - follow.seconds})"
        return f"({found} > 0)"

    def _selected(self, event_pass: EventPass, selection: Selection, flags: Mapping[Follow, str]) -> str:
        writer = Writer(self, event_pass, selection.behavior)
        base, moving = base_of(selection)
        conditions = (
            [f"b = {event_pass.behaviors.index(selection.behavior)}"] if len(event_pass.behaviors) > 1 else []
        )
        for window in selection.windows:
            low, high = window.bounds(self.now, self.zone)
            if low is not None:
                conditions.append(f"t > {low}")
            if high < self.now:
                conditions.append(f"t <= {high}")
        conditions += [writer.expression(node) for node in (*base.where, *moving)]
        conditions += [flags[follow] for follow in selection.follows]
        return " AND ".join(conditions) or "true"

    def _figure(self, aggregate: Aggregate, selected: str, edges: Mapping[Aggregate, str]) -> str:
        if aggregate.column is None:
            return f"CAST(count_if({selected}) AS double)"
        column = self.event_column(aggregate.events.behavior, aggregate.column)
        kept = f"CASE WHEN {selected} THEN {column} END"
        match aggregate.function:
            case "count_distinct":
                return f"CAST(count(DISTINCT {kept}) AS double)"
            case "sum":
                return f"CAST(sum({self._exact(selected, column)}) AS double)"
            case "avg":
                exact = self._exact(selected, column)
                return f"CAST(sum({exact}) AS double) / nullif(CAST(count({exact}) AS double), 0e0)"
            case "min" | "max":
                return f"{aggregate.function}({kept})"
        # first and last: by time, then by event id; rows without an id come before those with one.
        at_edge = f"{selected} AND t = {edges[aggregate]}"
        pick = "min" if aggregate.function == "first" else "max"
        by_id = f"element_at({pick}_by(ARRAY[{column}], i) FILTER (WHERE {at_edge} AND i <> ''), 1)"
        by_value = f"{pick}({column}) FILTER (WHERE {at_edge} AND i = '')"
        without_ids = f"count_if({at_edge} AND i = '') > 0"
        if aggregate.function == "first":
            return f"CASE WHEN {without_ids} THEN {by_value} ELSE {by_id} END"
        return f"CASE WHEN count_if({at_edge} AND i <> '') > 0 THEN {by_id} ELSE {by_value} END"

    def _exact(self, selected: str, column: str) -> str:
        """A number as an exact decimal: shortest text, six places, half away from zero (decision 3)."""
        limit = f"{SUM_LIMIT:.0e}".replace("e+", "e")
        decimal = f"CAST(CAST({column} AS varchar) AS decimal(38, 6))"
        return f"CASE WHEN {selected} AND abs({column}) < {limit} THEN {decimal} END"

    # Profiles

    def query(
        self,
        profiles_table: str,
        wanted: Sequence[Segment],
        attributes: Sequence[str],
        identities: bool = False,
    ) -> str:
        """The whole query."""
        writer = Writer(self)
        layers: list[list[str]] = []
        for layer in self._layers():
            truths = [f"{self._truth(writer, s)} AS {self._column_before_limit(s)}" for s in layer]
            limited = [f"{self._limited(writer, s)} AS {self.segment_column(s.id)}" for s in layer if s.limit]
            layers += [truths, limited] if limited else [truths]
        self._has_identities = identities
        for name in attributes:
            self.attribute(name)
        parts = [f"{event_pass.name} AS {_nest(self._pass_sql(event_pass))}" for event_pass in self._passes]
        if self._lists_table is not None and self._has_lists:
            members = f"SELECT profile_key, array_agg(segment) AS lists\nFROM {identifier(self._lists_table)}\nGROUP BY profile_key"
            parts.append(f"lists AS {_nest(members)}")
        parts.append(f"c0 AS {_nest(self._joined(profiles_table))}")
        for number, columns in enumerate(layers, start=1):
            select = f"SELECT *,{_list(columns)}\nFROM c{number - 1}"
            parts.append(f"c{number} AS {_nest(select)}")
        names = sorted(segment.id for segment in wanted)
        marks = [f"CASE WHEN {self.segment_column(name)} THEN {text(name)} END" for name in names]
        members = (
            f"filter(ARRAY[{_list(marks)}\n], x -> x IS NOT NULL)"
            if marks
            else "CAST(ARRAY[] AS array(varchar))"
        )
        exposed = "".join(f",\n  {self.attribute(name)} AS {identifier(name)}" for name in attributes)
        exposed += f",\n  {IDENTITIES}" if identities else ""
        with_parts = ",\n".join(parts)
        return (
            f"WITH\n{with_parts}\nSELECT profile_key,\n  {members} AS segments{exposed}\nFROM c{len(layers)}"
        )

    def _truth(self, writer: Writer, segment: Segment) -> str:
        if segment.rule is None:
            return f"coalesce(contains(lists, {text(segment.id)}), false)"
        return writer.expression(segment.rule)

    def _column_before_limit(self, segment: Segment) -> str:
        column = self.segment_column(segment.id)
        return f"{column}_all" if segment.limit else column

    def _limited(self, writer: Writer, segment: Segment) -> str:
        """Whether a member is among the first ones that the segment's limit leaves in."""
        limit = segment.limit
        if limit is None:
            raise ValueError(f"segment {segment.id} has no limit")
        member = self._column_before_limit(segment)
        order = f"{writer.expression(limit.by)} {'DESC' if limit.descending else 'ASC'} NULLS LAST, profile_key ASC"
        rank = f"row_number() OVER (PARTITION BY {member} ORDER BY {order})"
        if limit.count is not None:
            return f"({member} AND {rank} <= {limit.count})"
        # Whole numbers throughout, so the percentage is rounded down exactly.
        return f"({member} AND {rank} <= count_if({member}) OVER () * {limit.share} / {WHOLE})"

    def _layers(self) -> list[list[Segment]]:
        """Segments by the length of their longest chain of references."""
        level: dict[str, int] = {}
        layers: dict[int, list[Segment]] = {}
        for segment in self.segments:
            level[segment.id] = 1 + max((level[name] for name in segment.references), default=-1)
            layers.setdefault(level[segment.id], []).append(segment)
        return [layers[number] for number in sorted(layers)]

    def _joined(self, profiles_table: str) -> str:
        columns = ["p.profile_key"]
        columns += [f"p.{identifier(name)} AS p_{name}" for name in self._attributes]
        columns += [f"p.{IDENTITIES}"] if self._has_identities else []
        columns += [f"{expression} AS {column}" for expression, column in self._once.items()]
        joins = []
        for event_pass in self._passes:
            columns += [f"{event_pass.name}.{column}" for column in event_pass.aggregates.values()]
            joins.append(f"LEFT JOIN {event_pass.name} ON {event_pass.name}.profile_key = p.profile_key")
        if self._has_lists:
            columns.append("lists.lists")
            joins.append("LEFT JOIN lists ON lists.profile_key = p.profile_key")
        return "\n".join([f"SELECT {', '.join(columns)}", f"FROM {identifier(profiles_table)} AS p", *joins])


class ProfileWriter(Writer):
    """Writes a rule over attributes alone, of a profile `p`, for one place in another query."""

    def __init__(self, time_zone: str, column: Callable[[str], str]) -> None:
        self.now = 0
        self.zone = zone(time_zone)
        self.element = "x"
        self._column = column

    def attribute(self, name: str) -> str:
        """A column of the profile."""
        return self._column(name)

    def once(self, expression: str) -> str:
        """The expression itself."""
        return expression


def profile_condition(rule: Node, time_zone: str, column: Callable[[str], str]) -> str:
    """A rule that reads attributes alone as a condition on a profile `p`; `column` names an attribute's column."""
    return ProfileWriter(time_zone, column).expression(rule)


@dataclass(frozen=True)
class MembersQuery:
    """One SELECT and the ids of the segments whose members it finds."""

    sql: str
    segments: tuple[str, ...]


class QueryTooLong(ValueError):
    """A single segment's query is longer than Athena takes."""


def members_query(
    rule_set: RuleSet,
    profiles_table: str,
    behavior_tables: Mapping[str, str],
    now: int,
    attributes: Sequence[str] = (),
    lists_table: str | None = None,
    partitions: Mapping[str, Partitions] | None = None,
    identities: bool = False,
) -> str:
    """One SELECT for all batch and list segments of an audience: a row a profile.

    Columns: `profile_key`, `segments` (sorted ids, `array(varchar)`), then the named `attributes`.
    `now` is the run's logical time in Unix seconds. The tables are those of a built audience;
    `lists_table` holds `(profile_key, segment)` rows of list segments and is needed where there are any.
    `partitions` says how behavior tables are divided by time: what no window reaches is not read. With
    `identities` a profile's other identity keys stand in a last column of that name.
    """
    wanted = rule_set.of_kind("batch", "list")
    plan = Plan(rule_set, behavior_tables, now, wanted, lists_table, partitions)
    return plan.query(profiles_table, wanted, attributes, identities)


def members_queries(
    rule_set: RuleSet,
    profiles_table: str,
    behavior_tables: Mapping[str, str],
    now: int,
    attributes: Sequence[str] = (),
    lists_table: str | None = None,
    longest: int = LONGEST_QUERY - WRAPPING,
    only: Collection[str] | None = None,
    partitions: Mapping[str, Partitions] | None = None,
    identities: bool = False,
) -> tuple[MembersQuery, ...]:
    """The same as `members_query`, as few queries as fit into `longest` bytes each.

    Each query has a row for every profile, with the segments that it is about; `attributes` (and
    `identities`) are columns of the first one. Segments that read the same tables stay together. `only` names the segments that are
    wanted, where not all are. Raises `QueryTooLong`.
    """

    def fit(wanted: Sequence[Segment], attributes: Sequence[str], identities: bool) -> list[MembersQuery]:
        plan = Plan(rule_set, behavior_tables, now, wanted, lists_table, partitions)
        sql = plan.query(profiles_table, wanted, attributes, identities)
        if len(sql.encode()) <= longest:
            return [MembersQuery(sql, tuple(sorted(segment.id for segment in wanted)))]
        if len(wanted) == 1:
            size = len(sql.encode())
            message = f"the query of segment {wanted[0].id!r} has {size} bytes, {longest} are possible; shorten its lists"
            raise QueryTooLong(message)
        middle = len(wanted) // 2
        return fit(wanted[:middle], attributes, identities) + fit(wanted[middle:], (), False)

    chosen = [s for s in rule_set.of_kind("batch", "list") if only is None or s.id in only]
    wanted = sorted(chosen, key=lambda s: (sorted(s.behaviors), s.id))
    return tuple(fit(wanted, attributes, identities))


def _list(items: Sequence[str]) -> str:
    return ",".join(f"\n  {item}" for item in items)


def _nest(sql: str) -> str:
    # A text literal may hold line breaks of its own, which must stay as they are.
    indented = _TEXT_OR_BREAK.sub(lambda found: "\n  " if found[0] == "\n" else found[0], sql)
    return f"(\n  {indented}\n)"
