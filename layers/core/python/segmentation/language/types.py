"""The types of the language and what an audience offers to a rule."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Type(StrEnum):
    """The seven types of a column; a missing value belongs to each of them."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    STRINGS = "strings"
    NUMBERS = "numbers"

    @property
    def is_array(self) -> bool:
        """Whether values of this type are arrays."""
        return self in ELEMENT

    @property
    def is_ordered(self) -> bool:
        """Whether `<` and its family make sense."""
        return self in (Type.STRING, Type.NUMBER, Type.TIMESTAMP, Type.DATE)

    @property
    def noun(self) -> str:
        """The type as a message names it."""
        return {"strings": "string array", "numbers": "number array"}.get(self.value, self.value)


ELEMENT: Mapping[Type, Type] = {Type.STRINGS: Type.STRING, Type.NUMBERS: Type.NUMBER}
"""The element type of each array type."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
"""What attributes, behaviors and columns may be called."""

SEGMENT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
"""What segments and audiences may be called."""


@dataclass(frozen=True)
class Schema:
    """What the rules of one audience can read.

    `attributes`: column name -> type. `behaviors`: behavior name -> its columns; `time`, a timestamp, is
    always there and need not be listed. `time_zone`: an IANA name; literals without an offset and
    calendar periods are of this zone. `set_by_events`: attributes that events set, by the behavior and column that hold
    them; the latest event that has a value says it (decision 8).
    """

    attributes: Mapping[str, Type] = field(default_factory=dict)
    behaviors: Mapping[str, Mapping[str, Type]] = field(default_factory=dict)
    time_zone: str = "UTC"
    set_by_events: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def columns(self, behavior: str) -> dict[str, Type]:
        """The columns of a behavior's events, `time` included."""
        return {**self.behaviors[behavior], "time": Type.TIMESTAMP}
