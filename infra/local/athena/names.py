"""Whose name a name is: tables of the catalog, outputs, and aliases that Trino does not let a clause lean on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.scope import Scope, traverse_scope

from infra.local.athena.errors import QueryFailed
from infra.local.athena.trino import position

UNNAMED: Final = "__unnamed_"


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as the query names it, resolved against the database of the request."""

    database: str
    table: str
    where: str = "line 1:1: "


ColumnsOf = Callable[[TableName], Sequence[str]]
"""The column names of a real table; raises QueryFailed if there is no such table."""


def fold_names(tree: exp.Expr) -> None:
    """Names of tables are case-insensitive in Trino, quoted or not; sqlglot's scopes compare them as written."""
    for node in tree.walk():
        if isinstance(node, (exp.Table, exp.TableAlias)):
            for identifier in [node.this, node.args.get("db"), node.args.get("catalog")]:
                if isinstance(identifier, exp.Identifier):
                    identifier.set("this", identifier.this.lower())
        elif isinstance(node, exp.Column) and isinstance(table := node.args.get("table"), exp.Identifier):
            table.set("this", table.this.lower())


def resolve(tree: exp.Query, database: str, columns_of: ColumnsOf) -> tuple[TableName, ...]:
    """Qualify the real tables with their database, and see that no clause leans on an alias of its own SELECT."""
    try:
        scopes = list(traverse_scope(tree))
    except OptimizeError as error:
        raise QueryFailed("SYNTAX_ERROR", str(error)) from None
    found: dict[tuple[str, str], TableName] = {}
    names: dict[int, TableName] = {}
    for scope in scopes:
        for table in scope.tables:
            if (
                table.db
                or table.name not in scope.sources
                or isinstance(scope.sources[table.name], exp.Table)
            ):
                if table.alias_or_name in scope.sources and not isinstance(
                    scope.sources[table.alias_or_name], exp.Table
                ):
                    continue
                name = _table_name(table, database)
                columns_of(name)
                found.setdefault((name.database, name.table), name)
                names[id(table)] = name
    for scope in scopes:
        _refuse_own_aliases(scope, names, columns_of)
    for scope in scopes:
        for table in scope.tables:
            if id(table) in names:
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
                table.set("db", exp.to_identifier(names[id(table)].database))
                table.set("catalog", None)
    return tuple(found.values())


def _table_name(table: exp.Table, database: str) -> TableName:
    where = position(table)
    if table.catalog and table.catalog.lower() != "awsdatacatalog":
        raise QueryFailed("CATALOG_NOT_FOUND", f"{where}Catalog '{table.catalog}' does not exist")
    schema = table.db or database
    if not schema:
        raise QueryFailed(
            "MISSING_SCHEMA_NAME", f"{where}Schema must be specified when session schema is not set"
        )
    return TableName(schema.lower(), table.name.lower(), where)


def _refuse_own_aliases(scope: Scope, names: Mapping[int, TableName], columns_of: ColumnsOf) -> None:
    """DuckDB lets WHERE, GROUP BY, HAVING and later outputs use an output's alias; Trino does not."""
    select = scope.expression
    if not isinstance(select, exp.Select):
        return
    aliases = {item.alias.lower() for item in select.expressions if isinstance(item, exp.Alias)}
    if not aliases:
        return
    visible = _visible(scope, names, columns_of)
    if visible is None:
        return
    for clause in [*select.expressions, *(select.args.get(name) for name in ("where", "group", "having"))]:
        for column in _own_columns(clause) if clause is not None else ():
            if not column.table and column.name.lower() in aliases - visible:
                raise QueryFailed(
                    "COLUMN_NOT_FOUND",
                    f"{position(column)}Column '{column.name}' cannot be resolved or requester is not authorized "
                    "to access requested resources",
                )


def _own_columns(clause: exp.Expr) -> Iterator[exp.Column]:
    """The columns of a clause, without those of the queries inside it."""
    for node in clause.walk(prune=lambda node: isinstance(node, exp.Query)):
        if isinstance(node, exp.Column):
            yield node


def _visible(scope: Scope, names: Mapping[int, TableName], columns_of: ColumnsOf) -> frozenset[str] | None:
    """Names of columns that the FROM clause offers; None where they cannot be told."""
    seen: set[str] = set()
    for source in scope.sources.values():
        if isinstance(source, exp.Table):
            if id(source) not in names:
                return None
            seen.update(columns_of(names[id(source)]))
            continue
        if source.outer_columns:
            seen.update(name.lower() for name in source.outer_columns)
            continue
        inner = source.expression
        if not isinstance(inner, exp.Query) or inner.is_star:
            return None
        seen.update(name.lower() for name in inner.named_selects)
    return frozenset(seen)


def name_outputs(tree: exp.Query) -> None:
    """Trino calls an output without a name _col and its position; the position is known after a star is spread."""
    first = tree
    while isinstance(first, (exp.SetOperation, exp.Subquery)):
        first = first.this
    if isinstance(first, exp.Select):
        for index, item in enumerate(list(first.expressions)):
            if not isinstance(item, (exp.Alias, exp.Column, exp.Star)):
                item.replace(exp.alias_(item.copy(), f"{UNNAMED}{index}"))
