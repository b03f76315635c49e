"""The two halves of the demo: bring the batch path to its end, then replay visitors and show what came of it."""

import statistics
import time
from typing import Any

from segmentation.domain.published import Published

from . import data, replay
from .screen import Screen, clock
from .stage import EVENTS_PATH, WRITE_KEY, Answer, Stage, sizes


def prepare(stage: Stage, screen: Screen) -> tuple[Published, dict[str, Any]]:
    """Raw tables, rules, audience, one batch run, published: the rule set and the run's record."""
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
        counts = built["rows"]
        step.say(f"{counts['profiles']:,} profiles, {counts['behavior_purchases']:,} purchases")
    with screen.step("Batch segments, by Athena SQL") as step:
        step.say("one query for all")
        record = stage.materialize()
        scanned = sum(query["bytes_scanned"] for query in record["queries"])
        step.say(f"{len(record['segments'])} segments, {scanned / 1e6:,.1f} MB scanned")
    with screen.step("Memberships -> DynamoDB, partners") as step:
        step.say("publishing the changes of the run")
        stage.wait_until_published(record["run"])
        step.say(f"{record['profiles']:,} profiles")
    return published, record


def run_again(stage: Stage, screen: Screen) -> tuple[Published, dict[str, Any]]:
    """Publish the documents, build the audience of the raw tables as they are now, and run the segments once more."""
    with screen.step("Rules -> S3") as step:
        published = stage.publish()
        step.say(f"{len(published.rules.segments)} segments checked and published")
    with screen.step("Audience, by Athena SQL") as step:
        counts = stage.build()["rows"]
        step.say(f"{counts['profiles']:,} profiles, {counts['behavior_purchases']:,} purchases")
    with screen.step("Batch segments, by Athena SQL") as step:
        record = stage.materialize()
        step.say(f"{len(record['segments'])} segments")
    with screen.step("Memberships -> DynamoDB, partners") as step:
        stage.wait_until_published(record["run"])
        joined, left = (sum(one[side] for one in record["segments"]) for side in ("joined", "left"))
        step.say(f"{joined:,} joined, {left:,} left")
    return published, record


def replay_purchases(stage: Stage, screen: Screen, hours: float) -> tuple[replay.Replay, list[str]]:
    """Replay the year's last purchases as visitor events; and what was measured."""
    purchases = replay.last_purchases(hours, int(time.time()))
    with screen.step("Visitor events -> POST, Kinesis") as step:
        for done in replay.post(stage.api, EVENTS_PATH, WRITE_KEY, purchases.records):
            step.say(f"{done:,} of {len(purchases.records):,} accepted")
        posted = time.monotonic()
    with screen.step("Evaluated, archived, delivered") as step:
        step.say("waiting until the stream and the queues are empty")
        stage.settle(120)
        step.say(f"all {len(purchases.records):,} events of {len(purchases.visitors):,} visitors")
        drained = time.monotonic() - posted
    return purchases, [f"stream and queues empty {drained:.1f} s after the last event was accepted"]


def ask_and_show(
    stage: Stage, screen: Screen, published: Published, record: dict[str, Any], visitors: list[str]
) -> list[str]:
    """Ask the personalization API for every visitor and show the tables; what was measured."""
    with screen.step("Personalization requests") as step:
        answers = []
        for number, household in enumerate(visitors, 1):
            answers.append(stage.ask(household))
            if not number % 20:
                step.say(f"{number:,} of {len(visitors):,} visitors")
        step.say(f"{len(visitors):,} visitors asked for")
    asked_at = time.time()
    screen.segments(_rows(published, record, sizes(answers), asked_at), len(visitors), record["profiles"])
    kinds = {segment.id: str(segment.kind) for segment in published.rules.segments}
    screen.visitors(_interesting(stage, published, answers, kinds), kinds)
    screen.deliveries(stage.receiver.deliveries, stage.receiver.refused)
    times = sorted(answer.seconds * 1000 for answer in answers)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    return [
        f"personalization over HTTP: {statistics.median(times):.0f} ms median, {p95:.0f} ms 95th percentile"
    ]


def lapsed(stage: Stage, published: Published) -> list[str]:
    """Households that spent much and then stayed away, if the rules still know such a segment."""
    name = "lapsed-high-spenders"
    return stage.members(name) if any(one.id == name for one in published.rules.segments) else []


def _rows(
    published: Published, record: dict[str, Any], realtime: dict[str, int], asked_at: float
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


def _interesting(
    stage: Stage, published: Published, answers: list[Answer], kinds: dict[str, str]
) -> list[tuple[str, Answer]]:
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
    for household in lapsed(stage, published)[:1]:
        chosen.append(("lapsed", stage.ask(household)))
    return [(why, stage.ask(one.household)) for why, one in chosen]
