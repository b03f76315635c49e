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
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.local.athena.catalog import Catalog, split_location
from infra.local.athena.engine import Engine
from infra.local.athena.errors import SYSTEM_ERROR, QueryFailed, RequestRefused
from infra.local.athena.job import Job, Stopped
from infra.local.athena.results import ResultSet, csv_of
from infra.local.athena.statements import KINDS, CreateTableAs, Select, Statement, Unload, parse_statement

log = logging.getLogger(__name__)

QUERIES_AT_ONCE: Final = 2
RESULTS_KEPT: Final = 200
MAX_QUERY_LENGTH: Final = 262_144
_ENGINE: Final = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
_ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})

JSON = dict[str, Any]
OnChange = Callable[[JSON], None]
"""Hears the `detail` of each "Athena Query State Change" event, in order for each query."""


@dataclass(slots=True)
class Execution:
    """One query, from its submission on."""

    job: Job
    sql: str
    statement: Statement
    work_group: str
    output_location: str
    submitted: float
    state: str = "QUEUED"
    reason: str = ""
    error: JSON | None = None
    started: float | None = None
    completed: float | None = None
    result: ResultSet | None = None
    parameters: list[str] = field(default_factory=list)
    changes: int = 0
    told: str = ""
    telling: threading.RLock = field(default_factory=threading.RLock)


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
        self._region = region
        self._account = account_id
        self._catalog = Catalog(endpoint_url, region)
        self._engine = Engine(self._catalog, endpoint_url, region, threads, memory_limit)
        self._pool = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="athena")
        self._lock = threading.Lock()
        self._executions: OrderedDict[str, Execution] = OrderedDict()
        self._tokens: dict[str, tuple[str, str]] = {}
        self._groups: dict[str, JSON] = {"primary": _work_group({"Name": "primary"})}
        self._operations: Mapping[str, Callable[[JSON], JSON]] = {
            "StartQueryExecution": self._start,
            "StopQueryExecution": self._stop,
            "GetQueryExecution": lambda body: {"QueryExecution": self._describe(self._execution(body))},
            "BatchGetQueryExecution": self._batch_get,
            "ListQueryExecutions": self._list,
            "GetQueryResults": self._results,
            "CreateWorkGroup": self._create_work_group,
            "UpdateWorkGroup": self._update_work_group,
            "DeleteWorkGroup": self._delete_work_group,
            "GetWorkGroup": lambda body: {"WorkGroup": self._group(body.get("WorkGroup", ""))},
            "ListWorkGroups": self._list_work_groups,
            "GetDataCatalog": self._get_data_catalog,
            "ListDataCatalogs": lambda _: {
                "DataCatalogsSummary": [{"CatalogName": "AwsDataCatalog", "Type": "GLUE"}]
            },
            "GetDatabase": self._get_database,
            "ListDatabases": self._list_databases,
            "GetTableMetadata": self._get_table_metadata,
            "ListTableMetadata": self._list_table_metadata,
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
                "__type": refused.code,
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
        self._tell(execution)
        self._pool.submit(self._run, execution)
        return {"QueryExecutionId": execution.job.id}

    def _admit(self, sql: str, body: JSON) -> Execution:
        name = body.get("WorkGroup", "primary")
        group = self._group(name)
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
        self._tell(execution)
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
        self._tell(execution)
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
            if execution.state not in _ENDED:
                execution.job.stopped = True
                execution.state, execution.reason = "CANCELLED", _stop_reason(execution.job)
                execution.completed = time.time()
        execution.job.interrupt()
        self._tell(execution)
        return {}

    def _tell(self, execution: Execution) -> None:
        """Say that a query's state has changed, as EventBridge would; each state once."""
        with execution.telling:
            state, before = execution.state, execution.told
            if state == before or before in _ENDED:
                return
            execution.told, execution.changes = state, execution.changes + 1
            detail: JSON = {
                "versionId": "0",
                "currentState": state,
                "statementType": KINDS[type(execution.statement)][0],
                "queryExecutionId": execution.job.id,
                "workgroupName": execution.work_group,
                "sequenceNumber": str(execution.changes),
            }
            if before:
                detail["previousState"] = before
            if execution.error:
                detail["athenaError"] = {
                    "errorCategory": float(execution.error["ErrorCategory"]),
                    "errorType": float(execution.error["ErrorType"]),
                    "retryable": execution.error["Retryable"],
                    "errorMessage": execution.error["ErrorMessage"],
                }
            self._on_change(detail)

    def _execution(self, body: JSON) -> Execution:
        query_id = body.get("QueryExecutionId", "")
        execution = self._executions.get(query_id)
        if execution is None:
            raise RequestRefused(f"QueryExecution {query_id} was not found", AthenaErrorCode="INVALID_INPUT")
        return execution

    def _forget_old_results(self) -> None:
        for old in list(self._executions)[:-RESULTS_KEPT]:
            if self._executions[old].state in _ENDED:
                del self._executions[old]
        for token, (query_id, _) in list(self._tokens.items()):
            if query_id not in self._executions:
                del self._tokens[token]

    def _describe(self, execution: Execution) -> JSON:
        with self._lock:
            kind, detail = KINDS[type(execution.statement)]
            now = time.time()
            started, completed = execution.started or now, execution.completed or now
            status: JSON = {"State": execution.state, "SubmissionDateTime": execution.submitted}
            if execution.completed is not None:
                status["CompletionDateTime"] = execution.completed
            if execution.reason:
                status["StateChangeReason"] = execution.reason
            if execution.error:
                status["AthenaError"] = execution.error
            statistics: JSON = {
                "DataScannedInBytes": execution.job.scanned,
                "EngineExecutionTimeInMillis": _milliseconds(completed - started),
                "QueryQueueTimeInMillis": _milliseconds(started - execution.submitted),
                "TotalExecutionTimeInMillis": _milliseconds(completed - execution.submitted),
                "ServiceProcessingTimeInMillis": 0,
                "ResultReuseInformation": {"ReusedPreviousResult": False},
            }
            if execution.job.manifest and execution.state == "SUCCEEDED":
                statistics["DataManifestLocation"] = execution.job.manifest
            context = {"Catalog": "awsdatacatalog"}
            if execution.job.database:
                context["Database"] = execution.job.database
            described: JSON = {
                "QueryExecutionId": execution.job.id,
                "Query": execution.sql,
                "StatementType": kind,
                "SubstatementType": detail,
                "ResultConfiguration": {"OutputLocation": execution.output_location},
                "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
                "QueryExecutionContext": context,
                "Status": status,
                "Statistics": statistics,
                "WorkGroup": execution.work_group,
                "EngineVersion": dict(_ENGINE),
            }
            if execution.parameters:
                described["ExecutionParameters"] = execution.parameters
            return described

    def _batch_get(self, body: JSON) -> JSON:
        found, missing = [], []
        for query_id in body.get("QueryExecutionIds", []):
            if query_id in self._executions:
                found.append(self._describe(self._executions[query_id]))
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
        return _page("QueryExecutionIds", ids, body, most=50)

    def _results(self, body: JSON) -> JSON:
        execution = self._execution(body)
        if execution.state != "SUCCEEDED" or execution.result is None:
            said = f"Query did not finish successfully. Final query state: {execution.state}"
            if execution.state not in _ENDED:
                said = f"Query has not yet finished. Current state: {execution.state}"
            raise RequestRefused(said, AthenaErrorCode="INVALID_QUERY_EXECUTION_STATE")
        result = execution.result
        page = _page("Rows", result.all_rows(), body, most=1000)
        answer: JSON = {
            "UpdateCount": result.updated,
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in page["Rows"]
                ],
                "ResultSetMetadata": {
                    "ColumnInfo": [kind.column_info(name) for name, kind in result.columns]
                },
            },
        }
        if "NextToken" in page:
            answer["NextToken"] = page["NextToken"]
        return answer

    # Work groups --------------------------------------------------------------------------------------------

    def _group(self, name: str) -> JSON:
        if name not in self._groups:
            raise RequestRefused(f"WorkGroup {name} is not found.")
        return self._groups[name]

    def _create_work_group(self, body: JSON) -> JSON:
        name = body.get("Name", "")
        if not name or name in self._groups:
            raise RequestRefused(f"WorkGroup {name} is already created" if name else "Name is required")
        _check_cutoff(body.get("Configuration", {}))
        self._groups[name] = _work_group(body)
        return {}

    def _update_work_group(self, body: JSON) -> JSON:
        group = self._group(body.get("WorkGroup", ""))
        updates = dict(body.get("ConfigurationUpdates", {}))
        _check_cutoff(updates)
        configuration = group["Configuration"]
        results = updates.pop("ResultConfigurationUpdates", {})
        if results.pop("RemoveOutputLocation", False):
            configuration.get("ResultConfiguration", {}).pop("OutputLocation", None)
        configuration.setdefault("ResultConfiguration", {}).update(results)
        if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
            configuration.pop("BytesScannedCutoffPerQuery", None)
        configuration.update(updates)
        for key in ("Description", "State"):
            if key in body:
                group[key] = body[key]
        return {}

    def _delete_work_group(self, body: JSON) -> JSON:
        name = body.get("WorkGroup", "")
        self._group(name)
        if name == "primary":
            raise RequestRefused("The primary workgroup cannot be deleted")
        del self._groups[name]
        return {}

    def _list_work_groups(self, body: JSON) -> JSON:
        summaries = [
            {
                "Name": group["Name"],
                "State": group["State"],
                "Description": group.get("Description", ""),
                "CreationTime": group["CreationTime"],
                "EngineVersion": dict(_ENGINE),
            }
            for group in self._groups.values()
        ]
        return _page("WorkGroups", summaries, body, most=50)

    # The catalog, as Athena shows it ------------------------------------------------------------------------

    def _get_data_catalog(self, body: JSON) -> JSON:
        name = body.get("Name", "AwsDataCatalog")
        if name.lower() != "awsdatacatalog":
            raise RequestRefused(f"Data catalog {name} was not found")
        parameters = {"catalog-id": self._account}
        return {"DataCatalog": {"Name": "AwsDataCatalog", "Type": "GLUE", "Parameters": parameters}}

    def _get_database(self, body: JSON) -> JSON:
        found = self._catalog.glue.get_database(Name=body["DatabaseName"])["Database"]
        return {"Database": {"Name": found["Name"], "Parameters": found.get("Parameters", {})}}

    def _list_databases(self, body: JSON) -> JSON:
        found = self._catalog.glue.get_databases()["DatabaseList"]
        return _page("DatabaseList", [{"Name": database["Name"]} for database in found], body, most=50)

    def _get_table_metadata(self, body: JSON) -> JSON:
        found = self._catalog.glue.get_table(DatabaseName=body["DatabaseName"], Name=body["TableName"])[
            "Table"
        ]
        return {"TableMetadata": _table_metadata(found)}

    def _list_table_metadata(self, body: JSON) -> JSON:
        pages = self._catalog.glue.get_paginator("get_tables").paginate(
            DatabaseName=body["DatabaseName"],
            **({"Expression": body["Expression"]} if body.get("Expression") else {}),
        )
        found = [_table_metadata(table) for page in pages for table in page["TableList"]]
        return _page("TableMetadataList", found, body, most=50)


def _work_group(body: JSON) -> JSON:
    configuration = dict(body.get("Configuration", {}))
    configuration.setdefault("ResultConfiguration", {})
    configuration.setdefault("EnforceWorkGroupConfiguration", True)
    configuration.setdefault("PublishCloudWatchMetricsEnabled", True)
    configuration.setdefault("RequesterPaysEnabled", False)
    configuration["EngineVersion"] = dict(_ENGINE)
    return {
        "Name": body["Name"],
        "State": body.get("State", "ENABLED"),
        "Description": body.get("Description", ""),
        "Configuration": configuration,
        "CreationTime": time.time(),
    }


def _check_cutoff(configuration: JSON) -> None:
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and int(cutoff) < 10_000_000:
        raise RequestRefused(
            "1 validation error detected: Value at 'bytesScannedCutoffPerQuery' failed to satisfy constraint: "
            "Member must have value greater than or equal to 10000000"
        )


def _athena_error(message: str, category: int, error_type: int) -> JSON:
    return {"ErrorCategory": category, "ErrorType": error_type, "Retryable": False, "ErrorMessage": message}


def _stop_reason(job: Job) -> str:
    return "Bytes scanned limit was exceeded" if job.over_limit else "Query cancelled by user"


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _page(name: str, items: Any, body: JSON, most: int) -> JSON:
    size = min(int(body.get("MaxResults") or most), most)
    token = body.get("NextToken") or "0"
    if not token.isdigit():
        raise RequestRefused("Invalid NextToken")
    start = int(token)
    page: JSON = {name: list(items[start : start + size])}
    if start + size < len(items):
        page["NextToken"] = str(start + size)
    return page


def _table_metadata(table: JSON) -> JSON:
    storage = table.get("StorageDescriptor", {})
    return {
        "Name": table["Name"],
        "TableType": table.get("TableType", "EXTERNAL_TABLE"),
        "Columns": storage.get("Columns", []),
        "PartitionKeys": table.get("PartitionKeys", []),
        "Parameters": {**table.get("Parameters", {}), "location": storage.get("Location", "")},
    }
