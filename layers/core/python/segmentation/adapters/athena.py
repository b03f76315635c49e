"""The warehouse on Athena, with the tables that Glue knows."""

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import QueryFailed, Unavailable
from segmentation.domain.run import QueryRecord

from .aws_errors import code_of
from .backoff import Sleep, sleep

MOST_TEXT = 262_144
"""Bytes of a query's text that Athena takes."""
MOST_SECONDS = 840
"""Longer than this no function waits: it would be cut off itself."""


class AthenaWarehouse:
    """Runs statements in one workgroup and database, and waits for them."""

    def __init__(
        self,
        athena: Any,
        glue: Any,
        workgroup: str,
        database: str,
        wait: Sleep = sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._athena = athena
        self._glue = glue
        self._workgroup = workgroup
        self._database = database
        self._sleep = wait
        self._clock = clock

    def run(self, name: str, sql: str) -> QueryRecord:
        """Run one statement to its end."""
        size = len(sql.encode())
        if size > MOST_TEXT:
            raise QueryFailed(name, "", f"its text has {size} bytes, Athena takes {MOST_TEXT}")
        try:
            started = self._athena.start_query_execution(
                QueryString=sql,
                WorkGroup=self._workgroup,
                QueryExecutionContext={"Database": self._database},
            )
            return self._wait(name, started["QueryExecutionId"])
        except ClientError as error:
            reason = error.response.get("Error", {}).get("Message", "")
            raise QueryFailed(name, "", f"{code_of(error)}: {reason}") from error
        except BotoCoreError as error:
            raise QueryFailed(name, "", type(error).__name__) from error

    def rows(self, name: str, sql: str) -> tuple[QueryRecord, list[tuple[str | None, ...]]]:
        """Run a query and fetch its rows, as text; without the header row that Athena puts first."""
        record = self.run(name, sql)
        rows: list[tuple[str | None, ...]] = []
        pages = self._athena.get_paginator("get_query_results").paginate(QueryExecutionId=record.id)
        try:
            for page in pages:
                for row in page["ResultSet"]["Rows"]:
                    rows.append(tuple(cell.get("VarCharValue") for cell in row["Data"]))
        except (ClientError, BotoCoreError) as error:
            raise QueryFailed(
                name, record.id, f"its results cannot be fetched: {type(error).__name__}"
            ) from error
        return record, rows[1:]

    def columns(self, table: str) -> dict[str, str] | None:
        """A table's columns, partition keys too, as Glue names their types."""
        try:
            found = self._glue.get_table(DatabaseName=self._database, Name=table.lower())["Table"]
        except ClientError as error:
            if code_of(error) == "EntityNotFoundException":
                return None
            raise Unavailable(f"the catalog cannot be read: {code_of(error)}") from error
        declared = [*found["StorageDescriptor"]["Columns"], *found.get("PartitionKeys", [])]
        return {column["Name"].lower(): column["Type"] for column in declared}

    def _wait(self, name: str, identifier: str) -> QueryRecord:
        pause, deadline = 0.05, self._clock() + MOST_SECONDS
        while True:
            execution = self._athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
            status = execution["Status"]
            match status["State"]:
                case "SUCCEEDED":
                    statistics = execution.get("Statistics", {})
                    return QueryRecord(
                        id=identifier,
                        bytes_scanned=int(statistics.get("DataScannedInBytes", 0)),
                        ms=int(statistics.get("TotalExecutionTimeInMillis", 0)),
                    )
                case "FAILED" | "CANCELLED" as state:
                    raise QueryFailed(name, identifier, status.get("StateChangeReason") or state.lower())
            if self._clock() > deadline:
                self._athena.stop_query_execution(QueryExecutionId=identifier)
                raise QueryFailed(name, identifier, f"stopped after {MOST_SECONDS} seconds")
            self._sleep(pause)
            pause = min(pause * 1.5, 2.0)
