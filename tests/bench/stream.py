"""What an event costs on the stream: through the real handler, by number of segments and by stage.

    make bench
    .venv/bin/python -m tests.bench.stream --sizes 1000 --no-latency

CPU of this process. "In memory" has the store's own adapter on a client that is a dictionary, so that items are
encoded and decoded but no AWS client works; the AWS client's share is that of boto3 with its wire cut behind it. Visitors
have a past of about 30 events. "Known" visitors were evaluated by this process before, "new" ones were not. The tables
go to the terminal and to tests/bench/STREAM.md.
"""

import argparse
import base64
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
from botocore.client import BaseClient
from moto import mock_aws
from segmentation.adapters import dynamodb as store
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.sqs import SqsQueue
from segmentation.domain import event as events
from segmentation.domain.access import Access, Destination, parse_destinations
from segmentation.domain.audience import Audience
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.event import Event
from segmentation.domain.profile import BatchPart
from segmentation.domain.programs import Programs, compiled
from segmentation.domain.published import Published, program_path
from segmentation.domain.visitor import evaluation, state
from segmentation.language.index import Index
from segmentation.runtime.collecting import collect_rarely
from segmentation.usecases.edit_rules import put_program
from segmentation.usecases.evaluate_events import EvaluateEvents
from segmentation.usecases.update_visitors import UpdateVisitors

from functions.evaluate_events import app
from infra.demo.receiver import Receiver
from infra.demo.stage import Stage
from infra.local import moto_patches
from infra.local.cloud import Cloud
from tests.bench import peers, renderings
from tests.bench.evaluate_events import machine, table, us
from tests.bench.ours import rule_set
from tests.bench.realistic import NOW, SCHEMA, Profile, Tree, make_profile, make_row, make_rules
from tests.contract.profile_parts import make_table
from tests.e2e.support import post
from tests.fakes import FixedClock, MemoryFailures, MemoryLake, MemoryQueue, StaticRuleSets

HERE = Path(__file__).parent
CONTEXT = SimpleNamespace(aws_request_id="bench")
BATCH = 100
TOLD = 20
"""Segments that a destination subscribes to."""
LAKE = MemoryLake()
"""Where rule sets are put, as publishing does."""
STAGES = ("decode", "state", "evaluate", "encode", "AWS client", "other")


def audience() -> Audience:
    """The bench's schema as an audience."""
    behavior = {"source": "events", "id": ["event"]}
    return parse_audience(
        {
            "id": "bench",
            "database": "bench",
            "master": {"table": "people", "key": "person_id"},
            "identities": ["person_id"],
            "attributes": [
                {
                    "table": "people",
                    "key": "person_id",
                    "columns": {name: {"type": str(type_)} for name, type_ in SCHEMA.attributes.items()},
                }
            ],
            "behaviors": {
                name: {**behavior, "columns": {column: {"type": str(t)} for column, t in columns.items()}}
                for name, columns in SCHEMA.behaviors.items()
            },
        }
    )


def published(rules: list[tuple[str, Tree]]) -> Published:
    """The rules, and a destination that wants some of the segments."""
    kind = audience()
    wanted = [name for name, _ in rules[:: max(1, len(rules) // TOLD)]][:TOLD]
    hook = {
        "id": "hook",
        "type": "webhook",
        "audience": "bench",
        "segments": wanted,
        "url": "https://a.example/",
    }
    destinations: tuple[Destination, ...] = parse_destinations([hook], kind, {name for name, _ in rules})
    version = str(len(rules))
    made = Published(version, kind, Access(), destinations)
    made.__dict__["rules"] = rule_set(rules, False)
    put_program(LAKE, "bench", version, compiled(made))
    return replace(made, program=LAKE.objects[program_path("bench", version)])


class Dictionary:
    """DynamoDB's client, as a dictionary. `calls` counts requests by operation."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Any] = {}
        self.calls: Counter[str] = Counter()

    def batch_get_item(self, RequestItems: Any) -> Any:
        self.calls["BatchGetItem"] += 1
        ((name, asked),) = RequestItems.items()
        keys = [(one["profile"]["S"], one["part"]["S"]) for one in asked["Keys"]]
        return {"Responses": {name: [self.items[key] for key in keys if key in self.items]}}

    def put_item(self, **request: Any) -> Any:
        self.calls["PutItem"] += 1
        self._put(request["Item"])

    def update_item(self, **request: Any) -> Any:
        self.calls["UpdateItem"] += 1
        self._update(request)

    def transact_write_items(self, TransactItems: Any) -> Any:
        self.calls["TransactWriteItems"] += 1
        for one in TransactItems:
            if "Put" in one:
                self._put(one["Put"]["Item"])
            else:
                self._update(one["Update"])

    def _put(self, item: Any) -> None:
        self.items[item["profile"]["S"], item["part"]["S"]] = item

    def _update(self, request: Any) -> None:
        key = request["Key"]["profile"]["S"], request["Key"]["part"]["S"]
        self.items[key] = {name: value for name, value in self.items[key].items() if name != "untold"}


class Wire:
    """What stands behind boto3 instead of HTTP: the dictionary's answers, and the time that they took."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.spent = 0.0

    def __call__(self, request: Any, **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        began = time.process_time()
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        body = json.loads(request.body)
        if operation == "SendMessageBatch":
            answer: Any = {
                "Successful": [
                    {"Id": e["Id"], "MessageId": "m", "MD5OfMessageBody": ""} for e in body["Entries"]
                ]
            }
        else:
            method = {"BatchGetItem": "batch_get_item", "PutItem": "put_item", "UpdateItem": "update_item"}
            name = method.get(operation, "transact_write_items")
            arguments = {k: body[k] for k in body if k not in ("ClientRequestToken",)}
            answer = getattr(self.dictionary, name)(**arguments) or {}
        data = json.dumps(answer).encode()
        raw = SimpleNamespace(stream=lambda *a, **k: iter([data]), read=lambda *a, **k: data)
        response = AWSResponse(request.url, 200, {"content-length": str(len(data))}, raw)
        self.spent += time.process_time() - began
        return response


@dataclass
class Stopwatch:
    """CPU by stage; a stage within another one is taken out of that."""

    spent: Counter[str] = field(default_factory=Counter)
    _inner: list[float] = field(default_factory=lambda: [0.0])

    def around(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            self._inner.append(0.0)
            try:
                return work(*arguments, **options)
            finally:
                took = time.perf_counter() - began
                self.spent[stage] += took - self._inner.pop()
                self._inner[-1] += took

        return timed


@contextmanager
def watched(watch: Stopwatch) -> Iterator[None]:
    """The stages under a stopwatch."""
    places: list[tuple[Any, str, str]] = [
        (app, "kinesis_records", "decode"),
        (events.Event, "from_json", "decode"),
        (evaluation, "take_in", "state"),
        (evaluation, "encode_within", "state"),
        (state.Visitor, "decode", "state"),
        (Index, "start", "evaluate"),
        (Index, "update", "evaluate"),
        (Index, "members", "evaluate"),
        (store, "realtime_item", "encode"),
        (store, "realtime_of", "encode"),
        (store, "batch_of", "encode"),
        (BaseClient, "_make_api_call", "AWS client"),
    ]
    with ExitStack() as stack:
        for owner, name, stage in places:
            found = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
            made: Any = watch.around(stage, getattr(owner, name))
            if isinstance(found, classmethod):
                made = staticmethod(made)
            stack.enter_context(patch.object(owner, name, made))
        yield


class Site:
    """Visitors with a past, a handler for them, and events that go on."""

    def __init__(self, rules: Published, visitors: int, client: Any, queue: Any) -> None:
        self.rules, self.client = rules, client
        self.random = Random(7)
        self.clock = FixedClock(NOW)
        self.profiles = DynamoProfiles(client, "profiles", LakeNumberings(LAKE))
        self.queue = queue
        self.names = [f"person_id:{number}" for number in range(visitors)]
        self.pasts = [make_profile(self.random) for _ in self.names]
        self.guarded = Programs()
        self.forget()
        parts = []
        for name, past in zip(self.names, self.pasts, strict=True):
            lists = tuple(sorted(past.lists))
            attributes = {k: list(v) if isinstance(v, tuple) else v for k, v in past.attributes.items()}
            parts.append((f"bench#{name}", BatchPart("run1", NOW - 100, lists, attributes)))
        self.profiles.publish(parts)
        for name, past in zip(self.names, self.pasts, strict=True):
            self.handle(
                [self.event(name, behavior, row) for behavior, rows in past.rows.items() for row in rows]
            )

    def forget(self) -> None:
        """A new process, whose rules are compiled: it has not seen the visitors."""
        programs = Programs(self.guarded._kept)
        update = UpdateVisitors(self.profiles, self.queue, programs, self.clock)
        made = EvaluateEvents(update, StaticRuleSets({"bench": self.rules}), MemoryFailures(), self.clock)
        app.application = lambda: made  # type: ignore[assignment]
        collect_rarely()  # as composing does

    def event(self, name: str, behavior: str, row: Any) -> bytes:
        return Event(row.id, "bench", behavior, name, row.time, row.time, dict(row.columns)).to_json()

    def batch(self, visitors: int) -> list[bytes]:
        """The next hundred events, of so many visitors in turn."""
        self.clock.time += 7
        names = self.random.sample(self.names, visitors)
        found = []
        for number in range(BATCH):
            behavior = "views" if self.random.random() < 0.8 else "purchases"
            row = make_row(self.random, behavior, self.clock.time)
            found.append(self.event(names[number % visitors], behavior, row))
        return found

    def handle(self, datas: list[bytes]) -> None:
        answer = app.handler(invocation(datas), CONTEXT)
        assert answer == {"batchItemFailures": []}, answer


def invocation(datas: list[bytes]) -> Any:
    """As Lambda gets it."""
    return {
        "Records": [
            {
                "kinesis": {"sequenceNumber": str(number), "data": base64.b64encode(data).decode()},
                "eventID": f"shardId-000000000000:{number}",
            }
            for number, data in enumerate(datas)
        ]
    }


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def costs(site: Site, visitors: int, *, known: bool, repeats: int) -> tuple[float, dict[str, float]]:
    """CPU seconds an event, and by stage (of another run: the stopwatch itself costs)."""
    plain: list[float] = []
    watch = Stopwatch()
    for number in range(2 * repeats):
        if not known:
            site.forget()
        datas = invocation(site.batch(visitors))
        if number % 2:
            began = time.process_time()
            app.handler(datas, CONTEXT)
            plain.append(time.process_time() - began)
        else:
            with watched(watch):
                began = time.perf_counter()
                app.handler(datas, CONTEXT)
                watch.spent["all"] += time.perf_counter() - began
    total = median(plain) / BATCH
    scale = total / watch.spent["all"] if watch.spent["all"] else 0.0
    stages = {stage: watch.spent[stage] * scale for stage in STAGES[:-1]}
    stages["other"] = total - sum(stages.values())
    return total, stages


@contextmanager
def cut_wire() -> Iterator[tuple[Any, Any, Dictionary, Wire]]:
    """boto3's clients, with a dictionary in place of HTTP."""
    dictionary = Dictionary()
    wire = Wire(dictionary)
    options = {"region_name": "us-east-1", "aws_access_key_id": "b", "aws_secret_access_key": "b"}
    dynamodb, sqs = boto3.client("dynamodb", **options), boto3.client("sqs", **options)
    for client in (dynamodb, sqs):
        client.meta.events.register("before-send.*", wire)
    yield dynamodb, sqs, dictionary, wire


def measure(size: int, rules: Published, repeats: int) -> dict[str, Any]:
    found: dict[str, Any] = {"size": size}
    memory = Dictionary()
    site = Site(rules, 200, memory, MemoryQueue())
    for visitors in (100, 10):
        for known in (True, False):
            if known:
                for _ in range(6):
                    site.handle(site.batch(visitors))
            found[visitors, known] = costs(site, visitors, known=known, repeats=repeats)
    with cut_wire() as (dynamodb, sqs, _, wire):
        real = Site(rules, 200, dynamodb, SqsQueue(sqs, "https://sqs.us-east-1.amazonaws.com/1/q"))
        for visitors in (100, 10):
            for _ in range(4):
                real.handle(real.batch(visitors))
            wire.spent, times = 0.0, []
            for _ in range(repeats):
                datas = invocation(real.batch(visitors))
                before = wire.spent
                began = time.process_time()
                app.handler(datas, CONTEXT)
                times.append(time.process_time() - began - (wire.spent - before))
            found["client", visitors] = median(times) / BATCH - found[visitors, True][0]
    with mock_aws():
        dynamodb, sqs = (
            boto3.client("dynamodb", region_name="us-east-1"),
            boto3.client("sqs", region_name="us-east-1"),
        )
        make_table(dynamodb)
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        moto = Site(rules, 200, dynamodb, SqsQueue(sqs, url))
        for visitors in (100, 10):
            calls: Counter[str] = Counter()
            real_call = BaseClient._make_api_call

            def counted(self: Any, name: str, kwargs: Any, calls: Any = calls, call: Any = real_call) -> Any:
                calls[name] += 1
                return call(self, name, kwargs)

            began = time.process_time()
            with patch.object(BaseClient, "_make_api_call", counted):
                for _ in range(repeats):
                    moto.handle(moto.batch(visitors))
            found["moto", visitors] = (time.process_time() - began) / repeats / BATCH
            found["requests", visitors] = {name: count / repeats for name, count in calls.items()}
    return found


def sizes_of_state(rules: Published) -> list[list[str]]:
    """Bytes of a visitor after so many events, of the state and of the whole item."""
    rows = []
    for count in (10, 100, 1_000):
        memory = Dictionary()
        site = Site(rules, 1, memory, MemoryQueue())
        memory.items.clear()
        site.forget()
        random = Random(count)
        for number in range(count):
            site.clock.time = NOW + number * 60 * 86_400 // count
            behavior = "views" if random.random() < 0.8 else "purchases"
            site.handle([site.event(site.names[0], behavior, make_row(random, behavior, site.clock.time))])
        item = memory.items[f"bench#{site.names[0]}", "realtime"]
        whole = sum(
            len(name) + len(value.get("B", b"") or str(next(iter(value.values()))))
            for name, value in item.items()
        )
        rows.append([f"{count:,} events", f"{len(item['state']['B']):,} B", f"{whole:,} B"])
    return rows


def plain(rules: list[tuple[str, Tree]], repeats: int) -> float:
    """The plain way: keep all events of a visitor, and ask datalogic-py about every segment at each event."""
    from tests.bench.realistic import SECTIONS  # noqa: F401 - the same events

    evaluate = peers.datalogic([renderings.json_logic(tree) for _, tree in rules])
    random = Random(7)
    people: list[Profile] = [make_profile(random) for _ in range(20)]
    lists = [sorted(person.lists) for person in people]
    before: list[list[bool]] = [[] for _ in people]
    now, times = NOW, []
    for number in range(repeats):
        now += 7
        place = number % len(people)
        person = people[place]
        behavior = "views" if random.random() < 0.8 else "purchases"
        row = make_row(random, behavior, now)
        data = json.dumps({"id": row.id, "behavior": behavior, "time": now, "columns": dict(row.columns)})
        began = time.process_time()
        json.loads(data)
        person.rows[behavior].append(row)
        found = evaluate({**person.prepared(now), "segments": lists[place]})
        _ = [a != b for a, b in zip(found, before[place], strict=False)]
        before[place] = found
        times.append(time.process_time() - began)
    return median(times)


def latency(count: int) -> list[float]:
    """On the embedded cloud: seconds from an accepted HTTP event to the changed answer."""
    found = []
    cloud = Cloud(api_port=0, aws_port=0, log=lambda *_: None)
    cloud.start()
    try:
        receiver = Receiver()
        stage = Stage(cloud, receiver)
        stage.publish()
        for number in range(count + 3):
            name = f"latency-{number}"
            record = {"household_id": name, "basket_id": name, "product_id": "1", "sales_value": 80.0}
            began = time.perf_counter()
            status, *_ = post(stage, {"records": [record]})
            assert status == 200
            accepted = time.perf_counter()
            while "big-spenders-today" not in stage.ask(name).segments:
                assert time.perf_counter() - began < 30
            found.append(time.perf_counter() - accepted)
    finally:
        cloud.stop()
    return found[3:]


def report(
    results: list[dict[str, Any]], states: list[list[str]], peer: Mapping[int, float], waits: list[float]
) -> str:
    headings = ["", *(f"{one['size']:,} segments" for one in results)]
    rows = []
    for visitors in (100, 10):
        for known in (True, False):
            what = f"100 events of {visitors} {'known' if known else 'new'} visitors: CPU an event, in memory"
            rows.append([what, *(us(one[visitors, known][0]) for one in results)])
    rows.append(
        [
            "events a second on one core, of 100 known visitors",
            *(f"{1 / one[100, True][0]:,.0f}" for one in results),
        ]
    )
    for visitors in (100, 10):
        rows.append(
            [
                f"the AWS client on top, {visitors} visitors",
                *(us(max(0.0, one["client", visitors])) for one in results),
            ]
        )
        rows.append(
            [f"with moto as the store, {visitors} visitors", *(us(one["moto", visitors]) for one in results)]
        )
    rows.append(
        [
            "plain: all events kept, datalogic-py for every segment",
            *(us(peer[one["size"]]) for one in results),
        ]
    )
    rows.append(
        ["the same, of ours", *(f"{peer[one['size']] / one[100, True][0]:,.0f} x" for one in results)]
    )
    stages = []
    for visitors, known in ((100, True), (100, False), (10, True)):
        for stage in STAGES:
            if stage != "AWS client":
                what = f"{visitors} {'known' if known else 'new'} visitors: {stage}"
                stages.append([what, *(us(max(0.0, one[visitors, known][1][stage])) for one in results)])
    requests = [
        [
            f"100 events of {visitors} visitors",
            f"{sum(one['requests', visitors].values()):.1f}",
            ", ".join(f"{k} {v:.1f}" for k, v in sorted(one["requests", visitors].items())),
        ]
        for one in results[-1:]
        for visitors in (100, 10)
    ]
    parts = [
        "# What an event costs on the stream",
        f"Measured on: {machine()}. CPU, medians of one run. Load average {os.getloadavg()[0]:.0f}: other work shared the "
        "cores and their caches, so these are upper bounds.",
        (__doc__ or "").partition("CPU of this process. ")[2].partition(" The tables")[0].replace("\n", " "),
        table(headings, rows),
        "## By stage, an event, in memory",
        table(headings, stages),
        "## AWS requests",
        table(["", "requests", "of which"], requests),
        "## A visitor's state",
        f"By {results[-1]['size']:,} segments, over 60 days.",
        table(["", "state", "item"], states),
    ]
    if waits:
        ordered = sorted(waits)
        parts += [
            "## From an accepted HTTP event to the changed answer, on the embedded cloud",
            f"{len(waits)} events, asked without a pause: median {median(waits) * 1e3:.0f} ms, "
            f"95th percentile {ordered[int(len(ordered) * 0.95)] * 1e3:.0f} ms.",
        ]
    parts.append(
        "Published of others: PostHog's processor, p50 18 ms an event; Dittofeed computes every 120 s; Unomi counts "
        "windows nightly."
    )
    return "\n\n".join(parts)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 1_000, 10_000])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--no-latency", action="store_true")
    parser.add_argument("--latency-events", type=int, default=40)
    options = parser.parse_args()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    os.environ |= {"POWERTOOLS_SERVICE_NAME": "segmentation", "POWERTOOLS_METRICS_NAMESPACE": "Segmentation"}
    moto_patches.apply()
    app.measure = lambda **_: None  # metrics are lines on the terminal
    trees = make_rules(max(options.sizes))
    results, peer = [], {}
    rules = None
    for size in options.sizes:
        rules = published(trees[:size])
        results.append(measure(size, rules, options.repeats))
        peer[size] = plain(trees[:size], max(6, min(60, 40_000 // size)))
    assert rules is not None
    waits = [] if options.no_latency else latency(options.latency_events)
    text = report(results, sizes_of_state(rules), peer, waits)
    print(text)
    (HERE / "STREAM.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
