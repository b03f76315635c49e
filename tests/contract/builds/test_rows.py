"""What a build makes of raw tables: which rows win, who is in, and what is wrong with a table."""

import datetime as dt
import hashlib
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from segmentation.domain.errors import QueryFailed
from segmentation.language import RuleError

from tests.contract.raw_tables import COOKIE, EMAIL, NOW, SALES, audience, facts
from tests.contract.workshop import Workshop


@pytest.fixture
def several(shop: Workshop) -> Workshop:
    shop.parquet("people", {"id": (pa.int64(), [1, 2, 1, None])})
    shop.parquet(
        "facts",
        {
            "id": (pa.int64(), [1, 1, 1, 2, None, 3]),
            "city": (pa.string(), ["Ulm", "Bonn", None, "Kiel", "Trier", "Jena"]),
            "seen": (
                pa.date32(),
                [dt.date(2023, 5, 1), dt.date(2023, 7, 1), dt.date(2023, 6, 1)] + [None] * 3,
            ),
        },
    )
    return shop


@pytest.mark.parametrize(
    ("rule", "city"),
    [({}, "Ulm"), ({"latest": "seen"}, "Bonn"), ({"earliest": "seen"}, "Ulm")],
    ids=["greatest", "latest", "earliest"],
)
def test_of_several_rows_one_wins(several: Workshop, rule: dict[str, Any], city: str) -> None:
    tables = several.build(audience(attributes=[facts(**rule)]), NOW)
    assert several.rows(f"SELECT profile_key, city FROM {tables['profiles']}") == [("1", city), ("2", "Kiel")]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("9", "10"),
        ("1703980799", "2023-12-31T00:00:00Z"),
        ("2023-12-31T10:00:00+02:00", "2023-12-31T09:00:00Z"),
        ("2.5", "1e1"),
        ("draft 1", "draft 2"),
        ("", "0"),
    ],
)
def test_text_is_later_by_what_it_says(shop: Workshop, earlier: str, later: str) -> None:
    """A CSV file has nothing but text; as text 9 is greater than 10."""
    shop.csv("people", f"id,firm,seen\n1,x,{earlier}\n1,b,{later}\n2,x,\n")
    shop.csv("facts", f"id,city,seen\n1,Ulm,{later}\n1,Zell,{earlier}\n")
    shop.csv("firms", "nr,boss\nb,Bea\nx,Xu\n")
    shop.csv("mails", f"id,address,seen\n1,a@x.de,{earlier}\n2,a@x.de,{later}\n")
    firms = {"table": "firms", "key": "nr", "on": "firm", "columns": {"boss": {"type": "string"}}}
    first = facts(columns={"first": {"type": "string", "column": "city"}}, earliest="seen")
    document = audience(
        master={"table": "people", "key": "id", "latest": "seen"},
        identities=["id", EMAIL],
        attributes=[facts(latest="seen"), first, firms],
    )
    tables = shop.build(document, NOW)
    rows = shop.rows(f"SELECT profile_key, city, first, boss, identities FROM {tables['profiles']}")
    oldest = "Zell" if earlier else "Ulm"  # who says nothing is neither first nor last
    assert rows == [("1", "Ulm", oldest, "Bea", "[]"), ("2", None, None, "Xu", "[email:a@x.de]")]


def test_attributes_are_joined_to_the_masters_row_that_wins(shop: Workshop) -> None:
    shop.parquet(
        "people",
        {
            "id": (pa.int64(), [1, 1, 2, 3]),
            "firm": (pa.int64(), [10, 20, 10, None]),
            "since": (pa.int64(), [5, 4, 1, 1]),
        },
    )
    shop.parquet("firms", {"nr": (pa.int64(), [10, 20]), "firm_name": (pa.string(), ["Acme", "Bolt"])})
    firms = {"table": "firms", "key": "nr", "on": "firm", "columns": {"firm_name": {"type": "string"}}}
    master = {"table": "people", "key": "id"}
    for latest, first in ((None, "Bolt"), ("since", "Acme")):
        chosen = {**master, "latest": latest} if latest else master
        tables = shop.build(audience(master=chosen, attributes=[firms]), NOW)
        rows = shop.rows(f"SELECT profile_key, firm_name FROM {tables['profiles']}")
        assert rows == [("1", first), ("2", "Acme"), ("3", None)]


def test_a_filter_may_read_what_is_not_built(shop: Workshop) -> None:
    shop.parquet("people", {"id": (pa.int64(), [1, 2, 3, 4])})
    columns = {
        "city": (pa.string(), ["Ulm", "Bonn", None, "Ulm"]),
        "closed": (pa.bool_(), [False, True, None, True]),
    }
    shop.parquet("facts", {"id": (pa.int64(), [1, 2, 3, 4]), **columns})
    declared = {"city": {"type": "string"}, "closed": {"type": "boolean", "visibility": "blocked"}}
    master = {"table": "people", "key": "id", "filter": {"!": [{"var": "attributes.closed"}]}}
    tables = shop.build(audience(master=master, attributes=[facts(columns=declared)]), NOW)
    assert shop.rows(f"SELECT * FROM {tables['profiles']}") == [("1", "Ulm"), ("3", None)]
    shares = {"<": [{"bucket": ["half"]}, 50]}
    tables = shop.build(audience(master={**master, "filter": shares}), NOW)

    def share(key: str) -> float:
        return int(hashlib.sha256(f"half:{key}".encode()).hexdigest()[:13], 16) / 16**13 * 100

    assert shop.rows(f"SELECT * FROM {tables['profiles']}") == [(key,) for key in "1234" if share(key) < 50]


def test_blocked_columns_are_nowhere_and_empty_cells_are_missing(shop: Workshop) -> None:
    shop.csv("people", "id\n1\n2\n\n")
    shop.csv("facts", "id,city,iban\n1,,DE1\n2,Ulm,DE2\n,Bonn,DE3\n")
    shop.csv(
        "sales", "id,at,nr,amount,note\n1,2023-12-31T10:00:00Z,1,5,\n2,yesterday,2,5,x\n2,1703980800,3,,x\n"
    )
    columns = {"city": {"type": "string"}, "iban": {"type": "string", "visibility": "blocked"}}
    hidden = {**SALES, "columns": {**SALES["columns"], "note": {"type": "string", "visibility": "blocked"}}}
    shown = {**SALES, "empty": "missing"}
    document = audience(
        attributes=[facts(columns=columns, empty="missing")], behaviors={"hidden": hidden, "shown": shown}
    )
    tables = shop.build(document, NOW)
    assert shop.rows(f"SELECT * FROM {tables['profiles']}") == [("1", None), ("2", "Ulm")]
    names = list(shop.warehouse.columns(tables["behavior_hidden"]) or {})
    assert names == ["profile_key", "event_id", "time", "amount", "period"]
    rows = shop.rows(f'SELECT event_id, "time", amount, note FROM {tables["behavior_shown"]}')
    assert rows == [("1", "1704016800", "5.0", None), ("3", "1703980800", None, "x")]
    kept = audience(attributes=[facts(columns=columns)])
    assert shop.rows(f"SELECT * FROM {shop.build(kept, NOW)['profiles']}") == [("1", ""), ("2", "Ulm")]


def test_decimals_without_places_are_whole_numbers(shop: Workshop) -> None:
    """Databases export their whole numbers so, keys too."""

    def whole(*values: int | None) -> pa.Array:
        return pa.array([None if one is None else Decimal(one) for one in values], pa.decimal128(38, 0))

    shop.file("people", {"id": whole(7, 8, None)})
    shop.register("people", {"id": "decimal(38,0)"})
    price = pa.array([Decimal("1.50"), Decimal("2.25")], pa.decimal128(10, 2))
    shop.file("facts", {"id": whole(7, 8), "zip": whole(1234, 5), "seen": whole(NOW, 10**30), "price": price})
    shop.register(
        "facts",
        {"id": "decimal(38, 0)", "zip": "decimal(38,0)", "seen": "decimal(38)", "price": "decimal(10,2)"},
    )
    declared = {"zip": "string", "seen": "timestamp", "price": "number"}
    columns = {name: {"type": type_} for name, type_ in declared.items()}
    tables = shop.build(audience(attributes=[facts(columns=columns)]), NOW)
    assert shop.rows(f"SELECT * FROM {tables['profiles']}") == [
        ("7", "1234", str(NOW), "1.5"),
        ("8", "5", None, "2.25"),
    ]
    with pytest.raises(
        RuleError, match=r"an identifier must be text or an integer, and facts\.price is number"
    ):
        shop.build(audience(attributes=[facts(key="price", columns=columns)]), NOW)


def test_json_is_read_with_its_gaps(shop: Workshop) -> None:
    shop.json("people", {"id": "bigint"}, [{"id": 1}, {"id": 2}, {"id": None}, {}, {"id": 2}])
    columns = {
        "id": "bigint",
        "city": "string",
        "age": "double",
        "tags": "array<string>",
        "seen": "string",
        "ok": "boolean",
    }
    rows: list[dict[str, Any]] = [
        {
            "id": 1,
            "city": "Ulm",
            "age": 30,
            "tags": ["a", None],
            "seen": "2024-01-01T00:00:00+01:00",
            "ok": True,
            "more": 1,
        },
        {"id": 2, "city": None, "age": None, "tags": [], "seen": "soon"},
        {"id": 3},
    ]
    shop.json("facts", columns, rows)
    declared = {"city": "string", "age": "number", "tags": "strings", "seen": "timestamp", "ok": "boolean"}
    document = audience(
        attributes=[facts(columns={name: {"type": type_} for name, type_ in declared.items()})]
    )
    tables = shop.build(document, NOW)
    seen = str(int(dt.datetime.fromisoformat("2023-12-31T23:00:00+00:00").timestamp()))
    assert shop.rows(f"SELECT * FROM {tables['profiles']}") == [
        ("1", "Ulm", "30.0", "[a, null]", seen, "true"),
        ("2", None, None, "[]", None, None),
    ]
    shop.put("facts", "later.json", b'{"id": 1, "city": "Ulm"\n')
    with pytest.raises(QueryFailed, match="HIVE_CURSOR_ERROR: Row is not a valid JSON Object"):
        shop.build(document, NOW)
    with pytest.raises(
        RuleError, match=r"seen: column facts\.seen is text, which cannot become a number array"
    ):
        shop.build(audience(attributes=[facts(columns={"seen": {"type": "numbers"}})]), NOW)


def test_all_that_tables_lack_is_said_at_once(shop: Workshop) -> None:
    shop.parquet("people", {"id": (pa.float64(), [1.0])})
    shop.parquet("facts", {"id": (pa.int64(), [1]), "city": (pa.list_(pa.string()), [["Ulm"]])})
    document = audience(
        master={"table": "people", "key": "id", "latest": "since"},
        identities=["id", {**EMAIL, "table": "facts"}, COOKIE],
        attributes=[facts(latest="seen", on="firm")],
        behaviors={"sales": {**SALES, "identity": "email"}},
    )
    with pytest.raises(RuleError) as caught:
        shop.build(document, NOW)
    assert {(one.pointer, one.code) for one in caught.value.problems} == {
        ("/master/key", "source-type"),
        ("/master/latest", "no-column"),
        ("/identities/1/column", "no-column"),
        ("/identities/1/latest", "no-column"),
        ("/identities/2/table", "no-table"),
        ("/attributes/0/on", "no-column"),
        ("/attributes/0/latest", "no-column"),
        ("/attributes/0/columns/city", "source-type"),
        ("/behaviors/sales/table", "no-table"),
    }


def test_a_file_whose_types_changed_fails_the_build(shop: Workshop) -> None:
    shop.parquet("people", {"id": (pa.int64(), [1])})
    shop.parquet("facts", {"id": (pa.int64(), [1]), "city": (pa.string(), ["Ulm"])})
    shop.file("facts", {"id": pa.array([1], pa.int64()), "city": pa.array([7], pa.int64())})
    with pytest.raises(QueryFailed, match=r"HIVE_BAD_DATA: Field city's type BIGINT .* type string"):
        shop.build(audience(attributes=[facts()]), NOW)
    # What is not read does no harm.
    shop.build(audience(), NOW)


def test_a_corrupt_file_fails_the_build(shop: Workshop) -> None:
    shop.parquet("people", {"id": (pa.int64(), [1])})
    for name, data in {"noise": b"PAR1 this is no Parquet, nor has it ever been one", "cut": b"PAR1"}.items():
        shop.put("people", name, data)
        with pytest.raises(QueryFailed, match="HIVE_BAD_DATA: Not valid Parquet file"):
            shop.build(audience(), NOW)
        shop.lake.delete([f"{shop.database}/raw/people/{name}"])
    shop.build(audience(), NOW)


def test_empty_tables_build_an_empty_audience(shop: Workshop) -> None:
    shop.parquet("people", {"id": (pa.int64(), [])})
    shop.register(
        "sales", {"id": "bigint", "at": "bigint", "nr": "bigint", "amount": "double", "note": "string"}
    )
    tables = shop.build(audience(behaviors={"sales": SALES}), NOW)
    for table in tables.values():
        assert shop.rows(f"SELECT count(*) FROM {table}") == [("0",)]
