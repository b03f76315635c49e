"""The SQL that builds an audience's tables of its raw tables.

Raw data comes in whatever types its files have; built tables have a few plain ones (timestamps are Unix
seconds). Text is parsed strictly, once, here: what is no value of the declared type becomes missing.
Kept to constructs that mean the same on every engine (`CASE`, `TRY_CAST` behind a pattern, window functions).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from segmentation.language.problems import Problem, RuleError, did_you_mean, step
from segmentation.language.types import Type

from .audience import Audience, Behavior, Column, Source, Visibility
from .event_lake import events_table

Catalog = Mapping[str, Mapping[str, str] | None]
"""Raw tables, each with its columns and their types; `None` for a table that does not exist."""

_TEXT = ("string", "varchar", "char")
_INTEGER = ("tinyint", "smallint", "int", "integer", "bigint")
_NUMBER = ("float", "double", "real", "decimal")
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
    if base in _INTEGER:
        return "integer"
    if base in _NUMBER:
        return "number"
    return base if base in ("boolean", "date", "timestamp") else lowered


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A source expression brought to its declared type. `local`: when its seconds are of the source's wall
    clock (SQL of a condition), and still to be brought to UTC."""

    sql: str
    local: str | None = None


def profiles_query(audience: Audience, catalog: Catalog) -> str:
    """One row a profile: `profile_key`, then the attributes in declared order."""
    key = _key(catalog, audience.master_table, audience.master_key, "m")
    master = f"SELECT DISTINCT {key} AS profile_key FROM {_q(audience.master_table)} m"
    parts = [f"master AS (SELECT profile_key FROM ({master}) x WHERE profile_key <> '')"]
    joins, outputs = [], ["master.profile_key AS profile_key"]
    for index, table in enumerate(audience.attributes):
        columns = [one for one in table.columns if one.visibility is not Visibility.BLOCKED]
        if not columns:
            continue
        name = f"a{index}"
        order = [f"t.{_q(table.latest)} DESC NULLS LAST"] if table.latest else []
        order += [f"t.{_q(one.source)} DESC NULLS LAST" for one in columns if not one.type.is_array]
        key = _key(catalog, table.table, table.key, "t")
        number = f"row_number() OVER (PARTITION BY {key} ORDER BY {', '.join(dict.fromkeys(order)) or key})"
        selected = [f"{key} AS profile_key", f"{number} AS rn"]
        parsed = {
            one: _parse(one.type, f"t.{_q(one.source)}", catalog, table.table, one.source) for one in columns
        }
        selected += _stage(parsed)
        parts.append(f"{name}_raw AS (SELECT {', '.join(selected)} FROM {_q(table.table)} t)")
        finished = [_finish(one, parsed[one], audience.time_zone) for one in columns]
        parts.append(f"{name} AS (SELECT profile_key, {', '.join(finished)} FROM {name}_raw WHERE rn = 1)")
        joins.append(f"LEFT JOIN {name} ON {name}.profile_key = master.profile_key")
        outputs += [f"{name}.{_q(one.name)} AS {_q(one.name)}" for one in columns]
    return f"WITH {', '.join(parts)} SELECT {', '.join(outputs)} FROM master {' '.join(joins)}".strip()


def behavior_query(behavior: Behavior, catalog: Catalog) -> str:
    """One row an event: `profile_key`, `event_id` (NULL in tables without one), `time`, then the declared columns.

    Events without a readable time or a profile are not there; of several with one id the first stands.
    """
    time = Column("time", Type.TIMESTAMP, behavior.time, behavior.time_from)
    parts, joins = [], []
    aliases: dict[str | None, tuple[str, str]] = {None: ("t", behavior.table)}
    for index, lookup in enumerate(behavior.lookups):
        name, key = f"l{index}", _key(catalog, lookup.table, lookup.key, "x")
        wanted = sorted({one.source for one in (time, *behavior.columns) if one.lookup == lookup.table})
        order = ", ".join(f"x.{_q(source)} DESC NULLS LAST" for source in wanted) or key
        columns = "".join(f", x.{_q(source)} AS {_q(source)}" for source in wanted)
        number = f"row_number() OVER (PARTITION BY {key} ORDER BY {order})"
        inner = f"SELECT {key} AS lookup_key, {number} AS rn{columns} FROM {_q(lookup.table)} x"
        parts.append(f"{name} AS (SELECT * FROM ({inner}) y WHERE rn = 1)")
        own = _key(catalog, behavior.table, lookup.on, "t")
        joins.append(f" LEFT JOIN {name} ON {name}.lookup_key = {own}")
        aliases[lookup.table] = (name, lookup.table)
    parsed: dict[Column, _Parsed] = {}
    for column in (time, *behavior.columns):
        alias, table = aliases[column.lookup]
        parsed[column] = _parse(column.type, f"{alias}.{_q(column.source)}", catalog, table, column.source)
    selected = [f"{_key(catalog, behavior.table, behavior.key, 't')} AS profile_key"]
    event_id = _event_id(behavior, catalog) if behavior.id else "CAST(NULL AS varchar)"
    selected.append(f"{event_id} AS event_id")
    selected += _stage(parsed)
    parts.append(f"raw AS (SELECT {', '.join(selected)} FROM {_q(behavior.table)} t{''.join(joins)})")
    names = ["profile_key", "event_id"]
    finished = [*names, *(_finish(column, one, behavior.time_zone) for column, one in parsed.items())]
    parts.append(f"typed AS (SELECT {', '.join(finished)} FROM raw)")
    columns = ", ".join([*names, *(_q(column.name) for column in parsed)])
    where = "profile_key <> '' AND \"time\" IS NOT NULL"
    if not behavior.id:
        return f"WITH {', '.join(parts)} SELECT {columns} FROM typed WHERE {where}"
    ordered = ['"time"', "profile_key", *(_q(one.name) for one in behavior.columns if not one.type.is_array)]
    number = f"row_number() OVER (PARTITION BY event_id ORDER BY {', '.join(ordered)})"
    parts.append(f"numbered AS (SELECT {columns}, {number} AS rn FROM typed WHERE {where})")
    return f"WITH {', '.join(parts)} SELECT {columns} FROM numbered WHERE rn = 1 OR event_id IS NULL"


def raw_tables(audience: Audience) -> list[str]:
    """Every table that the audience is built of: raw ones, and those over the archived events."""
    names = [audience.master_table, *(one.table for one in audience.attributes)]
    for name, behavior in audience.behaviors.items():
        if behavior.source is not Source.EVENTS:
            names += [behavior.table, *(lookup.table for lookup in behavior.lookups)]
        if behavior.source is not Source.TABLE:
            names.append(events_table(audience, name).name)
    return list(dict.fromkeys(names))


def check_sources(audience: Audience, catalog: Catalog) -> None:
    """Whether the raw tables offer what the audience declares; `RuleError` lists all that is not so."""
    problems: list[Problem] = []

    def table(pointer: str, name: str) -> bool:
        if catalog.get(name) is None:
            known = did_you_mean(name, [one for one, columns in catalog.items() if columns is not None])
            problems.append(Problem(pointer, "no-table", f"the database has no table {name!r}{known}"))
        return catalog.get(name) is not None

    def column(pointer: str, name: str, source: str, type_: Type | None) -> None:
        columns = catalog.get(name)
        if columns is None:
            return
        if source.lower() not in columns:
            message = f"table {name!r} has no column {source!r}{did_you_mean(source, columns)}"
            problems.append(Problem(pointer, "no-column", message))
            return
        try:
            if type_ is None:
                _key(catalog, name, source, "t")
            else:
                _parse(type_, "x", catalog, name, source)
        except _Incompatible as error:
            problems.append(Problem(pointer, "source-type", str(error)))

    if table("/master/table", audience.master_table):
        column("/master/key", audience.master_table, audience.master_key, None)
    for index, one in enumerate(audience.attributes):
        pointer = f"/attributes/{index}"
        if not table(f"{pointer}/table", one.table):
            continue
        column(f"{pointer}/key", one.table, one.key, None)
        for declared in one.columns:
            column(step(f"{pointer}/columns", declared.name), one.table, declared.source, declared.type)
    for name, behavior in audience.behaviors.items():
        pointer = step("/behaviors", name)
        if behavior.source is not Source.TABLE:
            table(f"{pointer}/source", events_table(audience, name).name)
        if behavior.source is Source.EVENTS:
            continue
        if table(f"{pointer}/table", behavior.table):
            column(f"{pointer}/key", behavior.table, behavior.key, None)
            column(f"{pointer}/time", behavior.time_from or behavior.table, behavior.time, Type.TIMESTAMP)
            for index, identifier in enumerate(behavior.id):
                column(f"{pointer}/id/{index}", behavior.table, identifier, None)
        for index, lookup in enumerate(behavior.lookups):
            if table(f"{pointer}/lookups/{index}/table", lookup.table):
                column(f"{pointer}/lookups/{index}/key", lookup.table, lookup.key, None)
                column(f"{pointer}/lookups/{index}/on", behavior.table, lookup.on, None)
        for declared in behavior.columns:
            source_table = declared.lookup or behavior.table
            column(step(f"{pointer}/columns", declared.name), source_table, declared.source, declared.type)
    if problems:
        raise RuleError(problems)


class _Incompatible(Exception):
    """A source column whose type cannot become the declared one without guessing."""


def _q(name: str) -> str:
    return f'"{name}"'


def _kind(catalog: Catalog, table: str, column: str) -> str:
    columns = catalog[table]
    if columns is None:
        raise KeyError(table)
    return kind_of(columns[column.lower()])


def _key(catalog: Catalog, table: str, column: str, alias: str) -> str:
    """An identifier as text."""
    kind = _kind(catalog, table, column)
    if kind == "text":
        return f"{alias}.{_q(column)}"
    if kind == "integer":
        return f"CAST({alias}.{_q(column)} AS varchar)"
    raise _Incompatible(f"an identifier must be text or an integer, and {table}.{column} is {kind}")


def _event_id(behavior: Behavior, catalog: Catalog) -> str:
    parts = [_key(catalog, behavior.table, column, "t") for column in behavior.id]
    if len(parts) == 1:
        return parts[0]
    missing = " OR ".join(f"{part} IS NULL" for part in parts)
    joined = ", '-', ".join(parts)
    return f"CASE WHEN {missing} THEN NULL ELSE concat({joined}) END"


def _stage(parsed: Mapping[Column, _Parsed]) -> list[str]:
    """The columns of the first stage: values, and for wall-clock seconds whether they are such."""
    staged = []
    for column, one in parsed.items():
        staged.append(f"{one.sql} AS {_q(column.name)}")
        if one.local is not None:
            staged.append(f"{one.local} AS {_q(column.name + '__local')}")
    return staged


def _finish(column: Column, parsed: _Parsed, time_zone: str) -> str:
    """A column of the second stage: wall-clock seconds become Unix seconds."""
    name = _q(column.name)
    if parsed.local is None or time_zone == "UTC":
        return f"{name} AS {name}"
    moved = _from_wall_clock(name, time_zone)
    return f"CASE WHEN {_q(column.name + '__local')} THEN {moved} ELSE {name} END AS {name}"


def _parse(type_: Type, sql: str, catalog: Catalog, table: str, column: str) -> _Parsed:
    kind = _kind(catalog, table, column)
    match type_, kind:
        case (Type.STRING, "text") | (Type.BOOLEAN, "boolean") | (Type.DATE, "date"):
            return _Parsed(sql)
        case Type.STRING, "integer" | "date":
            return _Parsed(f"CAST({sql} AS varchar)")
        case Type.STRING, "boolean":
            return _Parsed(f"CASE WHEN {sql} THEN 'true' WHEN NOT {sql} THEN 'false' END")
        case Type.NUMBER, "integer":
            return _Parsed(f"CAST({sql} AS double)")
        case Type.NUMBER, "number":
            return _Parsed(_finite(f"CAST({sql} AS double)"))
        case Type.NUMBER, "text":
            value = _finite(f"TRY_CAST({sql} AS double)")
            return _Parsed(f"CASE WHEN regexp_like({sql}, '{_NUMBER_TEXT}') THEN {value} END")
        case Type.BOOLEAN, "text":
            return _Parsed(
                f"CASE WHEN lower({sql}) = 'true' THEN true WHEN lower({sql}) = 'false' THEN false END"
            )
        case Type.DATE, "text":
            return _Parsed(f"CASE WHEN regexp_like({sql}, '{_DATE_TEXT}') THEN TRY_CAST({sql} AS date) END")
        case Type.TIMESTAMP, "timestamp":
            seconds = f"to_unixtime(date_trunc('second', {sql}))"
            return _Parsed(f"CAST({seconds} AS bigint)", "true")
        case Type.TIMESTAMP, "date":
            return _Parsed(f"CAST(to_unixtime(CAST({sql} AS timestamp)) AS bigint)", "true")
        case Type.TIMESTAMP, "integer":
            return _Parsed(_seconds(f"CAST({sql} AS bigint)"))
        case Type.TIMESTAMP, "number":
            double = f"CAST({sql} AS double)"
            inside = f"{double} BETWEEN -62135596800 AND 253402300799"
            return _Parsed(f"CASE WHEN {inside} THEN CAST(floor({double}) AS bigint) END")
        case Type.TIMESTAMP, "text":
            return _instant(sql)
        case Type.STRINGS, "texts":
            return _Parsed(sql)
        case Type.NUMBERS, "numbers":
            return _Parsed(f"transform({sql}, x -> {_finite('CAST(x AS double)')})")
    message = f"column {table}.{column} is {kind}, which cannot become a {type_.noun} without guessing"
    raise _Incompatible(f"{message}; declare its own type, or convert it in the raw table")


def parse_text(type_: Type, sql: str) -> str:
    """Text as a value of a type, by the same rules as a raw table's text; a moment must carry its offset."""
    parsed = _parse(type_, sql, {"t": {"c": "varchar"}}, "t", "c")
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


def _instant(sql: str) -> _Parsed:
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
    return _Parsed(value, f"NOT {zoned} AND NOT regexp_like({sql}, '{_SECONDS_TEXT}')")


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
