"""The management API's handler over fakes, and callers as API Gateway hands them over."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from segmentation.domain.errors import Unavailable
from segmentation.domain.pipeline import Job, Run, State
from segmentation.domain.published import Published, parse_published
from segmentation.runtime.composition.manage_api import ManageApi
from segmentation.runtime.management.serve import serve
from segmentation.usecases.ask_removal import AskRemoval
from segmentation.usecases.explain_profile import ExplainProfile
from segmentation.usecases.export_members import ExportMembers
from segmentation.usecases.inspect_segments import InspectSegments
from segmentation.usecases.lift_erasure import LiftErasure
from segmentation.usecases.manage_documents import ManageDocuments
from segmentation.usecases.manage_runs import ManageRuns
from segmentation.usecases.preview_segment import PreviewSegment
from segmentation.usecases.segment_history import SegmentHistory
from segmentation.usecases.show_sql import ShowSql
from segmentation.usecases.show_state import ShowState
from segmentation.usecases.upload_list import UploadList

from tests.fakes import (
    FakeSecrets,
    FakeWarehouse,
    FixedClock,
    MemoryLake,
    MemoryProfiles,
    MemoryQueue,
    MemoryRuns,
    MemorySizes,
    MemoryStreamMetrics,
)
from tests.fakes.documents import documents
from tests.publishing import PublishRules

SHOP = "/v1/audiences/shop"


@dataclass
class FakeFunction:
    """Starts a run as the function would: one at a time."""

    runs: MemoryRuns
    job: Job
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    busy: str = ""

    def call(self, payload: Mapping[str, Any]) -> Any:
        self.calls.append(payload)
        name = f"20231114t22132{len(self.calls)}z_ab"
        run = Run(payload["audience"], self.job, name, "hand", 1_700_000_000)
        if self.busy:
            run = replace(run, state=State.SKIPPED, error=f"run {self.busy} is under way")
        self.runs.note(run)
        return {"runs": [{"run": run.id, "job": str(self.job), "audience": run.audience}]}

    def start(self, payload: Mapping[str, Any]) -> None:
        raise NotImplementedError


@dataclass
class FakeRemover:
    """Notes that it was started; `closed`: it is out of reach."""

    started: int = 0
    closed: bool = False

    def call(self, payload: Mapping[str, Any]) -> Any:
        raise NotImplementedError

    def start(self, payload: Mapping[str, Any]) -> None:
        if self.closed:
            raise Unavailable("the function cannot be started")
        self.started += 1


@dataclass
class LakeRuleSets:
    """The rule sets that stand in a lake at each moment; one that has not changed is not parsed again."""

    lake: MemoryLake

    def all(self) -> Mapping[str, Published]:
        paths = [path for path in self.lake.objects if path.startswith("rules/")]
        return {path.split("/")[1]: _parsed(self.lake.objects[path]) for path in paths}


@lru_cache(maxsize=100)
def _parsed(data: bytes) -> Published:
    return parse_published(json.loads(data))


@dataclass(frozen=True)
class Answered:
    """An answer of the handler."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def etag(self) -> str:
        return self.headers["etag"]

    @property
    def pointers(self) -> list[str | None]:
        return [one.get("pointer") for one in self.body["problems"]]


@dataclass
class FakeDownloads:
    """Addresses that say what they are of."""

    def url(self, query: str, seconds: int, name: str) -> str:
        return f"https://files.example/{query}/{name}?seconds={seconds}"


@dataclass
class FakeUploads:
    """Addresses that say which object they are of."""

    def url(self, path: str, seconds: int) -> str:
        return f"https://lake.example/{path}?seconds={seconds}"


class Office:
    """The API over fakes; an admin calls unless another role is named."""

    def __init__(self) -> None:
        self.lake, self.clock, self.runs = MemoryLake(), FixedClock(), MemoryRuns()
        self.build = FakeFunction(self.runs, Job.BUILD)
        self.materialize = FakeFunction(self.runs, Job.MATERIALIZE)
        self.warehouse = FakeWarehouse(instant=False)
        self.profiles, self.imports, self.remover = MemoryProfiles(), MemoryQueue(), FakeRemover()
        rule_sets = LakeRuleSets(self.lake)
        document = documents()
        parts = (document[name] for name in ("audience", "segments", "access", "destinations"))
        PublishRules(self.lake, self.clock)(*parts)
        self._secrets, self.signing = 0, FakeSecrets()
        managed = ManageDocuments(self.lake, self.clock, self._secret, self.signing)
        self.sizes, self.metrics = MemorySizes(), MemoryStreamMetrics()
        self.api = ManageApi(
            documents=managed,
            segments=InspectSegments(managed, self.lake, self.runs),
            state=ShowState(managed, self.lake, self.runs, self.metrics),
            runs=ManageRuns(self.runs, build=self.build, materialize=self.materialize),
            previews=PreviewSegment(self.warehouse, self.lake, rule_sets, self.clock, self._secret),
            show_sql=ShowSql(self.lake, rule_sets, self.clock),
            history=SegmentHistory(self.sizes),
            members=ExportMembers(
                self.warehouse, FakeDownloads(), self.lake, rule_sets, self.clock, self._secret
            ),
            lists=UploadList(self.lake, FakeUploads(), rule_sets, self.clock, self.imports, lambda: "ab12"),
            explain=ExplainProfile(
                self.profiles,
                self.warehouse,
                self.lake,
                rule_sets,
                self.clock,
                self._secret,
            ),
            lift=LiftErasure(self.profiles, self.lake, rule_sets, self.clock),
            removal=AskRemoval(managed, rule_sets, self.lake, self.runs, self.clock, self.remover),
            clock=self.clock,
            roles_claim="cognito:groups",
            issuer="https://issuer.example",
            audience="segmentation",
        )

    def finish(self) -> None:
        """Let all queries of the warehouse end."""
        for query in list(self.warehouse.started):
            self.warehouse.finish(query)

    def explain(self, path: str, key: str, column: str = "") -> Any:
        """An explanation, begun and waited for."""
        begun = self.ask("POST", f"{path}/explanations", {"key": key, "column": column}, role="editor")
        assert begun.status in (200, 202), begun.body
        self.finish()
        return self.ask("GET", begun.headers["location"]).body if begun.status == 202 else begun.body

    def _secret(self) -> str:
        self._secrets += 1
        return f"secret-{self._secrets}"

    def raw(self, event: Mapping[str, Any]) -> Any:
        return serve(event, self.api)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str | None = "admin",
        headers: Mapping[str, str] | None = None,
        if_match: str = "",
        key: str = "",
        query: str = "",
        authorizer: Mapping[str, Any] | None = None,
    ) -> Answered:
        given = dict(headers or {})
        if if_match:
            given["If-Match"] = if_match
        if key:
            given["Idempotency-Key"] = key
        if authorizer is None and role is not None:
            authorizer = {
                "jwt": {"claims": {"sub": f"{role}-sub", "cognito:groups": f"[{role}]"}, "scopes": None}
            }
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        answer = self.raw(event(method, path, text, given, query, authorizer))
        told = answer["body"]
        if answer["isBase64Encoded"]:
            raise AssertionError("compressed without being asked to")
        is_json = "json" in answer["headers"]["content-type"]
        return Answered(
            answer["statusCode"], answer["headers"], json.loads(told) if told and is_json else told
        )


def event(
    method: str,
    path: str,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    authorizer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A proxy event of payload version 2.0."""
    context: dict[str, Any] = {
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "t",
        },
        "requestId": "r",
        "stage": "$default",
    }
    if authorizer is not None:
        context["authorizer"] = authorizer
    made = {
        "version": "2.0",
        "routeKey": "ANY /v1/{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": dict(headers or {}),
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if body is not None:
        made["body"] = body
    return made
