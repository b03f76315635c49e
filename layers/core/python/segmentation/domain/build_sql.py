"""The SQL that builds an audience's tables of its raw tables.

Raw data comes in whatever types its files have; built tables have a few plain ones (timestamps are Unix seconds).
Every choice among several rows is total, so that a build that is repeated has the same rows.
"""

from segmentation.language.partitions import Partitions
from segmentation.language.sql import IDENTITIES, profile_condition
from segmentation.language.types import Type

from .audience import AttributeTable, Audience, Behavior, Column, Visibility
from .identity import Identity
from .run_sql import CONTESTED
from .source_sql import Catalog, Parsed, finish, key_text, kind_in, parse, quoted, rank, stage

_NO_KEYS = "CAST(ARRAY[] AS array(varchar))"
_NO_TEXT = "CAST(NULL AS varchar)"


def profiles_query(audience: Audience, catalog: Catalog) -> str:
    """One row a profile: `profile_key`, then the attributes in declared order; identity keys, if tables know any."""
    parts = kept_profiles(audience, catalog)
    columns = [f"kept.{quoted(name)} AS {quoted(name)}" for name in ("profile_key", *audience.columns())]
    identities = audience.known_identities()
    if not identities:
        return f"WITH {', '.join(parts)} SELECT {', '.join(columns)} FROM kept"
    named_claims = []
    for index, identity in enumerate(identities):
        parts.append(f"i{index} AS ({claims(identity, catalog)})")
        named = f"concat('{identity.name}:', value)"
        named_claims.append(f"SELECT {named} AS identity, profile_key, rn FROM i{index}")
    won, lost = (f"array_sort(array_agg(identity) FILTER (WHERE rn {sign}))" for sign in ("= 1", "> 1"))
    parts.append(
        f"owned AS (SELECT profile_key, {won} AS {IDENTITIES}, {lost} AS {CONTESTED} "
        f"FROM ({' UNION ALL '.join(named_claims)}) c GROUP BY profile_key)"
    )
    columns += [f"coalesce(owned.{name}, {_NO_KEYS}) AS {name}" for name in (IDENTITIES, CONTESTED)]
    joined = "kept LEFT JOIN owned ON owned.profile_key = kept.profile_key"
    return f"WITH {', '.join(parts)} SELECT {', '.join(columns)} FROM {joined}"


def kept_profiles(audience: Audience, catalog: Catalog) -> list[str]:
    """WITH parts; the last one, `kept`, is the profiles that the filter leaves, with their built attributes."""
    read = (
        {node.value for node in audience.filter.walk() if node.op == "attribute"}
        if audience.filter
        else set()
    )
    links = list(dict.fromkeys(one.on for one in audience.attributes if one.on is not None))
    parts, joins = [f"master AS ({_master(audience, catalog, links)})"], []
    columns = {"profile_key": "master.profile_key"}
    for index, table in enumerate(audience.attributes):
        wanted = [
            one for one in table.columns if one.visibility is not Visibility.BLOCKED or one.name in read
        ]
        if not wanted:
            continue
        name = f"a{index}"
        parts += [
            f"{name}_raw AS ({winning_rows(table, wanted, catalog)})",
            f"{name} AS (SELECT row_key{_finished(wanted, table, catalog, audience.time_zone)} FROM {name}_raw WHERE rn = 1)",
        ]
        own = "master.profile_key" if table.on is None else f"master.{quoted('on_' + table.on)}"
        joins.append(f" LEFT JOIN {name} ON {name}.row_key = {own}")
        columns |= {one.name: f"{name}.{quoted(one.name)}" for one in wanted}
    outputs = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in columns.items())
    if audience.filter is None:
        return [*parts, f"kept AS (SELECT {outputs} FROM master{''.join(joins)})"]
    parts.append(f"joined AS (SELECT {outputs} FROM master{''.join(joins)})")
    built = ", ".join(f"p.{quoted(name)} AS {quoted(name)}" for name in ("profile_key", *audience.columns()))
    condition = profile_condition(audience.filter, audience.time_zone, lambda name: f"p.{quoted(name)}")
    return [*parts, f"kept AS (SELECT {built} FROM joined p WHERE {condition})"]


def _master(audience: Audience, catalog: Catalog, links: list[str]) -> str:
    """One row a key; where other columns of it are needed, of the row that wins."""
    table = audience.master_table
    key = key_text(catalog, table, audience.master_key, "m")
    if not links:
        return f"SELECT DISTINCT {key} AS profile_key FROM {quoted(table)} m WHERE {key} <> ''"
    latest = rank(catalog, table, audience.latest, "m") if audience.latest else []
    order = [f"{one} DESC NULLS LAST" for one in (*latest, *(f"m.{quoted(link)}" for link in links))]
    others = [f"{key_text(catalog, table, link, 'm')} AS {quoted('on_' + link)}" for link in links]
    number = f"row_number() OVER (PARTITION BY {key} ORDER BY {', '.join(order)}) AS rn"
    inner = (
        f"SELECT {key} AS profile_key, {', '.join(others)}, {number} FROM {quoted(table)} m WHERE {key} <> ''"
    )
    names = ", ".join(("profile_key", *(quoted("on_" + link) for link in links)))
    return f"SELECT {names} FROM ({inner}) x WHERE rn = 1"


def winning_rows(table: AttributeTable, columns: list[Column], catalog: Catalog) -> str:
    """The rows of an attribute table with `row_key`, their columns staged, and `rn`: 1 for the one of its key that wins."""
    key = key_text(catalog, table.table, table.key, "t")
    order: list[str] = []
    for column, direction in ((table.latest, "DESC"), (table.earliest, "ASC")):
        if column is not None:
            order += [f"{one} {direction} NULLS LAST" for one in rank(catalog, table.table, column, "t")]
    order += [f"t.{quoted(one.source)} DESC NULLS LAST" for one in columns if not one.type.is_array]
    number = f"row_number() OVER (PARTITION BY {key} ORDER BY {', '.join(dict.fromkeys(order)) or key}) AS rn"
    staged = ", ".join([f"{key} AS row_key", number, *stage(attribute_values(table, columns, catalog))])
    return f"SELECT {staged} FROM {quoted(table.table)} t WHERE {key} <> ''"


def attribute_values(table: AttributeTable, columns: list[Column], catalog: Catalog) -> dict[Column, Parsed]:
    """The columns of an attribute table's row `t`, as their declared types."""
    return {
        one: _value(one, "t", table.table, catalog, empty_is_missing=table.empty_is_missing)
        for one in columns
    }


def _value(column: Column, alias: str, table: str, catalog: Catalog, *, empty_is_missing: bool) -> Parsed:
    sql = f"{alias}.{quoted(column.source)}"
    if empty_is_missing and kind_in(catalog, table, column.source) == "text":
        sql = f"nullif({sql}, '')"
    return parse(column.type, sql, catalog, table, column.source)


def _finished(columns: list[Column], table: AttributeTable, catalog: Catalog, time_zone: str) -> str:
    values = attribute_values(table, columns, catalog)
    return "".join(f", {finish(one, value, time_zone)}" for one, value in values.items())


def claims(identity: Identity, catalog: Catalog) -> str:
    """`value`, `profile_key` and `rn` of an identity: 1 for the profile that has it, among those of `kept`."""
    rows = claimed(identity, catalog)
    order = "ORDER BY c.latest DESC NULLS LAST, c.latest_text DESC NULLS LAST, c.profile_key ASC"
    number = f"row_number() OVER (PARTITION BY c.value {order}) AS rn"
    return (
        f"SELECT c.value AS value, c.profile_key AS profile_key, {number} FROM ({rows}) c "
        "JOIN kept ON kept.profile_key = c.profile_key"
    )


def claimed(identity: Identity, catalog: Catalog) -> str:
    """The distinct `(value, profile_key)` of an identity's table, with the greatest `latest`."""
    table = identity.table or ""
    value = identity.sql(key_text(catalog, table, identity.column, "t"))
    key = key_text(catalog, table, identity.key, "t")
    latest = rank(catalog, table, identity.latest, "t") if identity.latest else ["0"]
    ranked = f"{latest[0]} AS latest, {latest[1] if len(latest) > 1 else _NO_TEXT} AS latest_text"
    rows = f"SELECT {value} AS value, {key} AS profile_key, {ranked} FROM {quoted(table)} t"
    return (
        f"SELECT value, profile_key, max(latest) AS latest, max(latest_text) AS latest_text FROM ({rows}) r "
        "WHERE value <> '' AND profile_key <> '' GROUP BY value, profile_key"
    )


def behavior_query(audience: Audience, behavior: Behavior, catalog: Catalog) -> str:
    """One row an event: `profile_key`, `event_id` (NULL in tables without one), `time`, then the declared columns.

    Events without a readable time or a profile are not there; of several with one id the first stands.
    """
    parts, joins, parsed = behavior_sources(behavior, catalog)
    key = key_text(catalog, behavior.table, behavior.key, "t")
    if behavior.identity is not None:
        identity = audience.keys[behavior.identity]
        parts += kept_profiles(audience, catalog)
        parts.append(f"claims AS ({claims(identity, catalog)})")
        parts.append("owners AS (SELECT value, profile_key FROM claims WHERE rn = 1)")
        joins += f" JOIN owners ON owners.value = {identity.sql(key)}"
        key = "owners.profile_key"
    event_id = event_id_of(behavior, catalog) if behavior.id else "CAST(NULL AS varchar)"
    selected = ", ".join([f"{key} AS profile_key", f"{event_id} AS event_id", *stage(parsed)])
    parts.append(f"raw AS (SELECT {selected} FROM {quoted(behavior.table)} t{joins})")
    names = ["profile_key", "event_id"]
    finished = [*names, *(finish(column, one, behavior.time_zone) for column, one in parsed.items())]
    parts.append(f"typed AS (SELECT {', '.join(finished)} FROM raw)")
    columns = ", ".join([*names, *(quoted(column.name) for column in parsed)])
    where = "profile_key <> '' AND \"time\" IS NOT NULL"
    if not behavior.id:
        return f"WITH {', '.join(parts)} SELECT {columns} FROM typed WHERE {where}"
    ordered = [
        '"time"',
        "profile_key",
        *(quoted(one.name) for one in behavior.columns if not one.type.is_array),
    ]
    number = f"row_number() OVER (PARTITION BY event_id ORDER BY {', '.join(ordered)})"
    parts.append(f"numbered AS (SELECT {columns}, {number} AS rn FROM typed WHERE {where})")
    return f"WITH {', '.join(parts)} SELECT {columns} FROM numbered WHERE rn = 1 OR event_id IS NULL"


def behavior_sources(behavior: Behavior, catalog: Catalog) -> tuple[list[str], str, dict[Column, Parsed]]:
    """WITH parts for the lookups, their joins to the table `t`, and `time` and the columns as their types."""
    time = Column("time", Type.TIMESTAMP, behavior.time, behavior.time_from)
    parts, joins = [], ""
    aliases: dict[str | None, tuple[str, str]] = {None: ("t", behavior.table)}
    for index, lookup in enumerate(behavior.lookups):
        name, key = f"l{index}", key_text(catalog, lookup.table, lookup.key, "x")
        wanted = sorted({one.source for one in (time, *behavior.columns) if one.lookup == lookup.table})
        order = ", ".join(f"x.{quoted(source)} DESC NULLS LAST" for source in wanted) or key
        columns = "".join(f", x.{quoted(source)} AS {quoted(source)}" for source in wanted)
        number = f"row_number() OVER (PARTITION BY {key} ORDER BY {order})"
        inner = f"SELECT {key} AS lookup_key, {number} AS rn{columns} FROM {quoted(lookup.table)} x"
        parts.append(f"{name} AS (SELECT * FROM ({inner}) y WHERE rn = 1)")
        own = key_text(catalog, behavior.table, lookup.on, "t")
        joins += f" LEFT JOIN {name} ON {name}.lookup_key = {own}"
        aliases[lookup.table] = (name, lookup.table)
    parsed: dict[Column, Parsed] = {}
    for column in (time, *behavior.columns):
        alias, table = aliases[column.lookup]
        parsed[column] = _value(column, alias, table, catalog, empty_is_missing=behavior.empty_is_missing)
    return parts, joins, parsed


def event_id_of(behavior: Behavior, catalog: Catalog) -> str:
    """The id of the event in a behavior's row `t`; NULL where a part of it is missing."""
    parts = [key_text(catalog, behavior.table, column, "t") for column in behavior.id]
    if len(parts) == 1:
        return parts[0]
    missing = " OR ".join(f"{part} IS NULL" for part in parts)
    joined = ", '-', ".join(parts)
    return f"CASE WHEN {missing} THEN NULL ELSE concat({joined}) END"


def with_period(query: str, partitions: Partitions) -> str:
    """A behavior's rows with their partition as the last column."""
    return f"SELECT b.*, {partitions.sql('b.time')} AS {partitions.column} FROM ({query}) b"
