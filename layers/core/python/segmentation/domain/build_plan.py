"""What a build makes: each table's query and how its rows are laid out (decision 14).

Profiles are bucketed by profile key, events divided by time. Athena writes at most 100 combinations of partition and
bucket in one statement, and sorts nothing: an ORDER BY around the rows of a CREATE TABLE is dropped by its engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.language.partitions import MOST, Partitions, borders

from .audience import Audience
from .build_sql import profiles_query, with_period
from .built import columns_document
from .erasure_sql import without_erased
from .lake_sql import behavior_rows
from .source_sql import Catalog

PROFILES = "profiles"
BEHAVIOR = "behavior_"
"""How the folder of a behavior begins."""
BUCKET_ROWS = 2_000_000
"""Rows of a bucket, about."""
UNKNOWN_BUCKETS = 8
"""Buckets of a table whose rows were never counted."""
FEW_ROWS = 20_000_000
"""Up to so many events a partition is one bucket, and so one file, that one writer makes."""

SAMPLED = 100_000
"""Profiles of a sample, about; a smaller audience has none. An estimate of one is off by 0.3% of all profiles at most."""


@dataclass(frozen=True, slots=True)
class BuildTable:
    """One table: the query of its rows, the properties of its CREATE TABLE as SQL, and how it is divided by time."""

    query: str
    properties: Mapping[str, str]
    partitions: Partitions | None = None

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {"query": self.query, "properties": dict(self.properties)}


def build_tables(
    audience: Audience,
    catalog: Catalog,
    now: int,
    rows: Mapping[str, int],
    erased: str | None = None,
) -> dict[str, BuildTable]:
    """The tables of an audience by folder. `now` is what the data is recent to; `rows` are those of the last version.

    `erased` is the table of the keys of people who are not to be built, if there are any.
    """

    def kept(query: str) -> str:
        return query if erased is None else without_erased(query, erased, audience.master_key)

    tables = {PROFILES: BuildTable(kept(profiles_query(audience, catalog)), _bucketed(rows.get(PROFILES)))}
    for name, behavior in audience.behaviors.items():
        query, folder = kept(behavior_rows(audience, behavior, catalog)), BEHAVIOR + name
        if behavior.partition == "none":
            tables[folder] = BuildTable(query, _bucketed(rows.get(folder)))
            continue
        partitions = Partitions(borders(behavior.partition, now))
        properties = {"partitioned_by": f"ARRAY['{partitions.column}']"}
        if rows.get(folder, FEW_ROWS + 1) <= FEW_ROWS:
            properties |= _buckets(1)
        tables[folder] = BuildTable(with_period(query, partitions), properties, partitions)
    return tables


def sample_properties() -> dict[str, str]:
    """How a sample lies: few rows, so as one file."""
    return _buckets(1)


def layout_document(audience: Audience, tables: Mapping[str, BuildTable]) -> dict[str, Any]:
    """What the pointer says of a version's layout."""
    return {
        "partitions": {
            folder.removeprefix(BEHAVIOR): table.partitions.to_document()
            for folder, table in tables.items()
            if table.partitions is not None
        },
        "identities": [identity.name for identity in audience.known_identities()],
        "columns": columns_document(audience),
    }


def partitions_of(pointer: Mapping[str, Any]) -> dict[str, Partitions]:
    """How the behavior tables of a version are divided by time, by behavior."""
    stated: Mapping[str, Any] = pointer.get("layout", {}).get("partitions", {})
    return {name: Partitions.from_document(one) for name, one in stated.items()}


def events_a_profile(pointer: Mapping[str, Any]) -> dict[str, float]:
    """How many events a profile of a version has on average, by behavior; nothing where rows were not counted."""
    rows: Mapping[str, int] = pointer.get("rows", {})
    profiles = rows.get(PROFILES, 0)
    events = {name.removeprefix(BEHAVIOR): n for name, n in rows.items() if name.startswith(BEHAVIOR)}
    return {name: n / profiles for name, n in events.items()} if profiles else {}


def identities_of(pointer: Mapping[str, Any]) -> tuple[str, ...]:
    """The identities that the profiles of a version have keys of beside the profile key."""
    return tuple(pointer.get("layout", {}).get("identities", ()))


def has_identities(pointer: Mapping[str, Any]) -> bool:
    """Whether the profiles of a version have identity keys beside the profile key."""
    return bool(identities_of(pointer))


def _bucketed(rows: int | None) -> dict[str, str]:
    return _buckets(UNKNOWN_BUCKETS if rows is None else max(1, min(MOST, -(-rows // BUCKET_ROWS))))


def _buckets(count: int) -> dict[str, str]:
    return {"bucketed_by": "ARRAY['profile_key']", "bucket_count": str(count)}
