"""The passes over events: one GROUP BY a behavior, or over the union of behaviors that sequences tie together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .sql_buckets import Buckets, Cell, Figure, adding, distinct, in_one_step, in_two_steps
from .sql_latest import without_windows
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
"""Below it the millionths of a double, as a double, are right to a sixtieth."""


class EventPass:
    """One pass over the events of one behavior, or of several that sequences tie together."""

    def __init__(self, name: str, behaviors: Sequence[str]) -> None:
        self.name = name
        self.behaviors = list(behaviors)
        self.aggregates: dict[Aggregate, str] = {}
        self.in_two_steps = False
        """Events are put together by time first."""

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

        def figures(windows: bool) -> dict[str, Figure]:
            return {
                column: self._figure(
                    one, self._selected(event_pass, one.events, flags, windows), edges, summed
                )
                for one, column in self._plan.counted(event_pass).items()
            }

        if event_pass.in_two_steps:
            buckets = self._buckets(event_pass)
            whens = {c: self._when(one.events, buckets) for one, c in event_pass.aggregates.items()}
            return in_two_steps(figures(windows=False), whens, buckets, source)
        latest = {
            one.name: one.over_events(self._selected(event_pass, one.events, flags))
            for one in self._plan.latest_in(event_pass)
        }
        return in_one_step(figures(windows=True), latest, source)

    def worth_two_steps(self, event_pass: EventPass) -> bool:
        """Whether it takes less to put events together by time first."""
        cells = {replace(one, events=without_windows(one.events)) for one in event_pass.aggregates}
        density = sum(self._plan.events_a_profile.get(name, 0.0) for name in event_pass.behaviors)
        return self._buckets(event_pass).worth(len(event_pass.aggregates), len(cells), density)

    def end_now(self, selection: Selection) -> bool:
        """Whether all windows of a selection reach up to now, so that the latest events are in it first."""
        return all(high is None for _, high in self._bounds(selection))

    def since(self, selection: Selection) -> int | None:
        """The moment after which events are in all windows of a selection, as far as these begin at all."""
        return max((low for low, _ in self._bounds(selection) if low is not None), default=None)

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
        for aggregate in self._plan.counted(event_pass):
            uses[filter_of(aggregate.events)] += _USES.get(aggregate.function, 1)
        uses.update(filter_of(latest.events) for latest in self._plan.latest_in(event_pass))
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
        self,
        event_pass: EventPass,
        selection: Selection,
        flags: Mapping[Follow | Filter, str],
        windows: bool = True,
    ) -> str:
        """Whether an event is selected; without `windows`, as if it were in all of them."""
        conditions = (
            [f"b = {event_pass.behaviors.index(selection.behavior)}"] if len(event_pass.behaviors) > 1 else []
        )
        for low, high in self._bounds(selection) if windows else ():
            conditions += [] if low is None else [f"t > {low}"]
            conditions += [] if high is None else [f"t <= {high}"]
        if selection.where:
            which = filter_of(selection)
            conditions.append(flags.get(which) or self._fulfils(*which))
        conditions += [flags[follow] for follow in selection.follows]
        return " AND ".join(conditions) or "true"

    def _bounds(self, selection: Selection) -> Iterable[tuple[int | None, int | None]]:
        """The windows of a selection as `(low, high)` of `low < t <= high`, where they bound events at all."""
        for window in selection.windows:
            low, high = window.bounds(self._plan.now, self._plan.zone)
            yield low, high if high < self._plan.now else None

    def _buckets(self, event_pass: EventPass) -> Buckets:
        """What the windows of the pass cut time into."""
        bounds = [pair for one in event_pass.aggregates for pair in self._bounds(one.events)]
        floors = [self._earliest(event_pass, behavior) for behavior in event_pass.behaviors]
        known = [floor for floor in floors if floor is not None]
        floor = min(known) if len(known) == len(floors) else None
        return Buckets((one for pair in bounds for one in pair if one is not None), floor)

    def _when(self, selection: Selection, buckets: Buckets) -> str:
        """The windows of a selection as a condition on a bucket."""
        conditions = []
        for low, high in self._bounds(selection):
            conditions += [] if low is None else [buckets.after(low)]
            conditions += [] if high is None else [buckets.until(high)]
        return " AND ".join(one for one in conditions if one != "true") or "true"

    def _figure(
        self, aggregate: Aggregate, selected: str, edges: Mapping[Aggregate, str], summed: Mapping[str, str]
    ) -> Figure:
        add = adding("sum")
        if aggregate.column is None:
            return Figure((Cell(f"CAST(count_if({selected}) AS double)", add),), str)
        column = self._plan.event_column(aggregate.events.behavior, aggregate.column)
        match aggregate.function:
            case "count_distinct":
                return distinct(selected, column)
            case "sum":
                exact = f"CASE WHEN {selected} THEN {summed[column]} END"
                return Figure((Cell(f"sum({exact})", add),), "CAST({} AS double)".format)
            case "avg":
                exact = f"CASE WHEN {selected} THEN {summed[column]} END"
                cells = Cell(f"sum({exact})", add), Cell(f"CAST(count({exact}) AS double)", add)
                return Figure(cells, "CAST({} AS double) / nullif({}, 0e0)".format)
            case "min" | "max":
                function = aggregate.function
                kept = f"{function}(CASE WHEN {selected} THEN {column} END)"
                return Figure((Cell(kept, adding(function)),), str)
        # first and last: by time, then by event id; rows without an id come before those with one.
        at_edge = f"{selected} AND t = {edges[aggregate]}"
        pick = "min" if aggregate.function == "first" else "max"
        by_id = f"element_at({pick}_by(ARRAY[{column}], i) FILTER (WHERE {at_edge} AND i <> ''), 1)"
        by_value = f"{pick}({column}) FILTER (WHERE {at_edge} AND i = '')"
        without_ids = f"count_if({at_edge} AND i = '') > 0"
        if aggregate.function == "first":
            picked = f"CASE WHEN {without_ids} THEN {by_value} ELSE {by_id} END"
        else:
            picked = f"CASE WHEN count_if({at_edge} AND i <> '') > 0 THEN {by_id} ELSE {by_value} END"
        # The edge is a moment in the windows, so one bucket has it and the others have nothing.
        return Figure((Cell(picked, lambda cell, _: f"max({cell})"),), str)

    def _exact(self, column: str) -> str:
        """A number as an exact decimal: shortest text, six places, half away from zero (decision 3).

        Over its text the way is long. A number that does not lie near the middle of two millionths, as hardly any does,
        goes straight: it and its shortest text are so near to each other that every rounding finds the same millionth.
        """
        limit = f"{SUM_LIMIT:.0e}".replace("e+", "e")
        short = f"abs({column}) < {SHORT_LIMIT} AND abs(round({column} * 1e6) - {column} * 1e6) < 0.25e0"
        straight, by_text = (
            f"CAST({one} AS decimal(38, 6))" for one in (column, f"CAST({column} AS varchar)")
        )
        return f"CASE WHEN {short} THEN {straight} WHEN abs({column}) < {limit} THEN {by_text} END"
