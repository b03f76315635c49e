"""The JSON API of Athena: what boto3, PyAthena and awswrangler call."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from botocore.exceptions import ClientError

from infra.local.athena.catalog import Catalog, split_location
from infra.local.athena.engine import Engine
from infra.local.athena.errors import SYSTEM_ERROR, QueryFailed, RequestRefused
from infra.local.athena.execution import ENDED, Execution, OnChange
from infra.local.athena.job import Job, Stopped
from infra.local.athena.metadata import Metadata
from infra.local.athena.paging import JSON, page
from infra.local.athena.results import ResultSet, csv_of
from infra.local.athena.statements import KINDS, CreateTableAs, Select, Unload, parse_statement
from infra.local.athena.work_groups import WorkGroups

log = logging.getLogger(__name__)

QUERIES_AT_ONCE: Final = 2
RESULTS_KEPT: Final = 200
MAX_QUERY_LENGTH: Final = 262_144


class AthenaService:
    """Answers the operations of Athena's API; give it the calls, and the bytes that each key reads from S3."""

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        account_id: str = "123456789012",
        threads: int = 2,
        memory_limit: str = "4GB",
        on_change: OnChange = lambda _: None,
    ) -> None:
        self._on_change = on_change
        self._catalog = Catalog(endpoint_url, region)
        self._engine = Engine(self._catalog, endpoint_url, region, threads, memory_limit)
        self._pool = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="athena")
        self._lock = threading.Lock()
        self._executions: OrderedDict[str, Execution] = OrderedDict()
        self._tokens: dict[str, tuple[str, str]] = {}
        self._groups = WorkGroups()
        shown = Metadata(self._catalog, account_id)
        self._operations: Mapping[str, Callable[[JSON], JSON]] = {
            "StartQueryExecution": self._start,
            "StopQueryExecution": self._stop,
            "GetQueryExecution": lambda body: {"QueryExecution": self._described(self._execution(body))},
            "BatchGetQueryExecution": self._batch_get,
            "ListQueryExecutions": self._list,
            "GetQueryResults": self._results,
            "CreateWorkGroup": self._groups.create,
            "UpdateWorkGroup": self._groups.update,
            "DeleteWorkGroup": self._groups.delete,
            "GetWorkGroup": lambda body: {"WorkGroup": self._groups.find(body.get("WorkGroup", ""))},
            "ListWorkGroups": self._groups.all,
            "GetDataCatalog": shown.get_data_catalog,
            "ListDataCatalogs": lambda _: {
                "DataCatalogsSummary": [{"CatalogName": "AwsDataCatalog", "Type": "GLUE"}]
            },
            "GetDatabase": shown.get_database,
            "ListDatabases": shown.list_databases,
            "GetTableMetadata": shown.get_table_metadata,
            "ListTableMetadata": shown.list_table_metadata,
        }

    # What the HTTP front calls ------------------------------------------------------------------------------

    def handle(self, operation: str, body: JSON) -> tuple[int, JSON]:
        """Answer one operation with an HTTP status and a JSON body."""
        answer = self._operations.get(operation)
        if answer is None:
            return 400, {
                "__type": "InvalidRequestException",
                "message": f"The embedded Athena does not know the operation {operation}",
            }
        try:
            return 200, answer(body)
        except RequestRefused as refused:
            return 400, {
                "__type": "InvalidRequestException",
                "message": str(refused),
                "Message": str(refused),
                **refused.details,
            }
        except QueryFailed as failed:
            return 400, {"__type": "InvalidRequestException", "message": str(failed), "Message": str(failed)}
        except ClientError as error:
            message = error.response["Error"].get("Message", str(error))
            return 400, {"__type": "MetadataException", "message": message, "Message": message}
        except Exception:
            log.exception("Athena %s failed", operation)
            return 500, {"__type": "InternalServerException", "message": f"{operation} failed; see the log"}

    def count_read(self, access_key: str, bytes_: int) -> None:
        """Count the body of a S3 GET answer for the query whose id is the access key; other keys are ignored."""
        execution = self._executions.get(access_key)
        if execution is not None:
            execution.job.read(bytes_)

    def close(self) -> None:
        """Stop what runs and wait for it."""
        for execution in list(self._executions.values()):
            execution.job.stopped = True
            execution.job.interrupt()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._catalog.close()

    # Queries ------------------------------------------------------------------------------------------------

    def _start(self, body: JSON) -> JSON:
        sql = body.get("QueryString", "")
        if not sql.strip():
            raise RequestRefused("QueryString must not be empty", AthenaErrorCode="MALFORMED_QUERY")
        if len(sql.encode()) > MAX_QUERY_LENGTH:
            raise RequestRefused(
                f"1 validation error detected: Value at 'queryString' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_QUERY_LENGTH}"
            )
        asked = json.dumps(
            {key: value for key, value in body.items() if key != "ClientRequestToken"}, sort_keys=True
        )
        token = body.get("ClientRequestToken")
        with self._lock:
            if token in self._tokens:
                query_id, before = self._tokens[token]
                if before != asked:
                    raise RequestRefused("Idempotent parameters do not match")
                return {"QueryExecutionId": query_id}
            execution = self._admit(sql, body)
            self._executions[execution.job.id] = execution
            if token:
                self._tokens[token] = (execution.job.id, asked)
            self._forget_old_results()
        execution.tell(self._on_change)
        self._pool.submit(self._run, execution)
        return {"QueryExecutionId": execution.job.id}

    def _admit(self, sql: str, body: JSON) -> Execution:
        name = body.get("WorkGroup", "primary")
        group = self._groups.find(name)
        if group["State"] != "ENABLED":
            raise RequestRefused(f"WorkGroup {name} is disabled.")
        configuration = group["Configuration"]
        enforced = configuration.get("EnforceWorkGroupConfiguration", True)
        of_group = configuration.get("ResultConfiguration", {}).get("OutputLocation", "")
        of_call = body.get("ResultConfiguration", {}).get("OutputLocation", "")
        output = (of_group or of_call) if enforced else (of_call or of_group)
        if not output:
            raise RequestRefused(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input."
            )
        self._require_bucket(output)
        parameters = list(body.get("ExecutionParameters", []))
        statement = parse_statement(sql, parameters)
        if (
            isinstance(statement, CreateTableAs)
            and enforced
            and of_group
            and "external_location" in statement.properties
        ):
            raise RequestRefused(
                "The Create Table As Select query failed because it was submitted with an 'external_location' "
                "property to an Athena Workgroup that enforces a centralized output location for all queries. "
                "Please remove the 'external_location' property and resubmit the query."
            )
        query_id = str(uuid.uuid4())
        prefix = output.rstrip("/") + "/"
        if isinstance(statement, CreateTableAs):
            prefix += "tables/"
        written = isinstance(statement, (CreateTableAs, Unload))
        suffix = "" if written else ".csv" if KINDS[type(statement)][0] == "DML" else ".txt"
        context = body.get("QueryExecutionContext", {})
        job = Job(
            id=query_id,
            database=context.get("Database", ""),
            output=prefix + query_id,
            limit=configuration.get("BytesScannedCutoffPerQuery"),
        )
        return Execution(
            job=job,
            sql=sql,
            statement=statement,
            work_group=name,
            output_location=prefix + query_id + suffix,
            submitted=time.time(),
            parameters=parameters,
        )

    def _require_bucket(self, output: str) -> None:
        try:
            bucket, _ = split_location(output)
        except QueryFailed:
            raise RequestRefused(f"outputLocation is not a valid S3 path: {output}") from None
        try:
            self._catalog.s3.head_bucket(Bucket=bucket)
        except ClientError:
            raise RequestRefused(f"Unable to verify/create output bucket {bucket}") from None

    def _run(self, execution: Execution) -> None:
        job = execution.job
        with self._lock:
            if execution.state != "QUEUED":
                return
            execution.state, execution.started = "RUNNING", time.time()
        execution.tell(self._on_change)
        error: JSON | None = None
        state, reason, result = "SUCCEEDED", "", None
        try:
            result = self._engine.run(execution.statement, job)
            self._publish(execution, result)
        except Stopped:
            state, reason = "CANCELLED", _stop_reason(job)
        except QueryFailed as failed:
            state, reason = "FAILED", str(failed)
            error = _athena_error(reason, failed.category, failed.error_type)
        except Exception as unexpected:
            log.exception("query %s failed in the embedded Athena itself", job.id)
            state = "FAILED"
            reason = f"GENERIC_INTERNAL_ERROR: {type(unexpected).__name__}: {unexpected}"
            error = _athena_error(reason, SYSTEM_ERROR, 200)
        with self._lock:
            if execution.state == "RUNNING":
                execution.state, execution.reason, execution.error = state, reason, error
                execution.result = result if state == "SUCCEEDED" else None
            execution.completed = execution.completed or time.time()
        execution.tell(self._on_change)
        if execution.state == "FAILED":
            log.warning("query %s failed: %s", job.id, execution.reason)

    def _publish(self, execution: Execution, result: ResultSet) -> None:
        """Put the result object where Athena puts it, before the query counts as done."""
        if isinstance(execution.statement, (CreateTableAs, Unload)):
            return
        bucket, key = split_location(execution.output_location)
        if isinstance(execution.statement, Select):
            body = csv_of(result.all_rows())
        else:
            body = "".join(f"{row[0]}\n" for row in result.rows).encode()
        self._catalog.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def _stop(self, body: JSON) -> JSON:
        execution = self._execution(body)
        with self._lock:
            if execution.state not in ENDED:
                execution.job.stopped = True
                execution.state, execution.reason = "CANCELLED", _stop_reason(execution.job)
                execution.completed = time.time()
        execution.job.interrupt()
        execution.tell(self._on_change)
        return {}

    def _execution(self, body: JSON) -> Execution:
        query_id = body.get("QueryExecutionId", "")
        execution = self._executions.get(query_id)
        if execution is None:
            raise RequestRefused(f"QueryExecution {query_id} was not found", AthenaErrorCode="INVALID_INPUT")
        return execution

    def _forget_old_results(self) -> None:
        for old in list(self._executions)[:-RESULTS_KEPT]:
            if self._executions[old].state in ENDED:
                del self._executions[old]
        for token, (query_id, _) in list(self._tokens.items()):
            if query_id not in self._executions:
                del self._tokens[token]

    def _described(self, execution: Execution) -> JSON:
        with self._lock:
            return execution.describe()

    def _batch_get(self, body: JSON) -> JSON:
        found, missing = [], []
        for query_id in body.get("QueryExecutionIds", []):
            if query_id in self._executions:
                found.append(self._described(self._executions[query_id]))
            else:
                missing.append(
                    {
                        "QueryExecutionId": query_id,
                        "ErrorCode": "INVALID_QUERY_EXECUTION_ID",
                        "ErrorMessage": "Could not find query execution",
                    }
                )
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def _list(self, body: JSON) -> JSON:
        group = body.get("WorkGroup", "primary")
        ids = [one.job.id for one in reversed(self._executions.values()) if one.work_group == group]
        return page("QueryExecutionIds", ids, body, most=50)

    def _results(self, body: JSON) -> JSON:
        execution = self._execution(body)
        if execution.state != "SUCCEEDED" or execution.result is None:
            said = f"Query did not finish successfully. Final query state: {execution.state}"
            if execution.state not in ENDED:
                said = f"Query has not yet finished. Current state: {execution.state}"
            raise RequestRefused(said, AthenaErrorCode="INVALID_QUERY_EXECUTION_STATE")
        result = execution.result
        rows = page("Rows", result.all_rows(), body, most=1000)
        answer: JSON = {
            "UpdateCount": result.updated,
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows["Rows"]
                ],
                "ResultSetMetadata": {
                    "ColumnInfo": [kind.column_info(name) for name, kind in result.columns]
                },
            },
        }
        if "NextToken" in rows:
            answer["NextToken"] = rows["NextToken"]
        return answer


def _athena_error(message: str, category: int, error_type: int) -> JSON:
    return {"ErrorCategory": category, "ErrorType": error_type, "Retryable": False, "ErrorMessage": message}


def _stop_reason(job: Job) -> str:
    return "Bytes scanned limit was exceeded" if job.over_limit else "Query cancelled by user"
