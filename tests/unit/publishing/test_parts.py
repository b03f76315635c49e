"""Publication in parts, and where it fails."""

import pytest
from segmentation.domain.errors import NotFound, Unavailable
from segmentation.domain.publication import MOST_TRIES, Task, rows_a_part
from segmentation.usecases.list_members import members_page
from segmentation.usecases.publish_memberships import MOST_BEGUN

from tests.fakes.documents import documents, published
from tests.fakes.fuse import Fuse, Killed
from tests.fakes.publisher import STATES, Publisher, all_members, check_published, make_runs, numbered


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
def test_a_run_that_is_stuck_holds_back_however_many_come_after_it(publisher: Publisher) -> None:
    """Of one whose schedule is short there are dozens in an hour; its dead letter waits for a person."""
    states = [{f"p{number}"} for number in range(MOST_BEGUN + 5)]
    before: set[str] = set()
    for number, state in enumerate(states):
        run = publisher.run(state, before)
        before = state
        publisher.tasks.send([{"audience": "shop", "run": run}])
        if number == 0:  # one of its parts is given up
            publisher.do(Task.from_document(publisher.tasks.messages.pop(0)))
            (stuck, *rest) = publisher.tasks.messages
            publisher.tasks.messages[:] = rest
        assert publisher.work() == []
    assert "syndication/shop/index.json" not in publisher.lake.objects
    publisher.tasks.send([stuck])
    assert publisher.work() == publisher.runs
    check_published(publisher, states)


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


def test_rows_out_of_all_proportion_hold_up_nobody(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    """An attribute of half a megabyte, a key that is a whole text: the store has no room, and the others must not wait."""
    long = "x" * 3_000
    keys = {"1": ["email:a", f"email:{long}"], "2": [f"email:{number:0200}" for number in range(500)]}
    run = publisher.run({"1", "2", long}, keys=keys)
    (path,) = (one for one in publisher.tables.objects if one.endswith("/changes/1"))
    publisher.tables.objects[path][0]["country"] = "c" * 500_000
    assert publisher.publish("shop", run) == [run]
    one, two = (publisher.profiles.batch[f"shop#person_id:{key}"] for key in "12")
    assert (one.attributes, one.identities) == ({"age": 20.0}, ("email:a",))
    assert 100 < len(two.identities) < 200
    assert not any(long in key for key in publisher.profiles.batch)
    assert publisher.profiles.batch[f"shop#email:{499:0200}"].owner == "person_id:2"
    assert "left out of it: ['country']" in caplog.text
    assert "1 profiles have keys that nobody can ask for" in caplog.text
    assert all_members(publisher) == ["1", "2", long], "partners hear of all of them"


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
