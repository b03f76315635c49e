"""The words of the rule language as Python: expressions of `jsonlogic-py`, with what that package lacks.

    attribute.age >= 18
    behavior.purchases.within("30d").count() >= 3
    behavior.purchases.where(lambda e: e.department == "GROCERY").sum("sales_value") > 100
    ~segment("staff") & (bucket("spring-test") < 10)

`&`, `|`, `~` join conditions; `and`, `or`, `not` and chained comparisons cannot (Python does not let them)
and say so. Whether names exist and types fit is checked when the documents are emitted.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, Self

from jsonlogic import Expression, Literal, Operand, Operation, Variable


class AuthoringError(Exception):
    """A rule that cannot be written so; says how to write it."""


def constant(value: Any) -> Any:
    """A Python value as JSON-Logic takes it; what would silently become text is refused."""
    if isinstance(value, Operand):
        return value
    if value is None:
        raise AuthoringError("None is no value; write .is_missing() or .is_present()")
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise AuthoringError(
                f"{value!r} has no time zone; pass tzinfo=..., or ISO text for the audience's zone"
            )
        return Literal(value.isoformat())
    if isinstance(value, dt.date):
        return Literal(value.isoformat())
    if isinstance(value, list | tuple | set | frozenset | range):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return Literal([_plain(constant(item)) for item in items])
    if isinstance(value, float) and not math.isfinite(value):
        raise AuthoringError(f"{value!r} is no number of the rule language")
    if isinstance(value, bool | int | float | str):
        return Literal(value)
    raise AuthoringError(
        f"{value!r} ({type(value).__name__}) cannot stand in a rule; write text, a number or a date"
    )


def _plain(literal: Any) -> Any:
    if not isinstance(literal, Literal):
        raise AuthoringError("a list holds constants; for expressions join comparisons with |")
    return literal._prepare()


class Phrase(Expression):  # type: ignore[misc]  # the package is untyped
    """An operator with its operands; what Python would decide by itself is refused."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Past the package's own `__new__`, which would put its operators in place of those below."""
        return object.__new__(cls)

    def __init__(self, name: str, *operands: Any) -> None:
        first, *others = (constant(operand) for operand in operands)
        super().__init__(Operation(name, None), first, *others)

    def __bool__(self) -> NoReturn:
        raise AuthoringError(
            "join conditions with &, | and ~ instead of and, or, not; write .between(a, b) for a < x < b"
        )

    def __contains__(self, item: Any) -> NoReturn:
        raise AuthoringError("write x.contains(y) instead of y in x, and x.in_(...) for a list")

    def __iter__(self) -> NoReturn:
        raise AuthoringError("a rule cannot loop over an expression; use some, all, none or count")

    __hash__ = None  # type: ignore[assignment]  # equality makes a rule, so it cannot serve a dictionary


class Condition(Phrase):
    """What is true or false."""

    def __and__(self, other: Any) -> "Condition":
        return Condition("and", self, _condition(other))

    def __or__(self, other: Any) -> "Condition":
        return Condition("or", self, _condition(other))

    def __invert__(self) -> "Condition":
        return Condition("!", self)

    def _refuse(self, *_: Any) -> NoReturn:
        raise AuthoringError("a condition is no value: put parentheses around comparisons that & and | join")

    def __rand__(self, other: Any) -> "Condition":
        return Condition("and", other, self) if isinstance(other, Operand) else self._refuse()

    def __ror__(self, other: Any) -> "Condition":
        return Condition("or", other, self) if isinstance(other, Operand) else self._refuse()

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse


class Value(Condition):
    """A value that differs by profile. A boolean one is a condition, too."""

    def __eq__(self, other: object) -> Condition:
        return Condition("==", self, other)

    def __ne__(self, other: object) -> Condition:
        return Condition("!=", self, other)

    def __lt__(self, other: Any) -> Condition:
        return Condition("<", self, other)

    def __le__(self, other: Any) -> Condition:
        return Condition("<=", self, other)

    def __gt__(self, other: Any) -> Condition:
        return Condition(">", self, other)

    def __ge__(self, other: Any) -> Condition:
        return Condition(">=", self, other)

    __hash__ = None  # type: ignore[assignment]

    def is_missing(self) -> Condition:
        """Whether there is no value."""
        return Condition("==", self, _Null())

    def is_present(self) -> Condition:
        """Whether there is one."""
        return Condition("!=", self, _Null())

    def between(self, low: Any, high: Any) -> Condition:
        """From `low` to `high`, both included."""
        return Condition("<=", low, self, high)

    def in_(self, *values: Any) -> Condition:
        """Whether it is one of the values, given one by one or as a list."""
        listed = values[0] if len(values) == 1 and not isinstance(values[0], str | int | float) else values
        if isinstance(listed, Operand):
            raise AuthoringError("in_ takes constants; write y.contains(x) for an array or text y")
        return Condition("in", self, listed if isinstance(listed, set | frozenset) else list(listed))

    isin = in_

    # Arithmetic

    def __add__(self, other: Any) -> "Value":
        return Value("+", self, other)

    def __radd__(self, other: Any) -> "Value":
        return Value("+", other, self)

    def __sub__(self, other: Any) -> "Value":
        return Value("-", self, other)

    def __rsub__(self, other: Any) -> "Value":
        return Value("-", other, self)

    def __mul__(self, other: Any) -> "Value":
        return Value("*", self, other)

    def __rmul__(self, other: Any) -> "Value":
        return Value("*", other, self)

    def __truediv__(self, other: Any) -> "Value":
        return Value("/", self, other)

    def __rtruediv__(self, other: Any) -> "Value":
        return Value("/", other, self)

    def __mod__(self, other: Any) -> "Value":
        return Value("%", self, other)

    def __rmod__(self, other: Any) -> "Value":
        return Value("%", other, self)

    def __neg__(self) -> "Value":
        return Value("-", self)

    # Text

    def lower(self) -> "Value":
        """In lower case."""
        return Value("lower", self)

    def upper(self) -> "Value":
        """In upper case."""
        return Value("upper", self)

    def contains(self, part: Any) -> Condition:
        """Whether a text holds another one, or an array an element."""
        return Condition("in", part, self)

    def starts_with(self, part: Any) -> Condition:
        """Whether it begins with a text."""
        return Condition("starts_with", self, part)

    def ends_with(self, part: Any) -> Condition:
        """Whether it ends with a text."""
        return Condition("ends_with", self, part)

    def matches(self, pattern: str) -> Condition:
        """Whether a pattern occurs in it."""
        return Condition("matches", self, pattern)

    # Time

    def within(self, longest: str, shortest: str | None = None) -> Condition:
        """In the last `30d`, or from `14d` to `7d` ago."""
        return Condition("within", self, longest, *([] if shortest is None else [shortest]))

    def older_than(self, duration: str) -> Condition:
        """At least so long ago."""
        return Condition("older_than", self, duration)

    def within_next(self, duration: str) -> Condition:
        """In the coming `7d`."""
        return Condition("within_next", self, duration)

    def during(self, period: str) -> Condition:
        """In a calendar period, such as `last month`."""
        return Condition("during", self, period)

    # Arrays

    def some(self, condition: Callable[[Any], Any]) -> Condition:
        """Whether an element fulfils a condition: `.some(lambda x: x > 3)`."""
        return Condition("some", self, _condition(condition(ELEMENT)))

    def all(self, condition: Callable[[Any], Any]) -> Condition:
        """Whether every element does, and there is one."""
        return Condition("all", self, _condition(condition(ELEMENT)))

    def none(self, condition: Callable[[Any], Any]) -> Condition:
        """Whether no element does."""
        return Condition("none", self, _condition(condition(ELEMENT)))

    def count(self, condition: Callable[[Any], Any] | None = None) -> "Value":
        """How many elements there are, or fulfil a condition."""
        if condition is None:
            return Value("count", self)
        return Value("count", Phrase("filter", self, _condition(condition(ELEMENT))))


class Path(Value):
    """A `var` of the language."""

    def __init__(self, path: str) -> None:
        super().__init__("var", path)

    def _prepare(self) -> dict[str, str]:
        return {"var": str(self.o1._prepare())}


class _Null(Literal):  # type: ignore[misc]
    """JSON's null, which only ever asks whether a value is missing; the package would write "None"."""

    def __init__(self) -> None:
        super().__init__("")

    def _prepare(self) -> None:
        return None


ELEMENT = Path("")
"""The array element in scope."""


class Events(Phrase):
    """Events of a behavior: `where` says which, `within` and its like say when, an aggregate makes a value."""

    # Which

    def where(self, condition: Callable[["Names"], Any] | None = None, /, **equal: Any) -> "Events":
        """Those that fulfil a condition: `.where(lambda e: e.price > 5)`, `.where(department="GROCERY")`."""
        parts = [] if condition is None else [condition(COLUMNS) if callable(condition) else condition]
        for name, value in equal.items():
            column = Path(name)
            parts.append(column.in_(value) if isinstance(value, list | tuple | set) else column == value)
        if not parts:
            raise AuthoringError('where needs a condition, e.g. .where(department="GROCERY")')
        return Events("filter", self, _all_of(parts))

    filter = where

    # When

    def within(self, longest: str, shortest: str | None = None) -> "Events":
        """Of the last `30d`, or from `14d` to `7d` ago."""
        return Events("within", self, longest, *([] if shortest is None else [shortest]))

    def older_than(self, duration: str) -> "Events":
        """Of at least so long ago."""
        return Events("older_than", self, duration)

    def during(self, period: str) -> "Events":
        """Of a calendar period, such as `last month`."""
        return Events("during", self, period)

    # In what order

    def followed_by(self, later: "Events", within: str) -> "Events":
        """Those after which one of `later` came, at most `within` later."""
        return Events("followed_by", self, later, within)

    def not_followed_by(self, later: "Events", within: str) -> "Events":
        """Those after which none of `later` came until `within` had passed."""
        return Events("not_followed_by", self, later, within)

    # What of them

    def count(self) -> Value:
        """How many."""
        return Value("count", self)

    def count_distinct(self, column: str) -> Value:
        """How many different values a column has."""
        return Value("count_distinct", self, column)

    def sum(self, column: str) -> Value:
        """The sum of a column."""
        return Value("sum", self, column)

    def avg(self, column: str) -> Value:
        """The average of a column."""
        return Value("avg", self, column)

    def min(self, column: str) -> Value:
        """The lowest, or earliest, value of a column."""
        return Value("min", self, column)

    def max(self, column: str) -> Value:
        """The highest, or latest, value of a column."""
        return Value("max", self, column)

    def first(self, column: str) -> Value:
        """A column of the first event."""
        return Value("first", self, column)

    def last(self, column: str) -> Value:
        """A column of the last event."""
        return Value("last", self, column)

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


class Names:
    """Names by dot, or by text where the name is no Python word: `attribute.age`, `attribute["age"]`."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._make(name)

    def __getitem__(self, name: str) -> Any:
        return self._make(name)

    __call__ = __getitem__


attribute = Names(lambda name: Path(f"attributes.{name}"))
"""Columns of the profile: `attribute.age`."""

behavior = Names(Behavior)
"""The profile's events: `behavior.purchases`."""

COLUMNS = Names(Path)
"""Columns of an event; what the function of `where` is given."""


def segment(identifier: str) -> Condition:
    """Membership of another segment; `~segment("staff")` for not in it."""
    if not isinstance(identifier, str):
        raise AuthoringError(f"a segment is named by its id, a text, not by {identifier!r}")
    return Condition("in", identifier, Variable("segments"))


def bucket(seed: str) -> Value:
    """The profile's share under a seed, from 0 up to, not including, 100: `bucket("spring-test") < 10`."""
    return Value("bucket", seed)


def all_of(*conditions: Any) -> Condition:
    """All of the conditions, given one by one or as a list."""
    return _all_of(_several(conditions))


def any_of(*conditions: Any) -> Condition:
    """Any of the conditions, given one by one or as a list."""
    parts = [_condition(part) for part in _several(conditions)]
    return parts[0] if len(parts) == 1 else Condition("or", *parts)


def _several(conditions: tuple[Any, ...]) -> list[Any]:
    one = (
        len(conditions) == 1
        and isinstance(conditions[0], Iterable)
        and not isinstance(conditions[0], Operand)
    )
    listed = list(conditions[0]) if one else list(conditions)
    if not listed:
        raise AuthoringError("an empty group says nothing; give it a condition")
    return listed


def _all_of(parts: list[Any]) -> Condition:
    conditions = [_condition(part) for part in parts]
    return conditions[0] if len(conditions) == 1 else Condition("and", *conditions)


def _condition(item: Any) -> Any:
    if isinstance(item, Events):
        raise AuthoringError("events are no condition; compare a figure of them, e.g. .count() >= 3")
    if isinstance(item, bool):
        raise AuthoringError(
            f"{item} is no condition: Python decided a comparison by itself; compare an attribute, a column or a figure"
        )
    if not isinstance(item, Operand) or isinstance(item, Literal):
        raise AuthoringError(f"{item!r} is no condition; write a comparison, e.g. attribute.age >= 18")
    return item
