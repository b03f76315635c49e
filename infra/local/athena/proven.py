"""The closed list of node types, and what else must hold of a query before it is rendered; the rest is refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlglot import exp

from infra.local.athena import functions
from infra.local.athena.errors import NotProven, QueryFailed
from infra.local.athena.rendering import SPECIAL_ARGUMENTS, is_literal
from infra.local.athena.trino import position

MOST_ITEMS: Final = 254
"""Of an array in Trino, where any of them varies."""

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
_CLOCKS: Final = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user"}
)


def check(tree: exp.Expr) -> None:
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
        case exp.Array() if len(node.expressions) > MOST_ITEMS and not all(map(is_literal, node.expressions)):
            raise QueryFailed("NOT_SUPPORTED", f"{position(node)}Too many arguments for array constructor")
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
        most = (functions.AGGREGATES[name][1], *functions.FEWER_OR_MORE.get(name, ()))
    elif isinstance(node.parent, exp.Window):
        raise NotProven(f"{name} OVER", position(node))
    elif name in functions.SCALARS:
        most = list(functions.SCALARS[name])
    elif name in SPECIAL_ARGUMENTS:
        most = SPECIAL_ARGUMENTS[name]
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
