"""Partitions whose values only the query names (projection type `injected`)."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from infra.local.athena.errors import QueryFailed


def named_values(query: exp.Query, key: str) -> frozenset[str]:
    """The texts that a query's conditions hold a column to; without any Athena refuses the query."""
    values = frozenset(_values(query, key.lower()))
    if not values:
        message = (
            f"For the injected projected partition column {key}, the WHERE clause must contain only "
            "static equality conditions, and at least one such condition must be present."
        )
        raise QueryFailed("CONSTRAINT_VIOLATION", message)
    return values


def _values(query: exp.Query, key: str) -> Iterator[str]:
    for node in query.find_all(exp.EQ, exp.In):
        if not isinstance(node.this, exp.Column) or node.this.name.lower() != key:
            continue
        given = node.expressions if isinstance(node, exp.In) else [node.expression]
        yield from (one.name for one in given if isinstance(one, exp.Literal) and one.is_string)
