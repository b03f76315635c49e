"""The smaller fakes. What goes wrong is set on them as plain attributes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.errors import Unavailable
from segmentation.domain.event import Event
from segmentation.domain.published import Published
from segmentation.domain.stream import Evaluation, Mark
from segmentation.ports import Answer


@dataclass
class FixedClock:
    """Stands still until it is moved."""

    time: int = 1_700_000_000

    def now(self) -> int:
        return self.time


@dataclass
class MemoryEventLog:
    """Keeps the first `room` events, then no more."""

    events: list[Event] = field(default_factory=list)
    room: int = 1_000_000
    marks: list[Mark] = field(default_factory=list)
    shards: tuple[str, ...] = ("shard-0", "shard-1")

    def mark(self, name: str) -> list[str]:
        self.marks += [Mark(name, shard) for shard in self.shards]
        return list(self.shards)

    def append(self, events: Sequence[Event]) -> None:
        taken = list(events)[: max(0, self.room - len(self.events))]
        self.events.extend(taken)
        if len(taken) < len(events):
            raise Unavailable(f"{len(taken)} of {len(events)} events were kept; send the whole request again")


@dataclass
class StaticRuleSets:
    """The rule sets that it is given."""

    sets: dict[str, Published]

    def all(self) -> Mapping[str, Published]:
        return self.sets


@dataclass
class MemoryFailures:
    """Documents by path; `closed` takes none."""

    objects: dict[str, bytes] = field(default_factory=dict)
    closed: bool = False

    def put_aside(self, path: str, data: bytes) -> None:
        if self.closed:
            raise Unavailable("the bucket is closed")
        self.objects[path] = data


@dataclass
class MemoryQueue:
    """Messages as the receiver would parse them."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    delays: list[tuple[str, int]] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    closed: bool = False

    def send(self, messages: Sequence[Mapping[str, Any]], *, after: int = 0) -> None:
        if self.closed:
            raise Unavailable("messages cannot be sent")
        self.messages.extend(json.loads(json.dumps(one)) for one in messages)
        self.waits.extend(after for _ in messages)

    def delay(self, receipt: str, seconds: int) -> None:
        self.delays.append((receipt, seconds))

    def inside(self) -> dict[str, set[str]]:
        """Who is in what, by the messages, each id once."""
        inside: dict[str, set[str]] = {}
        for one in {message["id"]: message for message in self.messages}.values():
            for name in one["joined"]:
                inside.setdefault(name, set()).add(one["segment"])
            for name in one["left"]:
                inside.setdefault(name, set()).discard(one["segment"])
        return {name: segments for name, segments in inside.items() if segments}


@dataclass
class FakeWebhooks:
    """Answers in order, then 200."""

    answers: list[Answer | Exception] = field(default_factory=list)
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.posts.append((url, dict(headers), body))
        answer = self.answers.pop(0) if self.answers else Answer(200)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class FakeSecrets:
    """A secret."""

    secret: bytes = b"0123456789abcdef01234567"
    secrets: Sequence[bytes] = ()
    """While one is rotated: those that are good."""

    def webhook_secret(self) -> bytes:
        return self.secret

    def signing(self) -> Sequence[bytes]:
        return self.secrets or (self.secret,)


@dataclass
class MemoryLimits:
    """Counts by name and minute."""

    taken: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self, name: str, per_minute: int, now: int) -> int:
        key = (name, now // 60)
        self.taken[key] = self.taken.get(key, 0) + 1
        return 0 if self.taken[key] <= per_minute else 60 - now % 60


@dataclass
class MemoryStreamMetrics:
    """Batches that were read, each with its moment, the age of its records in seconds, and whether reading failed."""

    batches: list[tuple[int, float, bool]] = field(default_factory=list)
    broken: bool = False

    def evaluation(self, since: int, until: int) -> Evaluation:
        if self.broken:
            raise Unavailable("no metrics")
        found = [one for one in self.batches if since <= one[0] < until]
        minutes = [(at // 60 * 60, age) for at, age, _ in found]
        at = max((minute for minute, _ in minutes), default=None)
        lag = None if at is None else round(max(age for minute, age in minutes if minute == at))
        return Evaluation(lag, at, sum(failed for *_, failed in found))
