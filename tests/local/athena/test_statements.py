"""Statements that write: CTAS, UNLOAD, INSERT INTO, and the ones that change the catalog."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest

from tests.local.athena.conftest import Cloud


def test_create_table_as(cloud: Cloud) -> None:
    execution = cloud.run(
        "CREATE TABLE shop.spent WITH (format = 'PARQUET', write_compression = 'SNAPPY', "
        "external_location = 's3://lake/spent/') AS\n"
        "SELECT CAST(household AS varchar) AS profile_key, sum(amount) AS amount, count(*) AS n, sum(household) AS h, "
        "min(day) AS first_day, array_agg(department ORDER BY department) AS departments, true AS yes, "
        "max(sold_at) AS last, CAST('1' AS decimal(38,6)) AS one FROM sales GROUP BY household"
    )
    table = cloud.glue.get_table(DatabaseName="shop", Name="spent")["Table"]
    assert {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]} == {
        "profile_key": "string",
        "amount": "double",
        "n": "bigint",
        "h": "bigint",
        "first_day": "date",
        "departments": "array<string>",
        "yes": "boolean",
        "last": "timestamp",
        "one": "decimal(38,6)",
    }
    (key,) = cloud.keys("lake", "spent/")
    body = cloud.s3.get_object(Bucket="lake", Key=key)["Body"].read()
    metadata = pq.ParquetFile(io.BytesIO(body)).metadata
    assert metadata.row_group(0).column(0).compression == "SNAPPY"
    manifest = execution["Statistics"]["DataManifestLocation"].removeprefix("s3://results/")
    assert cloud.s3.get_object(Bucket="results", Key=manifest)["Body"].read().decode() == f"s3://lake/{key}\n"
    assert execution["StatementType"] == "DDL"
    answer = cloud.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert answer["UpdateCount"] == 3
    assert cloud.rows("SELECT profile_key, amount, n, first_day, last FROM spent ORDER BY 1") == [
        ["0", "27.0", "4", "2018-01-01", "2018-01-01 00:00:09.000"],
        ["1", "18.0", "3", "2018-01-02", "2018-01-01 00:00:07.000"],
        ["2", "22.5", "3", "2018-01-03", "2018-01-01 00:00:08.000"],
    ]
    again = "CREATE TABLE spent WITH (external_location = 's3://lake/spent2/') AS SELECT 1 AS a"
    assert cloud.fails(again).startswith("TABLE_ALREADY_EXISTS: ")
    cloud.run(again.replace("TABLE spent", "TABLE IF NOT EXISTS spent"))
    other = "CREATE TABLE spent2 WITH (external_location = 's3://lake/spent/') AS SELECT 1 AS a"
    assert cloud.fails(other).startswith("HIVE_PATH_ALREADY_EXISTS: ")


def test_create_table_as_without_a_place_goes_to_the_results(cloud: Cloud) -> None:
    execution = cloud.run("CREATE TABLE placeless AS SELECT 1 AS a WITH NO DATA")
    location = cloud.glue.get_table(DatabaseName="shop", Name="placeless")["Table"]["StorageDescriptor"][
        "Location"
    ]
    assert location == f"s3://results/open/tables/{execution['QueryExecutionId']}/"
    assert cloud.rows("SELECT count(*) FROM placeless") == [["0"]]


def test_wide_integers_are_written_as_bigint(cloud: Cloud) -> None:
    cloud.run("CREATE TABLE wide_sums AS SELECT sum(household) AS s, ARRAY[sum(household)] AS a FROM sales")
    columns = cloud.glue.get_table(DatabaseName="shop", Name="wide_sums")["Table"]["StorageDescriptor"][
        "Columns"
    ]
    assert [column["Type"] for column in columns] == ["bigint", "array<bigint>"]
    assert cloud.rows("SELECT s, a FROM wide_sums") == [["9", "[9]"]]


def test_buckets(cloud: Cloud) -> None:
    cloud.run(
        "CREATE TABLE bucketed WITH (external_location = 's3://lake/bucketed/', bucketed_by = ARRAY['household'], "
        "bucket_count = 2) AS SELECT household, amount FROM sales"
    )
    assert 1 <= len(cloud.keys("lake", "bucketed/")) <= 2
    storage = cloud.glue.get_table(DatabaseName="shop", Name="bucketed")["Table"]["StorageDescriptor"]
    assert storage["BucketColumns"] == ["household"]
    assert cloud.rows("SELECT count(*), sum(amount) FROM bucketed") == [["10", "67.5"]]


@pytest.mark.parametrize("kind", ["PARQUET", "JSON", "TEXTFILE"])
def test_formats_are_read_back(cloud: Cloud, kind: str) -> None:
    cloud.run(
        f"CREATE TABLE as_{kind} WITH (format = '{kind}', external_location = 's3://lake/as_{kind}/') AS "
        "SELECT household, department, amount, day FROM sales"
    )
    assert cloud.rows(f"SELECT sum(household), count(department), sum(amount), max(day) FROM as_{kind}") == [
        ["9", "9", "67.5", "2018-01-10"]
    ]


def test_unload(cloud: Cloud) -> None:
    execution = cloud.run(
        "UNLOAD (SELECT household, amount, department FROM sales WHERE department = 'grocery') "
        "TO 's3://lake/unloaded/' WITH (format = 'PARQUET', compression = 'GZIP', partitioned_by = ARRAY['department'])"
    )
    keys = cloud.keys("lake", "unloaded/")
    assert keys
    assert all(key.startswith("unloaded/department=grocery/") for key in keys)
    manifest = execution["Statistics"]["DataManifestLocation"].removeprefix("s3://results/")
    listed = cloud.s3.get_object(Bucket="results", Key=manifest)["Body"].read().decode().splitlines()
    assert listed == [f"s3://lake/{key}" for key in keys]
    again = "UNLOAD (SELECT 1 AS a) TO 's3://lake/unloaded/' WITH (format = 'PARQUET')"
    assert cloud.fails(again).startswith("HIVE_PATH_ALREADY_EXISTS: ")
    orc = "UNLOAD (SELECT 1 AS a) TO 's3://lake/orc/' WITH (format = 'ORC')"
    assert cloud.fails(orc).startswith("NOT_SUPPORTED: ")
    order = "UNLOAD (SELECT 1 AS a, 2 AS b) TO 's3://lake/o/' WITH (format = 'PARQUET', partitioned_by = ARRAY['a'])"
    assert cloud.fails(order).startswith("HIVE_COLUMN_ORDER_MISMATCH: ")


def test_a_query_that_fails_writes_nothing(cloud: Cloud) -> None:
    sql = "CREATE TABLE broken WITH (external_location = 's3://lake/broken/') AS SELECT 1 / (household - 1) AS a FROM sales"
    assert cloud.fails(sql).startswith("DIVISION_BY_ZERO: ")
    assert cloud.keys("lake", "broken/") == []
    assert cloud.fails("SELECT * FROM broken").startswith("TABLE_NOT_FOUND: ")


def test_insert_into(cloud: Cloud) -> None:
    cloud.run(
        "CREATE EXTERNAL TABLE IF NOT EXISTS `shop`.`log` (id bigint, note string) "
        "PARTITIONED BY (day date) STORED AS PARQUET LOCATION 's3://lake/log/'"
    )
    execution = cloud.run(
        "INSERT INTO log SELECT 1, 'a', DATE '2018-01-01' UNION ALL SELECT 2, NULL, DATE '2018-01-02'"
    )
    assert cloud.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["UpdateCount"] == 2
    cloud.run("INSERT INTO log (day, id) VALUES (DATE '2018-01-02', 3)")
    assert cloud.rows("SELECT id, note, day FROM log ORDER BY id") == [
        ["1", "a", "2018-01-01"],
        ["2", None, "2018-01-02"],
        ["3", None, "2018-01-02"],
    ]
    assert cloud.fails("INSERT INTO log SELECT 1").startswith("TYPE_MISMATCH: ")
    assert cloud.fails("INSERT INTO log SELECT 'x', 'a', DATE '2018-01-01'").startswith("TYPE_MISMATCH: ")
    cloud.run("DROP TABLE log")
    assert cloud.keys("lake", "log/")
    assert cloud.fails("DROP TABLE log").startswith("SemanticException: ")
    cloud.run("DROP TABLE IF EXISTS log")


def test_repair_finds_the_partitions_that_lie_there(cloud: Cloud) -> None:
    cloud.run(
        "UNLOAD (SELECT household, day FROM sales) TO 's3://lake/found/' WITH (format = 'PARQUET', partitioned_by = ARRAY['day'])"
    )
    cloud.run(
        "CREATE EXTERNAL TABLE found (household bigint) PARTITIONED BY (day date) STORED AS PARQUET LOCATION 's3://lake/found/'"
    )
    assert cloud.rows("SELECT count(*) FROM found") == [["0"]]
    cloud.run("MSCK REPAIR TABLE found")
    assert cloud.rows("SELECT count(*), max(day) FROM found") == [["10", "2018-01-10"]]


def test_text_tables(cloud: Cloud) -> None:
    cloud.s3.put_object(Bucket="lake", Key="csv/a.csv", Body=b'id,name\n1,"x, y"\n2,\n')
    cloud.run(
        "CREATE EXTERNAL TABLE people (id bigint, name string) "
        "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' "
        "WITH SERDEPROPERTIES ('separatorChar' = ',', 'quoteChar' = '\"') "
        "LOCATION 's3://lake/csv/' TBLPROPERTIES ('skip.header.line.count' = '1')"
    )
    assert cloud.rows("SELECT id, name FROM people WHERE id = 1") == [["1", "x, y"]]
    cloud.s3.put_object(
        Bucket="lake", Key="csv/a.csv", Body=b'\xef\xbb\xbfid,name\r\n1,"a ""b"", c"\r\n2\r\n3,d,e,f\r\n'
    )
    rows = [["1", 'a "b", c'], ["2", None], ["3", "d"]]
    assert cloud.rows("SELECT id, name FROM people ORDER BY id") == rows
    cloud.s3.put_object(Bucket="lake", Key="csv/b.csv", Body=b"id,name\n4,\xe9\n")
    for columns in ("id, name", "name"):
        failed = cloud.fails(f"SELECT {columns} FROM people")
        assert failed.startswith("HIVE_BAD_DATA: Text that cannot be read: ")
        assert "utf-8" in failed.lower()
    cloud.s3.put_object(Bucket="lake", Key="json/a.json", Body=b'{"id": 1, "tags": ["a"]}\n{"id": 2}\n')
    cloud.run(
        "CREATE EXTERNAL TABLE lines (id bigint, tags array<string>) "
        "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://lake/json/'"
    )
    assert cloud.rows("SELECT id, tags FROM lines ORDER BY id") == [["1", "[a]"], ["2", None]]


def test_columns_that_a_file_lacks_are_null(cloud: Cloud) -> None:
    cloud.register("wider", {"household": "int", "added": "string"}, "s3://lake/raw/sales/")
    assert cloud.rows("SELECT count(household), count(added) FROM wider") == [["10", "0"]]


def test_show_tables(cloud: Cloud) -> None:
    query_id = cloud.run("SHOW TABLES IN shop")["QueryExecutionId"]
    rows = cloud.athena.get_query_results(QueryExecutionId=query_id)["ResultSet"]["Rows"]
    assert "sales" in [row["Data"][0]["VarCharValue"] for row in rows]
