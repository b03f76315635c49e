"""What a batch run, and other rules, make of people to whom nothing happens; and that partners hear of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from segmentation.domain.errors import Unavailable
from segmentation.domain.event import Event
from segmentation.domain.fill import SETTLE
from segmentation.domain.profile import BatchPart
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published
from segmentation.usecases.edit_rules import rule_set_path
from segmentation.usecases.follow_rules import Followed, FollowRules, walk_path
from segmentation.usecases.update_visitors import UpdateVisitors

from tests.fakes import FixedClock, MemoryLake, MemoryProfiles, MemoryQueue, StaticRuleSets
from tests.fakes.documents import documents, published
from tests.fakes.fuse import Fuse, Killed
from tests.fakes.publisher import Publisher
from tests.fakes.stream import Stream

QUIET = {
    "id": "quiet-adults",
    "name": "Adults who buy nothing",
    "audience": "shop",
    "kind": "realtime",
    "rule": {
        "and": [
            {"in": ["adults", {"var": "segments"}]},
            {"==": [{"count": [{"within": [{"var": "behaviors.purchases"}, "30d"]}]}, 0]},
        ]
    },
}


def rules(*extra: dict[str, Any], number: int = 1) -> Published:
    document = documents()
    document["segments"] += extra
    document["destinations"][0]["segments"] = ["adults-buying", "buying-now", *(one["id"] for one in extra)]
    document["version"] = f"{number}.{len(extra)}"
    return published(**document)


def told(queue: MemoryQueue) -> list[tuple[str, str, str]]:
    """Who joined and left which real-time segment, in the order of messages."""
    return [
        (message["segment"], kind, name)
        for message in queue.messages
        for kind in ("joined", "left")
        for name in message[kind]
    ]


# ------------------------------------------------------------------------------------------------ a batch run


@dataclass
class Both(Publisher):
    """The publication of runs, and the stream, over one store."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sets.sets["shop"] = rules(QUIET)
        self.stream = Stream(self.profiles, self.queue, self.clock, sets=self.sets)

    def buy(self, person: str, *ids: str) -> None:
        now = self.clock.time
        result = self.stream.deliver(
            *(Event(one, "shop", "purchases", f"person_id:{person}", now, now, {}) for one in ids)
        )
        assert result.failed == set()

    def now_are(self, *people: str, before: tuple[str, ...] = ()) -> None:
        """Commit and publish a run in which these people are adults."""
        self.publish("shop", self.run(set(people), set(before)))


@pytest.fixture
def both() -> Both:
    return Both()


def test_a_run_takes_people_without_any_event_into_real_time_segments(both: Both) -> None:
    both.now_are("1", "2")
    joined = [("quiet-adults", "joined", "person_id:1"), ("quiet-adults", "joined", "person_id:2")]
    assert [one for one in told(both.queue) if one[0] == "quiet-adults"] == joined
    assert both.profiles.realtime["shop#person_id:1"].members == ("quiet-adults",)


def test_who_is_in_no_real_time_segment_gets_no_part(both: Both) -> None:
    both.sets.sets["shop"] = rules()
    both.now_are("1")
    assert both.profiles.batch.keys() == {"shop#person_id:1"}
    assert both.profiles.realtime == {}


def test_a_run_lets_people_go_and_they_are_told_of_once(both: Both) -> None:
    both.now_are("1", "2")
    both.queue.messages.clear()
    both.now_are("2", before=("1", "2"))
    assert [one for one in told(both.queue) if one[0] == "quiet-adults"] == [
        ("quiet-adults", "left", "person_id:1")
    ]
    both.queue.messages.clear()
    both.buy("2", "e1")
    assert ("quiet-adults", "left", "person_id:2") in told(both.queue)
    both.clock.time += 30 * 86_400
    both.stream.sweep()
    assert ("quiet-adults", "joined", "person_id:2") in told(both.queue)


def test_a_run_counts_for_who_had_events_before_it(both: Both) -> None:
    both.buy("1", "e1", "e2")
    assert both.profiles.realtime["shop#person_id:1"].members == ("buying-now",)
    both.queue.messages.clear()
    both.now_are("1")
    assert [one for one in told(both.queue) if one[0] == "adults-buying"] == [
        ("adults-buying", "joined", "person_id:1")
    ]


def test_a_part_that_is_done_again_tells_nobody_twice(both: Both) -> None:
    run = both.run({"1", "2"})
    both.publish("shop", run)
    before = [one for one in both.queue.messages if one["segment"] == "quiet-adults"]
    for path in [path for path in both.lake.objects if "_publication/parts/" in path]:
        del both.lake.objects[path]
    both.publish("shop", run)
    assert [one for one in both.queue.messages if one["segment"] == "quiet-adults"] == before


@pytest.mark.parametrize("after", [False, True])
def test_wherever_the_publication_dies_all_are_told_in_the_end(after: bool) -> None:
    """Killed at each of its writes in turn, and done again."""
    for at in range(200):
        fuse = Fuse(at, after)
        both = Both(wrap=fuse.wrap)
        both.tasks.send([{"audience": "shop", "run": both.run({"1", "2"})}])
        try:
            both.work()
        except Killed:
            both.wrap = lambda store: store
            both.assemble()
            both.work()
            both.clock.time += 60
            both.stream.sweep()
        ids = {one["id"] for one in both.queue.messages if one["segment"] == "quiet-adults"}
        assert len(ids) == 2, at
        people = {name for segment, _, name in told(both.queue) if segment == "quiet-adults"}
        assert people == {"person_id:1", "person_id:2"}
        if fuse.writes <= at:
            assert at > 5
            return
    raise AssertionError("it never comes to an end")


@pytest.mark.parametrize("known", [False, True])
def test_a_run_that_is_published_while_an_event_is_evaluated_counts(both: Both, known: bool) -> None:
    """The event was evaluated by the batch part before; whoever writes last must have seen the other."""
    if known:
        both.buy("1", "e0")
        both.clock.time += 7_200

    def publish(_: MemoryProfiles) -> None:
        both.now_are("1")

    both.profiles.before_save.append(publish)
    both.buy("1", "e1", "e2")
    assert "adults-buying" in both.profiles.realtime["shop#person_id:1"].members
    assert ("adults-buying", "joined", "person_id:1") in told(both.queue)


def test_whose_second_look_fails_comes_again(both: Both) -> None:
    def go_dark(profiles: MemoryProfiles) -> None:
        both.now_are("1")
        profiles.unreadable = True

    both.profiles.before_save.append(go_dark)
    now = both.clock.time
    events = [Event(one, "shop", "purchases", "person_id:1", now, now, {}) for one in ("e1", "e2")]
    assert both.stream.deliver(*events).failed == {"0", "1"}
    both.profiles.unreadable = False
    assert both.stream.deliver(*events).failed == set()
    assert ("adults-buying", "joined", "person_id:1") in told(both.queue)


def test_a_store_that_takes_no_more_holds_the_part_up(both: Both) -> None:
    both.profiles.broken = {"shop#person_id:1"}
    both.tasks.send([{"audience": "shop", "run": both.run({"1"})}])
    with pytest.raises(AssertionError, match="'part': 0, 'row': 0, 'tries': 1"):
        both.work(2)
    both.profiles.broken = set()
    both.work()
    assert ("quiet-adults", "joined", "person_id:1") in told(both.queue)


# ------------------------------------------------------------------------------------------------ other rules


@dataclass
class World:
    """A store with people, and the walk through it."""

    profiles: MemoryProfiles = field(default_factory=lambda: MemoryProfiles(a_page=2))
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    lake: MemoryLake = field(default_factory=MemoryLake)
    wrap: Callable[[Any], Any] = lambda store: store

    def __post_init__(self) -> None:
        self.clock = FixedClock(self.lake.time)
        for person in "12345":
            segments = ("adults",) if person in "123" else ()
            self.profiles.batch[f"shop#person_id:{person}"] = BatchPart("run1", self.clock.time, segments)
        self.profiles.batch["shop#td_client_id:x"] = BatchPart("run1", 0, (), owner="person_id:1")
        self.assemble()

    def assemble(self) -> None:
        lake, profiles, queue = map(self.wrap, (self.lake, self.profiles, self.queue))
        self.follow = FollowRules(
            lake, profiles, UpdateVisitors(profiles, queue, Programs(), self.clock), self.clock
        )

    def publish(self, found: Published) -> Published:
        self.lake.time = self.clock.time
        self.lake.put(rule_set_path("shop"), b"{}")
        self.clock.time += SETTLE
        return found

    def walk(self, found: Published) -> Followed:
        return self.follow(found, lambda: 900)


@pytest.fixture
def world() -> World:
    return World()


def test_a_new_segment_is_told_of_people_to_whom_nothing_happens(world: World) -> None:
    assert world.walk(world.publish(rules())).profiles == 5
    assert told(world.queue) == []
    assert world.profiles.realtime == {}
    found = world.publish(rules(QUIET, number=2))
    assert world.walk(found).changes == 3
    assert told(world.queue) == [("quiet-adults", "joined", f"person_id:{one}") for one in "123"]
    revisions = {key: one.revision for key, one in world.profiles.realtime.items()}
    assert world.walk(found) == Followed()
    assert {key: one.revision for key, one in world.profiles.realtime.items()} == revisions


def test_an_edit_that_changes_nobody_writes_nobody(world: World) -> None:
    world.walk(world.publish(rules(QUIET)))
    before = dict(world.profiles.realtime)
    other = {
        **QUIET,
        "rule": {"and": [*QUIET["rule"]["and"], {"!": [{"==": [{"var": "attributes.age"}, 3]}]}]},
    }  # type: ignore[index]
    assert world.walk(world.publish(rules(other, number=2))).profiles == 5
    assert world.profiles.realtime == before


def test_what_is_edited_without_touching_real_time_rules_is_not_followed(world: World) -> None:
    found = world.publish(rules(QUIET))
    world.walk(found)
    renamed = replace(found, version="2.renamed", destinations=())
    assert world.walk(world.publish(renamed)) == Followed()


def test_a_segment_that_is_removed_is_left(world: World) -> None:
    world.walk(world.publish(rules(QUIET)))
    world.queue.messages.clear()
    gone = rules(QUIET, number=2)
    document = {
        **gone.document,
        "segments": [one for one in gone.document["segments"] if one["id"] != "quiet-adults"],
    }
    document["destinations"] = [{**document["destinations"][0], "segments": ["adults-buying"]}]
    world.walk(world.publish(published(**{**document, "version": "2.gone"})))
    assert not any(one.members for one in world.profiles.realtime.values())


def test_it_waits_until_every_function_has_read_the_rules(world: World) -> None:
    found = world.publish(rules(QUIET))
    world.clock.time -= 1
    assert world.walk(found) == Followed()
    world.clock.time += 1
    assert world.walk(found).profiles == 5


def test_an_audience_without_real_time_segments_is_left_alone(world: World) -> None:
    document = documents()
    kept = [one for one in document["segments"] if one["kind"] != "realtime"]
    access = {"write_keys": [], "tokens": [], "partners": []}
    found = published(**{**document, "segments": kept, "access": access, "destinations": []})
    assert world.walk(world.publish(found)) == Followed()
    assert walk_path("shop") not in world.lake.objects


def test_rules_that_change_on_the_way_begin_the_walk_anew(world: World) -> None:
    first = world.publish(rules(QUIET))
    world.profiles.broken = {"shop#person_id:3"}
    with pytest.raises(Unavailable, match="1 profiles could not be evaluated"):
        world.walk(first)
    world.profiles.broken = set()
    world.queue.messages.clear()
    assert world.walk(world.publish(rules(QUIET, number=2))).changes == 1  # the same rules: it goes on
    other = {**QUIET, "rule": QUIET["rule"]["and"][0]}  # type: ignore[index]
    assert world.walk(world.publish(rules(other, number=3))).profiles == 5


@pytest.mark.parametrize("after", [False, True])
def test_wherever_a_walk_is_cut_off_it_goes_on(after: bool) -> None:
    for at in range(200):
        fuse = Fuse(at, after)
        world = World(wrap=fuse.wrap)
        found = world.publish(rules(QUIET))
        try:
            world.walk(found)
        except Killed:
            world.wrap = lambda store: store
            world.assemble()
            world.walk(found)
            world.clock.time += 60
            Stream(world.profiles, world.queue, world.clock, sets=StaticRuleSets({"shop": found})).sweep()
        ids = {message["id"] for message in world.queue.messages}
        assert len(ids) == 3, at
        assert {name for _, _, name in told(world.queue)} == {f"person_id:{one}" for one in "123"}
        if fuse.writes <= at:
            assert at > 5
            return
    raise AssertionError("it never comes to an end")


def test_a_walk_stops_before_its_time_is_over_and_goes_on(world: World) -> None:
    found = world.publish(rules(QUIET))
    times = iter([900.0, 10.0])
    first = world.follow(found, lambda: next(times))
    assert (first.profiles, first.left) == (2, True)
    assert world.walk(found).profiles == 3
