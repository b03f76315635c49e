"""One raw column as SQL of its declared type.

Text is parsed strictly: what is no value of the declared type is missing. Wall-clock times are brought to Unix seconds
in a second stage, so that the long expressions of a time zone stand once. Kept to constructs that mean the same on
every engine (`CASE`, `TRY_CAST` behind a pattern).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from segmentation.language.types import Type

from .audience import Column

Catalog = Mapping[str, Mapping[str, str] | None]
"""Raw tables, each with its columns and their types; `None` for a table that does not exist."""

_TEXT = ("string", "varchar", "char")
_INTEGER = ("tinyint", "smallint", "int", "integer", "bigint")
_NUMBER = ("float", "double", "real", "decimal")
_WHOLE_DECIMAL = re.compile(r"decimal( *\( *\d+ *(, *0 *)?\))?")
"""As databases say of whole numbers when they write Parquet: decimals without places."""
_GREATEST = "1.7976931348623157E308"
_NUMBER_TEXT = "^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?$"
_DATE_TEXT = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_SECONDS_TEXT = "^-?[0-9]{1,12}$"
_CLOCK = "[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?"
_INSTANT_TEXT = f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}({_CLOCK}([zZ]|[+-][0-9]{{2}}:?[0-9]{{2}})?)?$"


def kind_of(catalog_type: str) -> str:
    """A catalog's type as one of the few kinds told apart here; the type itself where it is none."""
    lowered = catalog_type.strip().lower()
    base = lowered.partition("(")[0].strip()
    if base == "array" or lowered.startswith("array<"):
        element = kind_of(lowered.partition("<" if "<" in lowered else "(")[2].rstrip(">)"))
        return {"text": "texts", "integer": "numbers", "number": "numbers"}.get(element, lowered)
    if base in _TEXT:
        return "text"
    if _WHOLE_DECIMAL.fullmatch(lowered):
        return "integer"
    if base in _INTEGER:
        return "integer"
    if base in _NUMBER:
        return "number"
    return base if base in ("boolean", "date", "timestamp") else lowered


@dataclass(frozen=True, slots=True)
class Parsed:
    """A source expression brought to its declared type. `local`: when its seconds are of the source's wall
    clock (SQL of a condition), and still to be brought to UTC."""

    sql: str
    local: str | None = None


class Incompatible(Exception):
    """A source column whose type cannot become the declared one without guessing."""


def quoted(name: str) -> str:
    """An identifier; names are checked when the document is read, and hold no quotes."""
    return f'"{name}"'


def kind_in(catalog: Catalog, table: str, column: str) -> str:
    """What kind a raw column is of."""
    columns = catalog[table]
    if columns is None:
        raise KeyError(table)
    return kind_of(columns[column.lower()])


def key_text(catalog: Catalog, table: str, column: str, alias: str) -> str:
    """An identifier as text."""
    kind = kind_in(catalog, table, column)
    if kind == "text":
        return f"{alias}.{quoted(column)}"
    if kind == "integer":
        return f"CAST({alias}.{quoted(column)} AS varchar)"
    raise Incompatible(f"an identifier must be text or an integer, and {table}.{column} is {kind}")


def rank(catalog: Catalog, table: str, column: str, alias: str) -> list[str]:
    """What the rows of a table are ordered by, to find the latest: text by the moment or number that it says, then as text.

    "9" comes before "10", and an instant is one whatever its offset.
    """
    sql = f"{alias}.{quoted(column)}"
    if kind_in(catalog, table, column) != "text":
        return [sql]
    moment, number = (
        parse(type_, sql, catalog, table, column).sql for type_ in (Type.TIMESTAMP, Type.NUMBER)
    )
    return [f"coalesce(CAST({moment} AS double), {number})", sql]


def stage(parsed: Mapping[Column, Parsed]) -> list[str]:
    """The columns of the first stage: values, and for wall-clock seconds whether they are such."""
    staged = []
    for column, one in parsed.items():
        staged.append(f"{one.sql} AS {quoted(column.name)}")
        if one.local is not None:
            staged.append(f"{one.local} AS {quoted(column.name + '__local')}")
    return staged


def finish(column: Column, parsed: Parsed, time_zone: str) -> str:
    """A column of the second stage: wall-clock seconds become Unix seconds."""
    name = quoted(column.name)
    if parsed.local is None or time_zone == "UTC":
        return f"{name} AS {name}"
    moved = _from_wall_clock(name, time_zone)
    return f"CASE WHEN {quoted(column.name + '__local')} THEN {moved} ELSE {name} END AS {name}"


def parse(type_: Type, sql: str, catalog: Catalog, table: str, column: str) -> Parsed:
    """A raw column as its declared type; `Incompatible` where that would be a guess."""
    kind = kind_in(catalog, table, column)
    match type_, kind:
        case (Type.STRING, "text") | (Type.BOOLEAN, "boolean") | (Type.DATE, "date"):
            return Parsed(sql)
        case Type.STRING, "integer" | "date":
            return Parsed(f"CAST({sql} AS varchar)")
        case Type.STRING, "boolean":
            return Parsed(f"CASE WHEN {sql} THEN 'true' WHEN NOT {sql} THEN 'false' END")
        case Type.NUMBER, "integer":
            return Parsed(f"CAST({sql} AS double)")
        case Type.NUMBER, "number":
            return Parsed(_finite(f"CAST({sql} AS double)"))
        case Type.NUMBER, "text":
            value = _finite(f"TRY_CAST({sql} AS double)")
            return Parsed(f"CASE WHEN regexp_like({sql}, '{_NUMBER_TEXT}') THEN {value} END")
        case Type.BOOLEAN, "text":
            return Parsed(
                f"CASE WHEN lower({sql}) = 'true' THEN true WHEN lower({sql}) = 'false' THEN false END"
            )
        case Type.DATE, "text":
            return Parsed(f"CASE WHEN regexp_like({sql}, '{_DATE_TEXT}') THEN TRY_CAST({sql} AS date) END")
        case Type.TIMESTAMP, "timestamp":
            seconds = f"to_unixtime(date_trunc('second', {sql}))"
            return Parsed(f"CAST({seconds} AS bigint)", "true")
        case Type.TIMESTAMP, "date":
            return Parsed(f"CAST(to_unixtime(CAST({sql} AS timestamp)) AS bigint)", "true")
        case Type.TIMESTAMP, "integer":
            return Parsed(_seconds(f"TRY_CAST({sql} AS bigint)"))  # a decimal may be greater
        case Type.TIMESTAMP, "number":
            double = f"CAST({sql} AS double)"
            inside = f"{double} BETWEEN -62135596800 AND 253402300799"
            return Parsed(f"CASE WHEN {inside} THEN CAST(floor({double}) AS bigint) END")
        case Type.TIMESTAMP, "text":
            return _instant(sql)
        case Type.STRINGS, "texts":
            return Parsed(sql)
        case Type.NUMBERS, "numbers":
            return Parsed(f"transform({sql}, x -> {_finite('CAST(x AS double)')})")
    message = f"column {table}.{column} is {kind}, which cannot become a {type_.noun} without guessing"
    raise Incompatible(f"{message}; declare its own type, or convert it in the raw table")


def parse_text(type_: Type, sql: str) -> str:
    """Text as a value of a type, by the same rules as a raw table's text; a moment must carry its offset."""
    parsed = parse(type_, sql, {"t": {"c": "varchar"}}, "t", "c")
    if parsed.local is None:
        return parsed.sql
    return (
        f"CASE WHEN NOT ({parsed.local}) AND NOT regexp_like({sql}, '{_SECONDS_TEXT}') THEN {parsed.sql} END"
    )


def _finite(sql: str) -> str:
    """NaN and infinities are in no range."""
    return f"CASE WHEN {sql} BETWEEN -{_GREATEST} AND {_GREATEST} THEN {sql} END"


def _seconds(sql: str) -> str:
    return f"CASE WHEN {sql} BETWEEN -62135596800 AND 253402300799 THEN {sql} END"


def _instant(sql: str) -> Parsed:
    """ISO 8601 text (without an offset: of the wall clock), or a whole number of Unix seconds."""

    def digits(start: str) -> str:
        return f"coalesce(TRY_CAST(substr({sql}, {start}, 2) AS bigint), 0)"

    size = f"length({sql})"
    day = f"CAST(to_unixtime(CAST(TRY_CAST(substr({sql}, 1, 10) AS date) AS timestamp)) AS bigint)"
    second = f"CASE WHEN substr({sql}, 17, 1) = ':' THEN {digits('18')} ELSE 0 END"
    clock = f"{digits('12')} * 3600 + {digits('15')} * 60 + {second}"
    with_colon, without = "[+-][0-9]{2}:[0-9]{2}$", ":[0-9]{2}([.,][0-9]{1,9})?[+-][0-9]{4}$"
    offset = (
        f"CASE WHEN regexp_like({sql}, '{with_colon}') THEN "
        f"({digits(f'{size} - 4')} * 3600 + {digits(f'{size} - 1')} * 60)"
        f" * CASE WHEN substr({sql}, {size} - 5, 1) = '-' THEN -1 ELSE 1 END "
        f"WHEN regexp_like({sql}, '{without}') THEN "
        f"({digits(f'{size} - 3')} * 3600 + {digits(f'{size} - 1')} * 60)"
        f" * CASE WHEN substr({sql}, {size} - 4, 1) = '-' THEN -1 ELSE 1 END ELSE 0 END"
    )
    sane = f"{digits('12')} < 24 AND {digits('15')} < 60 AND {second} < 60"
    seconds = _seconds(f"TRY_CAST({sql} AS bigint)")
    value = (
        f"CASE WHEN regexp_like({sql}, '{_SECONDS_TEXT}') THEN {seconds} "
        f"WHEN regexp_like({sql}, '{_INSTANT_TEXT}') AND {sane} THEN {day} + {clock} - {offset} END"
    )
    zoned = f"regexp_like({sql}, '([zZ]|{with_colon[:-1]}|{without[:-1]})$')"
    return Parsed(value, f"NOT {zoned} AND NOT regexp_like({sql}, '{_SECONDS_TEXT}')")


@lru_cache(maxsize=16)
def zone_borders(time_zone: str) -> tuple[tuple[int, int], ...]:
    """`(border, offset)`: from this second of the wall clock on, UTC is that many seconds behind it.

    A wall-clock time that occurs twice is the first; one that is skipped is read with the offset before.
    Computed here because each engine carries its own zone tables.
    """
    zone, step_seconds = ZoneInfo(time_zone), 86_400
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1970, 2101))

    def offset(moment: int) -> int:
        delta = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset()
        assert delta is not None  # noqa: S101 - an aware time has an offset
        return int(delta.total_seconds())

    borders = [(-(2**40), offset(begin))]
    for moment in range(begin, end, step_seconds):
        before, after = offset(moment), offset(moment + step_seconds)
        if before == after:
            continue
        low, high = moment, moment + step_seconds
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == before else (low, middle)
        borders.append((high + max(before, after), after))
    return tuple(borders)


def _from_wall_clock(sql: str, time_zone: str) -> str:
    """Unix seconds of wall-clock seconds: a balanced tree of comparisons with the zone's borders."""

    def tree(borders: tuple[tuple[int, int], ...]) -> str:
        if len(borders) == 1:
            return f"{sql} - ({borders[0][1]})"
        middle = len(borders) // 2
        return f"CASE WHEN {sql} < {borders[middle][0]} THEN {tree(borders[:middle])} ELSE {tree(borders[middle:])} END"

    return tree(zone_borders(time_zone))
