"""Publication of runs where things go wrong; that it goes right is in tests/contract/test_batch_path.py."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from segmentation.domain.errors import BadRecord, NotFound, Unavailable
from segmentation.domain.profile import RealtimePart
from segmentation.domain.publication import MOST_TRIES, Task, rows_a_part
from segmentation.domain.run import RunRecord, SegmentCount, run_id
from segmentation.language.types import Type
from segmentation.usecases.list_changes import ListChanges
from segmentation.usecases.list_members import ListMembers, members_page
from segmentation.usecases.publish_memberships import PublishMemberships
from segmentation.usecases.publish_part import PublishPart

from tests.fakes import (
    MemoryLake,
    MemoryProfiles,
    MemoryQueue,
    MemoryTables,
    StaticRuleSets,
)
from tests.fakes.documents import documents, published
from tests.fakes.fuse import Fuse, Killed

NOW = 1_704_067_200
IDENTITY_COLUMNS = ("identities", "identities_joined", "identities_left")


@dataclass
class Publisher:
    """Publication of runs that a test writes."""

    lake: MemoryLake = field(default_factory=MemoryLake)
    tables: MemoryTables = field(default_factory=MemoryTables)
    profiles: MemoryProfiles = field(default_factory=MemoryProfiles)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    tasks: MemoryQueue = field(default_factory=MemoryQueue)
    runs: list[str] = field(default_factory=list)
    wrap: Callable[[Any], Any] = lambda store: store
    has_time: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
        self.sets = StaticRuleSets({"shop": published()})
        self.assemble()
        self.members = ListMembers(self.lake, self.sets)
        self.changes = ListChanges(self.lake, self.sets)

    def assemble(self) -> None:
        """Anew, as in a fresh process: nothing is remembered."""
        tables, lake, profiles, tasks, queue = map(
            self.wrap, (self.tables, self.lake, self.profiles, self.tasks, self.queue)
        )
        part = PublishPart(tables, lake, profiles)
        self.do = PublishMemberships(tables, lake, part, self.sets, tasks, queue)

    def publish(self, audience: str, run: str) -> list[str]:
        """Start publishing a run and do whatever comes of it; the runs whose publication that completed."""
        self.tasks.send([{"audience": audience, "run": run}])
        return self.work()

    def work(self, most: int = 1_000) -> list[str]:
        """Do tasks until none is left; one that fails comes back at the end."""
        completed: list[str] = []
        for _ in range(most):
            if not self.tasks.messages:
                return completed
            message = self.tasks.messages[0]
            completed += self.do(Task.from_document(message), self.has_time).runs
            self.tasks.messages.remove(message)
        raise AssertionError(f"it does not end: {self.tasks.messages}")

    def run(
        self,
        members: set[str],
        before: set[str] = frozenset(),  # type: ignore[assignment]
        keys: Mapping[str, Sequence[str]] | None = None,
        lost: Mapping[str, Sequence[str]] | None = None,
        new: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """A committed run of one segment; with `keys`, of profiles with such identity keys, all of them `new` unless
        those are named; `lost` are no more."""
        run = run_id(NOW + 60 * len(self.runs), "0000")
        joined, left = members - before, before - members
        record = RunRecord(
            run=run,
            audience="shop",
            now=NOW,
            started=NOW,
            finished=NOW,
            audience_version="v",
            rules_version="r",
            profiles=len(members),
            segments=(SegmentCount("adults", "Adults", "batch", len(members), len(joined), len(left), "v"),),
            queries=(),
            attributes=("age", "country"),
            previous=self.runs[-1] if self.runs else None,
            identities=keys is not None,
        )
        self.lake.put(f"memberships/shop/{run}/run.json", _json(record))
        self.lake.put("memberships/shop/current.json", _json(record))
        types = {"profile_key": Type.STRING, "segments": Type.STRINGS}
        rows = [{"profile_key": key, "segments": ("adults",)} for key in sorted(members)]
        self.tables.write(f"memberships/shop/{run}/members/1", types, rows)
        columns: dict[str, Type] = {
            **types,
            **(dict.fromkeys(IDENTITY_COLUMNS, Type.STRINGS) if keys is not None else {}),
            "joined": Type.STRINGS,
            "left": Type.STRINGS,
            "age": Type.NUMBER,
            "country": Type.STRING,
        }
        changed = [
            {
                "profile_key": key,
                "segments": ("adults",) if key in members else (),
                "joined": ("adults",) if key in joined else (),
                "left": ("adults",) if key in left else (),
                "age": 20.0,
                "country": None,
                "identities": (keys or {}).get(key, ()),
                "identities_joined": (new if new is not None else keys or {}).get(key, ()),
                "identities_left": (lost or {}).get(key, ()),
            }
            for key in sorted(joined | left | {*(keys or {}), *(lost or {})})
        ]
        self.tables.write(f"memberships/shop/{run}/changes/1", columns, changed)
        self.runs.append(run)
        return run


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


def _json(record: RunRecord) -> bytes:
    return json.dumps(record.to_document()).encode()


def numbered(count: int) -> set[str]:
    return {f"{number:05d}" for number in range(count)}


def test_a_run_reaches_profiles_pages_and_deliverer(publisher: Publisher) -> None:
    run = publisher.run({"1", "2"})
    assert publisher.publish("shop", run) == [run]
    assert publisher.members("partner-token", "shop", "adults")["members"] == ["1", "2"]
    assert publisher.profiles.batch["shop#person_id:1"].attributes == {"age": 20.0}
    (message,) = publisher.queue.messages
    assert (message["joined"], message["left"], message["run"]) == (["person_id:1", "person_id:2"], [], run)


def test_publishing_again_is_the_same(publisher: Publisher) -> None:
    run = publisher.run({"1", "2"})
    publisher.publish("shop", run)
    before, messages = dict(publisher.lake.objects), list(publisher.queue.messages)
    publisher.publish("shop", run)
    assert publisher.lake.objects == before
    assert publisher.queue.messages == messages


def test_a_publication_that_was_lost_is_caught_up_with(publisher: Publisher) -> None:
    first = publisher.run({"1"})
    publisher.publish("shop", first)
    lost = publisher.run({"1", "2"}, {"1"})
    latest = publisher.run({"1", "2", "3"}, {"1", "2"})
    assert publisher.publish("shop", latest) == [lost, latest]
    assert set(publisher.profiles.batch) == {f"shop#person_id:{n}" for n in (1, 2, 3)}
    assert [one["run"] for one in publisher.queue.messages] == [first, lost, latest]


def test_a_late_publication_does_not_undo_a_newer_one(publisher: Publisher) -> None:
    first = publisher.run({"1"})
    second = publisher.run(set(), {"1"})
    publisher.publish("shop", second)
    publisher.publish("shop", first)
    assert publisher.profiles.batch["shop#person_id:1"].run == second
    assert publisher.lake.json("syndication/shop/index.json") == {"runs": [first, second]}


def test_a_run_that_is_not_there_is_said(publisher: Publisher) -> None:
    with pytest.raises(BadRecord, match="no run"):
        publisher.do(Task("shop", "20240101t000000z_0000"))
    with pytest.raises(Unavailable, match="'nobody'"):
        publisher.do(Task("nobody", "x"))
    with pytest.raises(BadRecord, match="has no part 7"):
        publisher.do(Task("shop", publisher.run({"1"}), part=7))


@pytest.mark.parametrize(
    "message",
    ["x", {}, {"audience": "shop"}, {"audience": 1, "run": "r"}, {"audience": "a", "run": "r", "x": 1}],
)
def test_a_message_that_is_no_task_is_said(message: object) -> None:
    with pytest.raises(BadRecord, match="not a publication"):
        Task.from_document(message)


def test_an_index_that_changed_meanwhile_is_read_again(publisher: Publisher) -> None:
    run = publisher.run({"1"})

    def other(path: str) -> None:
        if path.endswith("index.json"):
            publisher.lake.before_put = lambda _: None
            publisher.lake.objects[path] = b'{"runs": ["20230101t000000z_0000"]}'

    publisher.lake.before_put = other
    publisher.publish("shop", run)
    assert publisher.lake.json("syndication/shop/index.json") == {"runs": ["20230101t000000z_0000", run]}


def test_what_the_index_forgets_is_removed(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.usecases.publish_memberships.MOST_RUNS", 2)
    for number in range(4):
        publisher.publish("shop", publisher.run({str(number)}, {str(number - 1)} if number else frozenset()))  # type: ignore[arg-type]
    assert publisher.lake.json("syndication/shop/index.json") == {"runs": publisher.runs[2:]}
    folders = {path.split("/")[2] for path in publisher.lake.objects if path.startswith("syndication/shop/2")}
    assert folders == set(publisher.runs[2:])
    answer = publisher.changes("partner-token", "shop", "adults", publisher.runs[2])
    assert [(one["profile"], one["change"]) for one in answer["changes"]] == [("2", "left"), ("3", "joined")]


def test_webhook_bodies_stay_small_and_all_are_told(publisher: Publisher) -> None:
    run = publisher.run(numbered(2_500))
    publisher.publish("shop", run)
    assert len(publisher.queue.messages) > 2
    assert {name for one in publisher.queue.messages for name in one["joined"]} == {
        f"person_id:{key}" for key in numbered(2_500)
    }
    assert len({one["id"] for one in publisher.queue.messages}) == len(publisher.queue.messages)
    assert max(len(_text(one)) for one in publisher.queue.messages) <= 20_000


def _text(document: Any) -> str:
    return json.dumps(document)


def test_members_are_paged_within_one_run(publisher: Publisher) -> None:
    run = publisher.run(numbered(2_001))
    publisher.publish("shop", run)
    page = publisher.members("partner-token", "shop", "adults")
    newer = publisher.run({"1"}, numbered(2_001))
    publisher.publish("shop", newer)
    found = list(page["members"])
    while page["next"]:
        page = publisher.members("partner-token", "shop", "adults", page["next"])
        assert page["run"] == run
        assert len(page["members"]) <= 1_000
        found += page["members"]
    assert found == sorted(numbered(2_001))
    assert publisher.members("partner-token", "shop", "adults")["members"] == ["1"]


def test_exactly_full_pages_end(publisher: Publisher) -> None:
    publisher.publish("shop", publisher.run(numbered(1_000)))
    page = publisher.members("partner-token", "shop", "adults")
    assert (len(page["members"]), page["next"]) == (1_000, None)


def test_an_empty_segment_is_an_empty_page(publisher: Publisher) -> None:
    run = publisher.run(set())
    publisher.publish("shop", run)
    expected = {"run": run, "now": NOW, "members": [], "next": None}
    assert publisher.members("partner-token", "shop", "adults") == expected


def test_changes_add_up_to_the_members(publisher: Publisher) -> None:
    states = [numbered(1_500), numbered(1_200) | {"x"}, set(), {"y"}]
    before: set[str] = set()
    for state in states:
        publisher.publish("shop", publisher.run(state, before))
        before = state
    members: set[str] = set()
    since: str | None = None
    pages = 0
    while True:
        answer = publisher.changes("partner-token", "shop", "adults", since)
        for change in answer["changes"]:
            assert set(change) == {"profile", "change", "run", "now"}
            (members.add if change["change"] == "joined" else members.remove)(change["profile"])
        pages += 1
        if answer["next"] == since:
            break
        since = answer["next"]
    assert members == {"y"}
    assert pages > 4
    publisher.publish("shop", publisher.run({"y", "z"}, {"y"}))
    answer = publisher.changes("partner-token", "shop", "adults", since)
    assert [(one["profile"], one["change"]) for one in answer["changes"]] == [("z", "joined")]


def test_changes_since_the_run_of_a_members_answer(publisher: Publisher) -> None:
    publisher.publish("shop", publisher.run({"1"}))
    run = publisher.members("partner-token", "shop", "adults")["run"]
    assert publisher.changes("partner-token", "shop", "adults", run) == {"changes": [], "next": run}
    publisher.publish("shop", publisher.run({"2"}, {"1"}))
    changes = publisher.changes("partner-token", "shop", "adults", run)["changes"]
    assert [(one["profile"], one["change"]) for one in changes] == [("1", "left"), ("2", "joined")]


@pytest.mark.parametrize(
    ("bearer", "audience", "segment", "cursor", "error"),
    [
        (None, "shop", "adults", None, "Unauthorized"),
        ("wrong", "shop", "adults", None, "Unauthorized"),
        ("partner-token", "nobody", "adults", None, "Unauthorized"),
        ("partner-token", "shop", "buyers", None, "Forbidden"),
        ("partner-token", "shop", "nothing", None, "Forbidden"),
        ("partner-token", "shop", "buying-now", None, "NotFound"),
        ("partner-token", "shop", "adults", "../../rules", "BadRequest"),
        ("partner-token", "shop", "adults", "20200101t000000z_0000.0", "Gone"),
    ],
)
def test_partners_get_what_they_were_given_and_no_more(
    publisher: Publisher, bearer: str | None, audience: str, segment: str, cursor: str | None, error: str
) -> None:
    publisher.publish("shop", publisher.run({"1"}))
    for call in (publisher.members, publisher.changes):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the kind is compared below
            call(bearer, audience, segment, cursor)
        assert type(caught.value).__name__ == error


def test_before_the_first_run_there_is_nothing(publisher: Publisher) -> None:
    with pytest.raises(NotFound, match="no run"):
        publisher.members("partner-token", "shop", "adults")
    assert publisher.changes("partner-token", "shop", "adults") == {"changes": [], "next": None}


# ------------------------------------------------------------------------------------- in parts, and where it fails


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few rows."""
    module = "segmentation.usecases.publish_memberships"
    monkeypatch.setattr(f"{module}.CHANGES_A_PART", 4)
    monkeypatch.setattr("segmentation.domain.publication.MEMBERS_A_PART", 3)
    monkeypatch.setattr(f"{module}.PAGES_A_TELLING", 2)
    monkeypatch.setattr("segmentation.usecases.publish_part.PAGE", 2)
    monkeypatch.setattr("segmentation.usecases.publish_part.PROFILES_AT_ONCE", 1)


def all_members(publisher: Publisher) -> list[str]:
    page = publisher.members("partner-token", "shop", "adults")
    found = list(page["members"])
    while page["next"]:
        page = publisher.members("partner-token", "shop", "adults", page["next"])
        found += page["members"]
    return found


def told(publisher: Publisher, run: str) -> dict[str, list[str]]:
    """Who is told of a run; each message once, however often it was sent."""
    messages = {one["id"]: one for one in publisher.queue.messages if one["run"] == run}.values()
    return {side: sorted(key for one in messages for key in one[side]) for side in ("joined", "left")}


def names(keys: set[str]) -> list[str]:
    return sorted(f"person_id:{key}" for key in keys)


def check_published(publisher: Publisher, states: Sequence[set[str]]) -> None:
    """All runs are published, each in its order, and everybody is where the last one left them."""
    assert publisher.lake.json("syndication/shop/index.json") == {"runs": publisher.runs}
    assert all_members(publisher) == sorted(states[-1])
    inside = {key for key, part in publisher.profiles.batch.items() if part.segments}
    assert inside == {f"shop#person_id:{key}" for key in states[-1]}
    before: set[str] = set()
    for run, state in zip(publisher.runs, states, strict=True):
        assert told(publisher, run) == {"joined": names(state - before), "left": names(before - state)}
        before = state


STATES = [numbered(9), numbered(9) - {"00003", "00004", "00005"} | {"x", "y"}]


def make_runs(publisher: Publisher) -> None:
    before: set[str] = set()
    for state in STATES:
        publisher.run(state, before)
        before = state


def test_a_part_makes_as_many_pages_as_it_has_time_for() -> None:
    assert rows_a_part(1_000_000, 100_000) == 500_000  # few members: as many rows as a part may have
    assert rows_a_part(1_000_000, 50_000_000) == 40_000  # fifty segments a profile
    assert rows_a_part(0, 0) == 500_000


@pytest.mark.usefixtures("small")
def test_parts_may_be_done_in_any_order_and_twice(publisher: Publisher) -> None:
    make_runs(publisher)
    publisher.do(Task("shop", publisher.runs[0]))
    publisher.do(Task("shop", publisher.runs[1]))
    parts = [Task.from_document(one) for one in publisher.tasks.messages]
    assert len(parts) == 3 + 3 + 2 + 3  # changes of 9 and 5 profiles, members of 9 and 8
    publisher.tasks.messages.clear()
    completed: list[str] = []
    for task in [*reversed(parts), *parts]:
        completed += publisher.do(task).runs
    assert (
        completed == publisher.runs
    )  # the later one waited for the earlier one, and neither was completed twice
    publisher.work()
    check_published(publisher, STATES)


@pytest.mark.usefixtures("small")
def test_a_run_is_not_listed_before_the_one_before_it(publisher: Publisher) -> None:
    make_runs(publisher)
    first, second = publisher.runs
    publisher.do(Task("shop", first))
    held = publisher.tasks.messages.pop()
    publisher.work()
    assert publisher.publish("shop", second) == []
    assert "syndication/shop/index.json" not in publisher.lake.objects
    assert not publisher.queue.messages
    # Its profiles are there already.
    assert publisher.profiles.batch["shop#person_id:x"].run == second
    publisher.tasks.messages.append(held)
    assert publisher.work() == [first, second]
    check_published(publisher, STATES)


@pytest.mark.usefixtures("small")
def test_a_part_that_is_throttled_goes_on_where_it_was(publisher: Publisher) -> None:
    run = publisher.run(numbered(4))
    publisher.do(Task("shop", run))
    part = Task.from_document(publisher.tasks.messages.pop(0))
    publisher.tasks.messages.clear()
    waits = []
    for room, row, tries in ((3, 3, 0), (0, 3, 1), (0, 3, 2)):
        publisher.profiles.room = room
        done = publisher.do(part)
        assert done.held
        (message,) = publisher.tasks.messages
        part = Task.from_document(message)
        assert (part.row, part.tries) == (row, tries)
        waits.append(publisher.tasks.waits[-1])
        publisher.tasks.messages.clear()
    assert waits == [30, 30, 60]
    publisher.profiles.room = 1  # those that were written are not written again
    assert publisher.do(part).profiles == 1
    publisher.profiles.room = None
    publisher.publish("shop", run)
    check_published(publisher, [numbered(4)])


@pytest.mark.usefixtures("small")
def test_a_part_that_never_goes_forward_comes_back_and_is_kept_in_the_end(publisher: Publisher) -> None:
    run = publisher.run({"1"})
    publisher.do(Task("shop", run))
    publisher.profiles.room = 0
    with pytest.raises(Unavailable, match=r"part 0 of run .* does not go forward: .*Throttling"):
        publisher.do(Task("shop", run, part=0, tries=MOST_TRIES))


@pytest.mark.usefixtures("small")
def test_a_part_is_handed_on_before_the_time_is_up(publisher: Publisher) -> None:
    run = publisher.run(numbered(9))
    looks = iter([True, False] * 20)
    publisher.has_time = lambda: next(looks)
    assert publisher.publish("shop", run) == [run]
    assert set(publisher.tasks.waits) == {0}
    check_published(publisher, [numbered(9)])


@pytest.mark.usefixtures("small")
def test_of_many_profiles_each_is_written_once(publisher: Publisher) -> None:
    run = publisher.run(numbered(9))
    publisher.profiles.room = 9
    publisher.publish("shop", run)
    check_published(publisher, [numbered(9)])
    publisher.profiles.room = 5
    publisher.publish("shop", publisher.run(STATES[1], numbered(9)))
    check_published(publisher, STATES)


def test_all_segments_are_listed_for_those_who_manage_them(publisher: Publisher) -> None:
    publisher.sets.sets["shop"] = published(access={"write_keys": [], "tokens": [], "partners": []})
    publisher.publish("shop", publisher.run({"1", "2"}))
    assert members_page(publisher.lake, "shop", "adults")["members"] == ["1", "2"]


def test_of_a_large_audience_only_pages_that_somebody_may_ask_for_are_made(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmentation.usecases.publish_memberships.LISTED_PROFILES", 0)
    document = documents()
    document["access"]["partners"] = []
    publisher.sets.sets["shop"] = published(**document)
    run = publisher.run({"1"})
    publisher.publish("shop", run)
    pages = [path for path in publisher.lake.objects if "/adults/members-" in path]
    assert pages == []
    with pytest.raises(NotFound, match="export them"):
        members_page(publisher.lake, "shop", "adults")
    assert [one["joined"] for one in publisher.queue.messages] == [["person_id:1"]]  # a destination is told
    document["destinations"] = []
    publisher.sets.sets["shop"] = published(**document)
    publisher.publish("shop", publisher.run({"2"}, {"1"}))
    assert not [
        path
        for path in publisher.lake.objects
        if path.startswith("syndication/shop/")
        and "-000" in path
        and publisher.runs[1] in path
        and "/adults/" in path
    ]


def test_a_destination_that_was_removed_meanwhile_is_not_told(publisher: Publisher) -> None:
    run = publisher.run({"1"})
    publisher.do(Task("shop", run))
    while publisher.tasks.messages and "tell" not in publisher.tasks.messages[0]:
        publisher.do(Task.from_document(publisher.tasks.messages.pop(0)))
    publisher.sets.sets["shop"] = published(destinations=[])
    publisher.work()
    assert not publisher.queue.messages


def test_the_deliverer_out_of_reach_is_waited_for(publisher: Publisher) -> None:
    run = publisher.run({"1", "2", "3"})
    publisher.queue.closed = True
    with pytest.raises(Unavailable):
        publisher.publish("shop", run)
    publisher.queue.closed = False
    publisher.work()
    (message,) = publisher.queue.messages
    assert len(message["joined"]) == 3


def whole_way(publisher: Publisher) -> None:
    """Both runs are handed on and published; the queue gives a task again until it was done."""
    for run in publisher.runs:
        publisher.tasks.messages.append({"audience": "shop", "run": run})
    publisher.work()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("twice", [False, True], ids=["killed", "interleaved"])
def test_killed_at_each_write_or_with_another_at_work_it_ends_whole(after: bool, twice: bool) -> None:
    at = 0
    while True:
        fuse = Fuse(at, after)
        publisher = Publisher(wrap=fuse.wrap)
        make_runs(publisher)
        other = Publisher(
            publisher.lake, publisher.tables, publisher.profiles, publisher.queue, publisher.tasks
        )
        if twice:
            # The queue gives one message to two, and another is worked off in the middle of this one.
            fuse.what = lambda other=other: (
                [other.do(Task.from_document(one)) for one in list(other.tasks.messages)] and None
            )
            whole_way(publisher)
        else:
            try:
                whole_way(publisher)
            except Killed:
                publisher.assemble()
                publisher.work()
        check_published(publisher, STATES)
        if fuse.writes <= at:
            break
        at += 1
    assert at > 50


A, B = "email:a", "email:b"


def owners(publisher: Publisher) -> dict[str, str | None]:
    return {key.partition("#")[2]: part.owner for key, part in publisher.profiles.batch.items()}


def test_identity_keys_lead_to_their_profile(publisher: Publisher) -> None:
    publisher.publish("shop", publisher.run({"1", "2"}, keys={"1": [A], "2": [B]}))
    assert owners(publisher) == {"person_id:1": None, "person_id:2": None, A: "person_id:1", B: "person_id:2"}
    assert publisher.profiles.batch["shop#person_id:1"].identities == (A,)
    assert publisher.profiles.batch["shop#person_id:1"].unjoined == ()


def test_a_key_goes_to_another_profile_or_to_nobody(publisher: Publisher) -> None:
    everyone = {"1", "2"}
    publisher.publish("shop", publisher.run(everyone, keys={"1": [A, B]}))
    moved = publisher.run(everyone, everyone, keys={"1": [], "2": [A]}, lost={"1": [A, B]})
    publisher.publish("shop", moved)
    assert (owners(publisher)[A], owners(publisher)[B]) == ("person_id:2", "")
    publisher.publish("shop", moved)
    assert (owners(publisher)[A], owners(publisher)[B]) == ("person_id:2", "")


def test_a_link_that_stands_is_not_written_again(publisher: Publisher) -> None:
    publisher.publish("shop", publisher.run({"1"}, keys={"1": [A]}))
    again = publisher.run({"1"}, {"1"}, keys={"1": [A, B]}, new={"1": [B]})
    publisher.profiles.room = 2  # the profile, and the new link
    publisher.publish("shop", again)
    assert owners(publisher) == {"person_id:1": None, A: "person_id:1", B: "person_id:1"}
    assert publisher.profiles.batch["shop#person_id:1"].identities == (A, B)
    assert publisher.profiles.batch[f"shop#{A}"].run < again


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_runs_that_overtake_each_other_leave_each_key_where_the_last_one_says(
    publisher: Publisher, order: tuple[int, ...]
) -> None:
    """A goes from 1 to 2 and is nobody's in the end; B goes from 2 to 1 and back."""
    everyone = {"1", "2"}
    runs = [
        publisher.run(everyone, keys={"1": [A], "2": [B]}),
        publisher.run(everyone, everyone, {"1": [B], "2": [A]}, lost={"1": [A], "2": [B]}),
        publisher.run(everyone, everyone, {"1": [], "2": [B]}, lost={"1": [B], "2": [A]}, new={"2": [B]}),
    ]
    publisher.do(Task("shop", runs[2]))  # plans all of them
    tasks = [Task.from_document(one) for one in publisher.tasks.messages]
    publisher.tasks.messages.clear()
    for index in order:
        for task in tasks:
            if task.run == runs[index]:
                publisher.do(task)
    assert owners(publisher) == {"person_id:1": None, "person_id:2": None, A: "", B: "person_id:2"}


def test_a_key_that_the_stream_knew_before_is_said_to_be_apart(publisher: Publisher) -> None:
    part = RealtimePart(1, b"state", (), (), NOW, "r")
    publisher.profiles.realtime |= {
        f"shop#{A}": part,
        f"shop#{B}": replace(part, state=b"", alias="person_id:1"),
    }
    publisher.publish("shop", publisher.run({"1"}, keys={"1": [A, B]}))
    assert publisher.profiles.batch["shop#person_id:1"].unjoined == (A,)


def test_nobody_who_was_erased_is_published(publisher: Publisher) -> None:
    publisher.profiles.bar(["shop#person_id:1", f"shop#{A}"], NOW)
    publisher.publish("shop", publisher.run({"1", "2"}, keys={"1": [A], "2": [B]}))
    assert owners(publisher) == {"person_id:2": None, B: "person_id:2"}
