"""How accepted events, and what they changed, lie in the lake.

    events/<audience>/<behavior>/date=YYYY-MM-DD/<shard>-<first>-<last>.parquet   as the stream delivered them
    events/<audience>/<behavior>/date=YYYY-MM-DD/merged-<hash>.parquet            several of those in one
    changes/<audience>/date=YYYY-MM-DD/...                                        who joined and left real-time segments
    links/<audience>/date=YYYY-MM-DD/...                                          keys that were joined, and to whom they lead

A declared column's name in a file says its type (`amount__number`), so a column whose declared type is changed
never meets older files with another type. Whatever a record says beyond that is kept in `extra`: columns that the
audience does not declare, and values that are not of their column's type, by name and the type that JSON gives
them. The date is that of the event, in UTC: an event that comes late lies with the others of its day.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from segmentation.language.types import Type
from segmentation.language.values import parse_value

from .audience import Audience
from .event import Event
from .run import table_name

TEXT_MAP: Final = "map"
"""Beside the types of the language: text by text."""
Kind = Type | Literal["map"]
"""What a column of a file holds."""

EXTRA: Final = "extra"
BY_DATE: Final = "date"
_FIXED: Mapping[str, Kind] = {
    "event_id": Type.STRING,
    "profile": Type.STRING,
    "time": Type.TIMESTAMP,
    "received": Type.TIMESTAMP,
    "sequence": Type.STRING,
}
CHANGES: Mapping[str, Kind] = {
    "change_id": Type.STRING,
    "profile": Type.STRING,
    "segment": Type.STRING,
    "joined": Type.BOOLEAN,
    "moment": Type.TIMESTAMP,
    "computed": Type.TIMESTAMP,
    "rules": Type.STRING,
}
"""The columns of membership changes. `moment`: when it became so; `computed`: when that was noticed."""
LINKS: Mapping[str, Kind] = {
    "profile": Type.STRING,
    "owner": Type.STRING,
    "moment": Type.TIMESTAMP,
    "sequence": Type.STRING,
}
"""The columns of joined keys: `profile` became an alias of `owner`. Of several rows of a key the latest holds."""

_CATALOG_TYPES: Mapping[Kind, str] = {
    Type.STRING: "string",
    Type.NUMBER: "double",
    Type.BOOLEAN: "boolean",
    Type.TIMESTAMP: "bigint",
    Type.DATE: "date",
    Type.STRINGS: "array<string>",
    Type.NUMBERS: "array<double>",
    TEXT_MAP: "map<string,string>",
}
_SEQUENCE_DIGITS = 56
"""A stream's sequence numbers have up to 56 digits; padded, they sort as text."""
_EXACT_INTEGER = 2**53


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table over a folder of the lake, partitioned by a key: `date`, or one whose values only queries name."""

    name: str
    folder: str
    columns: Mapping[str, str]
    """Names and catalog types, without the partition key."""
    partition: str = BY_DATE


@dataclass(frozen=True, slots=True)
class LakeView:
    """A query that the catalog knows by a name; `columns`: names and catalog types of what it gives, in order."""

    name: str
    columns: Mapping[str, str]
    sql: str


@dataclass(frozen=True, slots=True)
class Merging:
    """How the files of a folder are merged: of rows that are equal in `distinct`, the first by `first` stands."""

    distinct: tuple[str, ...]
    first: tuple[str, ...]
    order: tuple[str, ...]


MERGED_EVENTS = Merging(("profile", "event_id"), ("sequence",), ("profile", "time", "event_id"))
MERGED_LINKS = Merging(("profile", "owner", "moment"), ("sequence",), ("profile", "moment", "sequence"))
MERGED_CHANGES = Merging(("change_id",), ("computed",), ("profile", "moment", "change_id"))


def events_folder(audience: str, behavior: str) -> str:
    """Where a behavior's events lie."""
    return f"events/{audience}/{behavior}/"


def changes_folder(audience: str) -> str:
    """Where membership changes lie."""
    return f"changes/{audience}/"


def links_folder(audience: str) -> str:
    """Where joined keys lie."""
    return f"links/{audience}/"


def merging_of(folder: str) -> Merging:
    """How the files of a folder are merged."""
    others = {"changes": MERGED_CHANGES, "links": MERGED_LINKS}
    return others.get(folder.partition("/")[0], MERGED_EVENTS)


def column_in_file(name: str, type_: Type) -> str:
    """A declared column's name in the files; catalogs know no capitals."""
    return f"{name.lower()}__{type_}"


def event_columns(types: Mapping[str, Type]) -> dict[str, Kind]:
    """The columns of a file of events."""
    declared = {column_in_file(name, type_): type_ for name, type_ in types.items()}
    return {**_FIXED, **declared, EXTRA: TEXT_MAP}


def event_row(event: Event, sequence: str, types: Mapping[str, Type]) -> dict[str, Any]:
    """An event as a row of a file."""
    row: dict[str, Any] = {
        "event_id": event.id,
        "profile": event.profile,
        "time": event.time,
        "received": event.received,
        "sequence": padded(sequence),
    }
    extra: dict[str, str] = {}
    for name, raw in event.columns.items():
        value = parse_value(types[name], raw) if name in types else None
        if value is not None:
            row[column_in_file(name, types[name])] = value
        if raw is not None and (value is None or not _whole(raw, value)):
            kind, text = _as_text(raw)
            extra[f"{name}__{kind}"] = text
    row[EXTRA] = extra
    return row


def events_table(audience: Audience, behavior: str) -> LakeTable:
    """The table of a behavior's events."""
    columns = event_columns(audience.behaviors[behavior].types())
    return LakeTable(
        table_name(audience.id, "events", behavior),
        events_folder(audience.id, behavior),
        {name: _CATALOG_TYPES[kind] for name, kind in columns.items()},
    )


def changes_table(audience: Audience) -> LakeTable:
    """The table of an audience's membership changes as they were archived: of a redelivered one, twice for a while."""
    columns = {name: _CATALOG_TYPES[kind] for name, kind in CHANGES.items()}
    name = table_name(audience.id, "segment_changes_archived")
    return LakeTable(name, changes_folder(audience.id), columns)


def links_table(audience: Audience) -> LakeTable:
    """The table of an audience's joined keys."""
    columns = {name: _CATALOG_TYPES[kind] for name, kind in LINKS.items()}
    return LakeTable(table_name(audience.id, "joined_keys"), links_folder(audience.id), columns)


def lake_tables(audience: Audience) -> list[LakeTable]:
    """All tables over what is archived of an audience."""
    events = (events_table(audience, name) for name in audience.behaviors)
    return [*events, changes_table(audience), links_table(audience)]


def date_of(path: str) -> str | None:
    """The date of the partition that an object lies in."""
    dates = [part.removeprefix("date=") for part in path.split("/")[:-1] if part.startswith("date=")]
    return dates[-1] if dates else None


def _whole(raw: Any, value: Any) -> bool:
    """Whether the typed value says all that the record said."""
    if isinstance(value, tuple):
        return all(one is not None or sent is None for one, sent in zip(value, raw, strict=True))
    return not (isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) > _EXACT_INTEGER)


def _as_text(raw: Any) -> tuple[str, str]:
    if isinstance(raw, str):
        return "string", raw
    if isinstance(raw, bool):
        return "boolean", "true" if raw else "false"
    text = json.dumps(raw, separators=(",", ":"))
    return ("number", text) if isinstance(raw, int | float) else ("json", text)


def padded(sequence: str) -> str:
    """A sequence number as it sorts as text."""
    return sequence.zfill(_SEQUENCE_DIGITS)


def position(sequences: Sequence[str]) -> str:
    """The part of a file's name that says which of a shard's records are in it."""
    return f"{sequences[0]}-{sequences[-1]}"
