"""New versions of real-time segments take over without a gap: filled from the archive, with the stream running."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.event import Event
from segmentation.domain.fill import SETTLE, Fill, Step, fill_path
from segmentation.domain.profile import RealtimePart
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published, parse_published
from segmentation.domain.stream import StreamRecord
from segmentation.domain.visitor import Program, Visitor, evaluate
from segmentation.ports import Entry
from segmentation.usecases.archive_events import ArchiveEvents
from segmentation.usecases.edit_rules import rule_set_path
from segmentation.usecases.evaluate_events import EvaluateEvents
from segmentation.usecases.fill_segments import Filled, FillSegments
from segmentation.usecases.follow_rules import walk_path
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.update_visitors import UpdateVisitors

from tests.contract.conftest import Cloud
from tests.contract.workshop import Workshop
from tests.fakes import (
    FixedClock,
    MemoryEventLog,
    MemoryFailures,
    MemoryProfiles,
    MemoryQueue,
    StaticRuleSets,
)
from tests.fakes.documents import documents
from tests.publishing import PublishRules

NOW = 1_704_085_200
HOUR, DAY = 3_600, 86_400
DATABASES = iter(range(1, 10_000))


def count(window: str, least: int, item: str | None = None) -> dict[str, Any]:
    events: Any = {"var": "behaviors.purchases"}
    if item is not None:
        events = {"filter": [events, {"==": [{"var": "item"}, item]}]}
    return {">=": [{"count": [{"within": [events, window]}]}, least]}


def segment(identifier: str, rule: Any) -> dict[str, Any]:
    return {"id": identifier, "name": identifier, "audience": "shop", "kind": "realtime", "rule": rule}


@dataclass
class ClockedLake:
    """The lake, whose objects were put at the test's time."""

    real: S3Lake
    clock: FixedClock
    put_at: dict[str, int] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def put(self, path: str, data: bytes, *, expected: str | None = None) -> bool:
        self.put_at[path] = self.clock.time
        return self.real.put(path, data, expected=expected)

    def entries(self, prefix: str) -> Iterator[Entry]:
        for one in self.real.entries(prefix):
            yield Entry(one.path, one.size, self.put_at.get(one.path, one.put))


class Live:
    """The rule sets as the functions read them."""

    def __init__(self, lake: ClockedLake) -> None:
        self.lake = lake

    def all(self) -> dict[str, Published]:
        stored = self.lake.get(rule_set_path("shop"))
        assert stored is not None
        return {"shop": parse_published(json.loads(stored.data))}


@dataclass
class Shop:
    """The stream, its archive, and the fill, of one audience."""

    cloud: Cloud
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    log: MemoryEventLog = field(default_factory=lambda: MemoryEventLog(shards=("shard-0",)))
    profiles: MemoryProfiles = field(default_factory=MemoryProfiles)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    accepted: list[Event] = field(default_factory=list)
    stream: list[bytes] = field(default_factory=list)
    archived: int = 0
    seconds: float = 900

    def __post_init__(self) -> None:
        number = next(DATABASES)
        self.clock.time += number  # one second apart, so that no query of one test is taken for another's
        self.shop = Workshop(self.cloud, f"fill{number}")
        self.lake = ClockedLake(self.shop.lake, self.clock)
        self.rules = Live(self.lake)
        self.tables = ParquetTables(self.lake)
        self.archive_events = ArchiveEvents(self.tables, self.lake, self.rules)
        self.evaluate = EvaluateEvents(self.updater(), self.rules, MemoryFailures(), self.clock)
        self.read = ReadProfiles(self.profiles, Programs())
        self.fill = FillSegments(
            log=self.log,
            lake=self.lake,
            tables=self.tables,
            lake_catalog=GlueLakeCatalog(self.cloud.client("glue"), self.shop.database, "lake"),
            warehouse=self.shop.warehouse,
            profiles=self.profiles,
            rule_sets=self.rules,
            programs=Programs(),
            update=self.updater(),
            clock=self.clock,
        )

    def updater(self) -> UpdateVisitors:
        return UpdateVisitors(self.profiles, self.queue, Programs(), self.clock)

    def publish(self, *segments: dict[str, Any]) -> Published:
        document = documents()
        document["access"] = {"write_keys": [], "tokens": [], "partners": []}
        document["destinations"][0]["segments"] = [one["id"] for one in segments]
        publish = PublishRules(self.lake, self.clock)
        return publish(document["audience"], list(segments), document["access"], document["destinations"])

    def send(self, *events: Event, archive: bool = True) -> None:
        """Accept events: the evaluator gets them at once, the archive too or later."""
        self.accepted += events
        self.stream += [one.to_json() for one in events]
        assert (
            self.evaluate(StreamRecord(str(n), one.to_json()) for n, one in enumerate(events)).failed == set()
        )
        if archive:
            self.archive()

    def archive(self) -> None:
        """Let the archive come to the end of the stream, marks included."""
        marks = [one.to_json() for one in self.log.marks]
        self.log.marks.clear()
        records = [*self.stream[self.archived :], *marks]
        self.archived = len(self.stream)
        if records:
            numbered = [StreamRecord(f"{self.archived:06d}{n:06d}", one) for n, one in enumerate(records)]
            assert self.archive_events("shard-0", numbered).failed == set()

    def minute(self) -> Filled:
        """The function's next run; Athena's queries end before it returns to them."""
        self.clock.time += 60
        result = self.fill(lambda: self.seconds)
        for _ in range(200):
            if self.step() is not Step.QUERY:
                break
            again = self.fill(lambda: self.seconds)
            result = Filled(
                result.visitors + again.visitors,
                result.live + again.live,
                again.failed,
            )
        return result

    def until_live(self) -> None:
        for _ in range(20):
            self.minute()
            self.archive()
            if not self.rules.all()["shop"].standing and self.lake.get(fill_path("shop")) is None:
                return
        raise AssertionError(f"never live: {self.lake.get(fill_path('shop'))}")

    def step(self) -> Step | None:
        stored = self.lake.get(fill_path("shop"))
        return Fill.from_document(json.loads(stored.data)).step if stored else None

    def members(self, person: str) -> set[str]:
        (reading,) = self.read([(self.rules.all()["shop"], f"person_id:{person}")], self.clock.now())
        return set(reading.members)

    def oracle(self, person: str) -> set[str]:
        """Every event that was ever accepted, evaluated afresh by the rules as they are wanted."""
        own = {(one.behavior, one.id): one for one in self.accepted if one.profile == f"person_id:{person}"}
        program = Program(self.rules.all()["shop"].rules)
        outcome = evaluate(program, person, Visitor.new(), None, list(own.values()), self.clock.now())
        return set(outcome.visitor.members)


def event(identifier: str, person: str = "1", ago: int = HOUR, **columns: Any) -> Event:
    return Event(identifier, "shop", "purchases", f"person_id:{person}", NOW - ago, NOW, columns)


@pytest.fixture
def shop(cloud: Cloud) -> Iterator[Shop]:
    made = Shop(cloud)
    yield made
    for prefix in ("events/", "fills/", "rules/", "history/", f"{made.shop.database}/"):
        made.shop.lake.delete_prefix(prefix)


RECENT = segment("recent", count("2h", 1))


def test_a_new_segment_knows_the_last_thirty_days(shop: Shop) -> None:
    shop.publish(RECENT)
    shop.send(event("1", ago=20 * DAY), event("2", ago=10 * DAY), event("3", ago=40 * DAY))
    shop.send(event("4", "2", ago=HOUR), event("5", "2", ago=5 * DAY, item="a"))
    monthly = segment("monthly", count("30d", 2))
    published = shop.publish(RECENT, monthly, segment("a-buyers", count("30d", 1, "a")))
    assert dict(published.standing) == {"monthly": None, "a-buyers": None}
    assert (shop.members("1"), shop.members("2")) == (set(), {"recent"})
    shop.until_live()
    assert (shop.members("1"), shop.members("2")) == ({"monthly"}, {"recent", "monthly", "a-buyers"})
    assert shop.queue.inside() == {
        "person_id:1": {"monthly"},
        "person_id:2": {"recent", "monthly", "a-buyers"},
    }
    assert [*shop.shop.lake.list("fills/")] == [walk_path("shop")]


def test_an_edit_goes_live_when_it_is_computed_and_the_old_version_answers_until_then(shop: Shop) -> None:
    shop.publish(RECENT, segment("busy", count("30d", 2)))
    for number in range(4):
        shop.send(event(f"a{number}", "1", ago=(number + 1) * DAY))
    shop.send(event("b1", "2", ago=DAY), event("b2", "2", ago=2 * DAY))
    assert (shop.members("1"), shop.members("2")) == ({"busy"}, {"busy"})
    # Visitors kept the last two events only; four are wanted now.
    published = shop.publish(RECENT, segment("busy", count("30d", 4)))
    assert set(published.standing) == {"busy"}
    seen = []
    for _ in range(8):
        shop.minute()
        seen.append((frozenset(shop.members("1")), frozenset(shop.members("2"))))
        shop.archive()
    assert set(seen) == {(frozenset({"busy"}), frozenset({"busy"})), (frozenset({"busy"}), frozenset())}
    assert shop.queue.inside() == {"person_id:1": {"busy"}}


@pytest.mark.parametrize("seed", range(3))
def test_at_the_border_no_event_is_missed_and_none_counts_twice(shop: Shop, seed: int) -> None:
    """Events go on while it is filled: before the mark, behind it, archived late, and twice."""
    chance = random.Random(seed)
    number = iter(range(1_000))

    def some() -> list[Event]:
        made = [
            event(
                f"e{next(number)}",
                str(chance.randrange(3)),
                ago=chance.randrange(-600, 40 * DAY),
                item=chance.choice("ab"),
                amount=chance.randrange(9),
            )
            for _ in range(chance.randrange(4))
        ]
        return [*made, *chance.sample(shop.accepted, min(2, len(shop.accepted)))]

    shop.publish(RECENT)
    for _ in range(4):
        shop.send(*some())
    shop.publish(
        RECENT,
        segment("often", count("30d", 5)),
        segment("a-often", count("20d", 3, "a")),
        segment(
            "spent", {">": [{"sum": [{"within": [{"var": "behaviors.purchases"}, "30d"]}, "amount"]}, 20]}
        ),
        segment(
            "bought-a", {"==": [{"last": [{"within": [{"var": "behaviors.purchases"}, "30d"]}, "item"]}, "a"]}
        ),
        segment("quiet", {"<": [{"count": [{"within": [{"var": "behaviors.purchases"}, "10d"]}]}, 2]}),
    )
    shop.send(*some(), archive=False)
    for _ in range(20):
        if shop.rules.all()["shop"].standing == {} and shop.step() is None:
            break
        shop.minute()
        shop.send(*some(), archive=False)
        if chance.random() < 0.6:
            shop.archive()
    assert shop.rules.all()["shop"].standing == {}
    for person in "012":
        shop.send(event(f"last{person}", person, ago=0))
        assert shop.members(person) == shop.oracle(person)
    assert shop.queue.inside() == {f"person_id:{one}": found for one in "012" if (found := shop.oracle(one))}


def test_a_fill_that_is_cut_off_goes_on_and_one_whose_time_is_over_too(shop: Shop) -> None:
    shop.publish(RECENT)
    for person in range(40):
        shop.send(event(f"e{person}", str(person), ago=5 * DAY))
    shop.publish(RECENT, segment("monthly", count("30d", 1)))
    shop.minute()
    shop.archive()
    ticks = iter([900.0, 900.0, 1.0])

    class Crash(BaseException):
        pass

    def dying() -> float:
        try:
            return next(ticks)
        except StopIteration:
            raise Crash from None

    crashes = 0
    for _ in range(1_000):
        ticks = iter([900.0, 900.0, 900.0])
        if shop.step() is not Step.QUERY:  # queries take the time of this machine
            shop.clock.time += 60
        try:
            shop.fill(dying)
        except Crash:
            crashes += 1
        if not shop.rules.all()["shop"].standing and shop.step() is None:
            break
    assert crashes > 2
    assert all(shop.members(str(person)) == {"monthly"} for person in range(40))
    assert len(shop.queue.inside()) == 40


def test_what_an_old_version_writes_late_changes_nothing(shop: Shop) -> None:
    shop.publish(RECENT)
    shop.send(event("1", ago=5 * DAY), event("2", ago=HOUR))
    old = shop.rules.all()["shop"]
    shop.publish(RECENT, segment("monthly", count("30d", 2)))
    shop.until_live()
    assert shop.members("1") == {"recent", "monthly"}
    before = shop.profiles.realtime["shop#person_id:1"]
    late = EvaluateEvents(shop.updater(), StaticRuleSets({"shop": old}), MemoryFailures(), shop.clock)
    result = late([StreamRecord("7", event("3", ago=60).to_json())])
    assert result.failed == {"7"}  # it comes again, to somebody who has read the rules
    assert shop.profiles.realtime["shop#person_id:1"] == before
    shop.send(event("3", ago=60))
    assert shop.members("1") == {"recent", "monthly"}


def test_an_edit_during_a_fill_is_filled_after_it(shop: Shop) -> None:
    shop.publish(RECENT)
    shop.send(event("1", ago=50 * DAY), event("2", ago=5 * DAY))
    shop.publish(RECENT, segment("monthly", count("30d", 1)))
    shop.minute()
    assert shop.step() is Step.WAIT
    shop.publish(RECENT, segment("monthly", count("60d", 2)), segment("weekly", count("7d", 1)))
    shop.archive()
    shop.until_live()
    assert shop.members("1") == {"monthly", "weekly"}


def test_nobody_who_was_erased_comes_back_with_a_fill(shop: Shop) -> None:
    shop.publish(RECENT)
    shop.send(event("1", ago=5 * DAY), event("2", "2", ago=5 * DAY))
    gone = RealtimePart(9, b"", (), (), NOW, "", erased=NOW)
    shop.profiles.realtime["shop#person_id:1"] = gone
    shop.publish(RECENT, segment("monthly", count("30d", 1)))
    shop.until_live()
    assert shop.profiles.realtime["shop#person_id:1"] == gone
    assert shop.members("2") == {"monthly"}


def test_rules_settle_before_the_mark(shop: Shop) -> None:
    shop.publish(RECENT)
    shop.publish(RECENT, segment("monthly", count("30d", 1)))
    shop.clock.time += SETTLE - 1
    shop.fill(lambda: 900)
    assert shop.step() is None
    shop.clock.time += 1
    shop.fill(lambda: 900)
    assert shop.step() is Step.WAIT
