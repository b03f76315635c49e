"""Tables: the fake and Parquet."""

import datetime as dt
from typing import Any

import pytest
from segmentation.adapters.parquet import ParquetTables
from segmentation.language.types import Type
from segmentation.ports import Tables

from tests.fakes import MemoryLake, MemoryTables

COLUMNS = {
    "s": Type.STRING,
    "n": Type.NUMBER,
    "b": Type.BOOLEAN,
    "t": Type.TIMESTAMP,
    "d": Type.DATE,
    "ss": Type.STRINGS,
    "ns": Type.NUMBERS,
}
ROW: dict[str, Any] = {
    "s": "é",
    "n": 1.5,
    "b": False,
    "t": 1_514_764_800,
    "d": "2018-01-01",
    "ss": ("a", None),
    "ns": (1.0, None),
}


@pytest.fixture(params=["fake", "parquet"])
def tables(request: pytest.FixtureRequest) -> Tables:
    return MemoryTables() if request.param == "fake" else ParquetTables(MemoryLake())


def rows(tables: Tables, prefix: str) -> list[dict[str, Any]]:
    return [row for batch in tables.read(prefix) for row in batch]


def test_rows_come_back_typed(tables: Tables) -> None:
    tables.write("t/1.parquet", COLUMNS, [ROW, {}])
    expected = {**ROW, "d": dt.date(2018, 1, 1), "ss": ["a", None], "ns": [1.0, None]}
    assert rows(tables, "t/") == [expected, dict.fromkeys(COLUMNS)]


def test_objects_are_read_in_the_order_of_paths(tables: Tables) -> None:
    for name in ("b", "a", "c"):
        tables.write(f"t/{name}.parquet", {"s": Type.STRING}, [{"s": name + str(n)} for n in range(3)])
    tables.write("other/x.parquet", {"s": Type.STRING}, [{"s": "x"}])
    assert [row["s"] for row in rows(tables, "t/")] == [f"{name}{n}" for name in "abc" for n in range(3)]
    assert rows(tables, "nothing/") == []


def test_writing_again_replaces(tables: Tables) -> None:
    for value in ("old", "new"):
        tables.write("t/1.parquet", {"s": Type.STRING}, [{"s": value}])
    assert rows(tables, "t/") == [{"s": "new"}]


def test_text_that_is_no_unicode_is_kept_escaped() -> None:
    tables = ParquetTables(MemoryLake())
    tables.write("t/1.parquet", {"s": Type.STRING, "ss": Type.STRINGS}, [{"s": "a\ud800", "ss": ("\udfff",)}])
    assert rows(tables, "t/") == [{"s": "a\\ud800", "ss": ["\\udfff"]}]
