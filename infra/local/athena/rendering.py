"""A checked tree of Trino SQL as DuckDB SQL, node by node from the leaves up."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

import sqlglot
from sqlglot import exp

from infra.local.athena import functions
from infra.local.athena.errors import NotProven, QueryFailed
from infra.local.athena.trino import position

_TYPED_LITERAL: Final = {
    exp.DataType.Type.DATE: re.compile(r"\d{4}-\d{2}-\d{2}"),
    exp.DataType.Type.TIMESTAMP: re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?"),
}


def render(tree: exp.Query) -> str:
    """The tree, which is used up, as DuckDB SQL."""
    for node in list(tree.bfs())[:0:-1]:
        _put(_render, node)
    return tree.sql(dialect="duckdb", identify=True, copy=False)


def _put(make: Callable[[exp.Expr], exp.Expr], node: exp.Expr) -> None:
    """Put what is made of a node in its place; the node itself may go into it."""
    parent, key, index = node.parent, node.arg_key, node.index
    made = make(node)
    if made is not node and parent is not None and key is not None:
        parent.set(key, made, index)


@cache
def _template(sql: str) -> exp.Expr:
    tree = sqlglot.parse_one(sql, dialect="duckdb")
    for node in tree.walk():
        node.meta.clear()  # it stood nowhere in the query
    return tree


def _fill(sql: str, **arguments: exp.Expr) -> exp.Expr:
    """DuckDB SQL with arguments in place of its `:a`, `:b`, `:c`.

    The arguments go into it, copied only where it names them more than once: none may be a part of another.
    """
    if functions.OVERLOADED.search(sql) and any(_aggregates(argument) for argument in arguments.values()):
        # DuckDB chooses an overload before it knows the type of an aggregate; the parameter of a lambda it knows.
        given = ", ".join(f"'{name}': :{name}" for name in arguments)
        body = re.sub(r":([abc])\b", r"given['\1']", sql)
        sql = f"list_transform([{{{given}}}], lambda given: {body})[1]"
    tree = exp.Paren(this=_template(sql).copy())
    given_out: set[str] = set()
    for mark in list(tree.find_all(exp.Placeholder)):
        argument = arguments[mark.name]
        mark.replace(_argument(argument.copy() if mark.name in given_out else argument))
        given_out.add(mark.name)
    return tree.this if isinstance(tree.this, (exp.Anonymous, exp.Case)) else tree


def _aggregates(node: exp.Expr) -> bool:
    for inner in node.walk(prune=lambda inner: isinstance(inner, exp.Query)):
        if isinstance(inner, exp.Window):
            return True
        if isinstance(inner, exp.Anonymous) and inner.name in functions.AGGREGATE_NAMES:
            return True
    return False


def _argument(node: exp.Expr) -> exp.Expr:
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
            return _cast_as(node, exp.DataType.Type.VARCHAR)
        case exp.Add() | exp.Sub() if isinstance(node.expression, exp.Interval):
            return _add_interval(node)
        case exp.Div():
            return _fill(functions.DIVISION.format(kind="div"), a=node.this, b=node.expression)
        case exp.Mod():
            return _fill(functions.DIVISION.format(kind="mod"), a=node.this, b=node.expression)
        case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE() if not _in_join(node):
            return _compare(node)
        case exp.Between() if not _in_join(node):
            return _guarded(node, node.this, node.args["low"])
        case exp.In() if node.expressions and not _in_join(node) and not isinstance(node.this, exp.Tuple):
            return _guarded(node, node.this, node.expressions[0])
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


def is_literal(node: exp.Expr) -> bool:
    """Whether it is a constant as written."""
    if isinstance(node, (exp.Cast, exp.Neg, exp.Paren)):
        return is_literal(node.this)
    return isinstance(node, (exp.Literal, exp.Boolean, exp.Null))


_TEXTS: Final = (exp.DataType.Type.VARCHAR, exp.DataType.Type.TEXT)


def _same(left: exp.Expr, right: exp.Expr) -> str:
    """The guard against comparing texts with what is none. Beside a literal it looks at one side: it is cheaper to plan."""
    for literal, other in ((left, ":c"), (right, ":b")):
        if isinstance(literal, exp.Null):
            return "true"
        if is_literal(literal):
            return f"trino_{'text' if _is_text(literal) else 'no_text'}({other})"
    return "trino_same(:b, :c)"


def _is_text(literal: exp.Expr) -> bool:
    return isinstance(cast := literal.unnest(), exp.Cast) and cast.to.this in _TEXTS


def _compare(node: exp.Expr) -> exp.Expr:
    """A comparison as Trino has it: NaN equals nothing and is on no side of anything."""
    left, right = node.this, node.expression
    guards = [_same(left, right)]
    if isinstance(node, (exp.GT, exp.GTE)) and not is_literal(left):
        guards.append("NOT trino_nan(:b)")
    if isinstance(node, (exp.LT, exp.LTE)) and not is_literal(right):
        guards.append("NOT trino_nan(:c)")
    if isinstance(node, exp.EQ) and not is_literal(left) and not is_literal(right):
        guards.append("NOT trino_nan(:b)")
    if guards[0].startswith("trino_no_text") and len(guards) == 2:
        guards = [guards[0].replace("no_text", "number")]  # one macro for both
    if isinstance(left, exp.Tuple) or isinstance(right, (exp.Tuple, exp.Query, exp.Subquery)):
        return node
    condition = " AND ".join([":a", *guards])
    if isinstance(node, exp.NEQ) and not is_literal(left) and not is_literal(right):
        condition = f"({condition}) OR (trino_nan(:b) AND trino_nan(:c))"
    return _guarded(node, left, right, condition)


def _guarded(node: exp.Expr, left: exp.Expr, right: exp.Expr, condition: str = "") -> exp.Expr:
    """A node with guards over two of its parts."""
    return _fill(condition or f":a AND {_same(left, right)}", a=node, b=left.copy(), c=right.copy())


def _cast_as(node: exp.Expr, kind: exp.DType) -> exp.Cast:
    return exp.Cast(this=node, to=exp.DataType(this=kind))


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
        return exp.Cast(this=local, to=node.to)
    if isinstance(source, exp.Literal) and source.is_string:
        if kind in _TYPED_LITERAL and _TYPED_LITERAL[kind].fullmatch(source.name) and _exists(source.name):
            return _cast_as(source, kind)
        source = _cast_as(source, exp.DataType.Type.VARCHAR)
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
    if kind in _TEXTS:
        text = _fill(functions.VARCHAR_CAST, a=source)
        if target.expressions:
            return _fill(f"left(:a, {target.expressions[0].name})", a=text)
        return text
    if kind == types.VARBINARY and attempt_only is False:
        return _fill("CAST(:a AS BLOB)", a=source)
    name = {types.INT: "integer"}.get(kind, kind.name.lower())
    if name not in functions.CASTS:
        raise NotProven(f"CAST to {target.sql('trino')}", position(source))
    if name == "double" and isinstance(source, exp.Anonymous) and source.name in ("count", "count_if"):
        return _cast_as(source, kind)  # of a whole number that is never missing
    attempt, said, duck = functions.CASTS[name]
    if attempt_only:
        return _fill(attempt, a=source)
    return _fill(functions.RAISING_CAST.format(attempt=attempt, name=said, type=duck), a=source)


def _function(node: exp.Anonymous) -> exp.Expr:
    name, arguments = node.name.lower(), node.expressions
    if name in _SPECIAL:
        return _SPECIAL[name](node)
    if name in functions.WINDOW_ONLY:
        node.set("this", name)
        return node
    if name in functions.AGGREGATES:
        return _aggregate(node, name)
    return _fill(functions.SCALARS[name][len(arguments)], **dict(zip("abc", arguments, strict=False)))


def _aggregate(node: exp.Anonymous, name: str) -> exp.Expr:
    target, _, rendering = functions.AGGREGATES[name]
    node.set("this", target)
    if rendering != ":a":
        inner = node.expressions[0]
        while isinstance(inner, (exp.Distinct, exp.Order)):
            inner = inner.expressions[0] if isinstance(inner, exp.Distinct) else inner.this
        _put(lambda argument: _fill(rendering, a=argument), inner)
    return node


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
    return _fill(
        f"trino_add_interval(:a, {_interval(unit, ':b')})", a=node.expressions[2], b=node.expressions[1]
    )


def _date(node: exp.Anonymous) -> exp.Expr:
    return _cast_to(node.expressions[0], exp.DataType.build("date"), attempt_only=False)


def _concat(node: exp.Anonymous) -> exp.Expr:
    """Not DuckDB's concat, which leaves NULLs out."""
    joined, *parts = node.expressions
    for part in parts:
        joined = exp.DPipe(this=joined, expression=_argument(part))
    return exp.Paren(this=joined)


def _coalesce(node: exp.Anonymous) -> exp.Expr:
    first, *rest = node.expressions
    return exp.Coalesce(this=first, expressions=rest)


def _extreme(node: exp.Anonymous) -> exp.Expr:
    """greatest and least: NULL if any argument is."""
    missing = exp.or_(
        *(exp.Is(this=_argument(one.copy()), expression=exp.Null()) for one in node.expressions), copy=False
    )
    found = exp.Anonymous(this=node.name, expressions=node.expressions)
    return exp.Case(ifs=[exp.If(this=missing, true=exp.Null())], default=found)


def _replace(node: exp.Anonymous) -> exp.Expr:
    if not _text(node.expressions[1], "replace with a sought text"):
        raise NotProven("replace of an empty text", position(node))
    nothing = _cast_as(exp.Literal.string(""), exp.DataType.Type.VARCHAR)
    replacement = [*node.expressions, nothing][2]
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
    "concat_ws": lambda node: exp.Anonymous(this="concat_ws", expressions=node.expressions),
    "coalesce": _coalesce,
    "greatest": _extreme,
    "least": _extreme,
    "replace": _replace,
    "from_base": _from_base,
    "mod": _mod,
}
SPECIAL_ARGUMENTS: Final[Mapping[str, Sequence[int]]] = {
    "date_trunc": [2],
    "date_diff": [3],
    "date_add": [3],
    "date": [1],
    "concat": range(2, 128),
    "concat_ws": range(2, 128),
    "coalesce": range(2, 255),
    "greatest": range(2, 255),
    "least": range(2, 255),
    "replace": [2, 3],
    "from_base": [2],
    "mod": [2],
}
