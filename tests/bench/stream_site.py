"""A site of the bench of the stream: its rules, visitors with a past, the real handler, and events that go on."""

import base64
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.domain.access import Access, Destination, parse_destinations
from segmentation.domain.audience import Audience
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.event import Event
from segmentation.domain.profile import BatchPart
from segmentation.domain.programs import Programs, compiled
from segmentation.domain.published import Published, program_path
from segmentation.runtime.collecting import collect_rarely
from segmentation.usecases.edit_rules import put_program
from segmentation.usecases.evaluate_events import EvaluateEvents
from segmentation.usecases.update_visitors import UpdateVisitors

from functions.evaluate_events import app
from tests.bench.ours import rule_set
from tests.bench.realistic import NOW, SCHEMA, Tree, make_profile, make_row
from tests.fakes import FixedClock, MemoryFailures, MemoryLake, StaticRuleSets

CONTEXT = SimpleNamespace(aws_request_id="bench")
BATCH = 100
TOLD = 20
"""Segments that a destination subscribes to."""
LAKE = MemoryLake()
"""Where rule sets are put, as publishing does."""


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
