"""One query, from its submission on, as Athena tells of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from infra.local.athena.job import Job
from infra.local.athena.paging import JSON
from infra.local.athena.results import ResultSet
from infra.local.athena.statements import KINDS, Statement
from infra.local.athena.work_groups import ENGINE

OnChange = Callable[[JSON], None]
"""Hears the `detail` of each "Athena Query State Change" event, in order for each query."""
ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


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

    def describe(self) -> JSON:
        """As GetQueryExecution answers."""
        kind, detail = KINDS[type(self.statement)]
        now = time.time()
        started, completed = self.started or now, self.completed or now
        status: JSON = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.completed is not None:
            status["CompletionDateTime"] = self.completed
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.error:
            status["AthenaError"] = self.error
        statistics: JSON = {
            "DataScannedInBytes": self.job.scanned,
            "EngineExecutionTimeInMillis": _milliseconds(completed - started),
            "QueryQueueTimeInMillis": _milliseconds(started - self.submitted),
            "TotalExecutionTimeInMillis": _milliseconds(completed - self.submitted),
            "ServiceProcessingTimeInMillis": 0,
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        }
        if self.job.manifest and self.state == "SUCCEEDED":
            statistics["DataManifestLocation"] = self.job.manifest
        context = {"Catalog": "awsdatacatalog"}
        if self.job.database:
            context["Database"] = self.job.database
        described: JSON = {
            "QueryExecutionId": self.job.id,
            "Query": self.sql,
            "StatementType": kind,
            "SubstatementType": detail,
            "ResultConfiguration": {"OutputLocation": self.output_location},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": context,
            "Status": status,
            "Statistics": statistics,
            "WorkGroup": self.work_group,
            "EngineVersion": dict(ENGINE),
        }
        if self.parameters:
            described["ExecutionParameters"] = self.parameters
        return described

    def tell(self, on_change: OnChange) -> None:
        """Say that its state has changed, as EventBridge would; each state once."""
        with self.telling:
            state, before = self.state, self.told
            if state == before or before in ENDED:
                return
            self.told, self.changes = state, self.changes + 1
            detail: JSON = {
                "versionId": "0",
                "currentState": state,
                "statementType": KINDS[type(self.statement)][0],
                "queryExecutionId": self.job.id,
                "workgroupName": self.work_group,
                "sequenceNumber": str(self.changes),
            }
            if before:
                detail["previousState"] = before
            if self.error:
                detail["athenaError"] = {
                    "errorCategory": float(self.error["ErrorCategory"]),
                    "errorType": float(self.error["ErrorType"]),
                    "retryable": self.error["Retryable"],
                    "errorMessage": self.error["ErrorMessage"],
                }
            on_change(detail)


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
