"""Uploads to lists: read, matched, committed whole; cut off at every write; at once; cleaned up."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from segmentation.domain.errors import BadRequest, NotFound, Unavailable
from segmentation.domain.list_upload import Upload, UploadState
from segmentation.domain.lists import Lists, members_folder
from segmentation.domain.pipeline import Outcome
from segmentation.usecases.current_build import current_lists
from segmentation.usecases.import_lists import FORGOTTEN_SECONDS, STALE_SECONDS, ImportLists
from segmentation.usecases.upload_list import UploadList

from tests.fakes import (
    FakeUploads,
    FakeWarehouse,
    FixedClock,
    MemoryLake,
    MemoryLakeCatalog,
    MemoryQueue,
    MemoryTables,
    StaticRuleSets,
)
from tests.fakes.documents import documents, published, sha

EMAIL = {"name": "email", "table": "contacts", "normalize": "email", "visibility": "pii"}
POINTER = {
    "version": "v1",
    "rows": {"profiles": 3},
    "tables": {"profiles": "people_v1", "behaviors": {}},
    "layout": {"identities": ["email"]},
}


class Killed(BaseException):
    """The process is gone."""


def rules(*lists: str) -> dict[str, Any]:
    document = documents()
    document["audience"]["identities"] = ["person_id", "td_client_id", EMAIL]
    document["segments"] += [
        {"id": one, "name": one, "audience": "shop", "kind": "list"} for one in lists or ("vip", "staff")
    ]
    return document


@dataclass
class World:
    lake: MemoryLake = field(default_factory=MemoryLake)
    tables: MemoryTables = field(default_factory=MemoryTables)
    warehouse: FakeWarehouse = field(default_factory=FakeWarehouse)
    clock: FixedClock = field(default_factory=FixedClock)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    catalog: MemoryLakeCatalog = field(default_factory=MemoryLakeCatalog)
    rows_a_part: int = 3

    def __post_init__(self) -> None:
        numbers = itertools.count(1)
        self.sets = StaticRuleSets({"shop": published(**rules())})
        self.uploads = UploadList(
            self.lake, FakeUploads(), self.sets, self.clock, self.queue, lambda: f"{next(numbers):04x}"
        )
        self.jobs = ImportLists(
            self.lake,
            self.tables,
            self.warehouse,
            self.catalog,
            self.sets,
            self.clock,
            self.queue,
            kept_seconds=1_000,
            rows_a_part=self.rows_a_part,
        )
        self.lake.put("audiences/shop/current.json", json.dumps(POINTER).encode())
        self.warehouse.answers["list_report"] = [("4", "3", "2")]
        self.warehouse.answers["list_unmatched"] = []

    def begin(self, *files: bytes, segment: str = "vip", **options: Any) -> Upload:
        """An upload whose files are there."""
        started = self.uploads.start("shop", segment, **options)
        for number, data in enumerate(files, start=1):
            path = started.urls[0].removeprefix("https://lake.example/").split("?")[0]
            self.lake.put(path.removesuffix("00001") + f"{number:05}", data)
        return self.uploads.complete("shop", segment, started.upload.id)

    def work(self, seconds_left: Callable[[], float] = lambda: 900.0) -> None:
        """Take the messages until there are none."""
        for _ in range(100):
            if not self.queue.messages:
                return
            one = self.queue.messages.pop(0)
            self.jobs(one["audience"], one["segment"], one["upload"], seconds_left)
        raise AssertionError("it does not end")

    def taken(self, *files: bytes, **options: Any) -> Upload:
        upload = self.begin(*files, **options)
        self.work()
        return self.status(upload)

    def status(self, upload: Upload) -> Upload:
        return self.uploads.status("shop", upload.segment, upload.id)

    def members(self, segment: str = "vip") -> list[tuple[str, int]]:
        """Keys and lines of a list as it is now."""
        found = []
        for upload in current_lists(self.lake, "shop").of(segment).uploads:
            folder = members_folder("shop", segment, upload.id)
            for path in sorted(self.tables.objects):
                if path.startswith(folder):
                    found += [(row["key"], row["line"]) for row in self.tables.objects[path]]
        return found


@pytest.fixture
def world() -> World:
    return World()


# ------------------------------------------------------------------------------------------- what is taken in


def test_csv_by_the_master_key(world: World) -> None:
    upload = world.taken(b'person_id,name\n1,Ann\n2,"B, C"\n\n3\n,x\n4,"q\nr"\n5,y\n', segment="vip")
    assert upload.state is UploadState.COMMITTED
    assert world.members() == [("1", 2), ("2", 3), ("4", 7), ("5", 9)]
    report = upload.report
    assert (report.rows, report.malformed, report.keys, report.matched) == (4, 2, 3, 2)
    assert (report.duplicates, report.unmatched) == (1, 1)
    assert report.examples == (
        (1, 5, "another number of fields than the header has"),
        (1, 6, "empty"),
    )
    assert report.reasons == {"another number of fields than the header has": 1, "empty": 1}
    kept = [path for path in world.lake.objects if "/malformed/" in path]
    assert b"".join(world.lake.objects[path] for path in kept).count(b"1,5,another") == 1
    assert not [path for path in world.lake.objects if "/data/" in path]  # what was sent is gone
    assert not [path for path in world.lake.objects if path.startswith("lists_open/")]
    assert world.catalog.tables["shop_listed"].partition == "version"


def test_e_mails_are_written_as_profiles_have_them(world: World) -> None:
    upload = world.taken(
        b"Mail;x\n Ann@Example.com ;1\nnobody;1\n\xc3\x84@b.c;2\n",
        identity="email",
        column="Mail",
        delimiter=";",
    )
    assert world.members() == [(f"email:{sha('ann@example.com')}", 2), (f"email:{sha('ä@b.c')}", 4)]
    assert upload.report.examples == ((1, 3, "not an e-mail address"),)
    assert all(b"Ann" not in data for data in world.lake.objects.values())
    hashed = world.taken(
        f"h\n{sha('a@b.c').upper()}\nshort\n".encode(), identity="email", column="h", hashed=True
    )
    assert world.members() == [(f"email:{sha('a@b.c')}", 2)]
    assert hashed.report.reasons == {"not a SHA-256 in hexadecimal digits": 1}


def test_ndjson_and_several_files(world: World) -> None:
    upload = world.taken(
        b'{"person_id": 1}\n{"person_id": "2"}\n{"person_id": 1.5}\nnot json\n',
        b'{"person_id": null}\n{"x": 1}\n{"person_id": "3"}',
        format="ndjson",
    )
    assert world.members() == [("1", 1), ("2", 2), ("3", 3)]
    assert [(file, line) for file, line, _ in upload.report.examples] == [(1, 3), (1, 4), (2, 1), (2, 2)]


def test_parquet(world: World) -> None:
    begun = world.uploads.start("shop", "vip", format="parquet")
    path = begun.upload.path("data/00001")
    world.lake.put(path, b"PAR1")
    world.tables.objects[path] = [{"person_id": one} for one in [1, "2", None, 4, 5, 6.5, 7]]
    world.uploads.complete("shop", "vip", begun.upload.id)
    world.work(lambda: 0.0)  # a part an invocation
    assert world.members() == [("1", 1), ("2", 2), ("4", 4), ("5", 5), ("7", 7)]
    assert world.status(begun.upload).report.reasons == {"empty": 1, "neither text nor a whole number": 1}


def test_a_list_is_replaced_appended_and_emptied(world: World) -> None:
    world.taken(b"person_id\n1\n2\n")
    world.taken(b"person_id\n3\n", mode="append")
    assert [key for key, _ in world.members()] == ["1", "2", "3"]
    world.taken(b"person_id\n9\n")
    assert [key for key, _ in world.members()] == ["9"]
    world.taken(b"person_id\n5\n", segment="staff")
    world.uploads.empty("shop", "vip")
    assert world.members() == []
    assert [key for key, _ in world.members("staff")] == ["5"]
    assert [one.state for one in world.uploads.history("shop", "vip")] == [UploadState.COMMITTED] * 3


# --------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("files", "options", "why"),
    [
        ((b"id,name\n1,x\n",), {}, "the header has no column 'person_id'"),
        ((b"person-id\n1\n",), {}, "did you mean|no column"),
        ((b"",), {}, "the header has no column"),
        ((b"\xff\n1\n",), {}, "its header is not UTF-8"),
        ((b"\x1f\x8b\x08\n",), {}, "gzip"),
        ((b"person_id\n\n\n",), {}, r"no row could be taken \(the files have none\)"),
        ((b"person_id\n1,2\n",), {}, r"no row could be taken \(another number of fields.*: 1\)"),
        ((b"person_id\n1\n", b"other\n1\n"), {}, "file 2: the header has no column"),
    ],
)
def test_an_upload_that_cannot_be_taken_leaves_the_list(
    world: World, files: tuple[bytes, ...], options: dict[str, Any], why: str
) -> None:
    world.taken(b"person_id\n7\n")
    upload = world.taken(*files, **options)
    assert upload.state is UploadState.FAILED
    assert re.search(why, upload.error), upload.error
    assert world.members() == [("7", 2)]
    leftovers = [path for path in world.lake.objects if upload.id in path and "/upload.json" not in path]
    assert [path for path in leftovers if "/malformed/" not in path] == []


def test_what_is_asked_for_is_checked_at_once(world: World) -> None:
    with pytest.raises(BadRequest) as caught:
        world.uploads.start(
            "shop", "vip", identity="emial", format="xls", mode="merge", delimiter="x", files=0
        )
    for word in ("'emial'", "did you mean 'email'", "'xls'", "'merge'", "'x'", "from 1 to"):
        assert word in str(caught.value)
    with pytest.raises(BadRequest, match="no column that people are known by"):
        world.uploads.start("shop", "vip", identity="td_client_id")  # only events carry it
    with pytest.raises(BadRequest, match="match nobody; send it plain"):
        world.uploads.start("shop", "vip", hashed=True)
    with pytest.raises(BadRequest, match="is no list"):
        world.uploads.start("shop", "adults")
    with pytest.raises(NotFound, match="no segment 'nothing'"):
        world.uploads.start("shop", "nothing")
    begun = world.uploads.start("shop", "vip")
    with pytest.raises(BadRequest, match="no file was put"):
        world.uploads.complete("shop", "vip", begun.upload.id)
    for audience, segment, upload in (
        ("shop", "staff", begun.upload.id),
        ("shop", "vip", "../x"),
        ("../..", "vip", "x"),
    ):
        with pytest.raises(NotFound):
            world.uploads.status(audience, segment, upload)


def test_a_list_takes_only_so_many_appended_uploads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.usecases.import_lists.MOST_UPLOADS", 2)
    for number in range(2):
        world.taken(f"person_id\n{number}\n".encode(), mode="append")
    refused = world.taken(b"person_id\n9\n", mode="append")
    assert refused.state is UploadState.FAILED
    assert "upload it whole" in refused.error
    assert len(world.members()) == 2


# ------------------------------------------------------------------------------------------------ faults


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


# ---------------------------------------------------------------------------------------------- cleaning up


def test_members_that_are_on_no_list_go_when_they_were_kept_long_enough(world: World) -> None:
    first = world.taken(b"person_id\n1\n")
    second = world.taken(b"person_id\n2\n")
    folder = members_folder("shop", "vip", first.id)
    removed: list[str] = []
    world.lake.delete_prefix = removed.append  # type: ignore[method-assign]
    world.jobs.sweep(lambda: 900.0)
    assert removed == []
    world.clock.time += 1_001
    assert world.jobs.sweep(lambda: 900.0).removed == 1
    assert removed == [folder]
    assert world.jobs.sweep(lambda: 900.0).removed == 0
    assert [one.id for one in current_lists(world.lake, "shop").of("vip").uploads] == [second.id]


def test_a_list_that_is_no_segment_any_more_goes_whole(world: World) -> None:
    upload = world.taken(b"person_id\n1\n")
    world.taken(b"person_id\n2\n", segment="staff")
    waiting = world.begin(b"person_id\n5\n")
    world.sets.sets["shop"] = published(**rules("staff"))
    world.work()
    assert waiting.id not in current_lists(world.lake, "shop").of("vip").taken
    world.jobs.sweep(lambda: 900.0)
    assert current_lists(world.lake, "shop").of("vip").uploads == ()
    world.clock.time += 1_001
    world.jobs.sweep(lambda: 900.0)
    assert set(current_lists(world.lake, "shop").lists) == {"staff"}
    assert not [path for path in world.lake.objects if path.startswith("lists/shop/vip/")]
    assert upload.id not in str(world.lake.objects["listed/shop.json"])
    assert [key for key, _ in world.members("staff")] == ["2"]


def test_lists_come_back_from_json(world: World) -> None:
    world.taken(b"person_id\n1\n")
    world.taken(b"person_id\n2\n", mode="append")
    lists = current_lists(world.lake, "shop")
    assert Lists.from_document(json.loads(json.dumps(lists.to_document()))) == lists
    assert lists.of("vip").version.count("+") == 1
    assert lists.of("vip").rows == 2
