"""Two functions on one store that fails as it is told to, and the oracle of who is in what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.errors import Unavailable
from segmentation.domain.event import Event
from segmentation.domain.profile import BatchPart, Profile, RealtimePart
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published
from segmentation.domain.stream import StreamRecord
from segmentation.domain.visitor import Program
from segmentation.language.evaluate import Compiler, Evaluation, History, Row
from segmentation.language.times import zone
from segmentation.language.values import parse_value
from segmentation.ports import SaveResult
from segmentation.usecases.evaluate_events import EvaluateEvents
from segmentation.usecases.sweep_memberships import SweepMemberships
from segmentation.usecases.update_visitors import UpdateVisitors

from tests.fakes import MemoryFailures, MemoryProfiles, MemoryQueue, StaticRuleSets
from tests.fakes.documents import documents, published

HOUR, DAY = 3_600, 86_400
NOW = 1_700_000_000
BUYS: dict[str, Any] = {"var": "behaviors.purchases"}
MAILS: dict[str, Any] = {"var": "behaviors.mailings"}
OF_A: dict[str, Any] = {"filter": [BUYS, {"==": [{"var": "item"}, "a"]}]}
WINDOWS = (0, 600, HOUR, 2 * HOUR, 3 * HOUR, DAY, 7 * DAY)
"""All that the rules below name, in seconds."""


def within(events: Any, window: str) -> Any:
    return {"within": [events, window]}


RULES: dict[str, Any] = {
    "bought": {">=": [{"count": [within(BUYS, "1h")]}, 1]},
    "bought-twice": {">=": [{"count": [within(BUYS, "2h")]}, 2]},
    "bought-once": {"==": [{"count": [within(BUYS, "1h")]}, 1]},
    "quiet": {"<": [{"count": [within(BUYS, "3h")]}, 2]},
    "never-a": {"==": [{"count": [OF_A]}, 0]},
    "a-before": {">=": [{"count": [{"within": [OF_A, "1d", "1h"]}]}, 1]},
    "spent": {">": [{"sum": [within(BUYS, "2h"), "amount"]}, 10]},
    "average": {"<": [{"avg": [within(BUYS, "1d"), "amount"]}, 4]},
    "two-items": {">=": [{"count_distinct": [within(BUYS, "3h"), "item"]}, 2]},
    "last-is-b": {"==": [{"last": [BUYS, "item"]}, "b"]},
    "last-hour-is-b": {"==": [{"last": [within(BUYS, "1h"), "item"]}, "b"]},
    "first-is-b": {"==": [{"first": [within(BUYS, "2h"), "item"]}, "b"]},
    "today": {">=": [{"count": [{"during": [BUYS, "today"]}]}, 2]},
    "answered": {">=": [{"count": [within({"followed_by": [MAILS, BUYS, "10m"]}, "1h")]}, 1]},
    "abandoned": {">=": [{"count": [within({"not_followed_by": [OF_A, MAILS, "10m"]}, "2h")]}, 1]},
    "german": {"and": [{"==": [{"var": "attributes.country"}, "DE"]}, {"in": ["bought", {"var": "segments"}]}]},
    "adult": {"and": [{"in": ["adults", {"var": "segments"}]}, {"in": ["bought-twice", {"var": "segments"}]}]},
    "diamond": {"or": [{"in": ["german", {"var": "segments"}]}, {"!": [{"in": ["adult", {"var": "segments"}]}]}]},
    "half": {"and": [{"<": [{"bucket": ["test"]}, 50]}, {"in": ["quiet", {"var": "segments"}]}]},
}  # fmt: skip


def rules() -> Published:
    document = documents()
    adults = next(one for one in document["segments"] if one["id"] == "adults")
    document["segments"] = [adults] + [
        {"id": name, "name": name, "audience": "shop", "kind": "realtime", "rule": rule}
        for name, rule in RULES.items()
    ]
    document["access"] = {}
    document["destinations"][0]["segments"] = list(RULES)
    return published(**document)


PUBLISHED = rules()
PROGRAM = Program(PUBLISHED.rules)
COMPILER = Compiler()
COMPILED = [(one.id, COMPILER.compile(one.rule)) for one in PUBLISHED.rules.of_kind("realtime") if one.rule]
BATCH = BatchPart("run1", NOW - DAY, ("adults",), {"country": "DE"})
PEOPLE = ("1", "2")


def oracle(person: str, events: Mapping[str, Event], now: int) -> frozenset[str]:
    """Who is in what, of all events and nothing else."""
    schema = PUBLISHED.rules.schema
    behaviors: dict[str, list[Row]] = {}
    for one in events.values():
        columns = {
            name: parse_value(type_, one.columns.get(name))
            for name, type_ in schema.behaviors[one.behavior].items()
        }
        behaviors.setdefault(one.behavior, []).append(Row(one.time, one.id, columns))
    history = History({"country": "DE"} if person == "1" else {}, behaviors)
    outside = {"adults"} if person == "1" else set()
    evaluation = Evaluation(history, person, now, zone(schema.time_zone), outside)
    found = set()
    for name, holds in COMPILED:
        if holds(evaluation, None):
            evaluation.segments.add(name)
            found.add(name)
    return frozenset(found)


# ------------------------------------------------------------------------------- a world that fails


class Died(BaseException):
    """The function was killed: nothing catches it."""


@dataclass
class Faults:
    """What happens at which request, counted from 0: `before` and `after` it a death, or it is `refused`."""

    plan: dict[int, str]
    requests: int = 0

    def around(self, act: Callable[[], Any], refused: Callable[[], Any]) -> Any:
        fault = self.plan.pop(self.requests, None)
        self.requests += 1
        if fault == "refused":
            return refused()
        if fault == "before":
            raise Died
        done = act()
        if fault == "after":
            raise Died
        return done


def unavailable() -> Any:
    raise Unavailable("not now")


@dataclass
class Store(MemoryProfiles):
    faults: Faults = field(default_factory=lambda: Faults({}))
    offered: dict[str, Sequence[Event]] = field(default_factory=dict)
    written: dict[str, list[tuple[int, dict[str, Event], str | None]]] = field(default_factory=dict)
    """Of each profile: when it was written, all events that were in it then, and the one that was the latest new one."""

    def read(self, ids: Any) -> dict[str, Profile]:
        return self.faults.around(lambda: super(Store, self).read(ids), unavailable)

    def save(self, writes: Mapping[str, RealtimePart]) -> SaveResult:
        offered = {key: self.offered.get(key, ()) for key in writes}

        def act() -> SaveResult:
            saved = super(Store, self).save(writes)
            for key, part in writes.items():
                if key not in saved.lost:
                    self._note(key, part, offered[key])
            return saved

        return self.faults.around(act, lambda: SaveResult(failed=dict.fromkeys(writes, "Throttled")))

    def _note(self, key: str, part: RealtimePart, offered: Sequence[Event]) -> None:
        log = self.written.setdefault(key, [])
        known = dict(log[-1][1]) if log else {}
        new = [
            known.setdefault(f"{e.behavior}:{e.id}", e)
            for e in offered
            if f"{e.behavior}:{e.id}" not in known
        ]
        cause = max(new, key=lambda e: (e.time, e.id)).id if new else None
        log.append((part.computed, known, cause))

    def told(self, parts: Mapping[str, RealtimePart]) -> None:
        self.faults.around(lambda: super(Store, self).told(parts), lambda: None)

    def due(self, shard: int, now: int, most: int) -> list[str]:
        return self.faults.around(lambda: super(Store, self).due(shard, now, most), unavailable)


@dataclass
class Lines(MemoryQueue):
    faults: Faults = field(default_factory=lambda: Faults({}))

    def send(self, messages: Any) -> None:
        self.faults.around(lambda: super(Lines, self).send(messages), unavailable)


@dataclass
class Clock:
    """`behind`: seconds that this one is slow."""

    world: "World"
    behind: int = 0

    def now(self) -> int:
        return self.world.time - self.behind


class Watched:
    """Programs that say which events they were offered."""

    def __init__(self, store: Store) -> None:
        self._store, self._programs = store, Programs()
        self.hold, self.visitor_at = self._programs.hold, self._programs.visitor_at

    def evaluate(self, published: Any, name: str, profile: Any, events: Any, now: int, **options: Any) -> Any:
        self._store.offered[f"shop#{name}"] = events
        return self._programs.evaluate(published, name, profile, events, now, **options)


class World:
    """Two functions on one store."""

    def __init__(self, faults: dict[int, str]) -> None:
        self.time = NOW
        self.faults = Faults(faults)
        self.store = Store(faults=self.faults, batch={"shop#person_id:1": BATCH})
        self.queue = Lines(faults=self.faults)
        self.sets = StaticRuleSets({"shop": PUBLISHED})
        self.functions = [self.function(0), self.function(3)]

    def function(self, behind: int) -> tuple[EvaluateEvents, SweepMemberships]:
        programs: Any = Watched(self.store)
        clock = Clock(self, behind)
        update = UpdateVisitors(self.store, self.queue, programs, clock)
        return EvaluateEvents(update, self.sets, MemoryFailures(), clock), SweepMemberships(
            update, self.store, self.sets, clock
        )

    def calm(self) -> None:
        """From now on nothing fails."""
        self.faults.plan.clear()

    def deliver(self, number: int, events: Sequence[Event]) -> None:
        """As the stream does: from the first that failed on, again; after a death all, to a new process."""
        left = list(events)
        for _ in range(60):
            records = [StreamRecord(str(place), one.to_json()) for place, one in enumerate(left)]
            try:
                failed = self.functions[number][0](records).failed
            except Died:
                self.functions[number] = self.function(3 * number)
                continue
            if not failed:
                return
            left = left[min(map(int, failed)) :]
        raise AssertionError("never taken")

    def race(self, first: Sequence[Event], second: Sequence[Event]) -> None:
        """The second batch is worked on between the reading and the writing of the first."""
        self.store.before_save.append(lambda _: self.deliver(1, second))
        self.deliver(0, first)
        if self.store.before_save:  # there was nothing to write
            self.store.before_save.clear()
            self.deliver(1, second)

    def sweep(self, number: int) -> None:
        try:
            self.functions[number][1]()
        except Died:
            self.functions[number] = self.function(3 * number)
        except Unavailable:
            pass

    def reading(self, person: str) -> frozenset[str]:
        """Membership as a website is told."""
        key = f"shop#person_id:{person}"
        profile = Profile(self.store.realtime.get(key), self.store.batch.get(key))
        part, run = profile.realtime, profile.batch.run if profile.batch else ""
        kept = part.members_at(self.time, PUBLISHED.version, run) if part else None
        if kept is not None:
            return frozenset(kept)
        return Programs().visitor_at(PUBLISHED, f"person_id:{person}", profile, self.time).members
