"""What a website's question costs: the handler's own time, apart from DynamoDB's, and many clients at once.

    make bench
    .venv/bin/python -m tests.bench.read_profiles --requests 2000

CPU of the one thread that answers, so that other work on the machine does not count. "Own" is all but the calls of the
AWS client. The tables go to the terminal and to tests/bench/READS.md.
"""

import argparse
import contextlib
import http.client
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.client import BaseClient
from moto import mock_aws
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.profile import BatchPart, RealtimePart
from segmentation.domain.programs import Programs
from segmentation.domain.published import parse_published
from segmentation.domain.visitor import Visitor
from segmentation.runtime.composition import clients
from segmentation.usecases.answer_event import AnswerEvent
from segmentation.usecases.collect_events import CollectEvents
from segmentation.usecases.personalize import Personalize
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.show_profile import ShowProfile
from segmentation.usecases.tokens import Tokens

from functions.collect_events import app as collect_app
from functions.serve_api import app
from infra.local.cloud import Cloud
from tests.bench import peers
from tests.bench.evaluate_events import machine, ours, peer, table, us
from tests.bench.realistic import make_rules
from tests.contract.profile_parts import make_table
from tests.fakes import (
    FakeSecrets,
    FixedClock,
    MemoryEventLog,
    MemoryLake,
    MemoryLimits,
    MemoryProfiles,
    StaticRuleSets,
)
from tests.fakes.documents import documents
from tests.fakes.doors import make_door
from tests.handlers.conftest import golden
from tests.publishing import PublishRules

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONTEXT = SimpleNamespace(aws_request_id="bench")
MEMBERSHIPS = (10, 1_000)
SETTINGS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "bench",
    "LAKE_BUCKET": "lake",
    "PROFILES_TABLE": "profiles",
    "LIMITS_TABLE": "limits",
    "SIGNING_SECRET_ARN": "arn",
    "EVENT_STREAM": "events",
}
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
COLD = """
import os, sys, time
began = time.process_time()
app = __import__(sys.argv[1] + ".app", fromlist=["app"])
imported = time.process_time()
if sys.argv[1] in ("serve_api", "collect_events", "collect_calls"):
    app.application()
print((imported - began) * 1e3, (time.process_time() - imported) * 1e3)
"""


def audience(memberships: int) -> dict[str, Any]:
    """A rule set with so many batch segments, all of them exposed."""
    document = documents()
    names = [f"segment-{number}" for number in range(memberships)]
    rule = {">=": [{"var": "attributes.age"}, 18]}
    document["segments"] = [
        {"id": name, "name": name, "audience": "shop", "kind": "batch", "rule": rule} for name in names
    ] + [one for one in document["segments"] if one["id"] == "buying-now"]
    token = {
        **document["access"]["tokens"][0],
        "segments": [*names, "buying-now"],
        "attributes": ["country", "age"],
    }
    document["access"] = {"tokens": [token]}
    document["destinations"] = []
    return document


def batch_part(memberships: int) -> BatchPart:
    """What a run says of a person who is in all of them."""
    names = tuple(f"segment-{number}" for number in range(memberships))
    return BatchPart("run1", 1_700_000_000, names, {"country": "FR", "age": 30.0})


def realtime_part(rules: str) -> RealtimePart:
    """What the stream says of the same person."""
    return RealtimePart(1, Visitor.new().encode(), ("buying-now",), (), 1_700_000_000, rules, "run1")


def question(path: str, query: str) -> Any:
    """A request as API Gateway hands it on, of a browser that takes gzip."""
    event = golden("personalize")
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["rawQueryString"] = query
    event["headers"]["accept-encoding"] = "gzip"
    return event


QUESTIONS = {
    "generation 1": question("/cdp/lookup/collect/segments", "version=2&token=site-token&key.person_id=1"),
    "native": question("/v1/profiles/person_id/1/segments", "token=site-token"),
}


@dataclass
class Meter:
    """CPU seconds spent inside of AWS clients, and how many calls there were."""

    seconds: float = 0.0
    calls: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def watching(self) -> Iterator["Meter"]:
        """Count while this lasts."""
        original: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

        def call(client: Any, operation: str, arguments: Any) -> Any:
            began = time.thread_time()
            try:
                return original(client, operation, arguments)
            finally:
                self.seconds += time.thread_time() - began
                self.calls[operation] = self.calls.get(operation, 0) + 1

        BaseClient._make_api_call = call  # type: ignore[attr-defined]
        try:
            yield self
        finally:
            BaseClient._make_api_call = original  # type: ignore[attr-defined]


def measure(
    event: Any, requests: int, meter: Meter, handler: Callable[[Any, Any], Any] = app.handler
) -> tuple[list[float], int]:
    """Own CPU of each request, sorted; and the length of an answer in bytes as it leaves."""
    taken = []
    answer: Any = None
    for _ in range(requests):
        inside, began = meter.seconds, time.thread_time()
        answer = handler(event, CONTEXT)
        taken.append(time.thread_time() - began - (meter.seconds - inside))
        assert answer["statusCode"] == 200, answer
    return sorted(taken), len(answer["body"])


def without_storage(memberships: int) -> None:
    """Let the handler answer from memory."""
    published = parse_published(audience(memberships))
    profiles = MemoryProfiles(
        batch={"shop#person_id:1": batch_part(memberships)},
        realtime={"shop#person_id:1": realtime_part(published.version)},
    )
    tokens = Tokens(StaticRuleSets({"shop": published}), MemoryLimits(), FakeSecrets())
    read = ReadProfiles(profiles, Programs())
    api = SimpleNamespace(
        personalize=Personalize(tokens, read, SystemClock()),
        show_profile=ShowProfile(tokens, read, SystemClock()),
    )
    app.application = lambda: api  # type: ignore[assignment, return-value]


def with_moto(memberships: int, composed: Any) -> None:
    """Let the handler answer from DynamoDB as moto plays it."""
    clients.client.cache_clear()
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    s3.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    make_table(dynamodb)
    document = audience(memberships)
    parts = (document[name] for name in ("audience", "segments", "access", "destinations"))
    published = PublishRules(S3Lake(s3, "lake"), FixedClock())(*parts)
    profiles = DynamoProfiles(dynamodb, "profiles", LakeNumberings(MemoryLake()))
    profiles.publish([("shop#person_id:1", batch_part(memberships))])
    profiles.save({"shop#person_id:1": realtime_part(published.version)})
    composed.cache_clear()
    app.application = composed


def reads(requests: int) -> str:
    """The handler's own time."""
    composed = app.application
    rows = []
    for memberships in MEMBERSHIPS:
        for name, event in QUESTIONS.items():
            without_storage(memberships)
            measure(event, 200, Meter())
            alone, size = measure(event, requests, Meter())
            with mock_aws(), Meter().watching() as meter:
                with_moto(memberships, composed)
                measure(event, 20, meter)
                meter.calls.clear()
                beside, _ = measure(event, max(100, requests // 10), meter)
                count = meter.calls.get("BatchGetItem", 0) / len(beside)
            rows.append(
                [
                    f"{name}, {memberships:,} memberships",
                    *(us(value) for value in (statistics.median(alone), at(alone, 0.99))),
                    *(us(value) for value in (statistics.median(beside), at(beside, 0.99))),
                    f"{count:.2f}",
                    f"{size:,} B",
                ]
            )
    app.application = composed
    headings = ["own CPU", "memory: median", "p99", "moto: median", "p99", "DynamoDB requests", "answer"]
    return table(headings, rows)


def collecting(requests: int) -> str:
    """The same of the way in, without storage: an event alone, many in a request, and one that is answered."""
    document = audience(1_000)
    rule = {">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "1h"]}]}, 1]}
    document["segments"] += [
        {"id": f"now-{number}", "name": "now", "audience": "shop", "kind": "realtime", "rule": rule}
        for number in range(1_000)
    ]
    section = {"segments": ["buying-now"], "texts": {"hello": "Hello {{attributes.country|you}}"}}
    document["access"]["tokens"][0]["sections"] = {"hero": section}
    document["access"]["write_keys"] = documents()["access"]["write_keys"]
    door = make_door(MemoryEventLog(), **document)
    tokens = Tokens(door.rule_sets, door.limits, door.secrets)
    profiles = MemoryProfiles(batch={"shop#person_id:1": batch_part(10)})
    composed = collect_app.application
    both = SimpleNamespace(
        collect=CollectEvents(door),
        answer=AnswerEvent(CollectEvents(door), tokens, ReadProfiles(profiles, Programs())),
    )
    collect_app.application = lambda: both  # type: ignore[assignment, return-value]
    record = {"person_id": 1, "basket": 1, "item": 2, "amount": 3.5, "department": "books"}
    rows = []
    for name, records, path, headers in (
        ("an event", [record], "/shop_db/purchases", {}),
        ("100 events in a request, each", [record] * 100, "/shop_db/purchases", {}),
        ("an event that is answered (generation 2, 1,000 real-time segments)", None, "/public/shop_db/purchases",
         {"wp13n-token": "site-token"}),
    ):  # fmt: skip
        event = golden("collect")
        event["rawPath"] = path
        body = json.dumps(record if records is None else {"events": records})
        event |= {"body": body, "isBase64Encoded": False}
        event["headers"] |= headers
        each = len(records or [record])
        with contextlib.redirect_stdout(io.StringIO()):  # metrics
            measure(event, 20, Meter(), collect_app.handler)
            taken, _ = measure(event, max(50, requests // each), Meter(), collect_app.handler)
        rows.append([name, us(statistics.median(taken) / each), us(at(taken, 0.99) / each)])
    collect_app.application = composed
    return table(["own CPU, without storage", "median", "p99"], rows)


def at(ordered: list[float], share: float) -> float:
    """A quantile."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def cold() -> str:
    """CPU to import each function, and to compose those on the hot path: clients of boto3 too."""
    rows = []
    environ = {
        **SETTINGS,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(ROOT / "functions"), str(ROOT / "layers/core/python"))),
    }
    for name in FUNCTIONS:
        best: list[tuple[float, float]] = []
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-c", COLD, name], env=environ, capture_output=True, text=True, check=True
            )
            imported, composed = map(float, done.stdout.split())
            best.append((imported, composed))
        imported, composed = min(best, key=sum)
        rows.append([name, f"{imported:.0f} ms", f"{composed:.0f} ms" if composed > 1 else "-"])
    return table(["cold start, CPU, best of 3", "import", "clients and composition"], rows)


def crowd(clients_at_once: int, each: int) -> str:
    """Many clients at once on the embedded cloud."""
    with Cloud(api_port=0, aws_port=0, log=lambda *_: None) as cloud:
        lake = S3Lake(cloud.client("s3"), cloud.outputs["LakeBucketName"])
        document = audience(10)
        PublishRules(lake, FixedClock())(
            *(document[one] for one in ("audience", "segments", "access", "destinations"))
        )
        address = urlsplit(cloud.api_url).netloc
        taken: list[float] = []
        wrong: list[str] = []
        ready = threading.Barrier(clients_at_once)

        def client() -> None:
            connection = http.client.HTTPConnection(address, timeout=120)
            ready.wait()
            for _ in range(each):
                began = time.perf_counter()
                try:
                    connection.request("GET", "/v1/profiles/person_id/1/segments?token=site-token")
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != 200:
                        wrong.append(str(answer.status))
                except OSError as error:
                    wrong.append(type(error).__name__)
                    connection.close()
                taken.append(time.perf_counter() - began)
            connection.close()

        threads = [threading.Thread(target=client) for _ in range(clients_at_once)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        whole = time.perf_counter() - began
    ordered = sorted(taken)
    return (
        f"{clients_at_once} clients at once on the embedded cloud, {each} questions each: "
        f"{len(wrong)} errors in {len(taken):,} answers{' (' + ', '.join(sorted(set(wrong))) + ')' if wrong else ''}, "
        f"{len(taken) / whole:,.0f} answers/s, median {us(statistics.median(ordered))}, p99 {us(at(ordered, 0.99))}."
    )


def rivals() -> str:
    """Libraries that evaluate all segments when they are asked."""
    peers.install(str(Path(sys.executable).with_name("uv")))
    rules = make_rules(1_000)
    said = []
    with tempfile.TemporaryDirectory() as place:
        ours("1000", place)
        for name in ("growthbook", "flagsmith-flag-engine"):
            count, found = peer(name, rules, Path(place))
            said.append(f"{name} {us(found['seconds'])} for {count:,} segments")
    return f"Beside it, evaluating segments at the call, over a prepared profile: {'; '.join(said)}."


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    os.environ.update(SETTINGS)
    os.environ.pop("AWS_ENDPOINT_URL", None)
    steps: list[Callable[[], str]] = [
        lambda: reads(options.requests),
        lambda: collecting(options.requests),
        cold,
    ]
    steps += [] if options.no_peers else [rivals]
    parts = [step() for step in steps]
    parts.append(crowd(options.clients, options.each))
    text = "\n\n".join(
        [
            "# What a website's question costs",
            f"Measured on: {machine()}; load average {os.getloadavg()[0]:.0f} at the end.",
            *parts,
        ]
    )
    print(text)
    (HERE / "READS.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
