"""Treasure Data's operators as conditions on a value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.language import Schema, Type
from segmentation.language.patterns import PatternError, parse
from segmentation.language.problems import did_you_mean, step
from segmentation.language.times import zone
from segmentation.language.types import ELEMENT
from segmentation.language.values import parse_date, parse_instant, parse_time

from .report import Report
from .td_time import TIME_OPERATORS, TimeOperators

_ORDER = {"Greater": ">", "GreaterEqual": ">=", "Less": "<", "LessEqual": "<="}
_TEXT = ("Contain", "StartWith", "EndWith")
_ONE, _SEVERAL = ("rightValue",), ("rightValues",)
_FIELDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Equal", "IsNull", "Regexp", *_ORDER), _ONE),
    **dict.fromkeys(("In", *_TEXT), _SEVERAL),
    "Between": ("minValue", "maxValue", "rightValue"),
    "TimeRange": ("from", "duration", "reverse"),
    "TimeToday": (),
    **dict.fromkeys(("TimeThis", "TimeNext"), ("from",)),
    **dict.fromkeys(("TimeWithinNext", "TimeWithinPast"), ("value", "unit")),
    "TimeInBetweenNext": ("from", "to"),
}
"""What each operator is told, beside its type and `not`."""
OPERATORS = tuple(_FIELDS)


@dataclass(frozen=True, slots=True)
class Subject:
    """A value that an operator is applied to. `sure`: it is never missing."""

    expression: Any
    type: Type
    sure: bool = False
    of_event: bool = False


class Operators:
    """Converts operators. `keep_missing_out`: complements ask for the value's presence, as SQL does."""

    def __init__(self, report: Report, schema: Schema, keep_missing_out: bool, approximate: bool) -> None:
        self.report = report
        self._zone = schema.time_zone
        self._keep_missing_out = keep_missing_out
        self._approximate = approximate

    def times(self, of_event: bool) -> TimeOperators:
        """The converter of time operators over one moment."""
        return TimeOperators(self.report, self._approximate, of_event)

    def applied(self, subject: Subject, operator: Any, matching: Any, pointer: str) -> Any | None:
        """The condition of an operator at `pointer`, or `None` with problems."""
        below = step(pointer, "operator")
        kind = operator.get("type") if isinstance(operator, Mapping) else None
        if kind not in OPERATORS:
            hint = did_you_mean(str(kind), OPERATORS)
            return self.report.refuse(below, "unknown-operator", f"{kind!r} is no operator{hint}")
        self.report.only(operator, ("type", "not", *_FIELDS[kind]), below)
        if kind == "IsNull":
            denied = self.report.flag(operator, "not", below)
            return {"!=" if denied else "==": [subject.expression, None]}
        if subject.type.is_array:
            return self._over_array(subject, operator, matching, pointer)
        if matching not in (None, "any", "all"):
            message = f"{matching!r} counts elements, but the value is no array"
            return self.report.refuse(step(pointer, "arrayMatching"), "no-array", message)
        return self._test(subject, operator, below)

    def _over_array(self, subject: Subject, operator: Any, matching: Any, pointer: str) -> Any | None:
        place = step(pointer, "arrayMatching")
        element = Subject({"var": ""}, ELEMENT[subject.type])
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

    def _test(self, subject: Subject, operator: Mapping[str, Any], pointer: str) -> Any | None:
        kind = operator["type"]
        if (kind in _ORDER or kind == "Between") and not subject.type.is_ordered:
            message = f"a {subject.type.noun} has no order; {kind} cannot compare it"
            return self.report.refuse(pointer, "not-ordered", message)
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
        denied = self.report.flag(operator, "not", pointer)
        if subject.type is Type.NUMBER and subject.sure:
            self._note_nothing(operator, denied, pointer)
        return self._negated(subject, test, pointer) if denied else test

    def _note_nothing(self, operator: Mapping[str, Any], denied: bool, pointer: str) -> None:
        if operator["type"] in ("Less", "LessEqual", "Between", "Equal") or denied:
            message = "a count or sum of no events is 0, so people without any are judged by that"
            self.report.note(pointer, "nothing-is-zero", message)

    def _negated(self, subject: Subject, test: Any, pointer: str) -> Any:
        opposite = complement(test)
        if subject.sure:
            return opposite
        if not self._keep_missing_out:
            message = "people whose value is missing are let in; SQL would drop them"
            self.report.note(pointer, "missing-let-in", message)
            return opposite
        message = "people whose value is missing are kept out, as SQL does; drop the test of presence to let them in"
        self.report.note(pointer, "missing-kept-out", message)
        return joined("and", [{"!=": [subject.expression, None]}, opposite])

    def _in(self, subject: Subject, operator: Mapping[str, Any], pointer: str) -> Any | None:
        values = self._many(operator, subject.type, pointer)
        return None if values is None else {"in": [subject.expression, values]}

    def _text(self, subject: Subject, kind: str, operator: Mapping[str, Any], pointer: str) -> Any | None:
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
        return joined("or", [tests[kind](part) for part in parts])

    def _is_text(self, subject: Subject, kind: str, pointer: str) -> bool:
        if subject.type is not Type.STRING:
            self.report.refuse(pointer, "not-text", f"{kind} is for text; this is a {subject.type.noun}")
        return subject.type is Type.STRING

    def _many(self, operator: Mapping[str, Any], type_: Type, pointer: str) -> list[Any] | None:
        below = step(pointer, "rightValues")
        raw = self.report.items(operator.get("rightValues"), below)
        if raw is None:
            return None
        if not raw:
            return self.report.refuse(below, "empty-list", "the list is empty, so nobody matches")
        values = [self._literal(item, type_, step(below, i)) for i, item in enumerate(raw)]
        return None if None in values else values

    def _pattern(self, subject: Subject, operator: Mapping[str, Any], pointer: str) -> Any | None:
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

    def _moment_test(self, subject: Subject, operator: Mapping[str, Any], pointer: str) -> Any | None:
        if subject.type not in (Type.TIMESTAMP, Type.DATE):
            message = f"{operator['type']} is about time; this is a {subject.type.noun}"
            return self.report.refuse(pointer, "not-a-moment", message)
        times = self.times(subject.of_event)
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
        self, times: TimeOperators, subject: Subject, operator: Mapping[str, Any], pointer: str
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
        return joined("and", [first, second])

    def _literal(self, raw: Any, type_: Type, pointer: str) -> Any | None:
        value = raw.get("timestamp") if isinstance(raw, Mapping) else raw
        result: Any = None
        if type_ is Type.STRING and isinstance(value, str | int | float) and not isinstance(value, bool):
            result = value if isinstance(value, str) else say_number(value)
        elif type_ is Type.NUMBER and isinstance(value, str | int | float) and not isinstance(value, bool):
            result = _number(value)
        elif type_ is Type.BOOLEAN:
            result = {"true": True, "false": False}.get(str(value).lower())
        elif type_ is Type.TIMESTAMP:
            result = _moment(value, self._zone)
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


_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)


def _number(value: str | float) -> float | None:
    if not isinstance(value, str):
        return value
    if not _NUMBER.fullmatch(value):
        return None
    return int(value) if value.strip().lstrip("+-").isdigit() else float(value)


def say_number(value: float) -> str:
    """A number as the text that it is compared as: whole ones without a fraction."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def _moment(value: Any, time_zone: str) -> Any:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float) or (isinstance(value, str) and value.isascii() and value.isdigit()):
        return parse_time(float(value))
    return value if isinstance(value, str) and parse_instant(value, zone(time_zone)) is not None else None


def joined(word: str, parts: Sequence[Any]) -> Any:
    """Conditions joined by a word, groups of the same word flattened."""
    flat: list[Any] = []
    for part in parts:
        flat.extend(part[word] if isinstance(part, Mapping) and set(part) == {word} else [part])
    return flat[0] if len(flat) == 1 else {word: flat}


def complement(test: Any) -> Any:
    """The plain complement of a condition."""
    ((name, operands),) = test.items()
    if name in ("==", "!="):
        return {"!=" if name == "==" else "==": operands}
    return operands[0] if name == "!" else {"!": [test]}
