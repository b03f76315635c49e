"""The SQL over a run's members: put together, compared with the run before, counted; and tables made of queries."""

from collections.abc import Sequence

from segmentation.language.operators.segments import DIGITS
from segmentation.language.sql import IDENTITIES

CONTESTED = "contested"
"""The column of identity keys that a profile has in the raw tables, and another profile won."""
CAME = "identities_joined"
"""The column of identity keys that a profile has, and had not in the run before."""
GONE = "identities_left"
"""The column of identity keys that a profile had in the run before, and has no more."""
_NOBODY = "CAST(ARRAY[] AS array(varchar))"


BY_KEY = "\nORDER BY profile_key"
"""Rows in one order, so that a run that is repeated writes the same bytes."""


def create_table(table: str, location: str, query: str, **properties: str) -> str:
    """The statement that writes a query's rows as a table. `properties` are SQL already."""
    given = {
        "format": "'PARQUET'",
        "write_compression": "'ZSTD'",
        "external_location": f"'{location}'",
        **properties,
    }
    listed = ", ".join(f"{name} = {value}" for name, value in given.items())
    return f"CREATE TABLE {table} WITH ({listed}) AS {query}"


def merge_query(
    profiles: str,
    parts: Sequence[str],
    previous: str | None,
    kept: Sequence[str],
    attributes: Sequence[str],
) -> str:
    """Members of several queries, and those segments' of the previous run that are kept, as one row a profile."""
    lists = [f"coalesce(m{number}.segments, {_NOBODY})" for number in range(len(parts))]
    joins = [
        f"LEFT JOIN {part} m{number} ON m{number}.profile_key = p.profile_key"
        for number, part in enumerate(parts)
    ]
    if previous is not None and kept:
        names = ", ".join(f"'{name}'" for name in sorted(kept))
        lists.append(f"filter(coalesce(o.segments, {_NOBODY}), x -> contains(ARRAY[{names}], x))")
        joins.append(f"LEFT JOIN {previous} o ON o.profile_key = p.profile_key")
    together = lists[0] if lists else _NOBODY
    for one in lists[1:]:
        together = f"array_union({together}, {one})"
    columns = "".join(f', p."{name}" AS "{name}"' for name in attributes)
    return (
        f"SELECT p.profile_key AS profile_key, array_sort({together}) AS segments{columns} "
        f"FROM {profiles} p {' '.join(joins)}"
    )


def changes_query(
    members: str,
    previous: str | None,
    attributes: Sequence[str],
    old_attributes: Sequence[str],
    *,
    given_up: Sequence[str] = (),
    identities: bool = False,
    old_identities: bool = False,
) -> str:
    """The profiles whose segments, attributes or identity keys are not those of the previous run.

    `old_attributes` of the previous run can be compared; what it had of those `given_up` is taken from who has it.
    """
    if previous is None:
        columns = "".join(f', n."{name}" AS "{name}"' for name in attributes)
        if identities:
            columns += f", n.{IDENTITIES} AS {IDENTITIES}, n.{IDENTITIES} AS {CAME}, {_NOBODY} AS {GONE}"
        return (
            f"SELECT n.profile_key AS profile_key, n.segments AS segments, n.segments AS joined, "
            f'{_NOBODY} AS "left"{columns} FROM {members} n'
        )
    columns = "".join(f', n."{name}" AS "{name}"' for name in attributes)
    now, old = f"coalesce(n.segments, {_NOBODY})", f"coalesce(p.segments, {_NOBODY})"
    differences = ["n.profile_key IS NULL", "p.profile_key IS NULL", "n.segments IS DISTINCT FROM p.segments"]
    for name in attributes:
        known = name in old_attributes
        differences.append(f'n."{name}" IS DISTINCT FROM p."{name}"' if known else f'n."{name}" IS NOT NULL')
    differences += [f'p."{name}" IS NOT NULL' for name in given_up]
    if identities or old_identities:
        keys = f"coalesce(n.{IDENTITIES}, {_NOBODY})" if identities else _NOBODY
        before = f"coalesce(p.{IDENTITIES}, {_NOBODY})" if old_identities else _NOBODY
        columns += f", {keys} AS {IDENTITIES}, array_sort(array_except({keys}, {before})) AS {CAME}"
        columns += f", array_sort(array_except({before}, {keys})) AS {GONE}"
        differences.append(f"{keys} IS DISTINCT FROM {before}")
    return (
        f"SELECT coalesce(n.profile_key, p.profile_key) AS profile_key, {now} AS segments, "
        f'array_sort(array_except({now}, {old})) AS joined, array_sort(array_except({old}, {now})) AS "left"{columns} '
        f"FROM {members} n FULL OUTER JOIN {previous} p ON n.profile_key = p.profile_key "
        f"WHERE {' OR '.join(differences)}"
    )


def sizes_query(members: str, changes: str) -> str:
    """Sizes, joiners and leavers of each segment, and how many profiles there are."""

    def count(kind: str, table: str, column: str) -> str:
        unnested = f'{table} t CROSS JOIN UNNEST(t."{column}") AS u(segment)'
        return (
            f"SELECT '{kind}' AS kind, u.segment AS segment, count(*) AS n FROM {unnested} GROUP BY u.segment"
        )

    return " UNION ALL ".join(
        (
            count("size", members, "segments"),
            count("joined", changes, "joined"),
            count("left", changes, "left"),
            f"SELECT 'profiles' AS kind, '' AS segment, count(*) AS n FROM {members}",
        )
    )


def rows_query(tables: Sequence[tuple[str, str]]) -> str:
    """How many rows each of some tables has, under a name."""
    return " UNION ALL ".join(
        f"SELECT '{name}' AS name, count(*) AS n FROM {table}" for name, table in tables
    )


def identities_query(profiles: str, names: Sequence[str]) -> list[str]:
    """For each identity how many keys lead to a profile (`keys:<name>`), and how many of them other profiles have in
    the raw tables too (`contested:<name>`); to be put together with `rows_query`."""

    def count(kind: str, column: str, name: str, what: str) -> str:
        unnested = f'{profiles} t CROSS JOIN UNNEST(t."{column}") AS u(identity)'
        named = f"substr(u.identity, 1, {len(name) + 1}) = '{name}:'"
        return f"SELECT '{kind}:{name}' AS name, {what} AS n FROM {unnested} WHERE {named}"

    return [
        sql
        for name in names
        for sql in (
            count("keys", IDENTITIES, name, "count(*)"),
            count("contested", CONTESTED, name, "count(DISTINCT u.identity)"),
        )
    ]


def sample_query(table: str, profiles: int, wanted: int) -> str:
    """The rows of a built table that are of the `wanted` profiles, about, that are drawn of so many.

    They are drawn by a hash of their keys, so that all tables, and all builds, agree.
    """
    border = 16**DIGITS * min(wanted, profiles) // max(profiles, 1)
    hashed = "sha256(to_utf8(concat(t.profile_key, ':sample')))"
    drawn = f"from_base(substr(to_hex({hashed}), 1, {DIGITS}), 16) < {border}"
    return f"SELECT t.* FROM {table} t WHERE {drawn}"
