"""Warehouse: the fake and Athena (the embedded one)."""

import pytest
from segmentation.adapters.athena import MOST_TEXT, AthenaWarehouse
from segmentation.domain.errors import QueryFailed
from segmentation.ports import Warehouse

from tests.contract.conftest import Cloud
from tests.fakes import FakeWarehouse


def athena(cloud: Cloud) -> AthenaWarehouse:
    return AthenaWarehouse(cloud.client("athena"), cloud.client("glue"), "batch", "warehouse")


@pytest.fixture(params=["fake", "athena"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    if request.param == "fake":
        return FakeWarehouse(tables={"people": {"id": "bigint", "name": "string"}})
    cloud: Cloud = request.getfixturevalue("cloud")
    glue = cloud.client("glue")
    if not glue.get_tables(DatabaseName="warehouse", Expression="people")["TableList"]:
        glue.create_table(
            DatabaseName="warehouse",
            TableInput={
                "Name": "people",
                "StorageDescriptor": {
                    "Columns": [{"Name": "id", "Type": "bigint"}],
                    "Location": "s3://lake/raw/people/",
                },
                "PartitionKeys": [{"Name": "name", "Type": "string"}],
            },
        )
    return athena(cloud)


def test_rows_come_as_text_without_a_header(warehouse: Warehouse) -> None:
    record, rows = warehouse.rows(
        "two", "SELECT 'a' AS x, 1 AS n UNION ALL SELECT NULL AS x, 2 AS n ORDER BY n"
    )
    assert rows == [("a", "1"), (None, "2")]
    assert record.id
    assert record.bytes_scanned >= 0


def test_a_failed_query_names_itself_and_its_reason(warehouse: Warehouse) -> None:
    with pytest.raises(QueryFailed) as caught:
        warehouse.rows("count the missing", "SELECT count(*) AS n FROM nowhere")
    assert "count the missing" in str(caught.value)
    assert "nowhere" in caught.value.reason


def test_columns_of_a_table_and_of_none(warehouse: Warehouse) -> None:
    assert warehouse.columns("People") == {"id": "bigint", "name": "string"}
    assert warehouse.columns("nobody") is None


def test_many_rows_are_fetched_page_by_page(cloud: Cloud) -> None:
    values = ", ".join(f"({n})" for n in range(1_500))
    _, rows = athena(cloud).rows("many", f"SELECT n FROM (VALUES {values}) AS t(n)")
    assert len(rows) == 1_500


def test_a_text_that_is_too_long_is_not_even_sent(cloud: Cloud) -> None:
    with pytest.raises(QueryFailed, match="262145 bytes"):
        athena(cloud).run("long", "x" * (MOST_TEXT + 1))


def test_a_query_that_does_not_end_is_stopped() -> None:
    class Endless:
        stopped = ""

        def start_query_execution(self, **_: object) -> dict[str, str]:
            return {"QueryExecutionId": "q1"}

        def get_query_execution(self, **_: object) -> dict[str, object]:
            return {"QueryExecution": {"Status": {"State": "RUNNING"}}}

        def stop_query_execution(self, QueryExecutionId: str) -> None:
            self.stopped = QueryExecutionId

    endless, time = Endless(), [0.0]

    def wait(seconds: float) -> None:
        time[0] += 100 * seconds

    with pytest.raises(QueryFailed, match="stopped after"):
        AthenaWarehouse(endless, None, "w", "d", wait, lambda: time[0]).run("endless", "SELECT 1")
    assert endless.stopped == "q1"
