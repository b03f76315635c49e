"""The operators of the language, one module a group. Importing this package fills the two tables."""

from . import arithmetic, arrays, behaviors, compare, logic, membership, segments, sources, text, time
from .base import FORMS, OPERATORS, READERS, Closure, NotLowered, Operator

__all__ = [
    "FORMS",
    "OPERATORS",
    "READERS",
    "Closure",
    "NotLowered",
    "Operator",
    "arithmetic",
    "arrays",
    "behaviors",
    "compare",
    "logic",
    "membership",
    "segments",
    "sources",
    "text",
    "time",
]
