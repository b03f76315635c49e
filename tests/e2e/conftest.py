"""One embedded cloud on the whole demo data for all end-to-end tests, brought up as `make run` does."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.published import Published
from segmentation.domain.rulebook import Edit, Rulebook
from segmentation.usecases.edit_rules import Author, EditRules

from infra.demo.__main__ import PARAMETERS
from infra.demo.data import NOW
from infra.demo.receiver import Receiver
from infra.demo.screen import Screen
from infra.demo.show import prepare
from infra.demo.stage import AUDIENCE, ROOT, Stage
from infra.local.clock import TurnableClock
from infra.local.cloud import Cloud

from .support import post, wait_until


@dataclass
class Logged:
    """The cloud's log."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, source: str, text: str) -> None:
        self.lines.append((source, text))

    def since(self, position: int) -> str:
        return "\n".join(f"{source}: {text}" for source, text in self.lines[position:])


@dataclass
class Path:
    """The whole path, with what stood on it after the first batch run."""

    stage: Stage
    published: Published
    record: dict[str, Any]
    log: Logged
    printed: str
    clock: TurnableClock


POISON = b'{"v": 1, "id": "poison", and this is no JSON'


def poison(stage: Stage) -> None:
    """Put a record on the stream that nobody can read, and a good one behind it in the same shard.

    Now, since its retries take a while: the batch path works meanwhile.
    """
    good = {
        "v": 1,
        "id": "behind-poison",
        "audience": AUDIENCE,
        "behavior": "purchases",
        "profile": "household_id:behind-poison",
        "time": NOW,
        "received": NOW,
        "columns": {"household_id": "behind-poison"},
    }
    kinesis, stream = stage.cloud.client("kinesis"), stage.cloud.outputs["EventStreamName"]
    for record in (POISON, json.dumps(good).encode()):
        kinesis.put_record(StreamName=stream, PartitionKey="poisoned", Data=record)


@pytest.fixture(scope="session")
def path() -> Iterator[Path]:
    log, printed = Logged(), io.StringIO()
    # A clock that stands still: no schedule fires in between.
    clock = TurnableClock(datetime(2026, 1, 10, tzinfo=UTC))
    with (
        Receiver() as receiver,
        Cloud(ROOT / "template.yaml", PARAMETERS, api_port=0, aws_port=0, log=log, clock=clock) as cloud,
    ):
        stage = Stage(cloud, receiver)
        stage.publish()
        poison(stage)
        published, record = prepare(stage, Screen(file=printed))
        yield Path(stage, published, record, log, printed.getvalue(), clock)


@pytest.fixture(scope="session")
def stage(path: Path) -> Stage:
    return path.stage


NEW_SEGMENT = "three-lately"


@pytest.fixture(scope="session")
def edit(path: Path) -> None:
    """A new real-time segment that looks back, begun before it is asked about.

    Its fill waits until every function has read the rules; what else is to be tried goes on meanwhile.
    """
    stage, lake = path.stage, S3Lake(path.stage.cloud.client("s3"), path.stage.bucket)
    for number in range(3):
        post(stage, {"household_id": "before", "sales_value": number})
    wait_until(lambda: "bought-in-the-last-hour" in stage.ask("before").segments, 30, "the first events")
    rule = {">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "30d"]}]}, 3]}
    segment = {
        "id": NEW_SEGMENT,
        "name": "Three lately",
        "audience": AUDIENCE,
        "kind": "realtime",
        "rule": rule,
    }

    def edits(book: Rulebook) -> list[Edit]:
        token: Any = book.get("tokens", "demo-site")
        shown = {**token.document, "segments": [*token.document["segments"], NEW_SEGMENT]}
        return [
            Edit("segments", NEW_SEGMENT, "created", segment),
            Edit("tokens", "demo-site", "edited", shown),
        ]

    edited = EditRules(lake, SystemClock())(AUDIENCE, edits, Author("test"))
    assert dict(edited.published.standing) == {NEW_SEGMENT: None}
    post(stage, {"household_id": "beside", "sales_value": 1})
