import base64
import json
from typing import Any

import pytest
from msgspec.structs import replace
from segmentation.domain.event import Event
from segmentation.domain.profile import SHARDS, BatchPart
from segmentation.usecases.update_visitors import MOST_RACES

from tests.fakes import MemoryProfiles, StaticRuleSets
from tests.fakes.documents import documents, published
from tests.fakes.stream import NOW, Stream

ONE = "shop#person_id:1"


class Shop(Stream):
    """What the site's token says of a person."""

    def values(self, person: str = "1") -> list[str]:
        (entry,) = self.personalize(["site-token"], {"person_id": person})
        values: list[str] = entry["values"]
        return values


def event(identifier: str, person: str = "1", time: int = NOW, **columns: Any) -> Event:
    return Event(identifier, "shop", "purchases", f"person_id:{person}", time, NOW, columns)


@pytest.fixture
def stream() -> Shop:
    return Shop()


def test_an_event_makes_a_member_and_a_message(stream: Shop) -> None:
    result = stream.deliver(event("e1"))
    assert (result.events, result.visitors, result.changes, result.failed) == (1, 1, 1, set())
    part = stream.profiles.realtime[ONE]
    assert part.members == ("buying-now",)
    assert (part.revision, part.untold) == (1, False)
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


def test_a_visitors_events_are_one_read_and_one_write(stream: Shop) -> None:
    stream.deliver(*(event(f"e{n}", person=str(n % 3)) for n in range(30)))
    assert (
        stream.profiles.reads == 2
    )  # of customers who are new to the stream, the batch part is looked at once more
    assert {part.revision for part in stream.profiles.realtime.values()} == {1}
    stream.deliver(*(event(f"f{n}", person=str(n % 3)) for n in range(30)))
    assert stream.profiles.reads == 3
    assert {part.revision for part in stream.profiles.realtime.values()} == {2}


def test_membership_ends_by_itself_at_the_moment_of_reading(stream: Shop) -> None:
    stream.deliver(event("e1", time=NOW - 3_000))
    stream.clock.time = NOW + 599
    assert stream.values() == ["buying-now"]
    stream.clock.time = NOW + 600
    assert stream.values() == []


def test_a_redelivered_batch_changes_nothing(stream: Shop) -> None:
    stream.deliver(event("e1"), event("e2"))
    before, sent = dict(stream.profiles.realtime), list(stream.queue.messages)
    again = stream.deliver(event("e1"), event("e2"), event("e2"))
    assert again.failed == set()
    assert stream.profiles.realtime == before
    assert stream.queue.messages == sent


def test_batch_segments_and_attributes_are_seen(stream: Shop) -> None:
    stream.profiles.batch[ONE] = BatchPart("run1", NOW - 100, ("adults",), {"country": "DE", "age": 30.0})
    stream.deliver(event("e1"), event("e2"))
    assert stream.profiles.realtime[ONE].members == ("adults-buying", "buying-now", "germans-buying")
    assert stream.values() == ["adults", "buying-now", "germans-buying"]


def test_a_new_batch_run_counts_at_the_next_reading(stream: Shop) -> None:
    stream.deliver(event("e1"))
    assert stream.values() == ["buying-now"]
    stream.profiles.batch[ONE] = BatchPart("run1", NOW, (), {"country": "DE"})
    assert stream.values() == ["buying-now", "germans-buying"]


def test_edited_rules_count_at_the_next_reading(stream: Shop) -> None:
    stream.deliver(event("e1"))
    document = documents()
    document["segments"][2]["rule"] = {
        ">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "1h"]}]}, 5]
    }
    stream.sets.sets["shop"] = published(**{**document, "version": "next"})
    assert stream.values() == []


def test_a_lost_race_is_read_again_and_done_again(stream: Shop) -> None:
    def other_writer(profiles: MemoryProfiles) -> None:
        other = Shop(profiles=profiles)
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


def test_a_race_that_is_always_lost_comes_back_and_others_go_on(stream: Shop) -> None:
    def bump(profiles: MemoryProfiles) -> None:
        part = profiles.realtime[ONE]
        profiles.realtime[ONE] = replace(part, revision=part.revision + 1)

    stream.deliver(event("e0"))
    stream.profiles.before_save = [bump] * MOST_RACES
    result = stream.deliver(event("e1"), event("e2", person="2"), event("e3"))
    assert result.failed == {"0", "2"}
    assert "shop#person_id:2" in stream.profiles.realtime
    assert stream.deliver(event("e1"), event("e3")).failed == set()


def test_a_write_that_fails_comes_back_alone(stream: Shop) -> None:
    stream.profiles.broken.add(ONE)
    result = stream.deliver(event("e1"), event("e2", person="2"), event("e3"))
    assert result.failed == {"0", "2"}
    assert list(stream.profiles.realtime) == ["shop#person_id:2"]


def test_a_state_that_cannot_be_read_fails_its_visitor_alone(
    stream: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    stream.deliver(event("e1"))
    stream.profiles.realtime[ONE] = replace(stream.profiles.realtime[ONE], state=b"broken")
    result = stream.deliver(event("e2"), event("e3", person="2"))
    assert result.failed == {"0"}
    assert "shop#person_id:2" in stream.profiles.realtime
    assert "ValueError at" in caplog.text


def test_when_profiles_cannot_be_read_everything_comes_back(stream: Shop) -> None:
    stream.profiles.unreadable = True
    assert stream.deliver(event("e1"), event("e2", person="2")).failed == {"0", "1"}


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (b"\xff\xfe", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"v": 2}', "version"),
        (json.dumps({**json.loads(event("x").to_json()), "time": "now"}).encode(), "$.time"),
        (json.dumps({**json.loads(event("x").to_json()), "received": True}).encode(), "$.received"),
        (json.dumps({**json.loads(event("x").to_json()), "time": 10**15}).encode(), "$.time"),
        (json.dumps({**json.loads(event("x").to_json()), "time": 10**30}).encode(), "$.time"),
        (b'{"v":1,"mark":', "not JSON"),
        (b'{"v":1,"mark":5,"shard":"s"}', "not an event"),
    ],
)
def test_a_poison_record_is_put_aside_whole_with_its_reason(stream: Shop, poison: bytes, reason: str) -> None:
    result = stream.deliver(event("e1"), poison, event("e2"))
    assert (result.failed, result.poison, result.events) == (set(), 1, 2)
    assert stream.values() == ["buying-now"]
    kept = json.loads(stream.failures.objects["poison/evaluate_events/1.json"])
    assert base64.b64decode(kept["data"]) == poison
    assert reason in kept["reason"]


def test_a_poison_record_that_cannot_be_put_aside_comes_again(stream: Shop) -> None:
    stream.failures.closed = True
    assert stream.deliver(event("e1"), b"{").failed == {"1"}


@pytest.mark.parametrize("change", [{"audience": "nobody"}, {"behavior": "nothing"}])
def test_what_no_rule_set_knows_yet_comes_again(stream: Shop, change: dict[str, str]) -> None:
    unknown = json.dumps({**json.loads(event("x").to_json()), **change}).encode()
    result = stream.deliver(event("e1"), unknown, event("e2"))
    assert (result.failed, result.poison, result.events) == ({"1"}, 1, 2)
    assert stream.failures.objects == {}


def test_changes_that_cannot_be_sent_are_sent_by_the_next_delivery(stream: Shop) -> None:
    stream.queue.closed = True
    assert stream.deliver(event("e1")).failed == set()
    assert stream.profiles.realtime[ONE].untold
    stream.queue.closed = False
    stream.deliver(event("e1"))
    assert [one["segment"] for one in stream.queue.messages] == ["buying-now"]
    assert not stream.profiles.realtime[ONE].untold


def test_what_is_untold_is_not_written_over(stream: Shop) -> None:
    stream.queue.closed = True
    stream.deliver(event("e1", time=NOW - 3_000))
    stream.clock.time = NOW + 700  # it has left again
    assert stream.deliver(event("e2"), event("e3", person="2")).failed == {"0"}
    assert stream.profiles.realtime[ONE].revision == 1
    stream.queue.closed = False
    stream.deliver(event("e2"))
    assert [(bool(one["joined"]), one["now"], one["event"]) for one in stream.queue.messages] == [
        (True, NOW, "e1"),
        (False, NOW + 600, None),
        (True, NOW + 700, "e2"),
    ]


def test_a_crash_between_sending_and_noting_it_sends_the_same_id_again(stream: Shop) -> None:
    stream.deliver(event("e1"))
    stream.profiles.realtime[ONE] = replace(stream.profiles.realtime[ONE], untold=True)
    stream.deliver(event("e1"))
    first, second = stream.queue.messages
    assert first == second
    assert not stream.profiles.realtime[ONE].untold


def test_changes_that_nobody_wants_skip_the_outbox() -> None:
    stream = Shop(sets=StaticRuleSets({"shop": published(destinations=[])}))
    saved = []
    stream.profiles.before_save.append(lambda _: saved.append(1))
    stream.queue.closed = True
    assert stream.deliver(event("e1")).changes == 1
    assert not stream.profiles.realtime[ONE].untold
    assert saved


def test_a_sweep_tells_who_leaves_by_itself_at_the_moment_of_leaving(stream: Shop) -> None:
    stream.deliver(event("e1"))
    stream.clock.time = NOW + 3_599
    assert stream.sweep().visitors == 0
    stream.clock.time = NOW + 3_630
    swept = stream.sweep()
    assert (swept.visitors, swept.changes) == (1, 1)
    _, left = stream.queue.messages
    assert (left["left"], left["now"], left["event"]) == (["person_id:1"], NOW + 3_600, None)
    assert stream.sweep().visitors == 0
    assert stream.profiles.realtime[ONE].members == ()


def test_a_sweep_tells_who_enters_by_falling_counts() -> None:
    document = documents()
    within = {"within": [{"var": "behaviors.purchases"}, "1h"]}
    document["segments"][2]["rule"] = {"<": [{"count": [within]}, 2]}
    stream = Shop(sets=StaticRuleSets({"shop": published(**document)}))
    stream.deliver(event("e1"), event("e2", time=NOW + 5))
    stream.clock.time = NOW + 5
    stream.deliver(event("e3", time=NOW - 7_000))
    assert stream.values() == []
    stream.clock.time = NOW + 3_600
    stream.sweep()
    assert [(bool(one["joined"]), one["now"]) for one in stream.queue.messages][-1:] == [(True, NOW + 3_600)]


def test_a_sweep_sends_what_was_left_untold(stream: Shop) -> None:
    stream.queue.closed = True
    stream.deliver(event("e1"))
    stream.queue.closed = False
    stream.clock.time = NOW + 59
    assert stream.sweep().visitors == 0
    stream.clock.time = NOW + 60
    assert stream.sweep().visitors == 1
    assert [one["segment"] for one in stream.queue.messages] == ["buying-now"]
    assert stream.sweep().visitors == 0


def test_two_sweeps_at_once_tell_once(stream: Shop) -> None:
    stream.deliver(event("e1"))
    stream.clock.time = NOW + 3_600
    other = Shop(profiles=stream.profiles, queue=stream.queue, clock=stream.clock, sets=stream.sets)
    stream.profiles.before_save.append(lambda _: other.sweep() and None)
    stream.sweep()
    assert len(stream.queue.messages) == 2
    assert stream.profiles.realtime[ONE].revision == 2


def test_a_sweep_that_runs_out_of_time_is_gone_on_with(stream: Shop) -> None:
    people = [str(number) for number in range(40)]
    stream.deliver(*(event(f"e{one}", person=one) for one in people))
    stream.clock.time = NOW + 3_600
    turns = iter([True, True, True, False])
    first = stream.sweep(lambda: next(turns))
    assert first.left
    assert 0 < first.visitors < 40
    second = stream.sweep()
    assert (first.visitors + second.visitors, second.left) == (40, False)
    left = [one["left"] for one in stream.queue.messages if one["left"]]
    assert sorted(left) == sorted([f"person_id:{one}"] for one in people)


def test_a_sweep_goes_on_until_nobody_is_due(stream: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """At midnight all that was done today ends, for everybody at once."""
    monkeypatch.setattr("segmentation.usecases.sweep_memberships.A_SHARD", 2)
    people = [str(number) for number in range(120)]
    stream.deliver(*(event(f"e{one}", person=one) for one in people))
    stream.clock.time = NOW + 3_600
    parts = [stream.sweep(shards=range(part, SHARDS, 4)) for part in range(4)]
    assert sum(one.visitors for one in parts) == 120
    assert all(0 < one.visitors < 60 and not one.left for one in parts)
    assert {one["left"][0] for one in stream.queue.messages if one["left"]} == {
        f"person_id:{n}" for n in people
    }


def test_a_sweep_that_can_do_nothing_ends(stream: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.usecases.sweep_memberships.A_SHARD", 1)
    stream.deliver(event("e1"))
    stream.clock.time = NOW + 3_600
    stream.profiles.broken = {ONE}
    swept = stream.sweep()
    assert (swept.visitors, swept.written, swept.failed, swept.left) == (1, 0, 1, True)


def test_a_visitor_who_cannot_be_swept_is_put_off(stream: Shop) -> None:
    stream.deliver(event("e1"))
    stream.profiles.realtime[ONE] = replace(stream.profiles.realtime[ONE], state=b"broken")
    stream.clock.time = NOW + 3_600
    fresh = Shop(profiles=stream.profiles, queue=stream.queue, clock=stream.clock, sets=stream.sets)
    assert fresh.sweep().failed == 1
    assert fresh.sweep().visitors == 0
    stream.clock.time = NOW + 7_200
    assert fresh.sweep().failed == 1


def test_a_visitor_of_an_audience_without_rules_is_put_off(stream: Shop) -> None:
    stream.deliver(event("e1"))
    stream.clock.time = NOW + 3_600
    stream.sets.sets = {}
    assert stream.sweep().failed == 1
    assert stream.sweep().visitors == 0


def test_a_visitor_that_nobody_knows_gets_an_empty_answer(stream: Shop) -> None:
    assert stream.personalize(["site-token"], {"person_id": "nobody"}) == []


def test_state_that_rests_expires_after_the_longest_window(stream: Shop) -> None:
    stream.deliver(event("e1"))
    assert stream.profiles.realtime[ONE].expires == NOW + 403 * 86_400


DAY = 86_400
SILENT = {
    "ever": {">=": [{"count": [{"var": "behaviors.purchases"}]}, 1]},
    "quiet": {"==": [{"count": [{"within": [{"var": "behaviors.purchases"}, "1d"]}]}, 0]},
    "in-400-days": {">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "400d"]}]}, 1]},
}


def silent() -> Stream:
    document = documents()
    document["segments"] = [
        {"id": name, "name": name, "audience": "shop", "kind": "realtime", "rule": rule}
        for name, rule in SILENT.items()
    ]
    document["access"] = {}
    document["destinations"][0]["segments"] = list(SILENT)
    return Shop(sets=StaticRuleSets({"shop": published(**document)}))


def told(stream: Shop) -> set[str]:
    """What the person is in, as partners were told."""
    inside: set[str] = set()
    for one in stream.queue.messages:
        (inside.add if one["joined"] else inside.discard)(one["segment"])
    return inside


@pytest.mark.parametrize("hour", range(0, 24, 5))
def test_who_has_been_silent_for_longer_than_any_window_is_forgotten_and_partners_hear_of_it(
    hour: int,
) -> None:
    stream = silent()
    begin = stream.clock.time = NOW + hour * 3_600
    stream.deliver(event("e1", time=begin))
    stream.clock.time = begin + DAY
    stream.sweep()
    assert told(stream) == {"ever", "quiet", "in-400-days"}
    part = stream.profiles.realtime[ONE]
    stream.clock.time = begin + 400 * DAY - 1
    assert stream.sweep().visitors == 0  # the longest window still sees it
    stream.clock.time = begin + 401 * DAY
    stream.sweep()
    stream.sweep()
    assert told(stream) == set()
    part = stream.profiles.realtime[ONE]
    assert (part.state, part.members, part.untold, part.sweep_at) == (b"", (), False, None)
    assert part.expires > stream.clock.time, "it goes by itself later"
    assert stream.sweep().visitors == 0
    stream.deliver(event("e2", time=stream.clock.time))
    assert told(stream) == {"ever", "in-400-days"}


def test_whom_a_batch_run_knows_stays_in_what_needs_no_event() -> None:
    stream = silent()
    stream.profiles.batch[ONE] = BatchPart("run1", NOW, (), {})
    stream.deliver(event("e1"))
    for days in (1, 400, 401, 402):
        stream.clock.time = NOW + days * DAY
        stream.sweep()
    assert told(stream) == {"quiet"}
    part = stream.profiles.realtime[ONE]
    assert part.members == ("quiet",)
    assert part.expires > NOW + 800 * DAY
    assert stream.sweep().visitors == 0


def test_an_event_just_before_is_not_forgotten() -> None:
    stream = silent()
    stream.deliver(event("e1"))
    stream.clock.time = NOW + 402 * DAY  # no sweep came by
    stream.deliver(event("e2", time=stream.clock.time))
    stream.sweep()
    assert told(stream) == {"ever", "in-400-days"}
    assert stream.profiles.realtime[ONE].expires == NOW + (402 + 403) * DAY
