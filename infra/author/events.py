"""Events of a behavior: which of them, of when, in what order, and what figure of them."""

from collections.abc import Callable
from typing import Any, NoReturn

from .constants import COLLECTIONS, AuthoringError, duration
from .expressions import Path, Phrase, Value, all_of, spans
from .names import Names

COLUMNS: Names[Path] = Names(Path)
"""Columns of an event; what the function of `where` is given."""


class Events(Phrase):
    """Events of a behavior: `where` says which, `within` and its like say when, an aggregate makes a value."""

    # Which

    def where(self, condition: Callable[[Names[Path]], Any] | None = None, /, **equal: Any) -> "Events":
        """Those that fulfil a condition: `.where(lambda e: e.price > 5)`, `.where(department="GROCERY")`."""
        parts = [] if condition is None else [condition(COLUMNS) if callable(condition) else condition]
        for name, value in equal.items():
            column = Path(name)
            parts.append(column.in_(value) if isinstance(value, COLLECTIONS) else column == value)
        if not parts:
            raise AuthoringError('where needs a condition, e.g. .where(department="GROCERY")')
        return Events("filter", self, all_of(parts))

    filter = where

    # When

    def within(self, longest: Any, shortest: Any = None) -> "Events":
        """Of the last `30d`, or from `14d` to `7d` ago."""
        return Events("within", self, *spans(longest, shortest))

    def older_than(self, span: Any) -> "Events":
        """Of at least so long ago."""
        return Events("older_than", self, duration(span))

    def during(self, period: str) -> "Events":
        """Of a calendar period, such as `last month`."""
        return Events("during", self, period)

    # In what order

    def followed_by(self, later: "Events", within: Any) -> "Events":
        """Those after which one of `later` came, at most `within` later."""
        return Events("followed_by", self, later, duration(within))

    def not_followed_by(self, later: "Events", within: Any) -> "Events":
        """Those after which none of `later` came until `within` had passed."""
        return Events("not_followed_by", self, later, duration(within))

    # What of them

    def count(self) -> Value:
        """How many."""
        return Value("count", self)

    def count_distinct(self, column: str) -> Value:
        """How many different values a column has."""
        return self._figure("count_distinct", column)

    def sum(self, column: str) -> Value:
        """The sum of a column."""
        return self._figure("sum", column)

    def avg(self, column: str) -> Value:
        """The average of a column."""
        return self._figure("avg", column)

    def min(self, column: str) -> Value:
        """The lowest, or earliest, value of a column."""
        return self._figure("min", column)

    def max(self, column: str) -> Value:
        """The highest, or latest, value of a column."""
        return self._figure("max", column)

    def first(self, column: str) -> Value:
        """A column of the first event."""
        return self._figure("first", column)

    def last(self, column: str) -> Value:
        """A column of the last event."""
        return self._figure("last", column)

    def _figure(self, name: str, column: str) -> Value:
        if not isinstance(column, str):
            raise AuthoringError(f'{name} takes the name of a column, e.g. .{name}("price")')
        return Value(name, self, column)

    def _no_such(self, name: str) -> str:
        column = f"; a column is read in where or in a figure, e.g. .where(lambda e: e.{name} == ...)"
        return super()._no_such(name) + column

    def _refuse(self, *_: Any) -> NoReturn:
        raise AuthoringError("events are no value; compare a figure of them, e.g. .count() >= 3")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __invert__ = _refuse
    __add__ = __sub__ = __mul__ = __truediv__ = _refuse
    __hash__ = None


class Behavior(Events):
    """All events of a behavior."""

    def __init__(self, name: str) -> None:
        super().__init__("var", f"behaviors.{name}")

    def _prepare(self) -> dict[str, str]:
        return {"var": str(self.o1._prepare())}
