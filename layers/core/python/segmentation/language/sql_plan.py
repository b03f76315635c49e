"""Collects what segments need of an audience's tables, and writes one query that reads each of them once."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from .document import RuleSet, Segment
from .limits import WHOLE
from .operators import OPERATORS
from .partitions import Partitions
from .sql_events import EventPass, EventSql
from .sql_latest import Latest, bounds, condition, latest_of
from .sql_lists import Mark, segment_list
from .sql_parts import listed, nested
from .sqltext import identifier, text
from .times import zone
from .tree import ZERO_OF_NOTHING, Aggregate, Node
from .types import Type

IDENTITIES = "identities"
"""The column of a profile's other identity keys."""
ListsQuery = Callable[[Sequence[str]], str | None]
"""A query for rows `(profile_key, segment)` of the members of some list segments, or nothing: they have none."""


class Writer:
    """Writes expressions over the profile."""

    def __init__(self, plan: "Plan") -> None:
        self.now = plan.now
        self.zone = plan.zone
        self.element = "x"
        self._plan = plan

    def expression(self, node: Node) -> str:
        """A node as SQL."""
        return self._plan.shared.get(node) or self.written(node)

    def written(self, node: Node) -> str:
        """A node as SQL, though a column may hold it."""
        return self._plan.compared(node) or OPERATORS[node.op].render(node, self)

    def attribute(self, name: str) -> str:
        """A column of the profile."""
        return self._plan.attribute(name)

    def column(self, name: str) -> str:
        """A column of the event row."""
        raise TypeError(f"no event is in scope to read {name!r} of")

    def segment(self, segment: str) -> str:
        """Whether the profile is in a segment that an earlier layer computed."""
        return self._plan.segment_column(segment)

    def once(self, expression: str) -> str:
        """The column that holds an expression over `p.profile_key`, computed once for all segments."""
        return self._plan.once(expression)

    def aggregate(self, aggregate: Aggregate) -> str:
        """The column that holds an aggregate."""
        return self._plan.aggregate_column(aggregate)


class EventWriter(Writer):
    """Writes expressions over the rows of an event pass."""

    def __init__(self, plan: "Plan", behavior: str) -> None:
        super().__init__(plan)
        self._behavior = behavior

    def expression(self, node: Node) -> str:
        """A node as SQL."""
        return self.written(node)

    def column(self, name: str) -> str:
        """A column of the event row."""
        return self._plan.event_column(self._behavior, name)


class Plan:
    """Collects what the segments need, then writes the query."""

    def __init__(
        self,
        rule_set: RuleSet,
        tables: Mapping[str, str],
        now: int,
        wanted: Sequence[Segment],
        lists: ListsQuery | None,
        partitions: Mapping[str, Partitions] | None = None,
        events_a_profile: Mapping[str, float] | None = None,
    ) -> None:
        self.now = now
        self.zone: ZoneInfo = zone(rule_set.schema.time_zone)
        self.schema = rule_set.schema
        self.tables = tables
        self.partitions = partitions or {}
        self.events_a_profile = events_a_profile or {}
        """How many events a profile has on average, by behavior, where that is known."""
        self._by_id = {segment.id: segment for segment in rule_set}
        self.segments = self._needed(wanted)
        named = [segment.id for segment in self.segments if segment.kind == "list"]
        if named and lists is None:
            raise ValueError(f"list segments need the query of their members: {', '.join(named)}")
        self._lists = lists(named) if named and lists is not None else None
        self._number = {segment.id: i for i, segment in enumerate(self.segments)}
        self._attributes: dict[str, None] = {}
        self._once: dict[str, str] = {}
        self._has_identities = False
        self._length: dict[str, int] = {}
        """Of the SQL of each segment's truth."""
        self.passes = self._plan_passes()
        self._pass_of = {aggregate: p for p in self.passes for aggregate in p.aggregates}
        self._events = EventSql(self)
        for one in self.passes:
            one.in_two_steps = self._events.worth_two_steps(one)
        self._latest = self._plan_latest()
        self.shared: dict[Node, str] = {}
        """Conditions that stand in several places -> the columns that hold them."""

    def event_writer(self, behavior: str) -> Writer:
        """For expressions over the events of a behavior."""
        return EventWriter(self, behavior)

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
            count = sum(len(one.aggregates) for one in passes.values())
            event_pass.aggregates[aggregate] = f"a{count}"
        return list(passes.values())

    def _plan_latest(self) -> dict[Aggregate, Latest]:
        """The counts that moments stand for. By bucket, events are few and counts cost little."""
        nodes = (node for segment in self.segments for node in segment.nodes())
        found = latest_of(nodes, self._events.end_now)
        return {count: latest for count, latest in found.items() if not self._pass_of[count].in_two_steps}

    def counted(self, event_pass: EventPass) -> dict[Aggregate, str]:
        """The aggregates of a pass that no moments stand for, with their columns."""
        return {one: column for one, column in event_pass.aggregates.items() if one not in self._latest}

    def latest_in(self, event_pass: EventPass) -> list[Latest]:
        """The moments that a pass finds."""
        return list(dict.fromkeys(self._latest[one] for one in event_pass.aggregates if one in self._latest))

    def compared(self, node: Node) -> str | None:
        """A comparison of a count that moments stand for."""
        said = bounds(node)
        if said is None or said[0] not in self._latest:
            return None
        count, says = said
        return condition(says, self._latest[count], self._events.since(count.events))

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
        """The column of an aggregate."""
        return self._pass_of[aggregate].aggregates[aggregate]

    # Profiles

    def query(
        self,
        profiles_table: str,
        wanted: Sequence[Segment],
        attributes: Sequence[str],
        identities: bool = False,
    ) -> str:
        """The whole query."""
        layers = self._truths()
        names = sorted(segment.id for segment in wanted)
        marks = [Mark(name, self.segment_column(name), self._length.get(name, 0)) for name in names]
        more, members = segment_list(marks)
        parts, last = self._with(profiles_table, layers + more, attributes, identities)
        exposed = "".join(f",\n  {self.attribute(name)} AS {identifier(name)}" for name in attributes)
        exposed += f",\n  {IDENTITIES}" if identities else ""
        return f"{parts}\nSELECT profile_key,\n  {members} AS segments{exposed}\nFROM {last}"

    def parts(self, profiles_table: str, attributes: Sequence[str] = ()) -> tuple[str, str]:
        """The WITH clause, and the name of its last part: a row a profile, with a column a segment."""
        return self._with(profiles_table, self._truths(), attributes)

    def _with(
        self,
        profiles_table: str,
        layers: Sequence[Sequence[str]],
        attributes: Sequence[str],
        identities: bool = False,
    ) -> tuple[str, str]:
        self._has_identities = identities
        for name in attributes:
            self.attribute(name)
        parts = [f"{one.name} AS {nested(self._events.query(one))}" for one in self.passes]
        if self._lists is not None:
            members = f"SELECT profile_key, array_agg(segment) AS lists\nFROM {nested(self._lists)} AS l\nGROUP BY profile_key"
            parts.append(f"lists AS {nested(members)}")
        parts.append(f"c0 AS {nested(self._joined(profiles_table))}")
        for number, columns in enumerate(layers, start=1):
            select = f"SELECT *,{listed(columns)}\nFROM c{number - 1}"
            parts.append(f"c{number} AS {nested(select)}")
        return "WITH\n" + ",\n".join(parts), f"c{len(layers)}"

    def _truths(self) -> list[list[str]]:
        """Layers of columns, each over the one before: conditions that several segments have, then the segments."""
        writer = Writer(self)
        layers: list[list[str]] = self._share(writer)
        for layer in self._layers():
            truths = {segment.id: self._truth(writer, segment) for segment in layer}
            self._length |= {name: len(truth) for name, truth in truths.items()}
            columns = [f"{truths[s.id]} AS {self._column_before_limit(s)}" for s in layer]
            limited = [f"{self._limited(writer, s)} AS {self.segment_column(s.id)}" for s in layer if s.limit]
            layers += [columns, limited] if limited else [columns]
        return layers

    def _share(self, writer: Writer) -> list[list[str]]:
        """The columns of shared conditions, as a layer before all others."""
        uses: Counter[Node] = Counter()
        for segment in self.segments:
            if segment.rule is not None:
                uses.update(_conditions(segment.rule))
        shared = [node for node, count in uses.items() if count > 1]
        columns = [f"{writer.written(node)} AS h{number}" for number, node in enumerate(shared)]
        self.shared = {node: f"h{number}" for number, node in enumerate(shared)}
        return [columns] if columns else []

    def _truth(self, writer: Writer, segment: Segment) -> str:
        if segment.rule is None:
            if self._lists is None:  # an empty list has nobody in it
                return "false"
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
        by = writer.expression(limit.by)
        if limit.by.type is Type.NUMBER:
            by = f"{by} + 0e0"  # Trino sorts -0 before 0, which are one number
        order = f"{by} {'DESC' if limit.descending else 'ASC'} NULLS LAST, profile_key ASC"
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
        for event_pass in self.passes:
            for aggregate, column in self.counted(event_pass).items():
                found = f"{event_pass.name}.{column}"
                zero = aggregate.function in ZERO_OF_NOTHING  # counts and sums of nothing are 0
                columns.append(f"coalesce({found}, 0e0) AS {column}" if zero else found)
            for latest in self.latest_in(event_pass):
                columns += latest.columns(f"{event_pass.name}.{latest.name}")
            joins.append(f"LEFT JOIN {event_pass.name} ON {event_pass.name}.profile_key = p.profile_key")
        if self._lists is not None:
            columns.append("lists.lists")
            joins.append("LEFT JOIN lists ON lists.profile_key = p.profile_key")
        return "\n".join([f"SELECT {', '.join(columns)}", f"FROM {identifier(profiles_table)} AS p", *joins])


def _conditions(rule: Node) -> Iterator[Node]:
    """The conditions on the profile that a rule joins, except for memberships."""
    stack = [rule]
    while stack:
        node = stack.pop()
        if node.op in ("and", "or", "not"):
            stack.extend(node.args)
        elif node.op != "in_segment":
            yield node


class ProfileWriter(Writer):
    """Writes a rule over attributes alone, of a profile `p`, for one place in another query."""

    def __init__(self, time_zone: str, column: Callable[[str], str]) -> None:
        self.now = 0
        self.zone = zone(time_zone)
        self.element = "x"
        self._column = column

    def expression(self, node: Node) -> str:
        """A node as SQL."""
        return self.written(node)

    def written(self, node: Node) -> str:
        """A node as SQL: without events there are no moments that a count is compared by."""
        return OPERATORS[node.op].render(node, self)

    def attribute(self, name: str) -> str:
        """A column of the profile."""
        return self._column(name)

    def once(self, expression: str) -> str:
        """The expression itself."""
        return expression


def profile_condition(rule: Node, time_zone: str, column: Callable[[str], str]) -> str:
    """A rule that reads attributes alone as a condition on a profile `p`; `column` names an attribute's column."""
    return ProfileWriter(time_zone, column).expression(rule)
