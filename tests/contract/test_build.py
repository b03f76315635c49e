"""What a build makes of raw tables: which rows win, who is in, whose keys are whose, where rows lie."""

import datetime as dt
import hashlib
from collections.abc import Iterator
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.build_plan import has_identities, partitions_of
from segmentation.domain.errors import QueryFailed
from segmentation.domain.run_sql import changes_query, create_table, identities_query
from segmentation.language import RuleError, load_rule_set
from segmentation.language.sql import members_query

from tests.contract.conftest import Cloud
from tests.contract.workshop import Workshop

NOW = 1_704_085_200  # 2024-01-01T05:00:00Z
NUMBERS = count(1)


@pytest.fixture
def shop(cloud: Cloud) -> Iterator[Workshop]:
    made = Workshop(cloud, f"build{next(NUMBERS)}")
    yield made
    made.lake.delete_prefix(f"{made.database}/")


def audience(**changes: Any) -> dict[str, Any]:
    return {
        "id": "shop",
        "name": "Shop",
        "database": "shop",
        "time_zone": "UTC",
        "master": {"table": "people", "key": "id"},
        "identities": ["id"],
        "attributes": [],
        "behaviors": {},
        **changes,
    }


def facts(**changes: Any) -> dict[str, Any]:
    return {"table": "facts", "key": "id", "columns": {"city": {"type": "string"}}, **changes}


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


# Which row wins ---------------------------------------------------------------------------------------------


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


# Who is in --------------------------------------------------------------------------------------------------


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


# Whose keys are whose ---------------------------------------------------------------------------------------

EMAIL = {
    "name": "email",
    "table": "mails",
    "key": "id",
    "column": "address",
    "latest": "seen",
    "normalize": "email",
}
COOKIE = {"name": "td_client_id", "table": "devices", "key": "id", "column": "cookie"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def keys(shop: Workshop) -> Workshop:
    shop.parquet("people", {"id": (pa.int64(), [1, 2, 10])})
    shop.parquet(
        "mails",
        {
            "id": (pa.int64(), [1, 2, 2, 10, 99, None, 1]),
            "address": (
                pa.string(),
                ["Ann@X.de", " ann@x.de ", "bob@x.de", "bob@x.de", "zoe@x.de", "ann@x.de", ""],
            ),
            "seen": (
                pa.timestamp("us"),
                [at("2023-05-01"), at("2023-06-01"), at("2023-01-01"), None] + [at("2023-12-01")] * 3,
            ),
        },
    )
    shop.csv("devices", "id,cookie\n10,c1\n2,c1\n2,c2\n1,\n10,c3\n99,c9\n")
    return shop


def test_a_key_of_two_profiles_goes_to_the_latest_then_to_the_smallest(keys: Workshop) -> None:
    tables = keys.build(audience(identities=["id", EMAIL, COOKIE]), NOW)
    assert keys.rows(f"SELECT * FROM {tables['profiles']}") == [
        # By code point "10" comes before "2".
        ("1", "[]", "[email:ann@x.de]"),
        ("10", "[td_client_id:c1, td_client_id:c3]", "[email:bob@x.de]"),
        ("2", "[email:ann@x.de, email:bob@x.de, td_client_id:c2]", "[td_client_id:c1]"),
    ]
    counted = " UNION ALL ".join(identities_query(tables["profiles"], ["email", "td_client_id"]))
    assert keys.rows(counted) == [
        ("contested:email", "2"),
        ("contested:td_client_id", "1"),
        ("keys:email", "2"),
        ("keys:td_client_id", "3"),
    ]
    assert has_identities(keys.pointer)
    assert not has_identities({"layout": {}})


def test_a_profile_that_is_filtered_out_holds_no_key(keys: Workshop) -> None:
    keys.parquet("facts", {"id": (pa.int64(), [2]), "city": (pa.string(), ["Ulm"])})
    master = {"table": "people", "key": "id", "filter": {"==": [{"var": "attributes.city"}, None]}}
    tables = keys.build(audience(master=master, identities=["id", EMAIL], attributes=[facts()]), NOW)
    assert keys.rows(f"SELECT profile_key, identities, contested FROM {tables['profiles']}") == [
        ("1", "[email:ann@x.de]", "[]"),
        ("10", "[email:bob@x.de]", "[]"),
    ]


def test_batch_and_stream_write_a_key_alike(keys: Workshop) -> None:
    keys.csv("mails", 'id,address,seen\n1, Ann@X.de ,1\n2,ÄRGER@X.DE,1\n10,"İx@x.de",1\n')
    document = audience(identities=["id", {**EMAIL, "visibility": "pii"}])
    tables = keys.build(document, NOW)
    stream = parse_audience(document)
    rows = {row[0]: row[1] for row in keys.rows(f"SELECT profile_key, identities FROM {tables['profiles']}")}
    for key, address in {"1": " Ann@X.de ", "2": "ÄRGER@X.DE", "10": "İx@x.de"}.items():
        assert rows[key] == f"[{stream.key_name('email', address)}]"
        assert "x.de" not in rows[key].lower()
    assert rows["1"] == f"[email:{sha('ann@x.de')}]"
    assert stream.key_name("id", " A ") == "id: A "


def test_a_behavior_may_be_keyed_by_another_identity(keys: Workshop) -> None:
    keys.json(
        "visits",
        {"cookie": "string", "at": "bigint", "tags": "array<string>"},
        [
            {"cookie": "c1", "at": NOW - 5, "tags": ["a", None]},
            {"cookie": "c2", "at": NOW - 4},
            {"cookie": "c9", "at": NOW - 3},
            {"at": NOW - 2},
        ],
    )
    visits = {
        "table": "visits",
        "key": "cookie",
        "identity": "td_client_id",
        "time": "at",
        "columns": {"tags": {"type": "strings"}},
    }
    tables = keys.build(audience(identities=["id", EMAIL, COOKIE], behaviors={"visits": visits}), NOW)
    rows = keys.rows(f'SELECT profile_key, "time", tags FROM {tables["behavior_visits"]}')
    assert rows == [("10", str(NOW - 5), "[a, null]"), ("2", str(NOW - 4), None)]


def test_changes_name_the_keys_that_came_and_went(keys: Workshop) -> None:
    document = audience(identities=["id", COOKIE])
    rules = load_rule_set([], parse_audience(document).schema(), "shop")

    def members(name: str, identities: bool = True) -> str:
        tables = keys.build(document, NOW)
        sql = members_query(rules, tables["profiles"], {}, NOW, identities=identities)
        keys.warehouse.run(name, create_table(name, keys.lake.uri(f"{keys.database}/{name}/"), sql))
        return name

    first = members("first")
    keys.csv("devices", "id,cookie\n2,c1\n2,c2\n10,c3\n")
    keys.parquet("people", {"id": (pa.int64(), [2, 10])})
    second = members("second")
    columns = "profile_key, identities, identities_joined, identities_left"
    sql = changes_query(second, first, (), (), identities=True, old_identities=True)
    assert keys.rows(f"SELECT {columns} FROM ({sql}) c") == [
        ("1", "[]", "[]", "[]"),  # gone
        ("10", "[td_client_id:c3]", "[]", "[td_client_id:c1]"),
        ("2", "[td_client_id:c1, td_client_id:c2]", "[td_client_id:c1]", "[]"),
    ]
    sql = changes_query(second, None, (), (), identities=True)
    assert keys.rows(f"SELECT {columns} FROM ({sql}) c")[0] == (
        "10",
        "[td_client_id:c3]",
        "[td_client_id:c3]",
        "[]",
    )
    # Keys were declared since the last run, or are not declared any more.
    third = members("third", identities=False)
    sql = changes_query(second, third, (), (), identities=True)
    assert keys.rows(f"SELECT {columns} FROM ({sql}) c")[0] == (
        "10",
        "[td_client_id:c3]",
        "[td_client_id:c3]",
        "[]",
    )
    sql = changes_query(third, second, (), (), old_identities=True)
    assert keys.rows(f"SELECT {columns} FROM ({sql}) c")[0] == ("10", "[]", "[]", "[td_client_id:c3]")


# Where rows lie ---------------------------------------------------------------------------------------------

SALES = {
    "table": "sales",
    "key": "id",
    "time": "at",
    "id": ["nr"],
    "columns": {"amount": {"type": "number"}, "note": {"type": "string", "visibility": "pii"}},
}


def sales(shop: Workshop) -> None:
    days = [*range(0, 900, 30), 4_000, 20_000, -40]
    shop.parquet("people", {"id": (pa.int64(), list(range(50)))})
    shop.parquet(
        "sales",
        {
            "id": (pa.int64(), [n % 50 for n in range(len(days))]),
            "at": (pa.int64(), [NOW - 86_400 * day for day in days]),
            "nr": (pa.int64(), list(range(len(days)))),
            "amount": (pa.float64(), [1.0] * len(days)),
            "note": (pa.string(), ["x"] * len(days)),
        },
    )


def test_events_are_divided_by_time_and_profiles_by_key(shop: Workshop) -> None:
    sales(shop)
    document = audience(behaviors={"sales": SALES})
    counted = {"profiles": 5_000_000, "behavior_sales": 33}
    tables = shop.build(document, NOW, counted)
    files = shop.files("behavior_sales")
    folders = {path.split("/")[0] for path in files}
    assert len(files) == len(folders) == 33 - 1 + 0  # the event of the future lies with those of this month
    assert {"period=2024-01-01", "period=2023-12-01", "period=2013-01-01", "period=0001-01-01"} <= folders
    assert all("_bucket-00000" in path for path in files)
    assert {path[-5:] for path in shop.files("profiles")} == {"00000", "00001", "00002"}
    storage = shop.glue.get_table(DatabaseName=shop.database, Name=tables["profiles"])["Table"][
        "StorageDescriptor"
    ]
    assert (storage["BucketColumns"], storage["NumberOfBuckets"]) == (["profile_key"], 3)
    assert shop.rows(f"SELECT count(*), min(period), max(period) FROM {tables['behavior_sales']}") == [
        ("33", "0001-01-01", "2024-01-01")
    ]
    shop.build(document, NOW, {"behavior_sales": 10**9})
    assert not any("_bucket" in path for path in shop.files("behavior_sales"))
    shop.build(audience(behaviors={"sales": {**SALES, "partition": "none"}}), NOW)
    assert not any("period" in path for path in shop.files("behavior_sales"))
    assert partitions_of(shop.pointer) == {}


@pytest.mark.parametrize("grain", ["year", "month", "day"])
def test_a_run_reads_only_what_windows_reach(shop: Workshop, grain: str) -> None:
    sales(shop)
    # Files large enough that their size shows in what is read.
    n = 40_000
    shop.file(
        "sales",
        {
            "id": pa.array([k % 50 for k in range(n)], pa.int64()),
            "at": pa.array([NOW - k * 1_999 for k in range(n)], pa.int64()),
            "nr": pa.array(range(1_000, 1_000 + n), pa.int64()),
            "amount": pa.array([float(k) for k in range(n)]),
            "note": pa.array([sha(str(k)) for k in range(n)]),
        },
        "more",
    )
    document = audience(behaviors={"sales": {**SALES, "partition": grain}})
    tables = shop.build(document, NOW, {"behavior_sales": n})

    def run(window: str, pruned: bool) -> tuple[int, Any]:
        rule = {">=": [{"sum": [{"within": [{"var": "behaviors.sales"}, window]}, "amount"]}, 20]}
        segment = {"id": "s", "name": "s", "audience": "shop", "kind": "batch", "rule": rule}
        rules = load_rule_set([segment], parse_audience(document).schema(), "shop")
        partitions = partitions_of(shop.pointer) if pruned else None
        behaviors = {"sales": tables["behavior_sales"]}
        sql = members_query(rules, tables["profiles"], behaviors, NOW, partitions=partitions)
        record, rows = shop.warehouse.rows("members", sql)
        return record.bytes_scanned, sorted(rows, key=str)

    reads = {}
    for window in ("1d", "20d", "400d"):
        reads[window], rows = run(window, pruned=True)
        everything, same = run(window, pruned=False)
        assert rows == same
        assert sum(row[1] == "[s]" for row in rows) > 0
        # DuckDB leaves whole files unread by their statistics too, once it has opened them; Athena need not open them.
        assert reads[window] <= everything
    assert reads["1d"] <= reads["20d"] < reads["400d"]


def test_a_partition_too_many_fails_by_name(shop: Workshop) -> None:
    sales(shop)
    shop.build(audience(behaviors={"sales": SALES}), NOW)
    sql = create_table(
        "too_many",
        shop.lake.uri(f"{shop.database}/too_many/"),
        "SELECT profile_key, CAST(profile_key AS bigint) AS part FROM v1_profiles",
        partitioned_by="ARRAY['part']",
        bucketed_by="ARRAY['profile_key']",
        bucket_count="3",
    )
    shop.warehouse.run("few enough", sql)
    shop.parquet("people", {"id": (pa.int64(), list(range(101)))})
    shop.build(audience(), NOW)
    again = sql.replace("too_many", "far_too_many").replace("v1_", "v2_")
    with pytest.raises(
        QueryFailed, match="HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers"
    ):
        shop.warehouse.run("too many", again)
    with pytest.raises(QueryFailed, match="NOT_SUPPORTED"):
        shop.warehouse.run("insert", "INSERT INTO v2_profiles SELECT '1'")


# Bad input --------------------------------------------------------------------------------------------------


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
