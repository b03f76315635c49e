"""The list of a profile's segments: sorted and whole however many there are, and nothing that Trino is known to refuse."""

from __future__ import annotations

import random
import re
from typing import Any

import duckdb
import pytest
import sqlglot
from segmentation.language.sql_lists import MOST_MARKS, Mark, segment_list
from sqlglot import exp

from infra.local.athena.functions import macros_for
from infra.local.athena.translate import translate
from infra.local.athena.trino import parse_query

ITEMS = 254
"""That Trino takes in an array, where any of them varies."""
ARGUMENTS = 127
"""That it takes in a call."""


def query(count: int, rows: list[list[bool]], length: int = 20) -> str:
    names = [f"seg-{number:05}" for number in range(count)]
    layers, members = segment_list([Mark(name, f"s{n}", length) for n, name in enumerate(names)])
    values = ", ".join(f"({', '.join('true' if one else 'false' for one in row)})" for row in rows)
    source = f"(VALUES {values}) AS t({', '.join(f's{n}' for n in range(count))})"
    for columns in layers:
        source = f"(SELECT *, {', '.join(columns)} FROM {source})"
    return f"SELECT {members} AS segments FROM {source}"


@pytest.mark.parametrize("count", [1, MOST_MARKS, MOST_MARKS + 1, 350])
def test_ids_stand_in_order(count: int) -> None:
    draw = random.Random(count)
    rows = [[draw.random() < share for _ in range(count)] for share in (0.0, 0.02, 0.5, 1.0)]
    sql = translate(parse_query(query(count, rows)), "lake", lambda _: []).sql
    engine = duckdb.connect()
    engine.execute(macros_for(sql))
    found = [row[0] for row in engine.execute(sql).fetchall()]
    assert found == [[f"seg-{n:05}" for n, one in enumerate(row) if one] for row in rows]


@pytest.mark.parametrize("count", [MOST_MARKS, 350, 10_100])
def test_nothing_takes_more_than_trino_does(count: int) -> None:
    layers, members = segment_list([Mark(f"seg-{n:05}", f"s{n}", 20) for n in range(count)])
    for sql in [*(column for layer in layers for column in layer), members]:
        tree = sqlglot.parse_one(f"SELECT {sql}", read="trino")
        arrays = [len(array.expressions) for array in tree.find_all(exp.Array)]
        calls = [len([*call.iter_expressions()]) for call in tree.find_all(exp.Func)]
        assert max([0, *arrays]) <= ITEMS
        assert max([0, *calls]) <= ARGUMENTS


def test_a_piece_is_named_twice_by_the_next() -> None:
    """Named once it would be written into the other's method, and the list of all into a single one."""
    layers, members = segment_list([Mark(f"seg-{n:05}", f"s{n}", 20) for n in range(350)])
    assert [len(layer) for layer in layers] == [4, 1]
    after = " ".join([*layers[1], members])
    for column in (one.rpartition(" AS ")[2] for layer in layers for one in layer):
        assert len(re.findall(rf"\b{column}\b", after.replace(f"AS {column}", ""))) == 2


def test_long_conditions_make_short_pieces() -> None:
    layers, _ = segment_list([Mark(f"seg-{n:05}", f"s{n}", 3_000) for n in range(101)])
    assert len(layers[0]) == 51


def test_nobody_is_in_no_segments() -> None:
    found: Any = segment_list([])
    assert found == ([], "CAST(ARRAY[] AS array(varchar))")
