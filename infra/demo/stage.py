"""The steps of the demo, each callable alone; the end-to-end tests walk the same steps."""

import hashlib
import json
import secrets
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segmentation.adapters.runs import DynamoRuns
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.pipeline import Job, Run, State
from segmentation.domain.published import Published

from infra.documents.files import AudienceRules, read_rules
from infra.documents.publish import publish
from infra.documents.remotes import LakeRemote
from infra.local.cloud import Cloud
from infra.local.errors import FunctionError

from . import data
from .receiver import Receiver

ROOT = Path(__file__).parents[2]
AUDIENCE = "complete-journey"
EVENTS_PATH = "/complete_journey/purchases"
WRITE_KEY = "demo-write-key"
SITE_TOKEN = "demo-site-token"
"""Public by nature: a write key and a personalization token stand in web pages."""


class StepFailed(Exception):
    """A step of the demo did not do its work; says why, for a person."""


@dataclass(frozen=True)
class Answer:
    """A personalization answer, and how long it took."""

    household: str
    segments: list[str]
    attributes: dict[str, Any]
    seconds: float


@dataclass
class Stage:
    """One embedded cloud with the demo's data and rules on it."""

    cloud: Cloud
    receiver: Receiver
    rules_folder: Path = ROOT / "rules"
    partner_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def bucket(self) -> str:
        """The lake."""
        return str(self.cloud.outputs["LakeBucketName"])

    @property
    def api(self) -> str:
        """The address of the HTTP API."""
        return str(self.cloud.api_url).rstrip("/")

    def load_tables(self) -> Iterator[data.RawTable]:
        """Put the raw tables into the lake and the catalog."""
        cloud = self.cloud
        yield from data.load(
            cloud.client("s3"), cloud.client("glue"), self.bucket, str(cloud.outputs["GlueDatabaseName"])
        )

    def rules(self) -> AudienceRules:
        """The documents under rules/, with what exists only here: a partner's token and the receiver's address."""
        (rules,) = read_rules(self.rules_folder)
        batch = sorted(one["id"] for _, one in rules.segments if one.get("kind") == "batch")
        digest = hashlib.sha256(self.partner_token.encode()).hexdigest()
        partner = {"id": "demo-partner", "sha256": digest, "segments": batch}
        rules.access = {**rules.access, "partners": [*rules.access.get("partners", []), partner]}
        for _, destination in rules.destinations:
            destination["url"] = self.receiver.url
        return rules

    def publish(self, rules: AudienceRules | None = None) -> Published:
        """Publish the rules, and tell the receiver which secret deliveries are signed with."""
        secret = self.cloud.client("secretsmanager").get_secret_value(
            SecretId=self.cloud.outputs["WebhookSecretArn"]
        )
        self.receiver.trust(secret["SecretString"])
        remote = LakeRemote(S3Lake(self.cloud.client("s3"), self.bucket), by="make run")
        return publish(rules or self.rules(), remote)

    def build(self) -> dict[str, Any]:
        """Build the audience; its pointer."""
        run = self._run("BuildAudience", {"audience": AUDIENCE})
        pointer: dict[str, Any] = self.read(f"audiences/{AUDIENCE}/current.json")
        assert pointer["version"] == run.id
        return pointer

    def materialize(self, now: int = data.NOW) -> dict[str, Any]:
        """Run all batch segments as of `now`; the run's record."""
        instant = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        payload = {"audience": AUDIENCE, "now": instant}
        run = self._run("MaterializeSegments", payload)
        record: dict[str, Any] = self.read(f"memberships/{AUDIENCE}/{run.id}/run.json")
        return record

    def _run(self, function: str, payload: Mapping[str, Any]) -> Run:
        """A run of our own, to its end. After an edit the system may have begun one by itself: that one ends first."""
        while True:
            begun = self._invoke(function, payload)["runs"][0]
            if begun["state"] != State.SKIPPED:
                return self.finish(begun)
            holder = self._runs().lock(begun["audience"], Job(begun["job"])).holder
            if holder is not None:
                self.finish({**begun, "run": holder})

    def _runs(self) -> DynamoRuns:
        return DynamoRuns(self.cloud.client("dynamodb"), str(self.cloud.outputs["RunsTableName"]))

    def finish(self, begun: Mapping[str, Any], seconds: float = 300) -> Run:
        """Wait for the end of a run that was begun; one that did not go well is a failed step."""
        runs = self._runs()
        started, pause = time.monotonic(), 0.02
        while time.monotonic() - started < seconds:
            run = runs.read(begun["audience"], Job(begun["job"]), begun["run"])
            if run is not None and run.is_over:
                if not run.is_committed:
                    raise StepFailed(f"{run.job} run {run.id} {run.state}: {run.error}")
                return run
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)
        raise StepFailed(
            f"{begun['job']} run {begun['run']} did not end within {seconds:g} s; the log says why"
        )

    def read(self, path: str) -> Any:
        """A JSON object of the lake."""
        stored = S3Lake(self.cloud.client("s3"), self.bucket).get(path)
        if stored is None:
            raise StepFailed(f"there is no {path} in the lake")
        return json.loads(stored.data)

    def wait_until_published(self, run: str, seconds: float = 60) -> float:
        """Wait until a run's memberships can be read; how long it took."""
        started = time.monotonic()
        index = f"syndication/{AUDIENCE}/index.json"
        lake = S3Lake(self.cloud.client("s3"), self.bucket)
        while time.monotonic() - started < seconds:
            stored = lake.get(index)
            if stored is not None and run in json.loads(stored.data)["runs"]:
                self.settle(seconds)
                return time.monotonic() - started
            time.sleep(0.1)
        raise StepFailed(f"run {run} was not published within {seconds:g} s; the log says why")

    def settle(self, seconds: float = 60) -> None:
        """Wait until streams and queues are empty and nothing runs."""
        self.cloud.idle(seconds)

    def ask(self, household: str) -> Answer:
        """What a website learns of a visitor."""
        started = time.monotonic()
        found = self.get(
            f"/cdp/lookup/collect/segments?version=2&token={SITE_TOKEN}&key.household_id={household}"
        )
        seconds = time.monotonic() - started
        if not found:
            return Answer(household, [], {}, seconds)
        return Answer(household, found[0]["values"], found[0]["attributes"], seconds)

    def members(self, segment: str) -> list[str]:
        """All members of a batch segment, as a partner fetches them."""
        members: list[str] = []
        cursor = ""
        while True:
            path = (
                f"/v1/audiences/{AUDIENCE}/segments/{segment}/members{'?cursor=' + cursor if cursor else ''}"
            )
            page = self.get(path, {"Authorization": f"Bearer {self.partner_token}"})
            members += page["members"]
            if page["next"] is None:
                return members
            cursor = page["next"]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """GET from the HTTP API."""
        request = urllib.request.Request(self.api + path, headers=dict(headers or {}))
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def _invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        try:
            return self.cloud.invoke(function, payload)
        except FunctionError as error:
            raise StepFailed(str(error).splitlines()[0]) from error


def sizes(answers: Sequence[Answer]) -> dict[str, int]:
    """How many of the asked visitors are in each segment."""
    counts: dict[str, int] = {}
    for answer in answers:
        for segment in answer.segments:
            counts[segment] = counts.get(segment, 0) + 1
    return counts
