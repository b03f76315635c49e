"""Trino SQL to DuckDB SQL, by a closed list of node types and functions; everything else is refused by name.

The parser is sqlglot's for Trino with its table of functions emptied, so that each call arrives here under
the name and with the arguments that were written, and functions.py alone decides what becomes of it.

Known to differ from Trino, and left: a join's ON compares a varchar with a number by casting (elsewhere that
is TYPE_MISMATCH) and takes NaN for equal to NaN, because a guard there would cost the hash join; integer
functions may say bigint where Trino says integer; arithmetic of dates with plain integers is not refused.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import OptimizeError, ParseError, TokenError
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.parsers.trino import TrinoParser

from infra.local.athena import functions
from infra.local.athena.errors import NotProven, QueryFailed, RequestRefused

UNNAMED: Final = "__unnamed_"


class TrinoAsWritten(Trino):
    """Trino, with every function call left as it was written."""

    INDEX_OFFSET = 0

    class Parser(TrinoParser):
        """The parser without sqlglot's own knowledge of functions."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        # Those whose arguments have a syntax of their own.
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: TrinoParser.FUNCTION_PARSERS[name]
            for name in ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "SUBSTRING", "POSITION")
        }


# Node type -> the arguments that it may carry (None: any).
_ANY: Final = None
_ALLOWED: Final[Mapping[type[exp.Expr], frozenset[str] | None]] = {
    exp.Select: frozenset(
        {
            "with_",
            "expressions",
            "from_",
            "joins",
            "where",
            "group",
            "having",
            "order",
            "limit",
            "offset",
            "distinct",
        }
    ),
    exp.Union: frozenset({"with_", "this", "expression", "distinct", "order", "limit", "offset"}),
    exp.Intersect: frozenset({"with_", "this", "expression", "distinct", "order", "limit", "offset"}),
    exp.Except: frozenset({"with_", "this", "expression", "distinct", "order", "limit", "offset"}),
    exp.With: frozenset({"expressions"}),
    exp.CTE: frozenset({"this", "alias"}),
    exp.Subquery: frozenset({"this", "alias", "with_"}),
    exp.From: frozenset({"this"}),
    exp.Join: frozenset({"this", "on", "using", "side", "kind"}),
    exp.Table: frozenset({"this", "db", "catalog", "alias"}),
    exp.TableAlias: frozenset({"this", "columns"}),
    exp.Values: frozenset({"expressions", "alias"}),
    exp.Unnest: frozenset({"expressions", "alias", "offset"}),
    exp.Where: _ANY,
    exp.Group: frozenset({"expressions"}),
    exp.Having: _ANY,
    exp.Order: frozenset({"this", "expressions"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Limit: frozenset({"expression"}),
    exp.Offset: frozenset({"expression"}),
    exp.Distinct: frozenset({"expressions"}),
    exp.Alias: frozenset({"this", "alias"}),
    exp.Column: frozenset({"this", "table", "db"}),
    exp.Identifier: _ANY,
    exp.Star: frozenset(),
    exp.Literal: _ANY,
    exp.Boolean: _ANY,
    exp.Null: _ANY,
    exp.Paren: frozenset({"this"}),
    exp.Tuple: frozenset({"expressions"}),
    exp.And: _ANY,
    exp.Or: _ANY,
    exp.Not: _ANY,
    exp.Is: _ANY,
    exp.EQ: _ANY,
    exp.NEQ: _ANY,
    exp.GT: _ANY,
    exp.GTE: _ANY,
    exp.LT: _ANY,
    exp.LTE: _ANY,
    exp.NullSafeEQ: _ANY,
    exp.NullSafeNEQ: _ANY,
    exp.Between: frozenset({"this", "low", "high"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Exists: frozenset({"this"}),
    exp.Like: frozenset({"this", "expression"}),
    exp.Escape: _ANY,
    exp.Add: _ANY,
    exp.Sub: _ANY,
    exp.Mul: _ANY,
    exp.Div: _ANY,
    exp.Mod: _ANY,
    exp.Neg: _ANY,
    exp.DPipe: _ANY,
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true", "false"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.TryCast: frozenset({"this", "to", "safe"}),
    exp.DataType: _ANY,
    exp.DataTypeParam: _ANY,
    exp.Interval: frozenset({"this", "unit"}),
    exp.Var: _ANY,
    exp.Extract: frozenset({"this", "expression"}),
    exp.Trim: frozenset({"this"}),
    exp.Substring: frozenset({"this", "start", "length"}),
    exp.StrPosition: frozenset({"this", "substr"}),
    exp.AtTimeZone: _ANY,
    exp.Array: frozenset({"expressions", "value_constructor"}),
    exp.Bracket: frozenset({"this", "expressions"}),
    exp.Lambda: frozenset({"this", "expressions"}),
    exp.Anonymous: frozenset({"this", "expressions"}),
    exp.Filter: frozenset({"this", "expression"}),
    exp.Window: frozenset({"this", "partition_by", "order", "spec", "over"}),
    exp.WindowSpec: frozenset({"kind", "start", "start_side", "end", "end_side"}),
}

# What sqlglot's tokenizer lets through and Trino's grammar does not.
_FOREIGN_OPERATORS: Final = frozenset(
    {"::", "==", "<=>", "&&", "||=", "->>", "#>", "@>", "<@", "~", "^", "//"}
)
_CLOCKS: Final = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user"}
)
_COMPARISONS: Final = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_TYPED_LITERAL: Final = {
    exp.DataType.Type.DATE: re.compile(r"\d{4}-\d{2}-\d{2}"),
    exp.DataType.Type.TIMESTAMP: re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?"),
}


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as the query names it, resolved against the database of the request."""

    database: str
    table: str
    where: str = "line 1:1: "


ColumnsOf = Callable[[TableName], Sequence[str]]
"""The column names of a real table; raises QueryFailed if there is no such table."""


@dataclass(frozen=True, slots=True)
class Translation:
    """DuckDB SQL and the tables that must stand as views before it runs."""

    sql: str
    tables: tuple[TableName, ...]


def position(node: exp.Expr) -> str:
    """Where a node stands, as Trino writes it."""
    places = [
        (found.meta["line"], max(found.meta["col"] - (found.meta["end"] - found.meta["start"]), 1))
        for found in node.walk()
        if "line" in found.meta
    ]
    return "line {}:{}: ".format(*min(places)) if places else ""


def locate(tree: exp.Expr, name: str) -> str:
    """Where a query first names a column, or a relation before a column's dot."""
    for column in sorted(tree.find_all(exp.Column), key=_written_at):
        if name.lower() in (column.name.lower(), column.table.lower()):
            return position(column)
    return ""


def parse_query(sql: str, parameters: Sequence[str] = ()) -> exp.Query:
    """One query as a tree. A syntax error refuses the request, as Athena refuses it."""
    dialect = TrinoAsWritten()
    try:
        tokens = dialect.tokenize(sql)
        for token in tokens:
            if token.text in _FOREIGN_OPERATORS and not token.token_type.name.endswith("STRING"):
                raise _malformed(f"line {token.line}:{token.col}: mismatched input '{token.text}'")
        statements = [tree for tree in dialect.parser().parse(tokens, sql) if tree is not None]
    except (ParseError, TokenError) as error:
        raise _malformed(_first_error(error)) from None
    if len(statements) != 1:
        raise RequestRefused(
            "Only one sql statement is allowed. Got: " + sql, AthenaErrorCode="MALFORMED_QUERY"
        )
    tree = statements[0]
    if isinstance(tree, exp.Subquery):
        tree = tree.unnest()
    if isinstance(tree, exp.Values):
        names = [f"_col{index}" for index in range(len(tree.expressions[0].expressions or [tree]))]
        tree = exp.select("*").from_(exp.alias_(tree, "given", table=names))
    if not isinstance(tree, exp.Query):
        raise _malformed(f"line 1:1: mismatched input '{sql.split(maxsplit=1)[0]}'. Expecting: a query")
    return _bind(tree, parameters)


def _malformed(message: str) -> RequestRefused:
    return RequestRefused(message, AthenaErrorCode="MALFORMED_QUERY")


def _first_error(error: Exception) -> str:
    if isinstance(error, ParseError) and error.errors:
        first = error.errors[0]
        return f"line {first['line']}:{first['col']}: mismatched input '{first['highlight']}'. {first['description']}"
    return f"line 1:1: {error}"


def _bind(tree: exp.Query, parameters: Sequence[str]) -> exp.Query:
    marks = [node for node in tree.find_all(exp.Placeholder) if not node.this]
    if len(marks) != len(parameters):
        raise RequestRefused(
            f"Incorrect number of parameters: expected {len(marks)} but found {len(parameters)}",
            AthenaErrorCode="INVALID_QUERY_PARAMETERS",
        )
    for mark, text in zip(sorted(marks, key=_written_at), parameters, strict=True):
        mark.replace(sqlglot.parse_one(text, dialect=TrinoAsWritten))
    return tree


def _written_at(node: exp.Expr) -> int:
    return min((int(found.meta["start"]) for found in node.walk() if "start" in found.meta), default=0)


def translate(tree: exp.Query, database: str, columns_of: ColumnsOf) -> Translation:
    """DuckDB SQL for a parsed query, or the reason why there is none."""
    tree = tree.copy()
    _check(tree)
    _fold_names(tree)
    tables = _resolve(tree, database, columns_of)
    _name_outputs(tree)
    for node in _children_first(tree):
        rendered = _render(node)
        if rendered is not node:
            node.replace(rendered)
    return Translation(tree.sql(dialect="duckdb", identify=True), tables)


# Checking ---------------------------------------------------------------------------------------------------


def _check(tree: exp.Expr) -> None:
    for node in tree.walk():
        kind = type(node)
        if kind not in _ALLOWED:
            raise NotProven(node.key.upper(), position(node))
        allowed = _ALLOWED[kind]
        if allowed is not None:
            for name, value in node.args.items():
                if value not in (None, False, []) and name not in allowed:
                    raise NotProven(f"{node.key.upper()} with {name.strip('_').upper()}", position(node))
        _check_one(node)


def _check_one(node: exp.Expr) -> None:
    match node:
        case exp.Column() if (
            not node.table and not node.this.args.get("quoted") and node.name.lower() in _CLOCKS
        ):
            raise NotProven(f"{node.name} (give the moment as a literal)", position(node))
        case exp.Is() if not isinstance(node.expression, exp.Null):
            raise QueryFailed("SYNTAX_ERROR", f"{position(node)}mismatched input. Expecting: 'NULL'")
        case exp.Unnest() if len(node.expressions) != 1:
            raise NotProven("UNNEST of several arrays", position(node))
        case exp.Join() if node.args.get("kind") not in (None, "", "INNER", "CROSS", "OUTER"):
            raise NotProven(f"{node.args['kind']} JOIN", position(node))
        case exp.WindowSpec() if node.args["kind"] not in ("ROWS", "RANGE"):
            raise NotProven(f"a window frame of {node.args['kind']}", position(node))
        case exp.Interval() if not isinstance(node.parent, (exp.Add, exp.Sub)):
            raise NotProven("INTERVAL outside of an addition or subtraction", position(node))
        case exp.AtTimeZone() if not isinstance(node.parent, exp.Cast):
            raise NotProven(
                "AT TIME ZONE outside of CAST(... AS date) or CAST(... AS timestamp)", position(node)
            )
        case exp.Anonymous():
            _check_function(node)


def _check_function(node: exp.Anonymous) -> None:
    name, count = node.name.lower(), len(node.expressions)
    if name in functions.WINDOW_ONLY:
        if not isinstance(node.parent, exp.Window):
            raise QueryFailed(
                "MISSING_OVER", f"{position(node)}Window function {name} requires an OVER clause"
            )
        most: Sequence[int] = range(functions.WINDOW_ONLY[name] + 1)
    elif name in functions.AGGREGATES:
        most = [functions.AGGREGATES[name][1]] + ([0] if name == "count" else [])
    elif isinstance(node.parent, exp.Window):
        raise NotProven(f"{name} OVER", position(node))
    elif name in functions.SCALARS:
        most = list(functions.SCALARS[name])
    elif name in _SPECIAL:
        most = _SPECIAL_ARGUMENTS[name]
    else:
        raise QueryFailed(
            "FUNCTION_NOT_FOUND",
            f"{position(node)}Function '{name}' not registered in the embedded Athena's list",
        )
    if name == "try" and any(
        isinstance(inner, exp.Anonymous) and inner.name.lower() in functions.AGGREGATES
        for inner in node.walk()
    ):
        raise NotProven("try around an aggregate", position(node))
    if count not in most:
        raise NotProven(f"{name} with {count} argument(s)", position(node))
    if name in functions.AGGREGATES and any(
        isinstance(argument, exp.Distinct) and len(argument.expressions) > 1 for argument in node.expressions
    ):
        raise NotProven(f"{name}(DISTINCT ...) of several columns", position(node))


# Names ------------------------------------------------------------------------------------------------------


def _fold_names(tree: exp.Expr) -> None:
    """Names of tables are case-insensitive in Trino, quoted or not; sqlglot's scopes compare them as written."""
    for node in tree.walk():
        if isinstance(node, (exp.Table, exp.TableAlias)):
            for identifier in [node.this, node.args.get("db"), node.args.get("catalog")]:
                if isinstance(identifier, exp.Identifier):
                    identifier.set("this", identifier.this.lower())
        elif isinstance(node, exp.Column) and isinstance(table := node.args.get("table"), exp.Identifier):
            table.set("this", table.this.lower())


def _resolve(tree: exp.Query, database: str, columns_of: ColumnsOf) -> tuple[TableName, ...]:
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


def _name_outputs(tree: exp.Query) -> None:
    """Trino calls an output without a name _col and its position; the position is known after a star is spread."""
    first = tree
    while isinstance(first, (exp.SetOperation, exp.Subquery)):
        first = first.this
    if isinstance(first, exp.Select):
        for index, item in enumerate(list(first.expressions)):
            if not isinstance(item, (exp.Alias, exp.Column, exp.Star)):
                item.replace(exp.alias_(item.copy(), f"{UNNAMED}{index}"))


# Rendering --------------------------------------------------------------------------------------------------


def _children_first(tree: exp.Expr) -> list[exp.Expr]:
    return list(reversed(list(tree.bfs())))[:-1]


@cache
def _template(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, dialect="duckdb")


def _fill(sql: str, **arguments: exp.Expr) -> exp.Expr:
    """DuckDB SQL with arguments in place of its `:a`, `:b`, `:c`."""
    if functions.OVERLOADED.search(sql) and any(_aggregates(argument) for argument in arguments.values()):
        # DuckDB chooses an overload before it knows the type of an aggregate; the parameter of a lambda it knows.
        given = ", ".join(f"'{name}': :{name}" for name in arguments)
        body = re.sub(r":([abc])\b", r"given['\1']", sql)
        sql = f"list_transform([{{{given}}}], lambda given: {body})[1]"
    tree = exp.Paren(this=_template(sql).copy())
    for mark in list(tree.find_all(exp.Placeholder)):
        mark.replace(_argument(arguments[mark.name]))
    return tree.this if isinstance(tree.this, (exp.Anonymous, exp.Case)) else tree


def _aggregates(node: exp.Expr) -> bool:
    for inner in node.walk(prune=lambda inner: isinstance(inner, exp.Query)):
        if isinstance(inner, exp.Window):
            return True
        if isinstance(inner, exp.Anonymous) and inner.name in functions.AGGREGATE_NAMES:
            return True
    return False


def _argument(node: exp.Expr) -> exp.Expr:
    node = node.copy()
    return (
        exp.Paren(this=node)
        if isinstance(node, (exp.Binary, exp.Unary, exp.Is, exp.In, exp.Between))
        else node
    )


def _render(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Literal() if node.is_string and not isinstance(
            node.parent, (exp.Interval, exp.AtTimeZone, exp.Escape, exp.Cast, exp.DataTypeParam)
        ):
            # As a bare literal it would take the type of whatever it meets.
            return exp.cast(node.copy(), "VARCHAR", dialect="duckdb")
        case exp.Add() | exp.Sub() if isinstance(node.expression, exp.Interval):
            return _add_interval(node)
        case exp.Div():
            return _fill(functions.DIVISION.format(kind="div"), a=node.this, b=node.expression)
        case exp.Mod():
            return _fill(functions.DIVISION.format(kind="mod"), a=node.this, b=node.expression)
        case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE() if not _in_join(node):
            return _compare(node)
        case exp.Between() if not _in_join(node):
            return _fill(":a AND trino_same(:b, :c)", a=node, b=node.this, c=node.args["low"])
        case exp.In() if node.expressions and not _in_join(node) and not isinstance(node.this, exp.Tuple):
            return _fill(":a AND trino_same(:b, :c)", a=node, b=node.this, c=node.expressions[0])
        case exp.Cast():
            return _cast(node)
        case exp.AtTimeZone():
            return node
        case exp.Extract():
            unit = node.name.lower()
            if unit not in functions.EXTRACTED:
                raise NotProven(f"EXTRACT({unit} ...)", position(node))
            return _fill(f"trino_part('{functions.EXTRACTED[unit]}', :a)", a=node.expression)
        case exp.Trim():
            return _fill("trino_trim(:a)", a=node.this)
        case exp.Substring():
            if node.args.get("length") is None:
                return _fill("trino_substr(:a, :b)", a=node.this, b=node.args["start"])
            return _fill("trino_substr(:a, :b, :c)", a=node.this, b=node.args["start"], c=node.args["length"])
        case exp.StrPosition():
            return _fill("strpos(:a, :b)", a=node.this, b=node.args["substr"])
        case exp.Bracket():
            return _fill("trino_subscript(:a, :b)", a=node.this, b=node.expressions[0])
        case exp.Anonymous():
            return _function(node)
        case _:
            return node


def _in_join(node: exp.Expr) -> bool:
    """Whether a comparison is a join's condition: a guard there would cost the hash join."""
    child = node
    parent = node.parent
    while isinstance(parent, (exp.And, exp.Paren)):
        child, parent = parent, parent.parent
    return isinstance(parent, exp.Join) and parent.args.get("on") is child


def _is_literal(node: exp.Expr) -> bool:
    if isinstance(node, (exp.Cast, exp.Neg, exp.Paren)):
        return _is_literal(node.this)
    return isinstance(node, (exp.Literal, exp.Boolean, exp.Null))


def _compare(node: exp.Expr) -> exp.Expr:
    """A comparison as Trino has it: NaN equals nothing and is on no side of anything."""
    left, right = node.this, node.expression
    guards = ["trino_same(:b, :c)"]
    if isinstance(node, (exp.GT, exp.GTE)) and not _is_literal(left):
        guards.append("NOT trino_nan(:b)")
    if isinstance(node, (exp.LT, exp.LTE)) and not _is_literal(right):
        guards.append("NOT trino_nan(:c)")
    if isinstance(node, exp.EQ) and not _is_literal(left) and not _is_literal(right):
        guards.append("NOT trino_nan(:b)")
    if isinstance(left, exp.Tuple) or isinstance(right, (exp.Tuple, exp.Query, exp.Subquery)):
        return node
    condition = " AND ".join([":a", *guards])
    if isinstance(node, exp.NEQ) and not _is_literal(left) and not _is_literal(right):
        condition = f"({condition}) OR (trino_nan(:b) AND trino_nan(:c))"
    return _fill(condition, a=node, b=left, c=right)


def _add_interval(node: exp.Expr) -> exp.Expr:
    interval = node.expression
    unit = interval.text("unit").lower()
    if unit not in functions.INTERVAL_UNITS or not re.fullmatch(r"-?\d+", interval.name):
        raise NotProven(f"INTERVAL {interval.name} {unit}", position(node))
    amount = int(interval.name) * (-1 if isinstance(node, exp.Sub) else 1)
    return _fill(f"trino_add_interval(:a, {_interval(unit, str(amount))})", a=node.this)


def _interval(unit: str, amount: str) -> str:
    months = {"month": 1, "quarter": 3, "year": 12}
    if unit in months:
        return f"to_months(CAST({amount} AS INTEGER) * {months[unit]})"
    milliseconds = {
        "millisecond": 1,
        "second": 1000,
        "minute": 60_000,
        "hour": 3_600_000,
    }
    if unit in milliseconds:
        return f"to_milliseconds(CAST({amount} AS BIGINT) * {milliseconds[unit]})"
    return f"to_days(CAST({amount} AS INTEGER) * {7 if unit == 'week' else 1})"


def _text(node: exp.Expr, what: str) -> str:
    """The text of an argument that must be a literal."""
    while isinstance(node, (exp.Cast, exp.Paren)):
        node = node.this
    if not (isinstance(node, exp.Literal) and node.is_string):
        raise NotProven(f"{what} that is not a literal", position(node))
    return node.name


def _cast(node: exp.Cast) -> exp.Expr:
    kind = node.to.this
    source = node.this
    if isinstance(source, exp.AtTimeZone):
        zone = _text(source.args["zone"], "AT TIME ZONE with a zone")
        if kind not in (exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP):
            raise NotProven(
                "AT TIME ZONE outside of CAST(... AS date) or CAST(... AS timestamp)", position(node)
            )
        local = _fill(f"timezone({exp.Literal.string(zone).sql('duckdb')}, trino_instant(:a))", a=source.this)
        return exp.cast(local, node.to.copy(), dialect="duckdb")
    if isinstance(source, exp.Literal) and source.is_string:
        if kind in _TYPED_LITERAL and _TYPED_LITERAL[kind].fullmatch(source.name) and _exists(source.name):
            return exp.cast(source.copy(), kind.name, dialect="duckdb")
        source = exp.cast(source.copy(), "VARCHAR", dialect="duckdb")
    return _cast_to(source, node.to, isinstance(node, exp.TryCast))


def _exists(moment: str) -> bool:
    try:
        dt.datetime.fromisoformat(moment)
    except ValueError:
        return False
    return True


def _cast_to(source: exp.Expr, target: exp.DataType, attempt_only: bool, depth: int = 0) -> exp.Expr:
    """The cast of an expression; the tables of functions.py know what each type does with what it is given."""
    types = exp.DataType.Type
    kind = target.this
    if kind == types.ARRAY:
        name = f"element_{depth}"
        body = _cast_to(exp.to_identifier(name), target.expressions[0], attempt_only, depth + 1)
        return _fill(f"list_transform(:a, lambda {name}: :b)", a=source, b=body)
    if kind == types.DECIMAL:
        size = ", ".join(part.name for part in target.expressions) or "38, 0"
        function = "TRY_CAST" if attempt_only else "CAST"
        inner = "trino_decimal_source(:a)" if attempt_only else ":a"
        return _fill(f"{function}({inner} AS DECIMAL({size}))", a=source)
    if kind in (types.VARCHAR, types.TEXT):
        text = _fill(functions.VARCHAR_CAST, a=source)
        if target.expressions:
            return _fill(f"left(:a, {target.expressions[0].name})", a=text)
        return text
    if kind == types.VARBINARY and attempt_only is False:
        return _fill("CAST(:a AS BLOB)", a=source)
    name = {types.INT: "integer"}.get(kind, kind.name.lower())
    if name not in functions.CASTS:
        raise NotProven(f"CAST to {target.sql('trino')}", position(source))
    attempt, said, duck = functions.CASTS[name]
    if attempt_only:
        return _fill(attempt, a=source)
    return _fill(functions.RAISING_CAST.format(attempt=attempt, name=said, type=duck), a=source)


def _function(node: exp.Anonymous) -> exp.Expr:
    name, arguments = node.name.lower(), node.expressions
    if name in _SPECIAL:
        return _SPECIAL[name](node)
    if name in functions.WINDOW_ONLY:
        return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])
    if name in functions.AGGREGATES:
        return _aggregate(name, arguments)
    return _fill(functions.SCALARS[name][len(arguments)], **dict(zip("abc", arguments, strict=False)))


def _aggregate(name: str, arguments: list[exp.Expr]) -> exp.Expr:
    target, _, rendering = functions.AGGREGATES[name]
    made = exp.Anonymous(this=target, expressions=[argument.copy() for argument in arguments])
    if rendering != ":a":
        inner = made.expressions[0]
        while isinstance(inner, (exp.Distinct, exp.Order)):
            inner = inner.expressions[0] if isinstance(inner, exp.Distinct) else inner.this
        inner.replace(_fill(rendering, a=inner))
    return made


def _unit(node: exp.Anonymous, units: frozenset[str]) -> str:
    unit = _text(node.expressions[0], f"{node.name} with a unit").lower()
    if unit not in units:
        raise QueryFailed(
            "INVALID_FUNCTION_ARGUMENT", f"{position(node)}'{unit}' is not a valid unit for {node.name}"
        )
    return unit


def _date_trunc(node: exp.Anonymous) -> exp.Expr:
    unit = _unit(node, functions.TRUNCATION_UNITS)
    return _fill(f"trino_date_trunc('{unit}', :a)", a=node.expressions[1])


def _date_diff(node: exp.Anonymous) -> exp.Expr:
    unit = _unit(node, functions.INTERVAL_UNITS)
    return _fill(f"trino_date_diff('{unit}', :a, :b)", a=node.expressions[1], b=node.expressions[2])


def _date_add(node: exp.Anonymous) -> exp.Expr:
    unit = _unit(node, functions.INTERVAL_UNITS)
    interval = _interval(unit, ":b")
    return _fill(f"trino_add_interval(:a, {interval})", a=node.expressions[2], b=node.expressions[1])


def _date(node: exp.Anonymous) -> exp.Expr:
    return _cast_to(node.expressions[0], exp.DataType.build("date"), attempt_only=False)


def _concat(node: exp.Anonymous) -> exp.Expr:
    """Not DuckDB's concat, which leaves NULLs out."""
    joined = node.expressions[0].copy()
    for part in node.expressions[1:]:
        joined = exp.DPipe(this=joined, expression=_argument(part))
    return exp.Paren(this=joined)


def _coalesce(node: exp.Anonymous) -> exp.Expr:
    first, *rest = [argument.copy() for argument in node.expressions]
    return exp.Coalesce(this=first, expressions=rest)


def _extreme(node: exp.Anonymous) -> exp.Expr:
    """greatest and least: NULL if any argument is."""
    arguments = [argument.copy() for argument in node.expressions]
    missing = exp.or_(*(exp.Is(this=_argument(argument), expression=exp.Null()) for argument in arguments))
    found = exp.Anonymous(this=node.name, expressions=arguments)
    return exp.Case(ifs=[exp.If(this=missing, true=exp.Null())], default=found)


def _replace(node: exp.Anonymous) -> exp.Expr:
    if not _text(node.expressions[1], "replace with a sought text"):
        raise NotProven("replace of an empty text", position(node))
    replacement = (
        node.expressions[2] if len(node.expressions) > 2 else exp.cast(exp.Literal.string(""), "VARCHAR")
    )
    return _fill("replace(:a, :b, :c)", a=node.expressions[0], b=node.expressions[1], c=replacement)


def _from_base(node: exp.Anonymous) -> exp.Expr:
    if node.expressions[1].sql() != "16":
        raise NotProven("from_base with a base other than 16", position(node))
    return _fill("trino_from_base16(:a)", a=node.expressions[0])


def _mod(node: exp.Anonymous) -> exp.Expr:
    return _fill(functions.DIVISION.format(kind="mod"), a=node.expressions[0], b=node.expressions[1])


_SPECIAL: Final[Mapping[str, Callable[[exp.Anonymous], exp.Expr]]] = {
    "date_trunc": _date_trunc,
    "date_diff": _date_diff,
    "date_add": _date_add,
    "date": _date,
    "concat": _concat,
    "coalesce": _coalesce,
    "greatest": _extreme,
    "least": _extreme,
    "replace": _replace,
    "from_base": _from_base,
    "mod": _mod,
}
_SPECIAL_ARGUMENTS: Final[Mapping[str, Sequence[int]]] = {
    "date_trunc": [2],
    "date_diff": [3],
    "date_add": [3],
    "date": [1],
    "concat": range(2, 255),
    "coalesce": range(2, 255),
    "greatest": range(2, 255),
    "least": range(2, 255),
    "replace": [2, 3],
    "from_base": [2],
    "mod": [2],
}
