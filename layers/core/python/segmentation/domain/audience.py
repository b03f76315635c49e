"""The audience: which tables make a profile, and what rules can read of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from segmentation.language.problems import did_you_mean, step
from segmentation.language.schedule import Schedule, read_schedule
from segmentation.language.types import NAME, SEGMENT_ID, Schema, Type

from .checking import Findings, Node

DATABASE = re.compile(r"[a-z0-9_]{3,128}")
"""What databases and tables of the events endpoint may be called."""


_RESERVED = ("profile_key", "event_id", "time", "streamed")
"""Columns of built and archived behavior tables that are not declared."""


class Visibility(StrEnum):
    """Who may see an attribute.

    `clear`: everyone it is exposed to. `pii`: batch rules may read it; it is never published to the
    profiles store and never leaves. `blocked`: it is not even built.
    """

    CLEAR = "clear"
    PII = "pii"
    BLOCKED = "blocked"


class Source(StrEnum):
    """Where the rows of a behavior come from in batch.

    `table`: a raw table. `events`: the visitor events that were accepted. `both`: an event that stands in both
    counts once, by its id.
    """

    TABLE = "table"
    EVENTS = "events"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Column:
    """One declared column. `source` is its name in the raw table, `lookup` the table it comes from."""

    name: str
    type: Type
    source: str
    lookup: str | None = None
    visibility: Visibility = Visibility.CLEAR


@dataclass(frozen=True, slots=True)
class AttributeTable:
    """A raw table whose columns become attributes. Of several rows of a key, the one with the greatest
    `latest` column wins; without one (and on ties) the greatest by all declared columns in order."""

    table: str
    key: str
    columns: tuple[Column, ...]
    latest: str | None


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table joined to a behavior's rows: its `key` equals the behavior's column `on`."""

    table: str
    key: str
    on: str


@dataclass(frozen=True, slots=True)
class Behavior:
    """A raw table of events. `id` columns, joined with `-`, identify an event; `time_from` is the lookup
    table that `time` comes from, where it is not the behavior's own. Without a table (`source`) its names
    are empty."""

    name: str
    table: str
    key: str
    time: str
    time_zone: str
    id: tuple[str, ...]
    lookups: tuple[Lookup, ...]
    columns: tuple[Column, ...]
    time_from: str | None = None
    source: Source = Source.TABLE

    def types(self) -> dict[str, Type]:
        """The declared columns."""
        return {column.name: column.type for column in self.columns}


@dataclass(frozen=True, slots=True)
class Audience:
    """A checked audience document."""

    id: str
    name: str
    description: str
    database: str
    time_zone: str
    master_table: str
    master_key: str
    identities: tuple[str, ...]
    attributes: tuple[AttributeTable, ...]
    behaviors: Mapping[str, Behavior]
    schedule: Schedule | None = None

    def columns(self) -> dict[str, Column]:
        """All attributes that are built, by name."""
        return {
            column.name: column
            for table in self.attributes
            for column in table.columns
            if column.visibility is not Visibility.BLOCKED
        }

    def public(self) -> set[str]:
        """The attributes that may be published and exposed."""
        return {name for name, column in self.columns().items() if column.visibility is Visibility.CLEAR}

    def schema(self) -> Schema:
        """What rules can read."""
        return Schema(
            attributes={name: column.type for name, column in self.columns().items()},
            behaviors={name: behavior.types() for name, behavior in self.behaviors.items()},
            time_zone=self.time_zone,
        )


def parse_audience(document: object) -> Audience:
    """Check an audience document; `RuleError` lists all of its problems."""
    found = Findings()
    root = Node.of(document, "", found, "an audience")
    audience = None if root is None else _audience(root)
    found.raise_if_any()
    assert audience is not None  # noqa: S101 - a document that is no object was refused above
    return audience


def _audience(root: Node) -> Audience:
    root.only(
        "id",
        "name",
        "description",
        "database",
        "time_zone",
        "master",
        "identities",
        "attributes",
        "behaviors",
        "schedule",
    )
    identifier = root.text("id")
    if identifier and not SEGMENT_ID.fullmatch(identifier):
        root.found.add(
            root.at("id"), "id", "an audience id is lower-case letters, digits and '-', at most 64"
        )
    database = root.text("database")
    if database and not DATABASE.fullmatch(database):
        root.found.add(root.at("database"), "id", "a database is 3 to 128 of a-z, 0-9 and '_'")
    time_zone = _zone(root, "UTC")
    master = root.child("master")
    table = key = ""
    if master is not None:
        master.only("table", "key")
        table, key = _source(master, "table"), _source(master, "key")
    identities = root.texts("identities", required=True)
    if key and identities and key not in identities:
        root.found.add(
            root.at("identities"), "identities", f"the master key {key!r} must be one of the identities"
        )
    for index, identity in enumerate(identities):
        _name(root, step(root.at("identities"), index), identity)
    return Audience(
        id=identifier,
        name=root.text("name", default=identifier),
        description=root.text("description", default=""),
        database=database,
        time_zone=time_zone,
        master_table=table,
        master_key=key,
        identities=identities,
        attributes=_attributes(root),
        behaviors={name: _behavior(name, node, time_zone) for name, node in root.entries("behaviors")},
        schedule=_schedule(root, time_zone),
    )


def _schedule(root: Node, time_zone: str) -> Schedule | None:
    """When the audience is built, if not with all others."""
    if "schedule" not in root.value:
        return None
    value, pointer = root.value["schedule"], root.at("schedule")
    schedule = read_schedule(value, pointer, time_zone, root.found.problems)
    if schedule is not None and schedule.after_build:
        root.found.add(pointer, "schedule", "an audience cannot wait for its own build; write a rate or cron")
        return None
    return schedule


def _attributes(root: Node) -> tuple[AttributeTable, ...]:
    tables: list[AttributeTable] = []
    where: dict[str, str] = {}
    for node in root.children("attributes"):
        node.only("table", "key", "columns", "latest")
        columns = tuple(_column(node, name, one) for name, one in node.entries("columns"))
        for column in columns:
            pointer = step(node.at("columns"), column.name)
            if column.name in where:
                message = f"attribute {column.name!r} is declared twice, first at {where[column.name]}"
                node.found.add(pointer, "duplicate", message)
            elif column.name.lower() in ("profile_key", "segments", "joined", "left"):
                node.found.add(
                    pointer, "reserved", f"{column.name!r} is a name of the built table; choose another"
                )
            elif column.name.lower() in {name.lower() for name in where}:
                message = (
                    f"{column.name!r} and another attribute differ in letter case only; no table holds both"
                )
                node.found.add(pointer, "duplicate", message)
            where[column.name] = pointer
        latest = _source(node, "latest") if "latest" in node.value else None
        tables.append(AttributeTable(_source(node, "table"), _source(node, "key"), columns, latest))
    return tuple(tables)


def _behavior(name: str, node: Node, zone: str) -> Behavior:
    if not DATABASE.fullmatch(name):
        node.found.add(node.pointer, "name", "a behavior's name is 3 to 128 of a-z, 0-9 and '_'")
    source = Source(node.one_of("source", set(Source), Source.TABLE))
    if source is Source.EVENTS:
        node.only("source", "id", "columns")
    else:
        node.only("source", "table", "key", "time", "time_from", "time_zone", "id", "lookups", "columns")
    has_table = source is not Source.EVENTS
    lookups = []
    for one in node.children("lookups"):
        one.only("table", "key", "on")
        key = _source(one, "key")
        lookups.append(Lookup(_source(one, "table"), key, _source(one, "on") if "on" in one.value else key))
    columns = tuple(_column(node, column, one) for column, one in node.entries("columns"))
    tables = {lookup.table for lookup in lookups}
    time_from = node.text("time_from") if "time_from" in node.value else None
    if time_from and time_from not in tables:
        message = f"no lookup of this behavior is named {time_from!r}{did_you_mean(time_from, tables)}"
        node.found.add(node.at("time_from"), "lookup", message)
    for index, column in enumerate(columns):
        pointer = step(node.at("columns"), column.name)
        if column.lookup is not None and column.lookup not in tables:
            message = (
                f"no lookup of this behavior is named {column.lookup!r}{did_you_mean(column.lookup, tables)}"
            )
            node.found.add(step(pointer, "from"), "lookup", message)
        if column.name.lower() in _RESERVED:
            node.found.add(
                pointer, "reserved", f"{column.name!r} is a name of the built table; choose another"
            )
        if column.name.lower() in {other.name.lower() for other in columns[:index]}:
            node.found.add(
                pointer, "duplicate", f"{column.name!r} differs from another column in letter case only"
            )
    for index, column_name in enumerate(node.texts("id")):
        _check_source(node, step(node.at("id"), index), column_name)
    return Behavior(
        name=name,
        table=_source(node, "table") if has_table else "",
        key=_source(node, "key") if has_table else "",
        time=_source(node, "time") if has_table else "",
        time_zone=_zone(node, zone),
        id=node.texts("id") if isinstance(node.value.get("id"), list) else (),
        lookups=tuple(lookups),
        columns=columns,
        time_from=time_from,
        source=source,
    )


def _column(parent: Node, name: str, node: Node) -> Column:
    behavior = any(name in parent.value for name in ("lookups", "time", "source"))
    node.only("type", "column", "from") if behavior else node.only("type", "column", "visibility")
    _name(node, node.pointer, name)
    kind = node.text("type")
    if kind and kind not in set(Type):
        node.found.add(node.at("type"), "type", f"unknown type {kind!r}{did_you_mean(kind, map(str, Type))}")
        kind = ""
    return Column(
        name=name,
        type=Type(kind) if kind else Type.STRING,
        source=_source(node, "column") if "column" in node.value else name,
        lookup=node.text("from") if "from" in node.value else None,
        visibility=Visibility(node.one_of("visibility", set(Visibility), Visibility.CLEAR)),
    )


def _name(node: Node, pointer: str, name: str) -> None:
    if not NAME.fullmatch(name):
        node.found.add(pointer, "name", f"{name!r} is no name: a letter or '_', then letters, digits and '_'")


def _source(node: Node, field: str) -> str:
    """A table's or column's name in the raw data, which goes quoted into SQL."""
    value = node.text(field)
    if value:
        _check_source(node, node.at(field), value)
    return value


def _check_source(node: Node, pointer: str, name: str) -> None:
    if not NAME.fullmatch(name):
        node.found.add(pointer, "name", f"{name!r} is no table or column name: letters, digits and '_' only")


def _zone(node: Node, default: str) -> str:
    name = node.text("time_zone", default=default)
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        message = f"{name!r} is no IANA time zone such as 'America/New_York'"
        node.found.add(node.at("time_zone"), "time-zone", f"{message} ({type(error).__name__})")
        return "UTC"
    return name
