"""Trino SQL as a tree: parsed as it was written, every node knowing where it stood.

The parser is sqlglot's for Trino with its table of functions emptied, so that each call arrives under the name and with
the arguments that were written, and functions.py alone decides what becomes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.trino import TrinoParser

from infra.local.athena.errors import RequestRefused

# What sqlglot's tokenizer lets through and Trino's grammar does not.
_FOREIGN_OPERATORS: Final = frozenset(
    {"::", "==", "<=>", "&&", "||=", "->>", "#>", "@>", "<@", "~", "^", "//"}
)


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
