"""Values as Athena writes them, in result pages and in the CSV object."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.local.athena.types import ColumnType

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class ResultSet:
    """Rows of texts, under named and typed columns."""

    columns: tuple[tuple[str, ColumnType], ...] = ()
    rows: tuple[Row, ...] = ()
    header: bool = True
    updated: int = 0

    def all_rows(self) -> Sequence[Row]:
        """What GetQueryResults pages over: for a SELECT, the names come first."""
        return (tuple(name for name, _ in self.columns), *self.rows) if self.header else self.rows


def text_of(value: Any) -> str | None:
    """A value as Athena's results show it."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return java_double(value)
        case Decimal():
            return format(value, "f")
        case dt.datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
        case bytes():
            return value.hex(" ")
        case list():
            return "[" + ", ".join("null" if item is None else str(text_of(item)) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{key}={text_of(item) or 'null'}" for key, item in value.items()) + "}"
        case _:
            return str(value)


def java_double(value: float) -> str:
    """Java's Double.toString: an exponent from 1E7 up and below 1E-3."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    scale = len(digits) - 1 + int(exponent)
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{scale}"


def csv_of(rows: Iterable[Row]) -> bytes:
    """Athena's CSV: every value in quotes, a NULL as nothing at all."""
    lines = (",".join("" if v is None else '"' + v.replace('"', '""') + '"' for v in row) for row in rows)
    return "".join(line + "\n" for line in lines).encode()
