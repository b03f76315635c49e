"""The passes over events: one GROUP BY a behavior, or over the union of behaviors that sequences tie together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .sql_parts import listed, nested
from .sqltext import identifier, sql_type
from .tree import Aggregate, Follow, Node, Selection
from .values import SUM_LIMIT

if TYPE_CHECKING:
    from .sql_plan import Plan


Filter = tuple[str, tuple[Node, ...]]
"""A behavior, and conditions on its events."""
_USES = {"avg": 2, "first": 4, "last": 4}
"""How often an aggregate asks which events are selected, where that is more than once."""


def filter_of(selection: Selection) -> Filter:
    """The conditions of a selection, windows and sequences apart."""
    return selection.behavior, selection.where


SHORT_LIMIT = "1e8"
"""Below it a double has nine digits after the point to spare, fifteen in all: it is the nearest to one decimal only."""


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


class EventSql:
    """Writes the passes of a plan."""

    def __init__(self, plan: "Plan") -> None:
        self._plan = plan

    def query(self, event_pass: EventPass) -> str:
        """One row a profile with every aggregate of the pass."""
        follows = self._follow_layers(event_pass)
        source = nested(self._union(event_pass))
        filters = self._filters(event_pass, [follow for layer in follows for follow in layer])
        summed = self._summed(event_pass)
        columns = [f"{self._exact(name)} AS {column}" for name, column in summed.items()]
        columns += [f"{self._fulfils(*which)} AS {column}" for which, column in filters.items()]
        if columns:
            source = nested(f"SELECT *,{listed(columns)}\nFROM {source}")
        flags: dict[Follow | Filter, str] = dict(filters.items())
        for layer in follows:
            columns = []
            for follow in layer:
                column = f"f{len(flags) - len(filters)}"
                columns.append(f"{self._follow_sql(event_pass, follow, flags)} AS {column}")
                flags[follow] = column
            source = nested(f"SELECT *,{listed(columns)}\nFROM {source}")
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
            source = nested(f"SELECT *,{listed(columns)}\nFROM {source}")
        figures = [
            f"{self._figure(aggregate, self._selected(event_pass, aggregate.events, flags), edges, summed)} AS {column}"
            for aggregate, column in event_pass.aggregates.items()
        ]
        return f"SELECT profile_key,{listed(figures)}\nFROM {source}\nGROUP BY profile_key"

    def _union(self, event_pass: EventPass) -> str:
        """The events of the pass with the columns that are read, those of other behaviors as NULL."""
        columns = {behavior: self._columns_read(event_pass, behavior) for behavior in event_pass.behaviors}
        parts = []
        for number, behavior in enumerate(event_pass.behaviors):
            listed = ["profile_key", '"time" AS t', "coalesce(event_id, '') AS i"]
            if len(event_pass.behaviors) > 1:
                listed.append(f"{number} AS b")
            for owner, names in columns.items():
                types = self._plan.schema.columns(owner)
                for name in names:
                    value = (
                        identifier(name) if owner == behavior else f"CAST(NULL AS {sql_type(types[name])})"
                    )
                    listed.append(f"{value} AS {self._plan.event_column(owner, name)}")
            low = self._earliest(event_pass, behavior)
            conditions = [f'"time" <= {self._plan.now}'] + ([] if low is None else [f'"time" > {low}'])
            partitions = self._plan.partitions.get(behavior)
            pruned = partitions.reaching(low) if partitions else None
            conditions += [pruned] if pruned else []
            table = identifier(self._plan.tables[behavior])
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
            bounds = [window.bounds(self._plan.now, self._plan.zone)[0] for window in selection.windows]
            low = max((one for one in (*bounds, after) if one is not None), default=None)
            if selection.behavior == behavior:
                lows.append(low)
            for follow in selection.follows:  # it comes after the event that it follows
                visit(follow.events, low)

        for aggregate in event_pass.aggregates:
            visit(aggregate.events, None)
        known = [low for low in lows if low is not None]
        return min(known) if known and len(known) == len(lows) else None

    def _filters(self, event_pass: EventPass, follows: Sequence[Follow]) -> dict[Filter, str]:
        """The columns of filters that are asked for more than once, so that each is applied once an event."""
        uses: Counter[Filter] = Counter()
        for aggregate in event_pass.aggregates:
            uses[filter_of(aggregate.events)] += _USES.get(aggregate.function, 1)
        for follow in follows:
            uses[filter_of(follow.events)] += 1
        shared = [one for one, count in uses.items() if count > 1 and one[1]]
        return {one: f"w{number}" for number, one in enumerate(shared)}

    def _summed(self, event_pass: EventPass) -> dict[str, str]:
        """The columns that are added up, as exact decimals once an event: the way there is long."""
        added = (a for a in event_pass.aggregates if a.function in ("sum", "avg"))
        names = dict.fromkeys(self._plan.event_column(a.events.behavior, str(a.column)) for a in added)
        return {name: f"x{number}" for number, name in enumerate(names)}

    def _fulfils(self, behavior: str, where: tuple[Node, ...]) -> str:
        writer = self._plan.event_writer(behavior)
        return " AND ".join(map(writer.expression, where))

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

    def _follow_sql(self, event_pass: EventPass, follow: Follow, flags: Mapping[Follow | Filter, str]) -> str:
        selected = self._selected(event_pass, follow.events, flags)
        frame = f"ORDER BY t RANGE BETWEEN 1 FOLLOWING AND {follow.seconds} FOLLOWING"
        found = f"count(CASE WHEN {selected} THEN 1 END) OVER (PARTITION BY profile_key {frame})"
        if follow.negated:
            return f"({found} = 0 AND t <= {self._plan.now - follow.seconds})"
        return f"({found} > 0)"

    def _selected(
        self, event_pass: EventPass, selection: Selection, flags: Mapping[Follow | Filter, str]
    ) -> str:
        conditions = (
            [f"b = {event_pass.behaviors.index(selection.behavior)}"] if len(event_pass.behaviors) > 1 else []
        )
        for window in selection.windows:
            low, high = window.bounds(self._plan.now, self._plan.zone)
            if low is not None:
                conditions.append(f"t > {low}")
            if high < self._plan.now:
                conditions.append(f"t <= {high}")
        if selection.where:
            which = filter_of(selection)
            conditions.append(flags.get(which) or self._fulfils(*which))
        conditions += [flags[follow] for follow in selection.follows]
        return " AND ".join(conditions) or "true"

    def _figure(
        self, aggregate: Aggregate, selected: str, edges: Mapping[Aggregate, str], summed: Mapping[str, str]
    ) -> str:
        if aggregate.column is None:
            return f"CAST(count_if({selected}) AS double)"
        column = self._plan.event_column(aggregate.events.behavior, aggregate.column)
        kept = f"CASE WHEN {selected} THEN {column} END"
        match aggregate.function:
            case "count_distinct":
                return f"CAST(count(DISTINCT {kept}) AS double)"
            case "sum":
                return f"CAST(sum(CASE WHEN {selected} THEN {summed[column]} END) AS double)"
            case "avg":
                exact = f"CASE WHEN {selected} THEN {summed[column]} END"
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

    def _exact(self, column: str) -> str:
        """A number as an exact decimal: shortest text, six places, half away from zero (decision 3).

        Over its text the way is long. A number that is a multiple of a millionth, as nearly all are, goes straight: below
        `SHORT_LIMIT` no other decimal of six places is as near to it, so every rounding finds that one.
        """
        limit = f"{SUM_LIMIT:.0e}".replace("e+", "e")
        short = f"abs({column}) < {SHORT_LIMIT} AND round({column} * 1e6) / 1e6 = {column}"
        straight, by_text = (
            f"CAST({one} AS decimal(38, 6))" for one in (column, f"CAST({column} AS varchar)")
        )
        return f"CASE WHEN {short} THEN {straight} WHEN abs({column}) < {limit} THEN {by_text} END"
