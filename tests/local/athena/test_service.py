"""The API as boto3 sees it."""

from __future__ import annotations

import uuid

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from tests.local.athena.conftest import Cloud


def test_select_gives_rows_types_and_a_csv_object(cloud: Cloud) -> None:
    execution = cloud.run(
        "SELECT household, department, amount, tags, sold_at, day FROM sales WHERE amount > 11"
    )
    answer = cloud.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    info = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(column["Name"], column["Type"]) for column in info] == [
        ("household", "bigint"),
        ("department", "varchar"),
        ("amount", "double"),
        ("tags", "array"),
        ("sold_at", "timestamp"),
        ("day", "date"),
    ]
    rows = [[datum.get("VarCharValue") for datum in row["Data"]] for row in answer["ResultSet"]["Rows"]]
    assert rows[0] == ["household", "department", "amount", "tags", "sold_at", "day"]
    assert sorted(rows[1:]) == [
        ["0", None, "13.5", "[a, null]", "2018-01-01 00:00:09.000", "2018-01-10"],
        ["2", "grocery", "12.0", "[]", "2018-01-01 00:00:08.000", "2018-01-09"],
    ]
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://results/open/{execution['QueryExecutionId']}.csv"
    body = (
        cloud.s3.get_object(Bucket="results", Key=location.removeprefix("s3://results/"))["Body"]
        .read()
        .decode()
    )
    assert '"0",,"13.5","[a, null]","2018-01-01 00:00:09.000","2018-01-10"\n' in body
    assert execution["StatementType"] == "DML"
    assert execution["Status"]["CompletionDateTime"] >= execution["Status"]["SubmissionDateTime"]
    assert execution["Statistics"]["EngineExecutionTimeInMillis"] >= 0


def test_csv_doubles_quotes(cloud: Cloud) -> None:
    execution = cloud.run('SELECT department AS "De""p" FROM sales WHERE amount = 1.5')
    key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://results/")
    body = cloud.s3.get_object(Bucket="results", Key=key)["Body"].read().decode()
    assert body == '"De""p"\n"say ""hi"", Zoë"\n'


def test_pages(cloud: Cloud) -> None:
    query_id = cloud.run("SELECT n FROM UNNEST(ARRAY[1,2,3,4,5]) AS t(n) ORDER BY n")["QueryExecutionId"]
    seen, token = [], None
    while True:
        more: dict[str, str] = {"NextToken": token} if token else {}
        page = cloud.athena.get_query_results(QueryExecutionId=query_id, MaxResults=2, **more)
        assert len(page["ResultSet"]["Rows"]) == 2
        seen += [row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]]
        token = page.get("NextToken")
        if not token:
            break
    assert seen == ["n", "1", "2", "3", "4", "5"]


def test_unnamed_outputs_get_the_name_of_their_position(cloud: Cloud) -> None:
    query_id = cloud.run("SELECT *, 1 + 1, day FROM nothing")["QueryExecutionId"]
    info = cloud.athena.get_query_results(QueryExecutionId=query_id)["ResultSet"]["ResultSetMetadata"][
        "ColumnInfo"
    ]
    assert [column["Name"] for column in info][5:] == ["day", "_col6", "day"]


def test_an_empty_place_is_an_empty_table_of_the_right_types(cloud: Cloud) -> None:
    assert cloud.rows("SELECT count(*), sum(amount), max(sold_at) FROM nothing") == [["0", None, None]]


def test_bytes_scanned_are_those_of_the_columns_read(cloud: Cloud) -> None:
    noise = pa.array([uuid.uuid4().hex for _ in range(20_000)])
    table = pa.table({"small": pa.array([1] * 20_000, pa.int64()), "big": noise})
    size = cloud.put_parquet("raw/wide/0.parquet", table)
    cloud.register("wide", {"small": "bigint", "big": "string"}, "s3://lake/raw/wide/")
    small = cloud.run("SELECT sum(small) FROM wide")["Statistics"]["DataScannedInBytes"]
    again = cloud.run("SELECT sum(small) FROM wide")["Statistics"]["DataScannedInBytes"]
    big = cloud.run("SELECT max(big) FROM wide")["Statistics"]["DataScannedInBytes"]
    assert 0 < small == again < size / 10
    assert size * 0.9 < big < size * 1.2
    assert cloud.run("SELECT 1")["Statistics"]["DataScannedInBytes"] == 0


def test_partitions_prune_what_is_read(cloud: Cloud) -> None:
    cloud.run(
        "CREATE TABLE parted WITH (external_location = 's3://lake/parted/', partitioned_by = ARRAY['department']) AS "
        "SELECT household, amount, department FROM sales WHERE department IS NOT NULL"
    )
    folders = {key.split("/")[1] for key in cloud.keys("lake", "parted/")}
    assert len(folders) == 2
    assert "department=grocery" in folders
    assert cloud.rows("SELECT department, count(*) FROM parted GROUP BY 1 ORDER BY 1") == [
        ["grocery", "5"],
        ['say "hi", Zoë', "4"],
    ]
    assert len(cloud.glue.get_partitions(DatabaseName="shop", TableName="parted")["Partitions"]) == 2


def test_scan_limit_cancels_the_query(cloud: Cloud) -> None:
    cloud.athena.create_work_group(
        Name="limited",
        Configuration={
            "ResultConfiguration": {"OutputLocation": "s3://results/limited/"},
            "BytesScannedCutoffPerQuery": 10_000_000,
        },
    )
    noise = pa.array([uuid.uuid4().bytes * 8 for _ in range(100_000)], pa.binary())
    size = cloud.put_parquet(
        "raw/noise/0.parquet",
        pa.table({"noise": noise}),
        compression="NONE",
        use_dictionary=False,
        row_group_size=10_000,
    )
    assert size > 12_000_000
    cloud.register("noise", {"noise": "binary"}, "s3://lake/raw/noise/")
    stopped = cloud.wait(cloud.start("SELECT max(to_hex(noise)) FROM noise", WorkGroup="limited"))
    assert stopped["Status"]["State"] == "CANCELLED"
    assert stopped["Status"]["StateChangeReason"] == "Bytes scanned limit was exceeded"
    assert stopped["Statistics"]["DataScannedInBytes"] > 10_000_000
    whole = cloud.run("SELECT max(to_hex(noise)) FROM noise")["Statistics"]["DataScannedInBytes"]
    assert size * 0.99 < whole <= size  # all but the footer


def test_work_groups(cloud: Cloud) -> None:
    too_low = {"Name": "tiny", "Configuration": {"BytesScannedCutoffPerQuery": 5}}
    status, answer = cloud.service.handle("CreateWorkGroup", too_low)  # boto3 would not even send it
    assert (status, answer["__type"]) == (400, "InvalidRequestException")
    configuration = {
        "ResultConfiguration": {"OutputLocation": "s3://results/strict/"},
        "EnforceWorkGroupConfiguration": True,
    }
    cloud.athena.create_work_group(Name="strict", Configuration=configuration, Description="enforced")
    got = cloud.athena.get_work_group(WorkGroup="strict")["WorkGroup"]
    assert got["Configuration"]["EnforceWorkGroupConfiguration"] is True
    assert "strict" in [group["Name"] for group in cloud.athena.list_work_groups()["WorkGroups"]]
    elsewhere = {"OutputLocation": "s3://lake/elsewhere/"}
    execution = cloud.run("SELECT 1", WorkGroup="strict", ResultConfiguration=elsewhere)
    assert execution["ResultConfiguration"]["OutputLocation"].startswith("s3://results/strict/")
    execution = cloud.run("SELECT 1", ResultConfiguration=elsewhere)
    assert execution["ResultConfiguration"]["OutputLocation"].startswith("s3://lake/elsewhere/")
    with pytest.raises(ClientError, match="enforces a centralized output location"):
        cloud.start(
            "CREATE TABLE x WITH (external_location = 's3://lake/x/') AS SELECT 1 AS a", WorkGroup="strict"
        )
    with pytest.raises(ClientError, match="No output location provided"):
        cloud.start("SELECT 1", WorkGroup="primary")
    with pytest.raises(ClientError, match="is not found"):
        cloud.start("SELECT 1", WorkGroup="unknown")
    cloud.athena.delete_work_group(WorkGroup="strict")
    with pytest.raises(ClientError, match="is not found"):
        cloud.athena.get_work_group(WorkGroup="strict")


def test_one_token_is_one_query(cloud: Cloud) -> None:
    token = uuid.uuid4().hex
    first = cloud.start("SELECT 1", ClientRequestToken=token)
    assert cloud.start("SELECT 1", ClientRequestToken=token) == first
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        cloud.start("SELECT 2", ClientRequestToken=token)


def test_stop(cloud: Cloud) -> None:
    numbers = "UNNEST(ARRAY[1,2,3,4,5,6,7,8,9,10])"
    joins = " CROSS JOIN ".join(f"{numbers} AS t{index}(n)" for index in range(12))
    query_id = cloud.start(f"SELECT max(t0.n + t1.n + t2.n + t3.n + t4.n + t5.n + t6.n + t11.n) FROM {joins}")
    while (
        cloud.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]["State"]
        == "QUEUED"
    ):
        pass
    with pytest.raises(ClientError, match="not yet finished"):
        cloud.athena.get_query_results(QueryExecutionId=query_id)
    cloud.athena.stop_query_execution(QueryExecutionId=query_id)
    assert cloud.wait(query_id)["Status"]["State"] == "CANCELLED"
    assert cloud.rows("SELECT 1") == [["1"]]  # the pool is free again
    with pytest.raises(ClientError, match="Final query state: CANCELLED"):
        cloud.athena.get_query_results(QueryExecutionId=query_id)


def test_batch_get_and_list(cloud: Cloud) -> None:
    query_id = cloud.run("SELECT 1")["QueryExecutionId"]
    got = cloud.athena.batch_get_query_execution(QueryExecutionIds=[query_id, "none"])
    assert [one["QueryExecutionId"] for one in got["QueryExecutions"]] == [query_id]
    assert [one["QueryExecutionId"] for one in got["UnprocessedQueryExecutionIds"]] == ["none"]
    assert query_id in cloud.athena.list_query_executions(WorkGroup="open")["QueryExecutionIds"]


def test_parameters(cloud: Cloud) -> None:
    rows = cloud.rows(
        "SELECT count(*) FROM sales WHERE amount > ? AND department = ?",
        ExecutionParameters=["3", "'grocery'"],
    )
    assert rows == [["3"]]
    with pytest.raises(ClientError, match="Incorrect number of parameters"):
        cloud.start("SELECT ?")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "SELECT * FROM missing",
            "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.shop.missing' does not exist",
        ),
        ("SELECT * FROM no.missing", "SCHEMA_NOT_FOUND: line 1:15: Schema 'no' does not exist"),
        ("SELECT missing FROM sales", "COLUMN_NOT_FOUND: line 1:8: Column 'missing' cannot be resolved"),
        (
            "SELECT\n  amount + missing FROM sales",
            "COLUMN_NOT_FOUND: line 2:12: Column 'missing' cannot be resolved",
        ),
        ("SELECT amount AS a FROM sales WHERE a > 1", "COLUMN_NOT_FOUND: line 1:37: Column 'a'"),
        ("SELECT day AS d, count(*) FROM sales GROUP BY d", "COLUMN_NOT_FOUND: line 1:47: Column 'd'"),
        ("SELECT amount AS a, a + 1 FROM sales", "COLUMN_NOT_FOUND: line 1:21: Column 'a'"),
        ("SELECT amount FROM sales GROUP BY day", "EXPRESSION_NOT_AGGREGATE: "),
        ("SELECT nonsense(amount) FROM sales", "FUNCTION_NOT_FOUND: line 1:8: Function 'nonsense'"),
        ("SELECT row_number() FROM sales", "MISSING_OVER: line 1:8: "),
        ("SELECT day FROM sales WHERE day > '2018-01-01'", "TYPE_MISMATCH: "),
        ("SELECT day FROM sales WHERE department = 5", "TYPE_MISMATCH: "),
        ("SELECT day FROM sales WHERE 5 < department", "TYPE_MISMATCH: "),
        ("SELECT day FROM sales WHERE amount BETWEEN 'a' AND 'b'", "TYPE_MISMATCH: "),
        ("SELECT day FROM sales WHERE amount = department", "TYPE_MISMATCH: "),
        (
            f"SELECT ARRAY[{', '.join(['amount'] * 255)}] FROM sales",
            "NOT_SUPPORTED: line 1:14: Too many arguments for array constructor",
        ),
        (f"SELECT concat({', '.join(['department'] * 128)}) FROM sales", "NOT_SUPPORTED: "),
        ("SELECT lower(amount) FROM sales", "TYPE_MISMATCH: "),
        ("SELECT household / 0 FROM sales", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT count(*) / 0 FROM sales", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT 7 % (household * 0) FROM sales", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT CAST('1.5' AS bigint)", "INVALID_CAST_ARGUMENT: Cannot cast '1.5' to BIGINT"),
        ("SELECT CAST(department AS double) FROM sales", "INVALID_CAST_ARGUMENT: Cannot cast "),
        ("SELECT CAST('2018-02-30' AS date)", "INVALID_CAST_ARGUMENT: Cannot cast '2018-02-30' to DATE"),
        ("SELECT CAST(nan() AS bigint)", "INVALID_CAST_ARGUMENT: "),
        ("SELECT ARRAY[1, 2][3]", "INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to"),
        ("SELECT ARRAY[1, 2][0]", "INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1"),
        ("SELECT element_at(ARRAY[1], 0)", "INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1"),
        ("SELECT 9223372036854775807 + 1", "NUMERIC_VALUE_OUT_OF_RANGE: "),
        ("SELECT (SELECT n FROM UNNEST(ARRAY[1, 2]) AS t(n))", "SUBQUERY_MULTIPLE_ROWS: "),
        ("SELECT amount > 1 IS TRUE FROM sales", "SYNTAX_ERROR: "),
        ("SELECT 1.0 / 3.0", "NOT_SUPPORTED: "),
        ("SELECT current_date", "NOT_SUPPORTED: line 1:8: "),
        ("SELECT * EXCEPT (day) FROM sales", "NOT_SUPPORTED: "),
        ("SELECT department ILIKE 'a' FROM sales", "NOT_SUPPORTED: line 1:"),
        (
            "SELECT reduce(ARRAY[1], 0, (s, x) -> s + x, s -> s)",
            "FUNCTION_NOT_FOUND: line 1:8: Function 'reduce'",
        ),
        ("SELECT count(*) FROM sales TABLESAMPLE BERNOULLI (10)", "NOT_SUPPORTED: "),
        ("SELECT day, count(*) FROM sales GROUP BY ROLLUP (day)", "NOT_SUPPORTED: "),
        ("SELECT json_extract_scalar('{}', '$.a')", "FUNCTION_NOT_FOUND: "),
        ("SELECT date_diff('fortnight', day, day) FROM sales", "INVALID_FUNCTION_ARGUMENT: "),
        ("SELECT TIMESTAMP '2018-01-01 00:00:00' AT TIME ZONE 'Europe/Paris'", "NOT_SUPPORTED: "),
    ],
)
def test_failures_name_their_cause(cloud: Cloud, sql: str, reason: str) -> None:
    execution = cloud.wait(cloud.start(sql))
    status = execution["Status"]
    assert status["State"] == "FAILED"
    assert status["StateChangeReason"].startswith(reason)
    assert status["AthenaError"]["ErrorCategory"] == 2
    assert status["AthenaError"]["Retryable"] is False
    assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELEC 1",
        "SELECT FROM WHERE",
        "SELECT '1'::bigint",
        "SELECT 1 == 1",
        "SELECT n FROM t QUALIFY row_number() OVER (ORDER BY n) = 1",
        "DELETE FROM sales",
        "SELECT 1; SELECT 2",
        "GRANT ALL",
        "SELECT 'x",
        " ",
    ],
)
def test_malformed_statements_are_refused_at_once(cloud: Cloud, sql: str) -> None:
    with pytest.raises(ClientError) as refused:
        cloud.start(sql)
    assert refused.value.response["Error"]["Code"] == "InvalidRequestException"
    assert dict(refused.value.response)["AthenaErrorCode"] == "MALFORMED_QUERY"


def test_an_unknown_operation_is_named(cloud: Cloud) -> None:
    status, answer = cloud.service.handle("CreateNotebook", {})
    assert status == 400
    assert "CreateNotebook" in answer["message"]
