"""The warehouse on Athena, with the tables that Glue knows."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import QueryFailed, Unavailable
from segmentation.domain.pipeline import Outcome, QueryStatus
from segmentation.domain.run import QueryRecord

from .aws_errors import THROTTLED, code_of
from .backoff import Sleep, sleep

MOST_TEXT = 262_144
"""Bytes of a query's text that Athena takes."""
QUERIES_A_CALL = 50
"""Whose status one request asks for."""
SYSTEM_ERROR = 1
"""The category of failures that are Athena's own."""
SCAN_LIMIT = "Bytes scanned limit"
"""How Athena words its reason when it stops a query at the workgroup's limit."""
REUSED_TOKEN = "Idempotent parameters do not match"  # noqa: S105 - words of a message, no secret
MOST_REASON = 500
"""Characters of a reason that are kept."""
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
        try:
            return record, self.results(record.id)
        except Unavailable as error:
            raise QueryFailed(name, record.id, str(error)) from error

    def start(self, name: str, sql: str, token: str) -> str:
        """Start a statement; Athena answers one token with one query."""
        size = len(sql.encode())
        if size > MOST_TEXT:
            raise QueryFailed(name, "", f"its text has {size} bytes, Athena takes {MOST_TEXT}")
        try:
            started = self._athena.start_query_execution(
                QueryString=sql,
                ClientRequestToken=token,
                WorkGroup=self._workgroup,
                QueryExecutionContext={"Database": self._database},
            )
        except ClientError as error:
            code, reason = code_of(error), error.response.get("Error", {}).get("Message", "")
            if code in THROTTLED or code == "InternalServerException" or REUSED_TOKEN in reason:
                raise Unavailable(f"{name!r} is not taken just now: {code}") from error
            raise QueryFailed(name, "", f"{code}: {reason}") from error
        except BotoCoreError as error:
            raise Unavailable(f"{name!r} is not taken just now: {type(error).__name__}") from error
        return str(started["QueryExecutionId"])

    def statuses(self, queries: Sequence[str]) -> dict[str, QueryStatus]:
        """Where queries stand; Athena forgets them after 45 days."""
        found: dict[str, QueryStatus] = {}
        for start in range(0, len(queries), QUERIES_A_CALL):
            asked = list(queries[start : start + QUERIES_A_CALL])
            try:
                answer = self._athena.batch_get_query_execution(QueryExecutionIds=asked)
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"queries cannot be asked about: {_kind(error)}") from error
            for execution in answer.get("QueryExecutions", ()):
                found[execution["QueryExecutionId"]] = _status(execution)
            for refused in answer.get("UnprocessedQueryExecutionIds", ()):
                if refused.get("ErrorCode") != "INVALID_QUERY_EXECUTION_ID":
                    raise Unavailable(f"queries cannot be asked about: {refused.get('ErrorCode')}")
        return found

    def results(self, query: str) -> list[tuple[str | None, ...]]:
        """The rows of a query, as text; without the header row that Athena puts first."""
        rows: list[tuple[str | None, ...]] = []
        pages = self._athena.get_paginator("get_query_results").paginate(QueryExecutionId=query)
        try:
            for page in pages:
                for row in page["ResultSet"]["Rows"]:
                    rows.append(tuple(cell.get("VarCharValue") for cell in row["Data"]))
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"results of query {query} cannot be fetched: {_kind(error)}") from error
        return rows[1:]

    def stop(self, query: str) -> None:
        """Stop a query; one that has ended stays as it is."""
        try:
            self._athena.stop_query_execution(QueryExecutionId=query)
        except ClientError as error:
            if code_of(error) != "InvalidRequestException":  # it is over, or forgotten
                raise Unavailable(f"query {query} cannot be stopped: {code_of(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"query {query} cannot be stopped: {type(error).__name__}") from error

    def named(self, prefix: str) -> list[str]:
        """The tables whose names begin so."""
        pages = self._glue.get_paginator("get_tables").paginate(
            DatabaseName=self._database, Expression=f"{prefix}*"
        )
        try:
            names = [table["Name"] for page in pages for table in page["TableList"]]
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the catalog cannot be read: {_kind(error)}") from error
        return sorted(name for name in names if name.startswith(prefix))

    def drop(self, table: str) -> None:
        """Forget a table; its objects stay where they are."""
        try:
            self._glue.delete_table(DatabaseName=self._database, Name=table)
        except ClientError as error:
            if code_of(error) != "EntityNotFoundException":
                raise Unavailable(f"table {table} cannot be dropped: {code_of(error)}") from error
        except BotoCoreError as error:
            raise Unavailable(f"table {table} cannot be dropped: {type(error).__name__}") from error

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


def _kind(error: Exception) -> str:
    return code_of(error) if isinstance(error, ClientError) else type(error).__name__


def _status(execution: Any) -> QueryStatus:
    status, statistics = execution["Status"], execution.get("Statistics", {})
    reason = status.get("StateChangeReason", "")
    error = status.get("AthenaError", {})
    match status["State"]:
        case "SUCCEEDED":
            outcome = Outcome.SUCCEEDED
        case "FAILED":
            passing = error.get("Retryable", False) or error.get("ErrorCategory") == SYSTEM_ERROR
            outcome = Outcome.PASSING if passing else Outcome.FAILED
        case "CANCELLED":
            # A query over the workgroup's limit is stopped by Athena itself, and would be again.
            outcome = Outcome.FAILED if SCAN_LIMIT in reason else Outcome.STOPPED
        case _:
            return QueryStatus(Outcome.ACTIVE)
    return QueryStatus(
        outcome,
        bytes_scanned=int(statistics.get("DataScannedInBytes", 0)),
        ms=int(statistics.get("TotalExecutionTimeInMillis", 0)),
        reason="" if outcome is Outcome.SUCCEEDED else (reason or str(status["State"]).lower())[:MOST_REASON],
    )
