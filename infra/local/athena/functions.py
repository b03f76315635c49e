"""The closed list: every Trino function and operator that the embedded Athena renders, and how.

A rendering is DuckDB SQL in which `:a`, `:b`, `:c` stand for the arguments; `trino_*` are the macros of
macros.sql. What is not here is refused. Each line has golden cases in tests/local/athena/golden.json.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MACROS: Final = Path(__file__).with_name("macros.sql").read_text(encoding="utf-8")
_MACRO: Final = re.compile(r"^CREATE MACRO (trino_\w+).*?;$", re.DOTALL | re.MULTILINE)
_NAME: Final = re.compile(r"\btrino_\w+")
# The macros whose parameters have types, so that the types of the arguments choose among their bodies.
OVERLOADED: Final = re.compile(
    "|".join(
        sorted(set(re.findall(r"CREATE MACRO (trino_\w+)\s*\([^)]*?\b[A-Z]{4,}", _MACROS)), reverse=True)
    )
)

# name -> number of arguments -> rendering
SCALARS: Final[Mapping[str, Mapping[int, str]]] = {
    # numbers
    "abs": {1: "abs(:a)"},
    "ceil": {1: "trino_ceil(:a)"},
    "ceiling": {1: "trino_ceil(:a)"},
    "floor": {1: "trino_floor(:a)"},
    "round": {1: "round(:a)", 2: "round(:a, :b)"},
    "sign": {1: "trino_sign(:a)"},
    "sqrt": {1: "trino_sqrt(:a)"},
    "exp": {1: "exp(:a)"},
    "ln": {1: "trino_ln(:a)"},
    "log10": {1: "trino_log10(:a)"},
    "pow": {2: "power(CAST(:a AS DOUBLE), CAST(:b AS DOUBLE))"},
    "power": {2: "power(CAST(:a AS DOUBLE), CAST(:b AS DOUBLE))"},
    "is_nan": {1: "isnan(CAST(:a AS DOUBLE))"},
    "is_finite": {1: "isfinite(CAST(:a AS DOUBLE))"},
    "is_infinite": {1: "isinf(CAST(:a AS DOUBLE))"},
    "nan": {0: "CAST('NaN' AS DOUBLE) + 0"},
    "infinity": {0: "CAST('Infinity' AS DOUBLE)"},
    # texts
    "lower": {1: "trino_lower(:a)"},
    "upper": {1: "trino_upper(:a)"},
    "length": {1: "trino_length(:a)"},
    "ltrim": {1: "trino_ltrim(:a)"},
    "rtrim": {1: "trino_rtrim(:a)"},
    "substr": {2: "trino_substr(:a, :b)", 3: "trino_substr(:a, :b, :c)"},
    "strpos": {2: "strpos(:a, :b)"},
    "starts_with": {2: "starts_with(:a, :b)"},
    "reverse": {1: "reverse(:a)"},
    "split": {2: "string_split(:a, :b)"},
    "split_part": {3: "trino_split_part(:a, :b, :c)"},
    "regexp_like": {2: "regexp_matches(:a, :b)"},
    "regexp_extract": {2: "trino_regexp_extract(:a, :b)", 3: "trino_regexp_extract(:a, :b, :c)"},
    # bytes
    "to_utf8": {1: "trino_to_utf8(:a)"},
    "from_utf8": {1: "trino_from_utf8(:a)"},
    "sha256": {1: "trino_sha256(:a)"},
    "md5": {1: "trino_md5(:a)"},
    "to_hex": {1: "trino_to_hex(:a)"},
    # time
    "to_unixtime": {1: "trino_to_unixtime(:a)"},
    "from_unixtime": {1: "trino_from_unixtime(:a)"},
    "with_timezone": {2: "timezone(:b, CAST(:a AS TIMESTAMP))"},
    "year": {1: "trino_part('year', :a)"},
    "quarter": {1: "trino_part('quarter', :a)"},
    "month": {1: "trino_part('month', :a)"},
    "week": {1: "trino_part('week', :a)"},
    "day": {1: "trino_part('day', :a)"},
    "day_of_month": {1: "trino_part('day', :a)"},
    "day_of_week": {1: "trino_part('isodow', :a)"},
    "dow": {1: "trino_part('isodow', :a)"},
    "day_of_year": {1: "trino_part('dayofyear', :a)"},
    "hour": {1: "trino_part('hour', :a)"},
    "minute": {1: "trino_part('minute', :a)"},
    "second": {1: "trino_part('second', :a)"},
    # arrays
    "cardinality": {1: "len(:a)"},
    "contains": {2: "trino_contains(:a, :b)"},
    "element_at": {2: "trino_element_at(:a, :b)"},
    "filter": {2: "list_filter(:a, :b)"},
    "transform": {2: "list_transform(:a, :b)"},
    "any_match": {2: "trino_any_match(list_transform(:a, :b))"},
    "all_match": {2: "trino_all_match(list_transform(:a, :b))"},
    "none_match": {2: "trino_none_match(list_transform(:a, :b))"},
    "array_sort": {1: "trino_array_sort(:a)"},
    "array_distinct": {1: "trino_array_distinct(:a)"},
    "array_except": {2: "trino_array_except(:a, :b)"},
    "array_intersect": {2: "trino_array_intersect(:a, :b)"},
    "array_union": {2: "trino_array_union(:a, :b)"},
    "arrays_overlap": {2: "trino_arrays_overlap(:a, :b)"},
    "array_max": {1: "trino_array_max(:a)"},
    "array_min": {1: "trino_array_min(:a)"},
    "array_position": {2: "trino_array_position(:a, :b)"},
    "array_join": {2: "array_to_string(:a, :b)"},
    "flatten": {1: "flatten(:a)"},
    # conditions
    "nullif": {2: "nullif(:a, :b)"},
    "try": {1: "TRY(:a)"},
}

# Aggregates: the DuckDB name, and how an argument is rendered.
AGGREGATES: Final[Mapping[str, tuple[str, int, str]]] = {
    "count": ("count", 1, ":a"),
    "sum": ("sum", 1, ":a"),
    "min": ("min", 1, ":a"),
    "max": ("max", 1, ":a"),
    "avg": ("avg", 1, "trino_avg_argument(:a)"),
    "count_if": ("count_if", 1, ":a"),
    "bool_and": ("bool_and", 1, ":a"),
    "bool_or": ("bool_or", 1, ":a"),
    "every": ("bool_and", 1, ":a"),
    "array_agg": ("array_agg", 1, ":a"),
    "min_by": ("arg_min_null", 2, ":a"),
    "max_by": ("arg_max_null", 2, ":a"),
    "any_value": ("any_value", 1, ":a"),
    "arbitrary": ("any_value", 1, ":a"),
}

FEWER_OR_MORE: Final[Mapping[str, tuple[int, ...]]] = {"count": (0,), "max": (2,)}
"""Other numbers of arguments that aggregates take: `count(*)`, and the `n` largest of a column."""

AGGREGATE_NAMES: Final = frozenset(name for name, _, _ in AGGREGATES.values())

# Only with OVER: name -> most arguments.
WINDOW_ONLY: Final[Mapping[str, int]] = {
    "row_number": 0,
    "rank": 0,
    "dense_rank": 0,
    "percent_rank": 0,
    "cume_dist": 0,
    "ntile": 1,
    "lag": 3,
    "lead": 3,
    "first_value": 1,
    "last_value": 1,
}

TRUNCATION_UNITS: Final = frozenset({"second", "minute", "hour", "day", "week", "month", "quarter", "year"})
INTERVAL_UNITS: Final = TRUNCATION_UNITS | {"millisecond"}
EXTRACTED: Final[Mapping[str, str]] = {
    "year": "year",
    "quarter": "quarter",
    "month": "month",
    "week": "week",
    "day": "day",
    "day_of_week": "isodow",
    "dow": "isodow",
    "day_of_year": "dayofyear",
    "doy": "dayofyear",
    "hour": "hour",
    "minute": "minute",
    "second": "second",
}

DIVISION: Final = (
    "CASE WHEN trino_two_decimals(:a, :b) THEN CAST('«NOT_SUPPORTED: the embedded Athena does not divide "
    "decimals; cast one side to double»' AS INTEGER) ELSE trino_typed_{kind}(:a, :b) END"
)

# Cast target -> (rendering of TRY_CAST, name in Trino's message, DuckDB type)
CASTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "double": ("trino_try_double(:a)", "DOUBLE", "DOUBLE"),
    "bigint": ("trino_try_bigint(:a)", "BIGINT", "BIGINT"),
    "integer": ("TRY_CAST(trino_try_bigint(:a) AS INTEGER)", "INT", "INTEGER"),
    "boolean": ("trino_try_boolean(:a)", "BOOLEAN", "BOOLEAN"),
    "date": ("trino_try_date(:a)", "DATE", "DATE"),
    "timestamp": ("trino_try_timestamp(:a)", "TIMESTAMP", "TIMESTAMP"),
}
RAISING_CAST: Final = (
    "CASE WHEN :a IS NOT NULL AND {attempt} IS NULL "
    "THEN CAST(trino_refused(:a, '{name}') AS {type}) ELSE {attempt} END"
)
# A decimal must not take the way over double that the overloads offer it.
VARCHAR_CAST: Final = (
    "CASE WHEN typeof(:a) LIKE 'DECIMAL%' THEN CAST(:a AS VARCHAR) ELSE trino_typed_varchar(:a) END"
)


def macros_for(sql: str) -> str:
    """The macros that a rendering calls, and those that they call, in the order in which they can be made."""
    wanted = set(_NAME.findall(sql.lower()))
    made: list[str] = []
    for macro in reversed(list(_MACRO.finditer(_MACROS))):
        if macro[1] in wanted:
            wanted.update(_NAME.findall(macro[0]))
            made.append(macro[0])
    return "\n".join(reversed(made))
