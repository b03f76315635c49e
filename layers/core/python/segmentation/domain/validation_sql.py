"""The SQL that looks at an audience's raw tables before anything is built: one query of counts a table, and samples.

Counts are of what the build will make of the rows: keys as text, columns parsed to their declared types.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from segmentation.language.problems import step

from .audience import AttributeTable, Audience, Behavior, Column, Source, Visibility
from .build_sql import attribute_values, behavior_sources, claimed, event_id_of, kept_profiles
from .identity import Identity
from .source_sql import Catalog, Parsed, key_text, kind_in, quoted

SAMPLES = 5
MISSING, UNREADABLE, EXAMPLE = "missing", "unreadable", "example"
"""What is counted of a column: rows without it, and rows whose text is no value of the type; one such text."""
WALL = "_wall"
"""How a moment's name ends that is told in seconds of the wall clock."""


@dataclass(frozen=True, slots=True)
class Look:
    """A query at one place of the audience document. Its one row has the named values; `samples` is a query of rows
    of the `shown` columns, that are `clear`. `time_zone`: that of its wall clock."""

    pointer: str
    kind: str
    table: str
    values: tuple[str, ...]
    sql: str
    columns: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    samples: str = ""
    time_zone: str = "UTC"


def master_look(audience: Audience, catalog: Catalog) -> Look:
    """The master table: rows and keys; what the filter leaves."""
    table = audience.master_table
    key = key_text(catalog, table, audience.master_key, "m")
    values = {
        "rows": "count(*)",
        "no_key": f"count_if({key} IS NULL OR {key} = '')",
        "keys": f"count(DISTINCT nullif({key}, ''))",
    }
    return Look("/master", "master", table, tuple(values), _select(values, f"{quoted(table)} m"))


def filter_look(audience: Audience, catalog: Catalog) -> Look:
    """How many profiles the filter leaves."""
    sql = f"WITH {', '.join(kept_profiles(audience, catalog))} SELECT count(*) AS kept FROM kept"
    return Look("/master/filter", "filter", audience.master_table, ("kept",), sql)


def attribute_look(audience: Audience, index: int, catalog: Catalog) -> Look:
    """An attribute table: its keys, how they meet the master's, its columns."""
    table = audience.attributes[index]
    key = key_text(catalog, table.table, table.key, "t")
    values = {**_keys(key), **_met(key)}
    parsed = attribute_values(table, list(table.columns), catalog)
    for column, one in parsed.items():
        values |= _column(
            column, one, _raw(column, "t", table.table, catalog, table.empty_is_missing), catalog, table.table
        )
    source = f"{quoted(table.table)} t LEFT JOIN known k ON k.key = {key}"
    known = _known(audience, catalog, table)
    shown = [one for one in table.columns if one.visibility is Visibility.CLEAR]
    return Look(
        f"/attributes/{index}",
        "attributes",
        table.table,
        tuple(values),
        f"WITH known AS ({known}) {_select(values, source)}",
        tuple(one.name for one in table.columns),
        tuple(one.name for one in shown),
        _samples(table.table, shown),
    )


def behavior_look(audience: Audience, behavior: Behavior, catalog: Catalog, now: int) -> Look:
    """A behavior's raw table: its keys, how they meet the master's or the identity's, times, ids, lookups, columns."""
    parts, joins, parsed = behavior_sources(behavior, catalog)
    key = key_text(catalog, behavior.table, behavior.key, "t")
    if behavior.identity is not None:
        identity = audience.keys[behavior.identity]
        key = identity.sql(key)
        parts.append(f"known AS (SELECT DISTINCT value AS key FROM ({claimed(identity, catalog)}) c)")
    else:
        parts.append(f"known AS ({_known(audience, catalog)})")
    values = {**_keys(key), **_met(key)}
    aliases = {one.table: f"l{index}" for index, one in enumerate(behavior.lookups)}
    for table, alias in aliases.items():
        values[f"looked_up:{table}"] = f"count({alias}.lookup_key)"
    if behavior.id:
        identifier = event_id_of(behavior, catalog)
        values |= {"with_id": f"count({identifier})", "ids": f"count(DISTINCT {identifier})"}
    for column, one in parsed.items():
        table = column.lookup or behavior.table
        raw = _raw(column, aliases.get(column.lookup or "", "t"), table, catalog, behavior.empty_is_missing)
        values |= _column(column, one, raw, catalog, table)
        if column.name == "time":
            values |= _moments(one, now, behavior.time_zone)
    source = f"{quoted(behavior.table)} t{joins} LEFT JOIN known k ON k.key = {key}"
    shown = [one for one in behavior.columns if one.visibility is Visibility.CLEAR and one.lookup is None]
    return Look(
        step("/behaviors", behavior.name),
        "behavior",
        behavior.table,
        tuple(values),
        f"WITH {', '.join(parts)} {_select(values, source)}",
        tuple(column.name for column in parsed),
        tuple(one.name for one in shown),
        _samples(behavior.table, shown),
        behavior.time_zone,
    )


def identity_look(audience: Audience, index: int, identity: Identity, catalog: Catalog) -> Look:
    """An identity's raw table: its keys, and how many of them are of several profiles."""
    per_value = (
        f"SELECT c.value AS value, count(*) AS claims, count(k.key) AS met FROM ({claimed(identity, catalog)}) c "
        "LEFT JOIN known k ON k.key = c.profile_key GROUP BY c.value"
    )
    values = {
        "keys": "count(*)",
        "met": "count_if(g.met > 0)",
        "contested": "count_if(g.met > 1)",
    }
    sql = f"WITH known AS ({_known(audience, catalog)}), g AS ({per_value}) {_select(values, 'g')}"
    return Look(f"/identities/{index}", "identity", identity.table or "", tuple(values), sql)


def looks(audience: Audience, catalog: Catalog, now: int, broken: Collection[str]) -> list[Look]:
    """All looks at an audience whose master table is in order, but for those at `broken` places."""
    found = [master_look(audience, catalog)]
    if audience.filter is not None and not any(one.startswith("/attributes") for one in broken):
        found.append(filter_look(audience, catalog))
    for index, identity in enumerate(audience.keys.values()):
        if identity.table is not None and f"/identities/{index}" not in broken:
            found.append(identity_look(audience, index, identity, catalog))
    for index in range(len(audience.attributes)):
        if f"/attributes/{index}" not in broken:
            found.append(attribute_look(audience, index, catalog))
    for behavior in audience.behaviors.values():
        if behavior.source is Source.EVENTS or step("/behaviors", behavior.name) in broken:
            continue
        if behavior.identity is None or not any(one.startswith("/identities") for one in broken):
            found.append(behavior_look(audience, behavior, catalog, now))
    return found


def _known(audience: Audience, catalog: Catalog, table: AttributeTable | None = None) -> str:
    """The distinct keys of the master table, or of the column of it that an attribute table is joined to."""
    column = table.on if table is not None and table.on is not None else audience.master_key
    key = key_text(catalog, audience.master_table, column, "m")
    return f"SELECT DISTINCT {key} AS key FROM {quoted(audience.master_table)} m WHERE {key} <> ''"


def _keys(key: str) -> dict[str, str]:
    return {
        "rows": "count(*)",
        "no_key": f"count_if({key} IS NULL OR {key} = '')",
        "keys": f"count(DISTINCT nullif({key}, ''))",
    }


def _met(key: str) -> dict[str, str]:
    return {
        "met_rows": "count(k.key)",
        "met_keys": f"count(DISTINCT CASE WHEN k.key IS NOT NULL THEN {key} END)",
    }


def _moments(time: Parsed, now: int, time_zone: str) -> dict[str, str]:
    """When events are of. What is of the wall clock is compared with the wall clock, so that the zone's long expression is
    not needed here."""
    wall = time.local or "false"
    offset = dt.datetime.fromtimestamp(now, ZoneInfo(time_zone)).utcoffset() or dt.timedelta()
    by_clock = f"CASE WHEN {wall} THEN {now + int(offset.total_seconds())} ELSE {now} END"
    return {
        "earliest": f"min(CASE WHEN NOT ({wall}) THEN {time.sql} END)",
        "latest": f"max(CASE WHEN NOT ({wall}) THEN {time.sql} END)",
        f"earliest{WALL}": f"min(CASE WHEN {wall} THEN {time.sql} END)",
        f"latest{WALL}": f"max(CASE WHEN {wall} THEN {time.sql} END)",
        "future": f"count_if({time.sql} > {by_clock})",
    }


def _raw(column: Column, alias: str, table: str, catalog: Catalog, empty_is_missing: bool) -> str:
    sql = f"{alias}.{quoted(column.source)}"
    text = empty_is_missing and kind_in(catalog, table, column.source) == "text"
    return f"nullif({sql}, '')" if text else sql


def _column(column: Column, parsed: Parsed, raw: str, catalog: Catalog, table: str) -> dict[str, str]:
    unreadable = f"{raw} IS NOT NULL AND ({parsed.sql}) IS NULL"
    values = {
        f"{MISSING}:{column.name}": f"count_if({raw} IS NULL)",
        f"{UNREADABLE}:{column.name}": f"count_if({unreadable})",
    }
    if kind_in(catalog, table, column.source) == "text" and column.visibility is Visibility.CLEAR:
        values[f"{EXAMPLE}:{column.name}"] = f"min(CASE WHEN {unreadable} THEN {raw} END)"
    return values


def _select(values: Mapping[str, str], source: str) -> str:
    columns = ", ".join(f'{sql} AS "v{number}"' for number, sql in enumerate(values.values()))
    return f"SELECT {columns} FROM {source}"


def _samples(table: str, shown: list[Column]) -> str:
    if not shown:
        return ""
    columns = ", ".join(f"t.{quoted(one.source)} AS {quoted(one.name)}" for one in shown)
    return f"SELECT {columns} FROM {quoted(table)} t LIMIT {SAMPLES}"
