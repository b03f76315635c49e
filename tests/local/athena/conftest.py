"""One moto server with the embedded Athena in front.

It stands in this process, where other folders' mocks reset it: it is made anew for each file.
"""

from __future__ import annotations

import io
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from werkzeug.serving import make_server

from infra.local.athena.service import AthenaService
from infra.local.front import Front, Handler

REGION = "eu-central-1"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}


@dataclass
class Cloud:
    """Clients of the emulated cloud, and short ways to run queries in it."""

    url: str
    service: AthenaService
    athena: Any
    s3: Any
    glue: Any

    def start(self, sql: str, **more: Any) -> str:
        given: dict[str, Any] = {"QueryExecutionContext": {"Database": "shop"}, "WorkGroup": "open", **more}
        return str(self.athena.start_query_execution(QueryString=sql, **given)["QueryExecutionId"])

    def wait(self, query_id: str) -> dict[str, Any]:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            execution: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=query_id)[
                "QueryExecution"
            ]
            if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                return execution
            time.sleep(0.01)
        raise TimeoutError(query_id)

    def run(self, sql: str, **more: Any) -> dict[str, Any]:
        """The finished execution; a failure raises with its reason."""
        execution = self.wait(self.start(sql, **more))
        if execution["Status"]["State"] != "SUCCEEDED":
            raise AssertionError(execution["Status"]["StateChangeReason"])
        return execution

    def fails(self, sql: str, **more: Any) -> str:
        """The reason why a query fails."""
        execution = self.wait(self.start(sql, **more))
        assert execution["Status"]["State"] == "FAILED", execution
        return str(execution["Status"]["StateChangeReason"])

    def rows(self, sql: str, **more: Any) -> list[list[str | None]]:
        execution = self.run(sql, **more)
        pages = self.athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=execution["QueryExecutionId"]
        )
        found = [
            [datum.get("VarCharValue") for datum in row["Data"]]
            for page in pages
            for row in page["ResultSet"]["Rows"]
        ]
        return found[1:]

    def keys(self, bucket: str, prefix: str) -> list[str]:
        return [
            item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        ]

    def put_parquet(self, key: str, table: pa.Table, **options: Any) -> int:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, **options)
        self.s3.put_object(Bucket="lake", Key=key, Body=buffer.getvalue())
        return len(buffer.getvalue())

    def register(self, name: str, columns: dict[str, str], location: str, **more: Any) -> None:
        self.glue.create_table(
            DatabaseName="shop",
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "StorageDescriptor": {
                    "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
                    "Location": location,
                    "SerdeInfo": {
                        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                    },
                },
                **more,
            },
        )


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    front = Front("127.0.0.1:9")
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    service = front.athena = AthenaService(url, REGION, threads=2, memory_limit="1GB")
    clients = {
        name: boto3.client(name, endpoint_url=url, **CREDENTIALS)  # type: ignore[call-overload]
        for name in ("athena", "s3", "glue")
    }
    made = Cloud(url, service, **clients)
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
    for bucket in ("lake", "results"):
        made.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    made.glue.create_database(DatabaseInput={"Name": "shop"})
    made.athena.create_work_group(
        Name="open",
        Configuration={
            "ResultConfiguration": {"OutputLocation": "s3://results/open/"},
            "EnforceWorkGroupConfiguration": False,
        },
    )
    _sales(made)
    yield made
    service.close()
    for client in clients.values():
        client.close()
    server.shutdown()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        server.server_close()


def _sales(cloud: Cloud) -> None:
    """Ten sales in two files, and a table over an empty place."""
    columns = {
        "household": "bigint",
        "department": "string",
        "amount": "double",
        "tags": "array<string>",
        "sold_at": "timestamp",
        "day": "date",
    }
    for part in range(2):
        numbers = range(part * 5, part * 5 + 5)
        table = pa.table(
            {
                "household": pa.array([n % 3 for n in numbers], pa.int64()),
                "department": pa.array(
                    [None if n == 9 else ["grocery", 'say "hi", Zoë'][n % 2] for n in numbers]
                ),
                "amount": pa.array([n * 1.5 for n in numbers], pa.float64()),
                "tags": pa.array([["a", None] if n % 2 else [] for n in numbers], pa.list_(pa.string())),
                "sold_at": pa.array([1514764800_000 + n * 1000 for n in numbers], pa.timestamp("ms")),
                "day": pa.array([17532 + n for n in numbers], pa.int32()).cast(pa.date32()),
            }
        )
        cloud.put_parquet(f"raw/sales/{part}.parquet", table)
    cloud.register("sales", columns, "s3://lake/raw/sales/")
    cloud.register("nothing", columns, "s3://lake/raw/nothing/")
