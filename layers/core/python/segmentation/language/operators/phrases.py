"""How comparisons are said, by the type of what is compared."""

from typing import Literal

from ..tree import Node
from ..types import Type

Relation = Literal["eq", "lt", "le", "gt", "ge"]
"""How a value stands to another."""

Verbs = dict[Relation, tuple[str, str]]

_NUMBERS: Verbs = {
    "eq": ("is", "is not"),
    "lt": ("is less than", "is not less than"),
    "le": ("is at most", "is not at most"),
    "gt": ("is more than", "is not more than"),
    "ge": ("is at least", "is not at least"),
}
_MOMENTS: Verbs = {
    "eq": ("is", "is not"),
    "lt": ("is before", "is not before"),
    "le": ("is at or before", "is not at or before"),
    "gt": ("is after", "is not after"),
    "ge": ("is at or after", "is not at or after"),
}
_DAYS: Verbs = {
    **_MOMENTS,
    "le": ("is on or before", "is not on or before"),
    "ge": ("is on or after", "is not on or after"),
}
_TEXTS: Verbs = {
    "eq": ("is", "is not"),
    "lt": ("sorts before", "does not sort before"),
    "le": ("is or sorts before", "neither is nor sorts before"),
    "gt": ("sorts after", "does not sort after"),
    "ge": ("is or sorts after", "neither is nor sorts after"),
}
_BY_TYPE = {Type.TIMESTAMP: _MOMENTS, Type.DATE: _DAYS, Type.STRING: _TEXTS}


def verb(type_: object, relation: Relation, denied: bool) -> str:
    """What stands between two compared values of a type."""
    verbs = _BY_TYPE.get(type_, _NUMBERS) if isinstance(type_, Type) else _NUMBERS
    return verbs[relation][denied]


_QUANTITIES = {"lt": "fewer than", "le": "at most", "gt": "more than", "ge": "at least", "eq": "exactly"}


def say_number(number: float) -> str:
    """1234.5 -> 1,234.5; very large and very small ones with an exponent."""
    return f"{int(number):,}" if float(number).is_integer() and abs(number) < 1e15 else f"{float(number):,}"


def quantity(relation: Relation, number: float) -> str:
    """How many: at least 3, no."""
    if (relation, number) in (("eq", 0), ("le", 0), ("lt", 1)):
        return "no"
    if (relation, number) in (("ge", 1), ("gt", 0)):
        return "at least one"
    return f"{_QUANTITIES[relation]} {say_number(number)}"


def is_one(amount: str) -> bool:
    """Whether the noun after such a quantity is singular."""
    return amount.endswith((" one", " 1"))


def quantities(low: tuple[Relation, Node], high: tuple[Relation, Node]) -> str:
    """How many, between two bounds."""
    if (low[0], high[0]) == ("ge", "le"):
        return f"between {say_number(low[1].value)} and {say_number(high[1].value)}"
    return f"{quantity(low[0], low[1].value)} and {quantity(high[0], high[1].value)}"
