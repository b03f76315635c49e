"""Reading an audience document: all of its problems at once, each with its place."""

from collections.abc import Collection, Mapping, Sequence
from zoneinfo import ZoneInfo

from segmentation.language.check import Checker
from segmentation.language.normal import normalize
from segmentation.language.problems import did_you_mean, step
from segmentation.language.schedule import Schedule, read_schedule
from segmentation.language.tree import Aggregate
from segmentation.language.tree import Node as Rule
from segmentation.language.types import NAME, SEGMENT_ID, Schema, Type

from .audience import (
    DATABASE,
    GRAINS,
    AttributeTable,
    Audience,
    Behavior,
    Column,
    Lookup,
    Source,
    Visibility,
)
from .calls import Calls, parse_calls
from .checking import Findings, Node
from .event_attributes import parse_event_attributes
from .identity import Identity, Normal
from .privacy import PERSONAL_COLUMNS, is_personal_path, parse_consent

PUBLIC = "public"
"""What stands before the database in the path by which pages personalize."""
_RESERVED = ("profile_key", "event_id", "time", "streamed", "period")
"""Columns of built and archived behavior tables that are not declared."""
_RESERVED_ATTRIBUTES = ("profile_key", "segments", "joined", "left", "identities", "contested")


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
        "consent",
        "calls",
        "event_attributes",
    )
    identifier = root.text("id")
    if identifier and not SEGMENT_ID.fullmatch(identifier):
        root.found.add(
            root.at("id"), "id", "an audience id is lower-case letters, digits and '-', at most 64"
        )
    database = root.text("database")
    if database and not DATABASE.fullmatch(database):
        root.found.add(root.at("database"), "id", "a database is 3 to 128 of a-z, 0-9 and '_'")
    if database == PUBLIC:
        root.found.add(
            root.at("database"), "reserved", "/public/ is where pages ask; choose another database"
        )
    time_zone = _zone(root, "UTC")
    master = root.child("master")
    table = key = ""
    latest = None
    if master is not None:
        master.only("table", "key", "latest", "filter")
        table, key = _source(master, "table"), _source(master, "key")
        latest = _source(master, "latest") if "latest" in master.value else None
    keys = _identities(root, table, key)
    if key and keys and key not in keys:
        root.found.add(
            root.at("identities"), "identities", f"the master key {key!r} must be one of the identities"
        )
    attributes = _attributes(root)
    behaviors = {name: _behavior(name, node, time_zone) for name, node in root.entries("behaviors")}
    for name, behavior in behaviors.items():
        if behavior.identity is not None and getattr(keys.get(behavior.identity), "table", None) is None:
            known = did_you_mean(behavior.identity, [one.name for one in keys.values() if one.table])
            message = f"{behavior.identity!r} is no identity that stands in a table{known}"
            root.found.add(step(step(root.at("behaviors"), name), "identity"), "identity", message)
    calls = parse_calls(root, behaviors, keys)
    if calls is not None:
        _no_personal_paths(root.at("calls"), calls, behaviors, root.found)
    return Audience(
        id=identifier,
        name=root.text("name", default=identifier),
        description=root.text("description", default=""),
        database=database,
        time_zone=time_zone,
        master_table=table,
        master_key=key,
        identities=tuple(keys),
        attributes=attributes,
        behaviors=behaviors,
        schedule=_schedule(root, time_zone),
        keys=keys,
        latest=latest,
        filter=None if master is None else _filter(master, attributes, time_zone),
        consent=parse_consent(root),
        calls=calls,
        set_by_events=parse_event_attributes(
            root,
            {name: one.types() for name, one in behaviors.items()},
            [column.name for table in attributes for column in table.columns],
        ),
    )


def _no_personal_paths(
    pointer: str, calls: Calls, behaviors: Mapping[str, Behavior], found: Findings
) -> None:
    """An address or a browser goes into columns that are declared `pii` alone, whatever they are called."""
    targets = [(step(pointer, kind), one) for kind, one in calls.kinds.items()]
    targets += [(step(step(pointer, "events"), name), one) for name, one in calls.events.items()]
    for place, target in targets:
        behavior = behaviors.get(target.behavior)
        declared = behavior.columns if behavior is not None else ()
        for column, path in target.columns.items():
            if is_personal_path(path) and not any(
                one.name == column and one.visibility is Visibility.PII for one in declared
            ):
                message = (
                    f"{path!r} tells who somebody is: declare the column {column!r} of {target.behavior!r} with "
                    '"visibility": "pii", or leave it out'
                )
                found.add(step(step(place, "columns"), column), "personal", message)


def _identities(root: Node, master_table: str, master_key: str) -> dict[str, Identity]:
    """Each is a name that events carry, or an object that also says where it stands in the raw tables."""
    given = root.value.get("identities")
    if not isinstance(given, list) or not given:
        what = "is missing" if "identities" not in root.value else "must be a list that is not empty"
        root.found.add(root.at("identities"), "field", f"'identities' {what}")
        return {}
    found: dict[str, Identity] = {}
    for index, one in enumerate(given):
        pointer = step(root.at("identities"), index)
        if isinstance(one, str):
            _name(root, pointer, one)
            identity = Identity(one)
        else:
            node = Node.of(one, pointer, root.found, "an identity that is no name")
            if node is None:
                continue
            identity = _identity(node, master_table, master_key)
        if identity.name in found:
            root.found.add(pointer, "duplicate", f"{identity.name!r} stands here twice")
        found[identity.name] = identity
    return found


def _identity(node: Node, master_table: str, master_key: str) -> Identity:
    places = {"table", "key", "column", "latest"}
    node.only("name", "normalize", "visibility", *sorted(places))
    name = node.text("name")
    if name:
        _name(node, node.at("name"), name)
    if name == master_key and set(node.value) != {"name"}:
        message = "the master key is written as it is; give its name alone"
        node.found.add(node.pointer, "identities", message)
        return Identity(name)
    has_table = bool(places & set(node.value))
    return Identity(
        name=name,
        table=(_source(node, "table") if "table" in node.value else master_table) if has_table else None,
        key=_source(node, "key") if "key" in node.value else master_key,
        column=_source(node, "column") if "column" in node.value else name,
        latest=_source(node, "latest") if "latest" in node.value else None,
        normal=Normal(node.one_of("normalize", set(Normal), Normal.EXACT)),
        hashed=node.one_of("visibility", {Visibility.CLEAR, Visibility.PII}, Visibility.CLEAR)
        == Visibility.PII,
    )


def _filter(master: Node, attributes: tuple[AttributeTable, ...], time_zone: str) -> Rule | None:
    """A rule over attributes alone: it must mean the same whenever the audience is built."""
    if "filter" not in master.value:
        return None
    types = {column.name: column.type for table in attributes for column in table.columns}
    checker = Checker(Schema(types, {}, time_zone), ())
    rule = checker.rule(master.value["filter"], master.at("filter"))
    if rule is not None and any(
        one.op in ("in_window", "in_segment") or isinstance(one.value, Aggregate) for one in rule.walk()
    ):
        message = (
            "a filter reads attributes alone: no segments, no behaviors, and no windows, which move with time"
        )
        checker.report(master.at("filter"), "filter", message)
    master.found.problems.extend(checker.problems)
    return None if rule is None or checker.problems else normalize(rule)


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
        node.only("table", "key", "on", "columns", "latest", "earliest", "empty")
        columns = tuple(_column(node, name, one) for name, one in node.entries("columns"))
        for column in columns:
            pointer = step(node.at("columns"), column.name)
            if column.name in where:
                message = f"attribute {column.name!r} is declared twice, first at {where[column.name]}"
                node.found.add(pointer, "duplicate", message)
            elif column.name.lower() in _RESERVED_ATTRIBUTES:
                node.found.add(
                    pointer, "reserved", f"{column.name!r} is a name of the built table; choose another"
                )
            elif column.name.lower() in {name.lower() for name in where}:
                message = (
                    f"{column.name!r} and another attribute differ in letter case only; no table holds both"
                )
                node.found.add(pointer, "duplicate", message)
            where[column.name] = pointer
        latest, earliest, on = (
            _source(node, name) if name in node.value else None for name in ("latest", "earliest", "on")
        )
        if latest and earliest:
            node.found.add(
                node.at("earliest"), "field", "either the latest row wins or the earliest; give one of them"
            )
        table, key = _source(node, "table"), _source(node, "key")
        tables.append(AttributeTable(table, key, columns, latest, earliest, on, _empty_is_missing(node)))
    return tuple(tables)


_BEHAVIOR = (
    *("source", "table", "key", "identity", "time", "time_from", "time_zone", "id", "lookups", "columns"),
    *("partition", "empty", "schema"),
)


def _behavior(name: str, node: Node, zone: str) -> Behavior:
    if not DATABASE.fullmatch(name):
        node.found.add(node.pointer, "name", "a behavior's name is 3 to 128 of a-z, 0-9 and '_'")
    source = Source(node.one_of("source", set(Source), Source.TABLE))
    if source is Source.EVENTS:
        node.only("source", "id", "columns", "partition", "schema")
    else:
        node.only(*_BEHAVIOR)
    has_table = source is not Source.EVENTS
    lookups = tuple(_lookup(one) for one in node.children("lookups"))
    columns = tuple(_column(node, column, one) for column, one in node.entries("columns"))
    tables = {lookup.table for lookup in lookups}
    time_from = node.text("time_from") if "time_from" in node.value else None
    if time_from and time_from not in tables:
        message = f"no lookup of this behavior is named {time_from!r}{did_you_mean(time_from, tables)}"
        node.found.add(node.at("time_from"), "lookup", message)
    _check_columns(node, columns, tables)
    for index, column_name in enumerate(node.texts("id")):
        _check_source(node, step(node.at("id"), index), column_name)
    return Behavior(
        name=name,
        table=_source(node, "table") if has_table else "",
        key=_source(node, "key") if has_table else "",
        time=_source(node, "time") if has_table else "",
        time_zone=_zone(node, zone),
        id=node.texts("id") if isinstance(node.value.get("id"), list) else (),
        lookups=lookups,
        columns=tuple(one for one in columns if one.visibility is not Visibility.BLOCKED),
        time_from=time_from,
        source=source,
        identity=node.text("identity") if "identity" in node.value else None,
        partition=node.one_of("partition", GRAINS, "month"),
        blocked=frozenset(one.name for one in columns if one.visibility is Visibility.BLOCKED),
        empty_is_missing=_empty_is_missing(node),
        enforced=node.one_of("schema", ("widened", "enforced"), "widened") == "enforced",
    )


def _lookup(node: Node) -> Lookup:
    node.only("table", "key", "on")
    key = _source(node, "key")
    return Lookup(_source(node, "table"), key, _source(node, "on") if "on" in node.value else key)


def _check_columns(node: Node, columns: Sequence[Column], lookups: Collection[str]) -> None:
    """What is wrong with a behavior's columns beside each other, its lookups, and what a built table has anyway."""
    taken: set[str] = set()
    for column in columns:
        pointer, name = step(node.at("columns"), column.name), column.name.lower()
        if column.lookup is not None and column.lookup not in lookups:
            known = did_you_mean(column.lookup, lookups)
            message = f"no lookup of this behavior is named {column.lookup!r}{known}"
            node.found.add(step(pointer, "from"), "lookup", message)
        if column.name in PERSONAL_COLUMNS and column.visibility is Visibility.CLEAR:
            message = (
                f'{column.name!r} tells who somebody is: declare it with "visibility": "pii", or leave it out'
            )
            node.found.add(pointer, "personal", message)
        if name in _RESERVED:
            message = f"{column.name!r} is a name of the built table; choose another"
            node.found.add(pointer, "reserved", message)
        if name in taken:
            message = f"{column.name!r} differs from another column in letter case only"
            node.found.add(pointer, "duplicate", message)
        taken.add(name)


def _empty_is_missing(node: Node) -> bool:
    """Whether empty text, which is all that CSV knows of a missing value, is a missing one."""
    return node.one_of("empty", ("kept", "missing"), "kept") == "missing"


def _column(parent: Node, name: str, node: Node) -> Column:
    behavior = any(name in parent.value for name in ("lookups", "time", "source"))
    node.only("type", "column", "visibility", *(("from",) if behavior else ()))
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


def _source(node: Node, name: str) -> str:
    """A table's or column's name in the raw data, which goes quoted into SQL."""
    value = node.text(name)
    if value:
        _check_source(node, node.at(name), value)
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
