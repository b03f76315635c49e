"""Uploads that are cut off at every write, come at once, or wait for a warehouse that fails."""

import itertools
from typing import Any

import pytest
from segmentation.domain.errors import Unavailable
from segmentation.domain.list_upload import UploadState
from segmentation.domain.pipeline import Outcome
from segmentation.usecases.import_lists import FORGOTTEN_SECONDS, STALE_SECONDS

from tests.fakes.uploads_world import Killed, World

CONTENT = b"person_id\n" + b"".join(b"%d\n" % n for n in range(10))


def faulty(world: World, at: int, *, after: bool) -> list[int]:
    """Kill at the `at`-th write to any store."""
    count = [0]

    def wrap(target: Any, name: str) -> None:
        original = getattr(target, name)

        def burned(*args: Any, **kwargs: Any) -> Any:
            now = count[0] == at
            count[0] += 1
            if now and not after:
                raise Killed
            result = original(*args, **kwargs)
            if now and after:
                raise Killed
            return result

        setattr(target, name, burned)

    for target, names in (
        (world.lake, ("put", "delete", "delete_prefix")),
        (world.tables, ("write",)),
        (world.warehouse, ("start",)),
        (world.queue, ("send",)),
    ):
        for name in names:
            wrap(target, name)
    return count


def test_killed_at_any_write_the_list_is_the_old_one_or_the_new_one() -> None:
    whole = World()
    whole.taken(b"person_id\n7\n")
    upload = whole.begin(CONTENT)
    writes = faulty(whole, -1, after=False)
    whole.work(lambda: 0.0)
    assert whole.status(upload).state is UploadState.COMMITTED
    assert writes[0] > 15
    for at, after in itertools.product(range(writes[0]), (False, True)):
        world = World()
        world.taken(b"person_id\n7\n")
        upload = world.begin(CONTENT)
        messages = list(world.queue.messages)
        faulty(world, at, after=after)
        with pytest.raises(Killed):
            world.work(lambda: 0.0)
        keys = [key for key, _ in world.members()]
        assert keys in (["7"], [str(n) for n in range(10)]), (at, after)
        world.queue.messages = messages  # the queue delivers it again
        world.work(lambda: 0.0)
        world.clock.time += STALE_SECONDS
        world.jobs.sweep(lambda: 900.0)
        world.work(lambda: 0.0)
        done = world.status(upload)
        assert done.state is UploadState.COMMITTED, (at, after, done)
        assert [(key, line) for key, line in world.members()] == [(str(n), n + 2) for n in range(10)], (
            at,
            after,
        )
        assert (done.report.rows, done.report.malformed) == (10, 0), (at, after)
        world.jobs.sweep(lambda: 900.0)
        assert not [path for path in world.lake.objects if path.startswith("lists_open/") or "/data/" in path]


def test_a_lost_message_is_made_good_by_the_sweep(world: World) -> None:
    upload = world.begin(CONTENT)
    world.queue.messages.clear()
    world.jobs.sweep(lambda: 900.0)
    assert world.queue.messages == []  # perhaps somebody is at it
    world.clock.time += STALE_SECONDS
    world.jobs.sweep(lambda: 900.0)
    world.work()
    assert world.status(upload).state is UploadState.COMMITTED


def test_two_at_once_read_one_upload_once(world: World) -> None:
    upload = world.begin(CONTENT)
    message = world.queue.messages[0]
    before = world.lake.before_put
    inside = False

    def race(path: str) -> None:
        nonlocal inside
        if path.endswith("/upload.json") and not inside:
            inside = True
            world.jobs(message["audience"], message["segment"], message["upload"], lambda: 900.0)
            inside = False
            world.lake.before_put = before

    world.lake.before_put = race
    world.work()
    assert world.status(upload).state is UploadState.COMMITTED
    assert [key for key, _ in world.members()] == [str(n) for n in range(10)]
    assert world.status(upload).report.rows == 10


def test_of_two_uploads_the_last_committed_wins_whole(world: World) -> None:
    world.warehouse.instant = False
    first = world.begin(b"person_id\n1\n2\n")
    second = world.begin(b"person_id\n3\n")
    world.work()
    queries = {one.id: list(world.status(one).queries.values()) for one in (first, second)}
    for one in (second, first):  # the first one takes longer
        for query in queries[one.id]:
            world.warehouse.finish(query)
            world.jobs.query_ended(query, lambda: 900.0)
    assert [key for key, _ in world.members()] == ["1", "2"]
    # Told again of the second, nothing changes: it was taken already.
    world.jobs("shop", "vip", second.id, lambda: 900.0)
    assert [key for key, _ in world.members()] == ["1", "2"]


def test_start_and_completion_are_steps_of_their_own(world: World) -> None:
    world.warehouse.instant = False
    upload = world.begin(b"person_id\n1\n")
    world.work()
    waiting = world.status(upload)
    assert (waiting.state, world.members()) == (UploadState.MATCHING, [])
    report, unmatched = (waiting.queries[name] for name in ("report", "unmatched"))
    assert world.jobs.query_ended("somebody-elses", lambda: 900.0).committed == []
    world.warehouse.finish(report)
    assert world.jobs.query_ended(report, lambda: 900.0).committed == []
    world.warehouse.finish(unmatched)
    (done,) = world.jobs.query_ended(unmatched, lambda: 900.0).committed
    assert done.id == upload.id
    assert world.members() == [("1", 2)]


def test_a_query_that_fails_is_asked_again_and_in_the_end_given_up(world: World) -> None:
    world.warehouse.passing["list_report"] = 2
    assert world.taken(b"person_id\n1\n").state is UploadState.COMMITTED
    assert world.status(world.uploads.history("shop", "vip")[0]).attempt == 3
    world.clock.time += 1
    world.warehouse.failing["list_unmatched"] = "HIVE_BAD_DATA"
    failed = world.taken(b"person_id\n2\n")
    assert (failed.state, failed.error) == (UploadState.FAILED, "it could not be matched: HIVE_BAD_DATA")
    assert world.members() == [("1", 2)]


def test_a_throttle_is_waited_for(world: World) -> None:
    upload = world.begin(b"person_id\n1\n")
    message = world.queue.messages.pop()
    world.warehouse.throttled = 2
    for _ in range(2):
        with pytest.raises(Unavailable):
            world.jobs(message["audience"], message["segment"], message["upload"], lambda: 900.0)
    world.jobs(message["audience"], message["segment"], message["upload"], lambda: 900.0)
    assert world.status(upload).state is UploadState.COMMITTED
    assert world.status(upload).attempt == 1


def test_before_the_first_build_nobody_is_matched(world: World) -> None:
    del world.lake.objects["audiences/shop/current.json"]
    upload = world.taken(b"person_id\n1\n")
    assert (upload.state, upload.report.matched, upload.report.unmatched) == (
        UploadState.COMMITTED,
        None,
        None,
    )
    assert world.members() == [("1", 2)]


def test_an_upload_is_cancelled_until_it_is_committed(world: World) -> None:
    world.warehouse.instant = False
    upload = world.begin(b"person_id\n1\n")
    world.work()
    assert world.uploads.cancel("shop", "vip", upload.id).state is UploadState.CANCELLED
    world.jobs.sweep(lambda: 900.0)
    queries = world.status(upload).queries.values()
    assert {world.warehouse.queries[query].outcome for query in queries} == {Outcome.STOPPED}
    for query in queries:
        world.jobs.query_ended(query, lambda: 900.0)
    assert world.members() == []
    assert not [path for path in world.lake.objects if "/data/" in path]
    world.warehouse.instant = True
    done = world.taken(b"person_id\n2\n")
    assert world.uploads.cancel("shop", "vip", done.id).state is UploadState.COMMITTED


def test_an_upload_that_nobody_completes_is_forgotten(world: World) -> None:
    begun = world.uploads.start("shop", "vip")
    world.lake.put(begun.upload.path("data/00001"), b"person_id\nsecret\n")
    world.clock.time += FORGOTTEN_SECONDS - 1
    world.jobs.sweep(lambda: 900.0)
    assert world.status(begun.upload).state is UploadState.WAITING
    world.clock.time += 1
    world.jobs.sweep(lambda: 900.0)
    assert world.status(begun.upload).state is UploadState.CANCELLED
    assert all(b"secret" not in data for data in world.lake.objects.values())
