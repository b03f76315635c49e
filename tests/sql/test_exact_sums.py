"""The short way of a number to an exact decimal and the long one over its text end at the same place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.language import Schema, Type, load_rule_set
from segmentation.language.sql import members_query
from segmentation.language.values import micros

from infra.local.athena.translate import translate
from infra.local.athena.trino import parse_query
from tests.examples import examples

SCHEMA = Schema({}, {"sales": {"x": Type.NUMBER}}, "UTC")


@pytest.fixture(scope="module")
def expression() -> str:
    """What the compiler writes for a column that is summed, over a column `x`."""
    rule = {">": [{"sum": [{"var": "behaviors.sales"}, "x"]}, 0]}
    rules = load_rule_set(
        [{"id": "s", "name": "s", "audience": "a", "kind": "batch", "rule": rule}], SCHEMA, "a"
    )
    sql = members_query(rules, "p", {"sales": "v"}, 0)
    start = sql.index("CASE WHEN abs(")
    return sql[start : sql.index(" END", start) + 4].replace('"sales.x"', "x")


@pytest.fixture(scope="module")
def engine() -> Any:
    import duckdb

    connection = duckdb.connect()
    connection.execute((Path(__file__).parents[2] / "infra/local/athena/macros.sql").read_text())
    return connection


cents = st.builds(lambda n, places: n / 10**places, st.integers(-(10**15), 10**15), st.integers(0, 8))
near = st.builds(lambda n: (n + 0.5) / 1e6, st.integers(-(10**14), 10**14))
numbers = st.one_of(
    cents,
    near,
    st.floats(),
    st.floats(-1e9, 1e9),
    st.sampled_from([1e8, -1e8, 99999999.9999995, 0.1234565, -0.0, 5e-7, 4.9e-7]),
)
# DuckDB alone reads texts like 9.9E-8 as a millionth; sums of so little are left to Trino.
numbers = numbers.filter(lambda x: x == 0 or not abs(x) < 1e-7)


def written(value: float) -> str:
    """As Trino writes it."""
    return repr(value).replace("inf", "Infinity").replace("nan", "NaN")


@settings(max_examples=examples(40))
@given(st.lists(numbers, min_size=1, max_size=40))
def test_both_ways_are_the_exact_one(expression: str, engine: Any, values: list[float]) -> None:
    rows = ", ".join(f"({n}, CAST('{written(value)}' AS double))" for n, value in enumerate(values))
    sql = f"SELECT {expression} AS d FROM (VALUES {rows}) AS t(n, x) ORDER BY n"
    translation = translate(parse_query(sql), "lake", lambda _: [])
    found = [row[0] for row in engine.execute(translation.sql).fetchall()]
    expected = [micros(value) if value == value and abs(value) != float("inf") else None for value in values]
    assert [None if one is None else int(one * 1_000_000) for one in found] == expected
