"""Identity keys beside the master key: in which raw table they stand, and how their values are written.

Batch and stream write a value alike, so that what a visitor did under a key and what the batch knows of it meet in
one profile of the store. A key that is `pii` is only ever kept as its SHA-256.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from segmentation.language.values import simple_lower


class Normal(StrEnum):
    """How a value is written. `exact`: as it is. `email`: without blanks around it, in lower case."""

    EXACT = "exact"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity key. Without a `table` only events carry it.

    `key` is the column of the table that holds the master key, `column` the one that holds the identity. Of several
    profiles with one value the row with the greatest `latest` wins, then the smallest profile key.
    """

    name: str
    table: str | None = None
    key: str = ""
    column: str = ""
    latest: str | None = None
    normal: Normal = Normal.EXACT
    hashed: bool = False

    def write(self, value: str) -> str:
        """A value as the profiles store has it."""
        if self.normal is Normal.EMAIL:
            value = simple_lower(value.strip(" "))
        return hashlib.sha256(value.encode()).hexdigest() if self.hashed and value else value

    def sql(self, value: str) -> str:
        """The same in SQL; `value` is text."""
        if self.normal is Normal.EMAIL:
            value = f"lower(trim({value}))"
        return f"lower(to_hex(sha256(to_utf8(nullif({value}, '')))))" if self.hashed else value
