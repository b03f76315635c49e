"""The SQL over uploaded lists: who of an audience is on them, and who on them is nobody of the audience."""

from collections.abc import Collection, Iterable, Sequence

from segmentation.language.sql import IDENTITIES, ListsQuery
from segmentation.language.sqltext import identifier, text

from .audience import Audience
from .lists import PARTITION, Lists, listed_table, version_of


def lists_query(audience: Audience, lists: Lists, profiles: str, identities: Collection[str]) -> ListsQuery:
    """Rows `(profile_key, segment)` of lists; people are found by the keys that `profiles` has of them.

    `identities` are those that this version was built with: by others nobody is found until the next build.
    """
    table = listed_table(audience).name

    def query(segments: Sequence[str]) -> str | None:
        by_master: list[str] = []
        by_others: list[str] = []
        for segment in segments:
            for upload in lists.of(segment).uploads:
                if upload.identity == audience.master_key:
                    by_master.append(version_of(segment, upload.id))
                elif upload.identity in identities:
                    by_others.append(version_of(segment, upload.id))
        parts = []
        if by_master:
            parts.append(f"SELECT key AS profile_key, segment\nFROM {table}\nWHERE {_in(by_master)}")
        if by_others:
            parts.append(
                f"SELECT known.profile_key, l.segment\nFROM {table} AS l\nJOIN ({_known(profiles)}) AS known "
                f"ON known.key = l.key\nWHERE {_in(by_others, 'l.')}"
            )
        return "\nUNION ALL\n".join(parts) or None

    return query


def report_query(audience: Audience, profiles: str, segment: str, upload: str, identity: str) -> str:
    """One row: how many rows an upload has, how many different keys, and how many of these are somebody's."""
    return (
        "SELECT count(*) AS n, count(DISTINCT l.key) AS keys, count(DISTINCT known.key) AS matched "
        f"FROM {_joined(audience, profiles, identity)} WHERE {_in([version_of(segment, upload)], 'l.')}"
    )


def unmatched_query(
    audience: Audience, profiles: str, segment: str, upload: str, identity: str, location: str
) -> str:
    """The statement that writes the lines and keys that matched nobody, as compressed CSV without a header."""
    rows = (
        f"SELECT l.line, l.key FROM {_joined(audience, profiles, identity)} "
        f"WHERE {_in([version_of(segment, upload)], 'l.')} AND known.key IS NULL"
    )
    return f"UNLOAD ({rows}) TO '{location}' WITH (format = 'TEXTFILE', field_delimiter = ',')"


def merge_query(audience: Audience, segment: str, uploads: Iterable[str], location: str) -> str:
    """The statement that writes the members of several uploads as those of one, each key once, as Parquet."""
    rows = (
        f"SELECT segment, key, min(line) AS line FROM {listed_table(audience).name} "
        f"WHERE {_in(version_of(segment, one) for one in uploads)} GROUP BY segment, key"
    )
    return f"UNLOAD ({rows}) TO '{location}' WITH (format = 'PARQUET', compression = 'ZSTD')"


def _joined(audience: Audience, profiles: str, identity: str) -> str:
    if identity == audience.master_key:
        known = f"SELECT profile_key AS key FROM {identifier(profiles)}"
    else:
        known = _known(profiles)
    return f"{listed_table(audience).name} AS l LEFT JOIN ({known}) AS known ON known.key = l.key"


def _known(profiles: str) -> str:
    """Which profile has which of its other keys."""
    table = identifier(profiles)
    return f"SELECT p.profile_key, u.key FROM {table} AS p CROSS JOIN UNNEST(p.{IDENTITIES}) AS u(key)"


def _in(versions: Iterable[str], alias: str = "") -> str:
    listed = ", ".join(text(one) for one in versions)
    return f"{alias}{PARTITION} IN ({listed})"
