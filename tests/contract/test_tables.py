"""Tables: the fake and Parquet."""

import datetime as dt
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from segmentation.adapters.parquet import BYTES_A_READ, ParquetTables
from segmentation.domain.errors import BadRequest, CorruptObject, Unavailable
from segmentation.domain.event_lake import TEXT_MAP, Kind, Merging
from segmentation.domain.publication import Piece
from segmentation.language.types import Type
from segmentation.ports import Tables

from tests.fakes import MemoryLake, MemoryTables

COLUMNS: dict[str, Kind] = {
    "s": Type.STRING,
    "n": Type.NUMBER,
    "b": Type.BOOLEAN,
    "t": Type.TIMESTAMP,
    "d": Type.DATE,
    "ss": Type.STRINGS,
    "ns": Type.NUMBERS,
    "m": TEXT_MAP,
}
ROW: dict[str, Any] = {
    "s": "é",
    "n": 1.5,
    "b": False,
    "t": 1_514_764_800,
    "d": "2018-01-01",
    "ss": ("a", None),
    "ns": (1.0, None),
    "m": {"é": "1", "x": ""},
}


@pytest.fixture(params=["fake", "parquet"])
def tables(request: pytest.FixtureRequest) -> Tables:
    return MemoryTables() if request.param == "fake" else ParquetTables(MemoryLake())


def rows(tables: Tables, prefix: str) -> list[dict[str, Any]]:
    return [row for batch in tables.read(prefix) for row in batch]


def test_rows_come_back_typed(tables: Tables) -> None:
    tables.write("t/1.parquet", COLUMNS, [ROW, {}])
    expected = {
        **ROW,
        "d": dt.date(2018, 1, 1),
        "ss": ["a", None],
        "ns": [1.0, None],
        "m": [("é", "1"), ("x", "")],
    }
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


MERGING = Merging(distinct=("who", "id"), first=("seq",), order=("who", "n"))


def test_merged_objects_have_each_row_once_and_all_columns(tables: Tables) -> None:
    base: dict[str, Kind] = {"who": Type.STRING, "id": Type.STRING, "seq": Type.STRING}
    tables.write(
        "t/1",
        {**base, "n": Type.NUMBER},
        [
            {"who": "b", "id": "1", "seq": "3", "n": 3.0},
            {"who": "a", "id": "1", "seq": "2", "n": 2.0},
            {"who": "b", "id": "1", "seq": "1", "n": 1.0},
        ],
    )
    tables.write(
        "t/2",
        {**base, "n": Type.NUMBER, "m": TEXT_MAP},
        [
            {"who": "a", "id": "1", "seq": "4", "n": 4.0, "m": {"late": "1"}},
            {"who": "a", "id": "2", "seq": "5", "n": 0.5, "m": {"x": "y"}},
        ],
    )
    assert tables.merge(["t/1", "t/2"], "merged/1", MERGING) == 3
    assert rows(tables, "merged/") == [
        {"who": "a", "id": "2", "seq": "5", "n": 0.5, "m": [("x", "y")]},
        {"who": "a", "id": "1", "seq": "2", "n": 2.0, "m": None},
        {"who": "b", "id": "1", "seq": "1", "n": 1.0, "m": None},
    ]
    assert len(rows(tables, "t/")) == 5


def test_merging_what_was_removed_writes_nothing(tables: Tables) -> None:
    tables.write("t/1", {"who": Type.STRING, "id": Type.STRING, "seq": Type.STRING, "n": Type.NUMBER}, [])
    with pytest.raises(Unavailable, match="t/2"):
        tables.merge(["t/1", "t/2"], "merged/1", MERGING)
    assert rows(tables, "merged/") == []


def test_a_corrupt_object_is_named() -> None:
    lake = MemoryLake({"t/1": b"PAR1 but not really PAR1"})
    with pytest.raises(CorruptObject, match="t/1"):
        ParquetTables(lake).merge(["t/1"], "merged/1", MERGING)
    assert list(lake.list("merged/")) == []


def damaged() -> Iterator[bytes]:
    """A file with some of its bytes changed, at many places: pyarrow has a dozen kinds of errors for that."""
    memory = MemoryLake()
    many = [{"profile": f"p{n}", "sequence": f"{n:04}", "event_id": f"e{n}"} for n in range(500)]
    ParquetTables(memory).write("t/1", dict.fromkeys(many[0], Type.STRING), many)
    whole, random = memory.objects["t/1"], Random(4)
    for _ in range(60):
        changed = bytearray(whole)
        for _ in range(random.choice([1, 20])):
            changed[random.randrange(4, len(changed) - 8)] = random.randrange(256)
        yield bytes(changed)


def test_however_a_file_is_damaged_it_is_named_and_none_of_our_own_mistakes() -> None:
    merging = Merging(("profile", "event_id"), ("sequence",), ("profile",))
    named: list[str] = []
    for data in damaged():
        memory = MemoryLake()
        tables = ParquetTables(memory)
        tables.write("t/good", {"profile": Type.STRING, "event_id": Type.STRING, "sequence": Type.STRING}, [])
        memory.objects["t/bad"] = data
        tries: list[Callable[[], Any]] = [
            lambda tables=tables: tables.merge(["t/good", "t/bad"], "t/all", merging),
            lambda tables=tables: tables.remove("t/bad", "profile", {"p1"}),
            lambda tables=tables: list(tables.read("t/bad")),
            lambda tables=tables: [
                list(tables.read_piece(piece)) for piece in tables.pieces("t/bad", 100)
            ],
            lambda tables=tables: list(tables.values("t/bad", "profile", 0)),
        ]  # fmt: skip
        for one in tries:
            try:
                one()
            except CorruptObject as error:
                named.append(error.path)
            except BadRequest as error:  # the damage is in a column's name or type
                named.append(str(error))
    assert named.count("t/bad") > 100
    assert {one for one in named if "column" not in one} == {"t/bad"}


def test_a_file_of_other_types_is_named() -> None:
    lake = MemoryLake()
    parquet = ParquetTables(lake)
    parquet.write("t/1", {"profile": Type.STRING, "x": Type.STRING}, [{"profile": "p"}])
    parquet.write("t/2", {"profile": Type.STRING, "x": Type.NUMBER}, [{"profile": "p"}])
    with pytest.raises(CorruptObject, match="t/2"):
        parquet.merge(["t/1", "t/2"], "t/all", Merging(("profile",), ("profile",), ("profile",)))
    assert "t/all" not in lake.objects


def test_a_lake_out_of_reach_is_no_corrupt_file() -> None:
    lake = MemoryLake()
    tables = ParquetTables(lake)
    tables.write("t/1", {"profile": Type.STRING}, [{"profile": f"p{n}"} for n in range(50_000)])
    (piece,) = tables.pieces("t/1", 50_000)

    def closed(path: str, first: int, size: int) -> bytes:
        raise Unavailable("the lake cannot be reached")

    lake.range = closed  # type: ignore[method-assign]
    for one in (lambda: tables.pieces("t/1", 10), lambda: list(tables.read_piece(piece)),
                lambda: list(tables.values("t/1", "profile", 0))):  # fmt: skip
        with pytest.raises(Unavailable, match="cannot be reached"):
            one()


def test_rows_are_removed_by_what_a_column_says(tables: Tables) -> None:
    columns: dict[str, Kind] = {"profile": Type.STRING, "m": TEXT_MAP, "d": Type.DATE}
    kept = {"profile": "b", "m": {"x": "1"}, "d": "2018-01-01"}
    tables.write("t/1.parquet", columns, [{"profile": "a"}, kept, {"profile": "c"}, {"profile": None}])
    assert tables.remove("t/1.parquet", "profile", {"a", "c", "nobody"}) == 2
    found = rows(tables, "t/")
    assert [row["profile"] for row in found] == ["b", None]
    assert (found[0]["m"], found[0]["d"]) == ([("x", "1")], dt.date(2018, 1, 1))
    assert tables.remove("t/1.parquet", "profile", {"a"}) == 0
    assert tables.remove("t/1.parquet", "profile", {"b"}) == 1
    with pytest.raises(Unavailable):
        tables.remove("t/2.parquet", "profile", {"a"})


def test_objects_are_read_in_pieces(tables: Tables) -> None:
    for name, count in (("b", 7), ("a", 5), ("empty", 0)):
        tables.write(f"t/{name}.parquet", {"s": Type.STRING}, [{"s": name + str(n)} for n in range(count)])
    tables.write("u/x.parquet", {"s": Type.STRING}, [{"s": "x"}])
    pieces = tables.pieces("t/", 3)
    assert [(one.path, one.first, one.last) for one in pieces] == [
        ("t/a.parquet", 0, 3),
        ("t/a.parquet", 3, 5),
        ("t/b.parquet", 0, 3),
        ("t/b.parquet", 3, 6),
        ("t/b.parquet", 6, 7),
    ]
    found = [[row["s"] for batch in tables.read_piece(one) for row in batch] for one in pieces]
    assert found == [["a0", "a1", "a2"], ["a3", "a4"], ["b0", "b1", "b2"], ["b3", "b4", "b5"], ["b6"]]
    assert tables.pieces("nothing/", 3) == []


def test_keys_are_found_by_what_is_in_a_list(tables: Tables) -> None:
    columns: dict[str, Kind] = {"key": Type.STRING, "other": Type.NUMBER, "segments": Type.STRINGS}
    lists: list[list[str] | None] = [["a", "b"], [], None, ["c", "a"], ["x"], ["b", "a"], ["é"]]
    rows = [{"key": f"k{n}", "other": 1.0, "segments": one} for n, one in enumerate(lists)]
    tables.write("t/a.parquet", columns, rows)

    def found(first: int, last: int, wanted: set[str]) -> dict[str, list[str]]:
        keys: dict[str, list[str]] = {}
        for batch in tables.keys_by(Piece("t/a.parquet", 0, first, last), "key", "segments", wanted):
            for value, some in batch.items():
                keys.setdefault(value, []).extend(some)
        return keys

    assert found(0, 7, {"a", "b", "é", "nobody"}) == {"a": ["k0", "k3", "k5"], "b": ["k0", "k5"], "é": ["k6"]}
    assert found(1, 5, {"a", "b", "c"}) == {"a": ["k3"], "c": ["k3"]}
    assert found(0, 7, set()) == {}


def test_a_piece_of_an_object_that_is_gone_can_be_asked_for_again(tables: Tables) -> None:
    tables.write("t/a.parquet", {"s": Type.STRING}, [{"s": "a"}])
    (piece,) = tables.pieces("t/", 3)
    with pytest.raises(Unavailable):
        list(tables.read_piece(replace(piece, path="t/b.parquet")))


class CountingLake(MemoryLake):
    """Counts the bytes that are fetched."""

    fetched = 0
    most = 0

    def range(self, path: str, first: int, size: int) -> bytes:
        self.fetched += size
        self.most = max(self.most, size)
        return super().range(path, first, size)


def test_a_piece_of_a_large_object_is_streamed() -> None:
    lake = CountingLake()
    rows = pa.table({"s": [hashlib.sha256(str(n).encode()).hexdigest() for n in range(400_000)]})
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, row_group_size=200_000, use_dictionary=False)
    lake.put("t/a.parquet", buffer.getvalue())
    tables = ParquetTables(lake)
    pieces = tables.pieces("t/", 150_000)
    assert [(one.group, one.first, one.last) for one in pieces] == [
        (0, 0, 150_000),
        (0, 150_000, 200_000),
        (1, 0, 150_000),
        (1, 150_000, 200_000),
    ]
    assert lake.fetched < 200_000  # footers alone
    found = [row["s"] for piece in pieces for batch in tables.read_piece(piece) for row in batch]
    assert found == rows["s"].to_pylist()
    assert lake.most <= BYTES_A_READ
    lake.put("t/b.parquet", b"PAR1 this is no Parquet")
    with pytest.raises(CorruptObject, match=r"t/b\.parquet"):
        tables.pieces("t/", 10)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array(["a"], pa.string_view()), ["a"]),
        (pa.array(["a", "a"]).dictionary_encode(), ["a", "a"]),
        (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
        (pa.array([Decimal(7), None], pa.decimal128(38, 0)), ["7", None]),
        (pa.array([Decimal("7.5")], pa.decimal128(10, 1)), "decimal128"),
        (pa.array([7.0]), "double"),
        (pa.array([b"a"]), "binary"),
        (pa.array([None], pa.null()), "null"),
    ],
)
def test_text_and_whole_numbers_are_taken_however_they_are_written(
    array: pa.Array, found: list[Any] | str
) -> None:
    lake, buffer = MemoryLake(), io.BytesIO()
    pq.write_table(pa.table({"id": array}), buffer)
    lake.put("u", buffer.getvalue())
    values = ParquetTables(lake).values("u", "id", 0)
    if isinstance(found, list):
        assert [one for batch in values for one in batch] == found
    else:
        with pytest.raises(
            BadRequest, match=f"column 'id' is of type {found}.*; text or whole numbers are taken"
        ):
            list(values)


def test_one_column_from_any_row_on(tables: Tables) -> None:
    tables.write(
        "t/1.parquet", {"s": Type.STRING, "n": Type.NUMBER}, [{"s": str(n), "n": 1.0} for n in range(7)]
    )
    for row in (0, 1, 2, 6, 7, 9):
        found = [value for piece in tables.values("t/1.parquet", "s", row) for value in piece]
        assert found == [str(n) for n in range(row, 7)]
    with pytest.raises(BadRequest, match="no column 'x'"):
        list(tables.values("t/1.parquet", "x", 0))


def test_a_column_is_fetched_by_itself() -> None:
    """Of a file of many row groups and columns only what is needed is read, from the row on that is asked for."""
    lake, read = MemoryLake(), []
    part = lake.range

    def counted(path: str, start: int, length: int) -> bytes:
        read.append(length)
        return part(path, start, length)

    lake.range = counted  # type: ignore[method-assign]
    n = 40_000
    table = pa.table(
        {
            "id": pa.array(range(n)),
            "wide": pa.array([f"{i:0200}" for i in range(n)]),
            "d": pa.array([1.5] * n),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=1_000, compression="none")
    lake.put("big", buffer.getvalue())
    tables = ParquetTables(lake)
    pieces = list(tables.values("big", "id", 38_500))
    assert [value for piece in pieces for value in piece] == list(range(38_500, n))
    assert sum(read) < len(buffer.getvalue()) / 20
    with pytest.raises(BadRequest, match="text or whole numbers"):
        list(tables.values("big", "d", 0))
    lake.put("broken", b"PAR1 nothing")
    with pytest.raises(CorruptObject, match="broken"):
        list(tables.values("broken", "id", 0))
