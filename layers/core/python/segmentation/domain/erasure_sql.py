"""The SQL that leaves erased people out of what is built, and the one that finds somebody's rows there."""

from collections.abc import Sequence


def without_erased(query: str, table: str, master_key: str) -> str:
    """The rows of a query with a `profile_key` whose keys are not among the erased ones."""
    key = f"lower(to_hex(sha256(to_utf8(concat('{master_key}:', q.profile_key)))))"
    return f"SELECT q.* FROM ({query}) q LEFT JOIN {table} x ON x.key_hash = {key} WHERE x.key_hash IS NULL"


def rows_of_keys(table: str, columns: Sequence[str], keys: Sequence[str]) -> str:
    """The rows of a built table that belong to profile keys."""
    listed = ", ".join("'" + key.replace("'", "''") + "'" for key in keys)
    selected = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT {selected} FROM {table} WHERE profile_key IN ({listed})"
