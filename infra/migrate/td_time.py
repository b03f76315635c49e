"""Treasure Data's time operators as windows of the rule language."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.language.problems import step
from segmentation.language.times import LONGEST, say_duration

from .report import Report

FIXED = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
ROUGH = {"month": 30 * 86_400, "quarter": 91 * 86_400, "year": 365 * 86_400}
"""What a unit without a fixed length is taken for with `--approximate-months`."""

TIME_OPERATORS = (
    "TimeRange",
    "TimeToday",
    "TimeThis",
    "TimeNext",
    "TimeWithinNext",
    "TimeWithinPast",
    "TimeInBetweenNext",
)
_CALENDAR = ("day", "week", "month", "quarter", "year")
_DAYS = {"last": "yesterday", "this": "today", "next": "tomorrow"}


@dataclass
class TimeOperators:
    """Converts time operators over one moment: `{"var": ...}` of a timestamp or a date."""

    report: Report
    approximate: bool
    of_event: bool = False
    """Whether the moment is an event's own time, which never lies in the future."""

    def convert(self, operator: Mapping[str, Any], moment: Any, pointer: str) -> Any | None:
        """The condition, without the operator's `not`; `None` with problems."""
        match operator.get("type"):
            case "TimeToday":
                return self._calendar("this", "day", moment, pointer)
            case "TimeThis":
                return self._calendar("this", _unit(operator.get("from")), moment, step(pointer, "from"))
            case "TimeNext":
                return self._calendar("next", _unit(operator.get("from")), moment, step(pointer, "from"))
            case "TimeWithinPast":
                seconds = self._amount(operator.get("value"), operator.get("unit"), pointer)
                return None if seconds is None else self.past(moment, seconds, 0, pointer)
            case "TimeWithinNext":
                seconds = self._amount(operator.get("value"), operator.get("unit"), pointer)
                return None if seconds is None else self._coming(moment, seconds, pointer)
            case "TimeInBetweenNext":
                return self._between_next(operator, moment, pointer)
            case _:
                return self._range(operator, moment, pointer)

    def past(self, moment: Any, longest: int, shortest: int, pointer: str) -> Any | None:
        """From `longest` to `shortest` seconds ago."""
        if not 0 <= shortest < longest:
            message = "the range is empty or reaches into the future"
            return self.report.refuse(pointer, "empty-range", message)
        self._border(pointer)
        ends = [say_duration(shortest)] if shortest else []
        return {"within": [moment, say_duration(longest), *ends]}

    def before(self, moment: Any, seconds: int, pointer: str) -> Any:
        """So many seconds ago or earlier."""
        self._border(pointer)
        return {"older_than": [moment, say_duration(seconds)]}

    def since(self, moment: Any, seconds: int, pointer: str) -> Any:
        """Later than so many seconds ago."""
        self._border(pointer)
        recent = {"within": [moment, say_duration(seconds)]}
        if self.of_event:
            return recent
        return {"or": [recent, {"within_next": [moment, say_duration(LONGEST)]}]}

    def ago(self, value: Any, pointer: str) -> int | None:
        """Seconds of a `{"last": n, "unit": u}`, or of its `next`."""
        if not isinstance(value, Mapping):
            return self.report.refuse(pointer, "bad-duration", "an amount of time is wanted here")
        self.report.only(value, ("last", "next", "unit"), pointer)
        amount = value.get("last", value.get("next"))
        if isinstance(amount, Mapping):
            return self.duration(amount, pointer)
        return self._amount(amount, value.get("unit"), pointer)

    def duration(self, parts: Any, pointer: str) -> int | None:
        """Seconds of a duration in parts, such as `{"day": 1, "hour": 12}`."""
        if not isinstance(parts, Mapping) or not parts:
            return self.report.refuse(pointer, "bad-duration", "the duration is empty")
        seconds = [self._amount(amount, unit, step(pointer, unit)) for unit, amount in parts.items()]
        return None if None in seconds else sum(second for second in seconds if second is not None)

    def _amount(self, amount: Any, unit: Any, pointer: str) -> int | None:
        unit = unit if isinstance(unit, str) else "unit"
        try:
            number = math.nan if isinstance(amount, bool) else float(amount)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            return self.report.refuse(pointer, "bad-duration", f"{amount!r} is no number of {unit}s")
        if unit in ROUGH:
            if not self.approximate:
                message = (
                    f"a window of {amount} {unit}(s) has no fixed length, and windows here are exact to the second; "
                    f"use --approximate-months to take {ROUGH[unit] // 86_400} days for a {unit}"
                )
                return self.report.refuse(pointer, "calendar-window", message)
            self.report.note(
                pointer, "approximate-window", f"a {unit} is taken for {ROUGH[unit] // 86_400} days"
            )
        size = FIXED.get(unit) or ROUGH.get(unit)
        seconds = number * size if size else -1
        if seconds < 0 or seconds != int(seconds) or seconds > LONGEST:
            return self.report.refuse(
                pointer, "bad-duration", f"{amount} {unit!r} is no duration of the rule language"
            )
        return int(seconds)

    def _coming(self, moment: Any, seconds: int, pointer: str) -> Any | None:
        if self.of_event:
            return self.report.refuse(
                pointer, "future-events", "events lie in the past; the condition never holds"
            )
        if seconds == 0:
            return self.report.refuse(pointer, "empty-range", "the range is empty")
        self._border(pointer)
        return {"within_next": [moment, say_duration(seconds)]}

    def _between_next(self, operator: Mapping[str, Any], moment: Any, pointer: str) -> Any | None:
        near = self.ago(operator.get("from"), step(pointer, "from"))
        far = self.ago(operator.get("to"), step(pointer, "to"))
        if near is None or far is None:
            return None
        if near > far:
            near, far = far, near
        outer = self._coming(moment, far, pointer)
        if outer is None or near == 0:
            return outer
        return {"and": [outer, {"!": [{"within_next": [moment, say_duration(near)]}]}]}

    def _range(self, operator: Mapping[str, Any], moment: Any, pointer: str) -> Any | None:
        start = operator.get("from")
        if "duration" not in operator and isinstance(start, Mapping) and "last" not in start:
            return self._calendar("last", _unit(start), moment, step(pointer, "from"))
        begin = self.ago(start, step(pointer, "from"))
        length = self.duration(operator.get("duration"), step(pointer, "duration"))
        if begin is None or length is None:
            return None
        self.report.note(
            pointer,
            "range-from-now",
            "the range is counted in seconds back from now; where Treasure Data aligns it to whole units, use during",
        )
        if self.report.flag(operator, "reverse", pointer):
            return self.past(moment, begin + length, begin, pointer)
        if length > begin and not self.of_event:
            message = "the range reaches into the future"
            return self.report.refuse(pointer, "empty-range", message)
        return self.past(moment, begin, max(begin - length, 0), pointer)

    def _calendar(self, which: str, unit: str, moment: Any, pointer: str) -> Any | None:
        if unit not in _CALENDAR:
            message = f"there is no calendar period {which} {unit!r}; there are {', '.join(_CALENDAR)}"
            return self.report.refuse(pointer, "no-such-period", message)
        if which == "next" and self.of_event:
            return self.report.refuse(
                pointer, "future-events", "events lie in the past; the condition never holds"
            )
        if which == "this" and not self.of_event:
            message = (
                f"'this {unit}' ends with the {unit}; Treasure Data's older operators of this name also let in "
                "later moments"
            )
            self.report.note(pointer, "period-ends", message)
        self.report.note(
            pointer,
            "audience-zone",
            "calendar periods are of the audience's time zone, weeks begin on Monday",
        )
        return {"during": [moment, _DAYS[which] if unit == "day" else f"{which} {unit}"]}

    def _border(self, pointer: str) -> None:
        message = (
            "windows are half-open, exact to the second and slide with now; at a border the second may differ"
        )
        self.report.note(pointer, "window-border", message)


def _unit(value: Any) -> str:
    return str(value.get("unit")) if isinstance(value, Mapping) else "None"
