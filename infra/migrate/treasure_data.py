"""Treasure Data's segment rules as documents of the rule language.

What has no equal is refused, everything at once, each problem with a JSON Pointer into the source. What is
carried with a difference is noted. The differences that matter most:

- SQL drops people whose value is missing from a negated comparison; here a complement includes them. The
  converter keeps them out, by asking for the value's presence beside each negation (`keep_missing_out`).
- `exclude` takes a condition's complement: whoever does not fulfil it stays, missing values included.
- A count of events is 0 for people without any, so "fewer than 3" includes them.
- Windows are half-open, slide with now and are exact to the second; months have no fixed length.
- `all` of an empty array is false.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.audience import Audience
from segmentation.language import RuleError, Type, check_segment
from segmentation.language.patterns import PatternError, parse
from segmentation.language.problems import did_you_mean, step
from segmentation.language.times import say_duration, zone
from segmentation.language.types import ELEMENT, SEGMENT_ID
from segmentation.language.values import parse_date, parse_instant

from .match_logic import MatchLogicError, parse_match_logic
from .report import Note, Report
from .td_time import FIXED, TIME_OPERATORS, TimeOperators

_ORDER = {"Greater": ">", "GreaterEqual": ">=", "Less": "<", "LessEqual": "<="}
_TEXT = ("Contain", "StartWith", "EndWith")
OPERATORS = ("Equal", "IsNull", "In", "Between", "Regexp", *_ORDER, *_TEXT, *TIME_OPERATORS)
_AGGREGATES = {"Sum": "sum", "Min": "min", "Max": "max", "Average": "avg", "First": "first", "Last": "last"}
_AGGREGATIONS = ("Count", "CountDistinct", *_AGGREGATES)
_NEVER_CARRIED = {
    "FunnelStageReference": "funnel stages are no segments here; convert the stage's own rule",
    "AbTestVariantReference": 'A/B variants are stable shares here: {"<": [{"bucket": ["test-name"]}, 50]}',
    "PredictiveScoreReference": "publish the score as an attribute and compare that",
    "MlAttributeReference": "publish the attribute with the audience and compare that",
}
_EVENT_TIME = ("time", "timestamp")


@dataclass(frozen=True)
class Options:
    """How to convert: `references` maps ids there to segment ids here."""

    references: Mapping[str, str] = field(default_factory=dict)
    keep_missing_out: bool = True
    approximate_months: bool = False
    identifier: str = ""
    name: str = ""
    kind: str = "batch"


@dataclass(frozen=True)
class Migration:
    """The document, if everything could be carried, and what there is to know about it."""

    document: dict[str, Any] | None
    problems: tuple[Any, ...]
    notes: tuple[Note, ...]


def convert(source: Mapping[str, Any], audience: Audience, options: Options | None = None) -> Migration:
    """Convert a rule, or a segment with its `rule`."""
    return _Converter(audience, options or Options()).run(source)


@dataclass(frozen=True, slots=True)
class _Subject:
    """A value that an operator is applied to. `sure`: it is never missing."""

    expression: Any
    type: Type
    sure: bool = False
    of_event: bool = False


class _Converter:
    def __init__(self, audience: Audience, options: Options) -> None:
        self.audience = audience
        self.schema = audience.schema()
        self.options = options
        self.report = Report()

    # The document

    def run(self, source: Mapping[str, Any]) -> Migration:
        """Everything, ending with the check of the rule language itself."""
        whole = "rule" in source and "conditions" not in source
        rule_source, pointer = (source["rule"], "/rule") if whole else (source, "")
        rule = self._rule(rule_source, pointer)
        document = self._head(source if whole else {}) | {"rule": rule}
        limit = rule_source.get("limit") if isinstance(rule_source, Mapping) else None
        if limit is not None:
            document["limit"] = self._limit(limit, step(pointer, "limit"))
        if not self.report.problems:
            self._check(document)
        problems = tuple(self.report.problems)
        return Migration(None if problems else document, problems, tuple(self.report.notes))

    def _head(self, source: Mapping[str, Any]) -> dict[str, Any]:
        name = self.options.name or str(source.get("name") or "Migrated segment")
        identifier = self.options.identifier or _slug(name)
        document = {"id": identifier, "name": name, "audience": self.audience.id, "kind": self.options.kind}
        description = source.get("description")
        return document | (
            {"description": description} if isinstance(description, str) and description else {}
        )

    def _check(self, document: dict[str, Any]) -> None:
        known = dict.fromkeys(self.options.references.values(), "batch")
        try:
            check_segment(document, self.schema, self.audience.id, known)
        except RuleError as error:
            for problem in error.problems:
                message = f"the converted document is refused at {problem.pointer}: {problem.message}"
                self.report.refuse("", problem.code, message)

    def _limit(self, limit: Any, pointer: str) -> Any:
        number, orders = limit.get("number"), limit.get("orderColumns") or []
        size = {"percent" if limit.get("type") == "Percent" else "count": number}
        if not orders:
            message = "the limit names no order; the members are drawn by a stable share instead"
            self.report.note(pointer, "unordered-limit", message)
            return size | {"by": {"bucket": ["limit"]}}
        below = step(step(pointer, "orderColumns"), 0)
        if len(orders) > 1:
            return self.report.refuse(
                below, "limit-order", "a limit orders by one value; keep one of the columns"
            )
        if orders[0].get("type") != "Column":
            message = 'ordering by "the aggregation" is not carried; write the limit\'s "by" yourself'
            return self.report.refuse(below, "limit-order", message)
        attribute = self._attribute(orders[0].get("column"), step(below, "column"))
        order = orders[0].get("order", "descending")
        return None if attribute is None else size | {"by": attribute.expression, "order": order}

    # Groups and references

    def _rule(self, rule: Any, pointer: str) -> Any | None:
        if not isinstance(rule, Mapping) or not rule.get("conditions"):
            message = "the rule has no condition, so it means everyone; a segment here needs a condition"
            return self.report.refuse(pointer, "empty-rule", message)
        return self._group(rule, pointer, self._set)

    def _set(self, conditions: Any, pointer: str) -> Any | None:
        if isinstance(conditions, Mapping) and "conditions" in conditions:
            if not conditions["conditions"]:
                return self.report.refuse(pointer, "empty-group", "the set has no condition; delete it")
            return self._group(conditions, pointer, self._condition)
        return self._condition(conditions, pointer)

    def _group(self, group: Mapping[str, Any], pointer: str, convert_one: Any) -> Any | None:
        below = step(pointer, "conditions")
        parts = [convert_one(item, step(below, i)) for i, item in enumerate(group["conditions"])]
        kind = group.get("type")
        if kind == "Composite":
            return self._composite(group.get("expr"), parts, pointer)
        if kind not in ("And", "Or"):
            return self.report.refuse(
                pointer, "unknown-group", f"{kind!r} is no kind of group; And, Or, Composite are"
            )
        return None if None in parts else _joined(kind.lower(), parts)

    def _composite(self, expr: Any, parts: list[Any], pointer: str) -> Any | None:
        try:
            logic = parse_match_logic(str(expr or ""), len(parts))
        except MatchLogicError as error:
            return self.report.refuse(step(pointer, "expr"), "match-logic", f"{expr!r}: {error}")
        used: set[int] = set()

        def build(tree: Any) -> Any:
            if isinstance(tree, int):
                used.add(tree)
                return parts[tree]
            word, operands = tree
            built = [build(operand) for operand in operands]
            return {"!": built} if word == "not" else _joined(word, built)

        if None in parts:
            return None
        built = build(logic)
        for index in sorted(set(range(len(parts))) - used):
            place = step(step(pointer, "conditions"), index)
            self.report.note(
                place, "unused-condition", "the match logic does not name this condition; it is left out"
            )
        return built

    def _condition(self, condition: Any, pointer: str) -> Any | None:
        if not isinstance(condition, Mapping):
            return self.report.refuse(pointer, "not-a-condition", "a condition is an object")
        kind = condition.get("type")
        if kind == "Reference":
            return self._reference(condition, pointer)
        if kind in _NEVER_CARRIED:
            return self.report.refuse(pointer, "reference", f"{kind} is not carried: {_NEVER_CARRIED[kind]}")
        if kind != "Value":
            return self.report.refuse(pointer, "unknown-condition", f"{kind!r} is no kind of condition")
        if condition.get("limit") is not None:
            message = "a limit on one condition is not carried; make the condition a segment with a limit"
            self.report.refuse(step(pointer, "limit"), "condition-limit", message)
        subject = self._left(condition.get("leftValue"), step(pointer, "leftValue"))
        operator = condition.get("operator")
        if subject is None:
            return None
        test = self._applied(subject, operator, condition.get("arrayMatching"), pointer)
        if test is None or not condition.get("exclude"):
            return test
        if not subject.sure:
            message = (
                "the condition is excluded: people for whom it does not hold stay, missing values included"
            )
            self.report.note(pointer, "excluded", message)
        return _complement(test)

    def _reference(self, condition: Mapping[str, Any], pointer: str) -> Any | None:
        identity = str(condition.get("id"))
        segment = self.options.references.get(identity)
        if segment is None:
            hint = did_you_mean(identity, self.options.references)
            message = f"segment {identity!r} is not in the list of references; pass its id here{hint}"
            return self.report.refuse(step(pointer, "id"), "unknown-reference", message)
        member = {"in": [segment, {"var": "segments"}]}
        return {"!": [member]} if condition.get("exclude") else member

    # Left values

    def _left(self, left: Any, pointer: str) -> _Subject | None:
        if not isinstance(left, Mapping):
            return self.report.refuse(pointer, "no-left-value", "the condition names no value")
        if "customerGroup" in left:
            message = "attributes of customer groups are not carried; join them to the profile as attributes"
            return self.report.refuse(pointer, "customer-group", message)
        if "aggregation" in left:
            return self._aggregation(left, pointer)
        return self._attribute(left.get("name"), step(pointer, "name"))

    def _attribute(self, name: Any, pointer: str) -> _Subject | None:
        if name not in self.schema.attributes:
            hint = did_you_mean(str(name), self.schema.attributes)
            return self.report.refuse(
                pointer, "unknown-attribute", f"the audience has no attribute {name!r}{hint}"
            )
        return _Subject({"var": f"attributes.{name}"}, self.schema.attributes[name])

    def _aggregation(self, left: Mapping[str, Any], pointer: str) -> _Subject | None:
        behavior = self._behavior(left.get("source"), step(pointer, "source"))
        if behavior is None:
            return None
        events = self._events(left, behavior, pointer)
        aggregation = left["aggregation"]
        below = step(pointer, "aggregation")
        kind = aggregation.get("type")
        if kind not in _AGGREGATIONS:
            message = f"{kind!r} is no aggregation{did_you_mean(str(kind), _AGGREGATIONS)}"
            return self.report.refuse(step(below, "type"), "unknown-aggregation", message)
        if aggregation.get("groupingColumns"):
            message = (
                "figures grouped by columns are not carried; a figure here is of all of a profile's events"
            )
            return self.report.refuse(step(below, "groupingColumns"), "grouped", message)
        if kind == "Count":
            return None if events is None else _Subject({"count": [events]}, Type.NUMBER, sure=True)
        column = self._figure_column(aggregation, kind, behavior, below)
        if column is None or events is None:
            return None
        columns = self.schema.columns(behavior)
        if kind == "CountDistinct":
            return _Subject({"count_distinct": [events, column]}, Type.NUMBER, sure=True)
        function = _AGGREGATES[kind]
        type_ = Type.NUMBER if function in ("sum", "avg") else columns[column]
        return _Subject({function: [events, column]}, type_, sure=function == "sum")

    def _figure_column(
        self, aggregation: Mapping[str, Any], kind: str, behavior: str, pointer: str
    ) -> str | None:
        if kind == "CountDistinct":
            names = aggregation.get("columns") or []
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
        if name in columns:
            return str(name)
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
                events = {"filter": [events, _joined("and", rest)]} if rest else events
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
        parts = window.get("duration") or {}
        if not set(parts) <= set(FIXED):
            return self.report.refuse(
                step(pointer, "duration"), "bad-duration", f"windows are of {', '.join(FIXED)}"
            )
        times = TimeOperators(self.report, self.options.approximate_months, of_event=True)
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
            if not node.get("conditions"):
                return self.report.refuse(pointer, "empty-group", "the filter's group is empty; delete it")
            below = step(pointer, "conditions")
            parts = [
                self._filter(item, behavior, step(below, i)) for i, item in enumerate(node["conditions"])
            ]
            return None if None in parts else _joined(kind.lower(), parts)
        if kind != "Column":
            return self.report.refuse(
                pointer, "unknown-filter", f"{kind!r} is no kind of filter; And, Or, Column are"
            )
        column = self._column(node.get("column"), behavior, step(pointer, "column"))
        if column is None:
            return None
        is_time = column == "time"
        subject = _Subject(
            {"var": column}, self.schema.columns(behavior)[column], sure=is_time, of_event=is_time
        )
        return self._applied(subject, node.get("operator"), node.get("arrayMatching"), pointer)

    # Operators

    def _applied(self, subject: _Subject, operator: Any, matching: Any, pointer: str) -> Any | None:
        below = step(pointer, "operator")
        kind = operator.get("type") if isinstance(operator, Mapping) else None
        if kind not in OPERATORS:
            hint = did_you_mean(str(kind), OPERATORS)
            return self.report.refuse(below, "unknown-operator", f"{kind!r} is no operator{hint}")
        if kind == "IsNull":
            asked = {"==": [subject.expression, None]}
            return {"!=": [subject.expression, None]} if operator.get("not") else asked
        if subject.type.is_array:
            return self._over_array(subject, operator, matching, pointer)
        if matching not in (None, "any", "all"):
            message = f"{matching!r} counts elements, but the value is no array"
            return self.report.refuse(step(pointer, "arrayMatching"), "no-array", message)
        return self._test(subject, operator, below)

    def _over_array(self, subject: _Subject, operator: Any, matching: Any, pointer: str) -> Any | None:
        place = step(pointer, "arrayMatching")
        element = _Subject({"var": ""}, ELEMENT[subject.type])
        test = self._test(element, operator, step(pointer, "operator"))
        if test is None:
            return None
        array = subject.expression
        if matching is None:
            self.report.note(place, "array-any", "no matching is given for an array; any element is meant")
        if matching in (None, "any"):
            return {"some": [array, test]}
        if matching == "all":
            self.report.note(place, "array-all", "all of an empty array is false")
            return {"all": [array, test]}
        names = {"atLeast": ">=", "atMost": "<=", "exactly": "=="}
        if isinstance(matching, Mapping) and len(matching) == 1 and set(matching) <= set(names):
            ((name, number),) = matching.items()
            return {names[name]: [{"count": [{"filter": [array, test]}]}, number]}
        return self.report.refuse(place, "array-matching", f"{matching!r} is no matching of arrays")

    def _test(self, subject: _Subject, operator: Mapping[str, Any], pointer: str) -> Any | None:
        kind = operator["type"]
        if kind in TIME_OPERATORS or _is_relative(operator):
            test = self._moment_test(subject, operator, pointer)
        elif kind == "Between":
            low = self._literal(operator.get("minValue"), subject.type, step(pointer, "minValue"))
            high = self._literal(operator.get("maxValue"), subject.type, step(pointer, "maxValue"))
            test = None if low is None or high is None else {"<=": [low, subject.expression, high]}
        elif kind == "In":
            test = self._in(subject, operator, pointer)
        elif kind in _TEXT:
            test = self._text(subject, kind, operator, pointer)
        elif kind == "Regexp":
            test = self._pattern(subject, operator, pointer)
        else:
            value = self._literal(operator.get("rightValue"), subject.type, step(pointer, "rightValue"))
            test = None if value is None else {_ORDER.get(kind, "=="): [subject.expression, value]}
        if test is None:
            return None
        if subject.type is Type.NUMBER and subject.sure:
            self._note_nothing(operator, pointer)
        return self._negated(subject, test, pointer) if operator.get("not") else test

    def _note_nothing(self, operator: Mapping[str, Any], pointer: str) -> None:
        if operator["type"] in ("Less", "LessEqual", "Between", "Equal") or operator.get("not"):
            message = "a count or sum of no events is 0, so people without any are judged by that"
            self.report.note(pointer, "nothing-is-zero", message)

    def _negated(self, subject: _Subject, test: Any, pointer: str) -> Any:
        complement = _complement(test)
        if subject.sure:
            return complement
        if not self.options.keep_missing_out:
            message = "people whose value is missing are let in; SQL would drop them"
            self.report.note(pointer, "missing-let-in", message)
            return complement
        message = "people whose value is missing are kept out, as SQL does; drop the test of presence to let them in"
        self.report.note(pointer, "missing-kept-out", message)
        return _joined("and", [{"!=": [subject.expression, None]}, complement])

    def _in(self, subject: _Subject, operator: Mapping[str, Any], pointer: str) -> Any | None:
        values = self._many(operator, subject.type, pointer)
        return None if values is None else {"in": [subject.expression, values]}

    def _text(self, subject: _Subject, kind: str, operator: Mapping[str, Any], pointer: str) -> Any | None:
        if not self._is_text(subject, kind, pointer):
            return None
        parts = self._many(operator, Type.STRING, pointer)
        if parts is None:
            return None
        value = subject.expression
        tests = {
            "Contain": lambda part: {"in": [part, value]},
            "StartWith": lambda part: {"starts_with": [value, part]},
            "EndWith": lambda part: {"ends_with": [value, part]},
        }
        return _joined("or", [tests[kind](part) for part in parts])

    def _is_text(self, subject: _Subject, kind: str, pointer: str) -> bool:
        if subject.type is not Type.STRING:
            self.report.refuse(pointer, "not-text", f"{kind} is for text; this is a {subject.type.noun}")
        return subject.type is Type.STRING

    def _many(self, operator: Mapping[str, Any], type_: Type, pointer: str) -> list[Any] | None:
        below = step(pointer, "rightValues")
        raw = operator.get("rightValues") or []
        if not raw:
            return self.report.refuse(below, "empty-list", "the list is empty, so nobody matches")
        values = [self._literal(item, type_, step(below, i)) for i, item in enumerate(raw)]
        return None if None in values else values

    def _pattern(self, subject: _Subject, operator: Mapping[str, Any], pointer: str) -> Any | None:
        pattern = operator.get("rightValue")
        if not self._is_text(subject, "Regexp", pointer):
            return None
        try:
            parse(pattern if isinstance(pattern, str) else "")
        except PatternError as error:
            return self.report.refuse(
                step(pointer, "rightValue"), "pattern", f"the pattern is not carried: {error}"
            )
        return {"matches": [subject.expression, pattern]}

    def _moment_test(self, subject: _Subject, operator: Mapping[str, Any], pointer: str) -> Any | None:
        if subject.type not in (Type.TIMESTAMP, Type.DATE):
            message = f"{operator['type']} is about time; this is a {subject.type.noun}"
            return self.report.refuse(pointer, "not-a-moment", message)
        times = TimeOperators(self.report, self.options.approximate_months, subject.of_event)
        moment = subject.expression
        if operator["type"] in TIME_OPERATORS:
            return times.convert(operator, moment, pointer)
        if operator["type"] == "Between":
            return self._relative_between(times, subject, operator, pointer)
        seconds = times.ago(operator.get("rightValue"), step(pointer, "rightValue"))
        if seconds is None:
            return None
        if operator["type"].startswith("Greater"):
            return times.since(moment, seconds, pointer)
        return times.before(moment, seconds, pointer)

    def _relative_between(
        self, times: TimeOperators, subject: _Subject, operator: Mapping[str, Any], pointer: str
    ) -> Any | None:
        bounds: list[Any] = []
        for name, symbol in (("minValue", "<="), ("maxValue", ">=")):
            value, place = operator.get(name), step(pointer, name)
            if isinstance(value, Mapping) and "last" in value:
                seconds = times.ago(value, place)
                bounds.append(seconds)
            else:
                literal = self._literal(value, subject.type, place)
                bounds.append(None if literal is None else {symbol: [literal, subject.expression]})
        low, high = bounds
        if low is None or high is None:
            return None
        if isinstance(low, int) and isinstance(high, int):
            return times.past(subject.expression, max(low, high), min(low, high), pointer)
        first = times.since(subject.expression, low, pointer) if isinstance(low, int) else low
        second = times.before(subject.expression, high, pointer) if isinstance(high, int) else high
        return _joined("and", [first, second])

    # Literals

    def _literal(self, raw: Any, type_: Type, pointer: str) -> Any | None:
        value = raw.get("timestamp") if isinstance(raw, Mapping) else raw
        result: Any = None
        if type_ is Type.STRING and isinstance(value, str | int | float) and not isinstance(value, bool):
            result = value if isinstance(value, str) else f"{value:g}"
        elif type_ is Type.NUMBER and isinstance(value, str | int | float) and not isinstance(value, bool):
            result = _number(value)
        elif type_ is Type.BOOLEAN:
            result = {"true": True, "false": False}.get(str(value).lower())
        elif type_ is Type.TIMESTAMP:
            result = _moment(value, self.schema.time_zone)
        elif type_ is Type.DATE and isinstance(value, str):
            result = parse_date(value[:10])
            if result is not None and len(value) > 10:
                self.report.note(
                    pointer, "day-of-moment", "the attribute is a day; the time of day is cut off"
                )
        if result is None:
            return self.report.refuse(pointer, "bad-value", f"{value!r} is no {type_.noun}")
        return result


def _is_relative(operator: Mapping[str, Any]) -> bool:
    return any(
        isinstance(value := operator.get(name), Mapping) and "last" in value
        for name in ("rightValue", "minValue", "maxValue")
    )


def _number(value: str | float) -> float | None:
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            return None


def _moment(value: Any, time_zone: str) -> Any:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return int(value)
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, str) and parse_instant(value, zone(time_zone)) is not None else None


def _window_over_time(condition: Any) -> tuple[str, list[Any]] | None:
    """The window of a condition that says no more than when an event was."""
    if isinstance(condition, Mapping) and len(condition) == 1:
        ((name, operands),) = condition.items()
        if name in ("within", "older_than", "during") and operands[0] == {"var": "time"}:
            return name, list(operands[1:])
    return None


def _joined(word: str, parts: Sequence[Any]) -> Any:
    """Conditions joined by a word, groups of the same word flattened."""
    flat: list[Any] = []
    for part in parts:
        flat.extend(part[word] if isinstance(part, Mapping) and set(part) == {word} else [part])
    return flat[0] if len(flat) == 1 else {word: flat}


def _complement(test: Any) -> Any:
    ((name, operands),) = test.items()
    if name in ("==", "!="):
        return {"!=" if name == "==" else "==": operands}
    return operands[0] if name == "!" else {"!": [test]}


def _slug(name: str) -> str:
    words = "".join(char if char.isascii() and char.isalnum() else "-" for char in name.lower())
    slug = "-".join(part for part in words.split("-") if part)[:64]
    return slug if SEGMENT_ID.fullmatch(slug) else "migrated-segment"
