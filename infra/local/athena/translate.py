"""Trino SQL to DuckDB SQL, by a closed list of node types and functions; everything else is refused by name.

Known to differ from Trino, and left: a join's ON compares a varchar with a number by casting (elsewhere that
is TYPE_MISMATCH) and takes NaN for equal to NaN, because a guard there would cost the hash join; integer
functions may say bigint where Trino says integer; arithmetic of dates with plain integers is not refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from infra.local.athena.names import ColumnsOf, TableName, fold_names, name_outputs, resolve
from infra.local.athena.proven import check
from infra.local.athena.rendering import render


@dataclass(frozen=True, slots=True)
class Translation:
    """DuckDB SQL and the tables that must stand as views before it runs."""

    sql: str
    tables: tuple[TableName, ...]


def translate(tree: exp.Query, database: str, columns_of: ColumnsOf) -> Translation:
    """DuckDB SQL for a parsed query, or the reason why there is none."""
    tree = tree.copy()
    check(tree)
    fold_names(tree)
    tables = resolve(tree, database, columns_of)
    name_outputs(tree)
    return Translation(render(tree), tables)
