"""Publication of runs where things go wrong; that it goes right is in tests/contract/test_batch_path.py."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from segmentation.domain.errors import BadRecord, NotFound, Unavailable
from segmentation.domain.profile import RealtimePart
from segmentation.domain.run import RunRecord, SegmentCount, run_id
from segmentation.language.types import Type
from segmentation.usecases.list_changes import ListChanges
from segmentation.usecases.list_members import ListMembers
from segmentation.usecases.publish_memberships import Publication, PublishMemberships

from tests.fakes import (
    MemoryLake,
    MemoryProfiles,
    MemoryQueue,
    MemoryTables,
    StaticRuleSets,
)
from tests.fakes.documents import published

NOW = 1_704_067_200


@dataclass
class Publisher:
    """Publication of runs that a test writes."""

    lake: MemoryLake = field(default_factory=MemoryLake)
    tables: MemoryTables = field(default_factory=MemoryTables)
    profiles: MemoryProfiles = field(default_factory=MemoryProfiles)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    runs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        sets = StaticRuleSets({"shop": published()})
        self.publish = PublishMemberships(self.tables, self.lake, self.profiles, sets, self.queue)
        self.members = ListMembers(self.lake, sets)
        self.changes = ListChanges(self.lake, sets)

    def run(
        self,
        members: set[str],
        before: set[str] = frozenset(),  # type: ignore[assignment]
        keys: Mapping[str, Sequence[str]] | None = None,
        lost: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """A committed run of one segment; with `keys`, of profiles with such identity keys, which `lost` are no more."""
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
        types = {"profile_key": Type.STRING, "segments": Type.STRINGS}
        rows = [{"profile_key": key, "segments": ("adults",)} for key in sorted(members)]
        self.tables.write(f"memberships/shop/{run}/members/1", types, rows)
        columns: dict[str, Type] = {
            **types,
            **({"identities": Type.STRINGS, "identities_left": Type.STRINGS} if keys is not None else {}),
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
    assert publisher.publish("shop", run) == [Publication(run, 2, 2, 1)]
    assert publisher.profiles.batch["shop#person_id:1"].attributes == {"age": 20.0}
    (message,) = publisher.queue.messages
    assert (message["joined"], message["left"], message["run"]) == (["person_id:1", "person_id:2"], [], run)


def test_publishing_again_is_the_same(publisher: Publisher) -> None:
    run = publisher.run({"1", "2"})
    publisher.publish("shop", run)
    before, messages = dict(publisher.lake.objects), list(publisher.queue.messages)
    publisher.queue.messages.clear()
    publisher.publish("shop", run)
    assert publisher.lake.objects == before
    assert publisher.queue.messages == messages


def test_a_publication_that_was_lost_is_caught_up_with(publisher: Publisher) -> None:
    first = publisher.run({"1"})
    publisher.publish("shop", first)
    lost = publisher.run({"1", "2"}, {"1"})
    latest = publisher.run({"1", "2", "3"}, {"1", "2"})
    assert [one.run for one in publisher.publish("shop", latest)] == [lost, latest]
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
        publisher.publish("shop", "20240101t000000z_0000")
    with pytest.raises(Unavailable, match="'nobody'"):
        publisher.publish("nobody", "x")


def test_an_index_that_changed_meanwhile_is_read_again(publisher: Publisher) -> None:
    run = publisher.run({"1"})

    def other(path: str) -> None:
        if path.endswith("index.json"):
            publisher.lake.before_put = lambda _: None
            publisher.lake.objects[path] = b'{"runs": ["20230101t000000z_0000"]}'

    publisher.lake.before_put = other
    publisher.publish("shop", run)
    assert publisher.lake.json("syndication/shop/index.json") == {"runs": ["20230101t000000z_0000", run]}


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


def test_a_crash_in_the_middle_is_made_good_by_redelivery(publisher: Publisher) -> None:
    run = publisher.run({"1", "2", "3"})
    publisher.queue.closed = True
    with pytest.raises(Unavailable):
        publisher.publish("shop", run)
    publisher.queue.closed = False
    publisher.publish("shop", run)
    (message,) = publisher.queue.messages
    assert len(message["joined"]) == 3


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
