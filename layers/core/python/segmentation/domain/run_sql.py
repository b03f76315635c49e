"""The SQL over a run's members: what changed since the run before, and how many there are."""

from collections.abc import Sequence

_NOBODY = "CAST(ARRAY[] AS array(varchar))"


def changes_query(
    members: str, previous: str | None, attributes: Sequence[str], old_attributes: Sequence[str]
) -> str:
    """The profiles whose segments or attributes are not those of the previous run."""
    if previous is None:
        columns = "".join(f', n."{name}" AS "{name}"' for name in attributes)
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
