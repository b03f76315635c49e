import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from segmentation.domain.errors import Unavailable
from segmentation.domain.event import Event
from segmentation.domain.profile import BatchPart
from segmentation.domain.programs import Programs
from segmentation.domain.stream import StreamRecord
from segmentation.usecases.evaluate_events import MOST_RACES, Evaluated, EvaluateEvents
from segmentation.usecases.personalize import Personalize
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.tokens import Tokens

from tests.fakes import (
    FakeSecrets,
    FixedClock,
    MemoryLimits,
    MemoryProfiles,
    MemoryQueue,
    StaticRuleSets,
)
from tests.fakes.documents import documents, published

NOW = 1_700_000_000
ONE = "shop#person_id:1"


@dataclass
class Stream:
    """The evaluator with everything around it."""

    profiles: MemoryProfiles = field(default_factory=MemoryProfiles)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    sets: StaticRuleSets = field(default_factory=lambda: StaticRuleSets({"shop": published()}))

    def __post_init__(self) -> None:
        programs = Programs()
        self.evaluate = EvaluateEvents(self.profiles, self.sets, self.queue, programs, self.clock)
        self.personalize = Personalize(
            Tokens(self.sets, MemoryLimits(), FakeSecrets()),
            ReadProfiles(self.profiles, programs),
            self.clock,
        )

    def deliver(self, *records: Event | bytes) -> Evaluated:
        return self.evaluate(
            StreamRecord(str(number), one if isinstance(one, bytes) else one.to_json())
            for number, one in enumerate(records)
        )

    def values(self, person: str = "1") -> list[str]:
        (entry,) = self.personalize(["site-token"], {"person_id": person})
        values: list[str] = entry["values"]
        return values


def event(identifier: str, person: str = "1", time: int = NOW, **columns: Any) -> Event:
    return Event(identifier, "shop", "purchases", f"person_id:{person}", time, NOW, columns)


@pytest.fixture
def stream() -> Stream:
    return Stream()


def test_an_event_makes_a_member_and_a_message(stream: Stream) -> None:
    result = stream.deliver(event("e1"))
    assert (result.events, result.visitors, result.changes, result.failed) == (1, 1, 1, set())
    part = stream.profiles.realtime[ONE]
    assert part.members == ("buying-now",)
    assert (part.revision, part.outbox) == (1, ())
    (message,) = stream.queue.messages
    assert message == {
        "id": message["id"],
        "audience": "shop",
        "destination": "hook",
        "segment": "buying-now",
        "joined": ["person_id:1"],
        "left": [],
        "now": NOW,
        "event": "e1",
    }
    assert stream.values() == ["buying-now"]


def test_a_visitors_events_are_one_read_and_one_write(stream: Stream) -> None:
    stream.deliver(*(event(f"e{n}", person=str(n % 3)) for n in range(30)))
    assert stream.profiles.reads == 1
    assert {part.revision for part in stream.profiles.realtime.values()} == {1}


def test_membership_ends_by_itself_at_the_moment_of_reading(stream: Stream) -> None:
    stream.deliver(event("e1", time=NOW - 3_000))
    stream.clock.time = NOW + 599
    assert stream.values() == ["buying-now"]
    stream.clock.time = NOW + 600
    assert stream.values() == []


def test_a_redelivered_batch_changes_nothing(stream: Stream) -> None:
    stream.deliver(event("e1"), event("e2"))
    before, sent = dict(stream.profiles.realtime), list(stream.queue.messages)
    again = stream.deliver(event("e1"), event("e2"), event("e2"))
    assert again.failed == set()
    assert stream.profiles.realtime == before
    assert stream.queue.messages == sent


def test_batch_segments_and_attributes_are_seen(stream: Stream) -> None:
    stream.profiles.batch[ONE] = BatchPart("run1", NOW - 100, ("adults",), {"country": "DE", "age": 30.0})
    stream.deliver(event("e1"), event("e2"))
    assert stream.profiles.realtime[ONE].members == ("adults-buying", "buying-now", "germans-buying")
    assert stream.values() == ["adults", "buying-now", "germans-buying"]


def test_a_new_batch_run_counts_at_the_next_reading(stream: Stream) -> None:
    stream.deliver(event("e1"))
    assert stream.values() == ["buying-now"]
    stream.profiles.batch[ONE] = BatchPart("run1", NOW, (), {"country": "DE"})
    assert stream.values() == ["buying-now", "germans-buying"]


def test_edited_rules_count_at_the_next_reading(stream: Stream) -> None:
    stream.deliver(event("e1"))
    document = documents()
    document["segments"][2]["rule"] = {
        ">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "1h"]}]}, 5]
    }
    stream.sets.sets["shop"] = published(**{**document, "version": "next"})
    assert stream.values() == []


def test_a_lost_race_is_read_again_and_done_again(stream: Stream) -> None:
    def other_writer(profiles: MemoryProfiles) -> None:
        other = Stream(profiles=profiles)
        profiles.before_save, kept = [], profiles.before_save
        other.deliver(event("theirs"))
        profiles.before_save = kept

    stream.profiles.before_save.append(other_writer)
    result = stream.deliver(event("mine"))
    assert (result.failed, result.races) == (set(), 1)
    part = stream.profiles.realtime[ONE]
    assert part.revision == 2
    stream.deliver(event("mine"), event("theirs"))
    assert stream.profiles.realtime[ONE] == part  # both were counted


def test_a_race_that_is_always_lost_comes_back_and_others_go_on(stream: Stream) -> None:
    def bump(profiles: MemoryProfiles) -> None:
        part = profiles.realtime[ONE]
        profiles.realtime[ONE] = replace(part, revision=part.revision + 1)

    stream.deliver(event("e0"))
    stream.profiles.before_save = [bump] * MOST_RACES
    result = stream.deliver(event("e1"), event("e2", person="2"), event("e3"))
    assert result.failed == {"0", "2"}
    assert "shop#person_id:2" in stream.profiles.realtime
    assert stream.deliver(event("e1"), event("e3")).failed == set()


def test_a_write_that_fails_comes_back_alone(stream: Stream) -> None:
    stream.profiles.broken.add(ONE)
    result = stream.deliver(event("e1"), event("e2", person="2"), event("e3"))
    assert result.failed == {"0", "2"}
    assert list(stream.profiles.realtime) == ["shop#person_id:2"]


def test_a_state_that_cannot_be_read_fails_its_visitor_alone(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    stream.deliver(event("e1"))
    stream.profiles.realtime[ONE] = replace(stream.profiles.realtime[ONE], state=b"broken")
    result = stream.deliver(event("e2"), event("e3", person="2"))
    assert result.failed == {"0"}
    assert "shop#person_id:2" in stream.profiles.realtime
    assert "error at" in caplog.text


def test_when_profiles_cannot_be_read_everything_comes_back(stream: Stream) -> None:
    stream.profiles.unreadable = True
    assert stream.deliver(event("e1"), event("e2", person="2")).failed == {"0", "1"}


@pytest.mark.parametrize(
    "poison",
    [
        b"\xff\xfe",
        b"{",
        b"[]",
        b'{"v": 2}',
        json.dumps({**json.loads(event("x").to_json()), "time": "now"}).encode(),
        json.dumps({**json.loads(event("x").to_json()), "received": True}).encode(),
        json.dumps({**json.loads(event("x").to_json()), "audience": "nobody"}).encode(),
        json.dumps({**json.loads(event("x").to_json()), "behavior": "nothing"}).encode(),
    ],
)
def test_a_poison_record_fails_alone(stream: Stream, poison: bytes) -> None:
    result = stream.deliver(event("e1"), poison, event("e2"))
    assert result.failed == {"1"}
    assert result.poison == 1
    assert result.events == 2
    assert stream.values() == ["buying-now"]


def test_a_crash_between_write_and_send_loses_no_message(stream: Stream) -> None:
    stream.queue.closed = True
    with pytest.raises(Unavailable):
        stream.deliver(event("e1"))
    assert [one["segment"] for one in stream.profiles.realtime[ONE].outbox] == ["buying-now"]
    stream.queue.closed = False
    stream.deliver(event("e1"))
    assert [one["segment"] for one in stream.queue.messages] == ["buying-now"]
    assert stream.profiles.realtime[ONE].outbox == ()


def test_a_crash_between_send_and_clearing_sends_the_same_id_again(stream: Stream) -> None:
    stream.deliver(event("e1"))
    part = stream.profiles.realtime[ONE]
    told = {"id": "c", "segment": "buying-now", "joined": True, "moment": NOW, "event": "e1"}
    stream.profiles.realtime[ONE] = replace(part, outbox=(told,))
    stream.queue.messages.clear()
    stream.deliver(event("e1"))
    stream.profiles.realtime[ONE] = replace(part, outbox=(told,))
    stream.deliver(event("e1"))
    first, second = stream.queue.messages
    assert first == second


def test_changes_that_nobody_wants_skip_the_outbox() -> None:
    stream = Stream(sets=StaticRuleSets({"shop": published(destinations=[])}))
    saved = []
    stream.profiles.before_save.append(lambda _: saved.append(1))
    stream.queue.closed = True
    assert stream.deliver(event("e1")).changes == 1
    assert stream.profiles.realtime[ONE].outbox == ()
    assert saved


def test_a_visitor_that_nobody_knows_gets_an_empty_answer(stream: Stream) -> None:
    assert stream.personalize(["site-token"], {"person_id": "nobody"}) == []


def test_state_that_rests_expires_after_the_longest_window(stream: Stream) -> None:
    stream.deliver(event("e1"))
    assert stream.profiles.realtime[ONE].expires == NOW + 401 * 86_400
