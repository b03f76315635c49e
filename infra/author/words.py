"""The words of the rule language that `jsonlogic-py` has no Python operator for."""

from typing import Any

from jsonlogic import Expression, Operation, Variable


def attribute(name: str) -> Any:
    """A column of the profile."""
    return Variable(f"attributes.{name}")


def behavior(name: str) -> Any:
    """The profile's events of a behavior."""
    return Variable(f"behaviors.{name}")


def column(name: str) -> Any:
    """A column of an event, inside `where`."""
    return Variable(name)


def in_segment(identifier: str) -> Any:
    """Membership of another segment."""
    return Variable("segments").contains(identifier)


def where(events: Any, condition: Any) -> Any:
    """The events that meet a condition."""
    return _word("filter", events, condition)


def within(events: Any, *bounds: str) -> Any:
    """The events of the last `30d`, or from `14d` ago to `7d` ago."""
    return _word("within", events, *bounds)


def during(events: Any, period: str) -> Any:
    """The events of a calendar period, such as `last month`."""
    return _word("during", events, period)


def followed_by(first: Any, second: Any, gap: str) -> Any:
    """The events of `first` that have one of `second` after them, at most `gap` later."""
    return _word("followed_by", first, second, gap)


def count(events: Any) -> Any:
    """How many events."""
    return _word("count", events)


def count_distinct(events: Any, name: str) -> Any:
    """How many different values a column has."""
    return _word("count_distinct", events, name)


def total(events: Any, name: str) -> Any:
    """The sum of a column."""
    return _word("sum", events, name)


def _word(name: str, *operands: Any) -> Any:
    return Expression(Operation(name, None), *operands)
