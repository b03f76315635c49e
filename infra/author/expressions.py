"""Values and conditions: expressions of `jsonlogic-py` with what that package lacks, and what Python would decide
by itself refused."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, Self

from jsonlogic import Expression, Literal, Operand, Operation
from segmentation.language.problems import did_you_mean

from .constants import AuthoringError, Null, constant, duration, listed

_PYTHON_DECIDES = (
    "Python would decide this now, before there is a person: join conditions with &, | and ~ instead of and, or, not, "
    "each comparison in parentheses; write .between(a, b) for a <= x <= b, .in_(...) for x in [...]; a rule has no if"
)
_ELSEWHERE = {
    "startswith": "write .starts_with(...)",
    "endswith": "write .ends_with(...)",
    "isnull": "write .is_missing()",
    "notnull": "write .is_present()",
    "casefold": "write .lower()",
    "strip": "a rule does not trim text; do that where the column is made",
    "replace": "a rule does not change text; compare parts of it with contains, starts_with, ends_with or matches",
    "split": "a rule does not change text; compare parts of it with contains, starts_with, ends_with or matches",
    "any": "write .some(lambda x: ...)",
    "len": "write .count()",
}
"""Words of Python and pandas, and what to write here."""


class NoSuchWord(AuthoringError, AttributeError):
    """A word that an expression does not have; also an `AttributeError`, as Python wants it."""


class Phrase(Expression):  # type: ignore[misc]  # the package is untyped
    """An operator with its operands; what Python would decide by itself is refused."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Past the package's own `__new__`, which would put its operators in place of those below."""
        return object.__new__(cls)

    def __init__(self, name: str, *operands: Any) -> None:
        first, *others = (constant(operand) for operand in operands)
        super().__init__(Operation(name, None), first, *others)

    def __bool__(self) -> NoReturn:
        raise AuthoringError(_PYTHON_DECIDES)

    def __contains__(self, item: Any) -> NoReturn:
        raise AuthoringError("write x.contains(y) instead of y in x, and x.in_(...) for a list")

    def __iter__(self) -> NoReturn:
        raise AuthoringError("a rule cannot loop over an expression; use some, all, none or count")

    def __len__(self) -> NoReturn:
        raise AuthoringError("write .count() instead of len(...)")

    if not TYPE_CHECKING:  # to an editor there is nothing but what stands here

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(name)
            raise NoSuchWord(self._no_such(name))

    def _no_such(self, name: str) -> str:
        words = [word for word in dir(type(self)) if not word.startswith("_")]
        hint = f"; {_ELSEWHERE[name]}" if name in _ELSEWHERE else did_you_mean(name, words)
        return f"there is no .{name} here{hint}"

    __hash__ = None  # type: ignore[assignment]  # equality makes a rule, so it cannot serve a dictionary


class Condition(Phrase):
    """What is true or false."""

    def __and__(self, other: Any) -> "Condition":
        return Condition("and", self, as_condition(other))

    def __or__(self, other: Any) -> "Condition":
        return Condition("or", self, as_condition(other))

    def __invert__(self) -> "Condition":
        return Condition("!", self)

    def _refuse(self, *_: Any) -> NoReturn:
        raise AuthoringError("a condition is no value: put parentheses around comparisons that & | ~ join")

    def __rand__(self, other: Any) -> "Condition":
        return Condition("and", other, self) if isinstance(other, Operand) else self._refuse()

    def __ror__(self, other: Any) -> "Condition":
        return Condition("or", other, self) if isinstance(other, Operand) else self._refuse()

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __mod__ = __rmod__ = __neg__ = _refuse
    __hash__ = None


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

    __hash__ = None

    def is_missing(self) -> Condition:
        """Whether there is no value."""
        return Condition("==", self, Null())

    def is_present(self) -> Condition:
        """Whether there is one."""
        return Condition("!=", self, Null())

    def between(self, low: Any, high: Any) -> Condition:
        """From `low` to `high`, both included."""
        return Condition("<=", low, self, high)

    def in_(self, *values: Any) -> Condition:
        """Whether it is one of the values, given one by one or as a list."""
        return Condition("in", self, listed(values))

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

    def within(self, longest: Any, shortest: Any = None) -> Condition:
        """In the last `30d`, or from `14d` to `7d` ago."""
        return Condition("within", self, *spans(longest, shortest))

    def older_than(self, span: Any) -> Condition:
        """At least so long ago."""
        return Condition("older_than", self, duration(span))

    def within_next(self, span: Any) -> Condition:
        """In the coming `7d`."""
        return Condition("within_next", self, duration(span))

    def during(self, period: str) -> Condition:
        """In a calendar period, such as `last month`."""
        return Condition("during", self, period)

    # Arrays

    def some(self, condition: Callable[["Value"], Any]) -> Condition:
        """Whether an element fulfils a condition: `.some(lambda x: x > 3)`."""
        return Condition("some", self, as_condition(condition(ELEMENT)))

    def all(self, condition: Callable[["Value"], Any]) -> Condition:
        """Whether every element does, and there is one."""
        return Condition("all", self, as_condition(condition(ELEMENT)))

    def none(self, condition: Callable[["Value"], Any]) -> Condition:
        """Whether no element does."""
        return Condition("none", self, as_condition(condition(ELEMENT)))

    def count(self, condition: Callable[["Value"], Any] | None = None) -> "Value":
        """How many elements there are, or fulfil a condition."""
        if condition is None:
            return Value("count", self)
        return Value("count", Phrase("filter", self, as_condition(condition(ELEMENT))))


class Path(Value):
    """A `var` of the language."""

    def __init__(self, path: str) -> None:
        super().__init__("var", path)

    def _prepare(self) -> dict[str, str]:
        return {"var": str(self.o1._prepare())}


ELEMENT = Path("")
"""The array element in scope."""


def spans(longest: Any, shortest: Any) -> list[str]:
    """The durations of a window."""
    return [duration(longest)] if shortest is None else [duration(longest), duration(shortest)]


def as_condition(item: Any) -> Any:
    """An operand that may be a condition."""
    if isinstance(item, Phrase) and not isinstance(item, Condition):
        raise AuthoringError("events are no condition; compare a figure of them, e.g. .count() >= 3")
    if isinstance(item, bool):
        raise AuthoringError(
            f"{item} is no condition: Python decided a comparison by itself; compare an attribute, a column or a figure"
        )
    if not isinstance(item, Operand) or isinstance(item, Literal):
        raise AuthoringError(f"{item!r} is no condition; write a comparison, e.g. attribute.age >= 18")
    return item


def all_of(*conditions: Any) -> Condition:
    """All of the conditions, given one by one or as a list."""
    return _group("and", conditions)


def any_of(*conditions: Any) -> Condition:
    """Any of the conditions, given one by one or as a list."""
    return _group("or", conditions)


def _group(name: str, conditions: tuple[Any, ...]) -> Condition:
    one = conditions[0] if len(conditions) == 1 else None
    many = one if isinstance(one, Iterable) and not isinstance(one, Operand) else conditions
    parts: list[Condition] = [as_condition(part) for part in many]
    if not parts:
        raise AuthoringError("an empty group says nothing; give it a condition")
    return parts[0] if len(parts) == 1 else Condition(name, *parts)
