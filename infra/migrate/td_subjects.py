"""What Treasure Data's conditions are about: attributes, and figures over filtered events."""

from collections.abc import Mapping
from typing import Any

from segmentation.domain.audience import Audience
from segmentation.language import Type
from segmentation.language.operators.behaviors import COLUMN_TYPES
from segmentation.language.problems import did_you_mean, step
from segmentation.language.times import say_duration

from .report import Report
from .td_operators import Operators, Subject, joined
from .td_time import FIXED

_AGGREGATES = {"Sum": "sum", "Min": "min", "Max": "max", "Average": "avg", "First": "first", "Last": "last"}
_AGGREGATIONS = ("Count", "CountDistinct", *_AGGREGATES)
_COLUMNS = {
    "Count": (),
    "CountDistinct": ("columns",),
    **dict.fromkeys(("First", "Last"), ("column", "orderColumn")),
}
"""Which fields name columns, where it is not `column` alone."""
_EVENT_TIME = ("time", "timestamp")


class Subjects:
    """Converts left values."""

    def __init__(self, report: Report, audience: Audience, operators: Operators) -> None:
        self.report = report
        self.audience = audience
        self.schema = audience.schema()
        self._operators = operators

    def left(self, left: Any, pointer: str) -> Subject | None:
        """The left value of a condition, or `None` with problems."""
        if not isinstance(left, Mapping):
            return self.report.refuse(pointer, "no-left-value", "the condition names no value")
        if "customerGroup" in left:
            message = "attributes of customer groups are not carried; join them to the profile as attributes"
            return self.report.refuse(pointer, "customer-group", message)
        if "aggregation" in left:
            self.report.only(left, ("aggregation", "filter", "source", "window"), pointer)
            return self._aggregation(left, pointer)
        self.report.only(left, ("name",), pointer)
        return self.attribute(left.get("name"), step(pointer, "name"))

    def attribute(self, name: Any, pointer: str) -> Subject | None:
        """A column of the profile."""
        if not isinstance(name, str) or name not in self.schema.attributes:
            hint = did_you_mean(str(name), self.schema.attributes)
            return self.report.refuse(
                pointer, "unknown-attribute", f"the audience has no attribute {name!r}{hint}"
            )
        return Subject({"var": f"attributes.{name}"}, self.schema.attributes[name])

    def _aggregation(self, left: Mapping[str, Any], pointer: str) -> Subject | None:
        behavior = self._behavior(left.get("source"), step(pointer, "source"))
        if behavior is None:
            return None
        events = self._events(left, behavior, pointer)
        below = step(pointer, "aggregation")
        aggregation = self.report.mapping(left["aggregation"], below)
        if aggregation is None:
            return None
        kind = aggregation.get("type")
        if kind not in _AGGREGATIONS:
            message = f"{kind!r} is no aggregation{did_you_mean(str(kind), _AGGREGATIONS)}"
            return self.report.refuse(step(below, "type"), "unknown-aggregation", message)
        self.report.only(aggregation, ("type", "groupingColumns", *_COLUMNS.get(kind, ("column",))), below)
        if aggregation.get("groupingColumns"):
            message = (
                "figures grouped by columns are not carried; a figure here is of all of a profile's events"
            )
            return self.report.refuse(step(below, "groupingColumns"), "grouped", message)
        if kind == "Count":
            return None if events is None else Subject({"count": [events]}, Type.NUMBER, sure=True)
        column = self._figure_column(aggregation, kind, behavior, below)
        if column is None or events is None:
            return None
        columns = self.schema.columns(behavior)
        if kind == "CountDistinct":
            return Subject({"count_distinct": [events, column]}, Type.NUMBER, sure=True)
        function = _AGGREGATES[kind]
        if columns[column] not in COLUMN_TYPES[function]:
            takes = ", ".join(one.noun for one in COLUMN_TYPES[function])
            message = f"{kind} takes a column of type {takes}; {column!r} is a {columns[column].noun}"
            return self.report.refuse(step(below, "column"), "type-mismatch", message)
        type_ = Type.NUMBER if function in ("sum", "avg") else columns[column]
        return Subject({function: [events, column]}, type_, sure=function == "sum")

    def _figure_column(
        self, aggregation: Mapping[str, Any], kind: str, behavior: str, pointer: str
    ) -> str | None:
        if kind == "CountDistinct":
            names = self.report.items(aggregation.get("columns"), step(pointer, "columns"))
            if names is None:
                return None
            if len(names) != 1:
                message = f"distinct values are counted of one column, not of {len(names)}"
                return self.report.refuse(step(pointer, "columns"), "several-columns", message)
            return self._column(names[0], behavior, step(step(pointer, "columns"), 0))
        if kind in ("First", "Last"):
            order = self._column(aggregation.get("orderColumn"), behavior, step(pointer, "orderColumn"))
            if order is not None and order != "time":
                message = f"first and last are by the events' time; an order by {order!r} is not carried"
                return self.report.refuse(step(pointer, "orderColumn"), "other-order", message)
        return self._column(aggregation.get("column"), behavior, step(pointer, "column"))

    def _behavior(self, source: Any, pointer: str) -> str | None:
        name = source.get("name") if isinstance(source, Mapping) else None
        if isinstance(source, Mapping):
            self.report.only(source, ("name",), pointer)
        for behavior in self.audience.behaviors.values():
            if name in (
                behavior.name,
                behavior.table,
                f"behavior_{behavior.name}",
                f"behavior_{behavior.table}",
            ):
                return behavior.name
        hint = did_you_mean(str(name), self.audience.behaviors)
        return self.report.refuse(
            step(pointer, "name"), "unknown-behavior", f"the audience has no behavior {name!r}{hint}"
        )

    def _column(self, name: Any, behavior: str, pointer: str) -> str | None:
        columns = self.schema.columns(behavior)
        if isinstance(name, str) and name in columns:
            return name
        if name in (*_EVENT_TIME, self.audience.behaviors[behavior].time):
            return "time"
        hint = did_you_mean(str(name), columns)
        return self.report.refuse(
            pointer, "unknown-column", f"behavior {behavior!r} has no column {name!r}{hint}"
        )

    # Events

    def _events(self, left: Mapping[str, Any], behavior: str, pointer: str) -> Any | None:
        events: Any = {"var": f"behaviors.{behavior}"}
        refused = len(self.report.problems)
        windows: list[tuple[str, list[Any]]] = []
        if left.get("filter"):
            condition = self._filter(left["filter"], behavior, step(pointer, "filter"))
            if condition is not None:
                rest = []
                for part in condition["and"] if set(condition) == {"and"} else [condition]:
                    lifted = _window_over_time(part)
                    if lifted:
                        windows.append(lifted)
                    else:
                        rest.append(part)
                events = {"filter": [events, joined("and", rest)]} if rest else events
        for name, more in windows:
            events = {name: [events, *more]}
        window = left.get("window")
        if window is not None:
            seconds = self._sliding(window, step(pointer, "window"))
            events = {"within": [events, say_duration(seconds)]} if seconds else events
        return None if len(self.report.problems) > refused else events

    def _sliding(self, window: Any, pointer: str) -> int | None:
        if not isinstance(window, Mapping) or window.get("type") != "TimeSliding":
            return self.report.refuse(pointer, "unknown-window", "a window is of type TimeSliding")
        self.report.only(window, ("type", "duration"), pointer)
        parts = self.report.mapping(window.get("duration") or {}, step(pointer, "duration"))
        if parts is None:
            return None
        if not set(parts) <= set(FIXED):
            return self.report.refuse(
                step(pointer, "duration"), "bad-duration", f"windows are of {', '.join(FIXED)}"
            )
        times = self._operators.times(of_event=True)
        seconds = times.duration(
            {unit: amount for unit, amount in parts.items() if amount}, step(pointer, "duration")
        )
        if seconds is not None:
            message = "the window is the last so many seconds up to now, not any stretch of that length"
            self.report.note(pointer, "sliding-window", message)
        return seconds

    def _filter(self, node: Any, behavior: str, pointer: str) -> Any | None:
        kind = node.get("type") if isinstance(node, Mapping) else None
        if kind in ("And", "Or"):
            self.report.only(node, ("type", "conditions"), pointer)
            conditions = self.report.items(node.get("conditions"), step(pointer, "conditions"))
            if not conditions:
                return self.report.refuse(pointer, "empty-group", "the filter's group is empty; delete it")
            below = step(pointer, "conditions")
            parts = [self._filter(item, behavior, step(below, i)) for i, item in enumerate(conditions)]
            return None if None in parts else joined(kind.lower(), parts)
        if kind != "Column":
            return self.report.refuse(
                pointer, "unknown-filter", f"{kind!r} is no kind of filter; And, Or, Column are"
            )
        self.report.only(node, ("type", "column", "operator", "arrayMatching"), pointer)
        column = self._column(node.get("column"), behavior, step(pointer, "column"))
        if column is None:
            return None
        is_time = column == "time"
        subject = Subject(
            {"var": column}, self.schema.columns(behavior)[column], sure=is_time, of_event=is_time
        )
        return self._operators.applied(subject, node.get("operator"), node.get("arrayMatching"), pointer)


def _window_over_time(condition: Any) -> tuple[str, list[Any]] | None:
    """The window of a condition that says no more than when an event was."""
    if isinstance(condition, Mapping) and len(condition) == 1:
        ((name, operands),) = condition.items()
        if name in ("within", "older_than", "during") and operands[0] == {"var": "time"}:
            return name, list(operands[1:])
    return None
