"""One profile's rows out of the built tables: the SQL, and what its text means."""

from collections.abc import Mapping, Sequence

from segmentation.language.sqltext import identifier, text
from segmentation.language.types import Type
from segmentation.language.values import Value, parse_value

BETWEEN = "\x1f"
"""Between the items of an array; each has `v` before it, or is `n` where it is missing."""


def rows_query(table: str, columns: Mapping[str, Type], key: str) -> str:
    """The rows of a profile key, all columns as text."""
    said = ", ".join(
        f"{_said(type_, identifier(name))} AS {identifier(name)}" for name, type_ in columns.items()
    )
    return f"SELECT {said} FROM {table} WHERE profile_key = {text(key)}"


def values_of(columns: Mapping[str, Type], row: Sequence[str | None]) -> dict[str, Value]:
    """A row's text as typed values."""
    return {name: _value(type_, cell) for (name, type_), cell in zip(columns.items(), row, strict=True)}


def _said(type_: Type, column: str) -> str:
    if not type_.is_array:
        return f"CAST({column} AS varchar)"
    item = "coalesce(concat('v', CAST(x AS varchar)), 'n')"
    return f"array_join(transform({column}, x -> {item}), {text(BETWEEN)})"


def _value(type_: Type, cell: str | None) -> Value:
    if cell is None:
        return None
    if type_.is_array:
        items = [one[1:] if one.startswith("v") else None for one in cell.split(BETWEEN)] if cell else []
        numbers = type_ is Type.NUMBERS
        return parse_value(type_, [float(one) if numbers and one is not None else one for one in items])
    match type_:
        case Type.NUMBER:
            return parse_value(type_, float(cell))
        case Type.BOOLEAN:
            return cell == "true"
        case Type.TIMESTAMP:
            return parse_value(type_, float(cell))
    return parse_value(type_, cell)
