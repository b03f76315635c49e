"""The compiled Trino SQL as Spark reads it: only what the compiler emits, spelled Spark's way."""

import sqlglot
from sqlglot import exp


def to_spark(sql: str) -> str:
    """A members query for Spark."""
    tree = sqlglot.parse_one(sql, read="trino")
    return tree.transform(_respell).sql(dialect="spark")


def _respell(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Anonymous() if node.name.lower() == "infinity":
            return sqlglot.parse_one("CAST('Infinity' AS DOUBLE)", read="spark")
        case exp.Anonymous() if node.name.lower() in _PREDICATES:
            return exp.Anonymous(this=_PREDICATES[node.name.lower()], expressions=node.expressions)
        case exp.Max() if node.expressions:
            largest = exp.Anonymous(this="collect_list", expressions=[node.this])  # without nulls
            ordered = exp.Anonymous(this="sort_array", expressions=[largest, exp.false()])
            return exp.Anonymous(
                this="slice", expressions=[ordered, exp.Literal.number(1), *node.expressions]
            )
        case exp.If() if node.args.get("false") is None:
            return exp.If(this=node.this, true=node.args["true"], false=exp.Null())
        case exp.FromBase():
            digits = node.this.transform(_respell).sql("spark")
            return sqlglot.parse_one(f"CAST(conv({digits}, 16, 10) AS BIGINT)", read="spark")
        case exp.SHA2() | exp.SHA2Digest():
            # Spark gives the hexadecimal text that Trino's to_hex makes of the bytes.
            hashed = exp.Anonymous(this="sha2", expressions=[node.this, exp.Literal.number(256)])
            return exp.Anonymous(this="unhex", expressions=[hashed])
    return node


_PREDICATES = {"any_match": "exists", "all_match": "forall"}
