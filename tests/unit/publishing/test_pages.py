"""Published runs: pages of members and changes, and who is told.

On real tables it is tried in tests/contract/test_batch_path.py.
"""

import json
from typing import Any

import pytest
from segmentation.domain.errors import BadRecord, NotFound, Unavailable
from segmentation.domain.publication import Task

from tests.fakes.publisher import (
    NOW,
    Publisher,
    numbered,
)


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
