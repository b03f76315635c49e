"""What an event costs on the stream: through the real handler, by number of segments and by stage.

    make bench
    .venv/bin/python -m tests.bench.stream --sizes 1000 --no-latency

CPU of this process. "In memory" has the store's own adapter on a client that is a dictionary, so that items are
encoded and decoded but no AWS client works; the AWS client's share is that of boto3 with its wire cut behind it. Visitors
have a past of about 30 events. "Known" visitors were evaluated by this process before, "new" ones were not. The tables
go to the terminal and to tests/bench/STREAM.md.
"""

import argparse
import json
import os
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import boto3
from botocore.client import BaseClient
from moto import mock_aws
from segmentation.adapters.sqs import SqsQueue
from segmentation.domain.published import Published

from functions.evaluate_events import app
from infra.demo.receiver import Receiver
from infra.demo.stage import Stage
from infra.local import moto_patches
from infra.local.cloud import Cloud
from tests.bench import peers, renderings
from tests.bench.realistic import NOW, Profile, Tree, make_profile, make_row, make_rules
from tests.bench.stream_clients import Dictionary, cut_wire
from tests.bench.stream_report import median, report
from tests.bench.stream_site import BATCH, CONTEXT, Site, invocation, published
from tests.bench.stream_stages import STAGES, Stopwatch, watched
from tests.contract.profile_parts import make_table
from tests.e2e.support import post
from tests.fakes import MemoryQueue

HERE = Path(__file__).parent


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
    how = (__doc__ or "").partition("CPU of this process. ")[2].partition(" The tables")[0].replace("\n", " ")
    text = report(how, results, sizes_of_state(rules), peer, waits)
    print(text)
    (HERE / "STREAM.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
