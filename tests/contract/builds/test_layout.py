"""Where the rows of a built audience lie, and which of them a run reads."""

from typing import Any

import pyarrow as pa
import pytest
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.build_plan import partitions_of
from segmentation.domain.errors import QueryFailed
from segmentation.domain.run_sql import create_table
from segmentation.language import load_rule_set
from segmentation.language.sql import members_query

from tests.contract.raw_tables import NOW, SALES, audience, sha
from tests.contract.workshop import Workshop


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
