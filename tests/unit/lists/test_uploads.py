"""Uploads to lists: what is taken in, what is refused, what is cleaned up."""

import json
import re
from typing import Any

import pytest
from segmentation.domain.errors import BadRequest, NotFound
from segmentation.domain.list_upload import UploadState
from segmentation.domain.lists import Lists, members_folder
from segmentation.usecases.current_build import current_lists

from tests.fakes.documents import published, sha
from tests.fakes.uploads_world import World, rules


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


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"person_id,x,person_id\n1,a,2\n", "the header has column 'person_id' twice"),
        (b"person_id;name\n1;x\n", "with the delimiter ';' it has, and the upload says ','"),
        (b"Person_ID,name\n1,x\n", "did you mean 'Person_ID'?"),
        (b"PK\x03\x04\x14\x00", "save the sheet as CSV in UTF-8"),
        ("person_id\n1\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b"PAR1\x15\x04", "the file is Parquet; say so with 'format'"),
        (b"person_id\n", "no row could be taken (the files have none)"),
    ],
)
def test_a_file_that_is_not_what_was_said_is_told_how_to_mend_it(
    world: World, data: bytes, said: str
) -> None:
    world.taken(b"person_id\n5\n")
    upload = world.taken(data)
    assert upload.state is UploadState.FAILED
    assert said in upload.error
    assert world.members() == [("5", 2)]


def test_a_file_may_begin_with_a_mark_and_hold_blank_lines_and_quotes(world: World) -> None:
    for data in (
        b'\xef\xbb\xbf"person_id","x"\r\n\r\n"1","a ""b"", c"\r\n',
        b"\xef\xbb\xbfperson_id,x\n\n1,a\n",
    ):
        assert world.taken(data).report.malformed == 0
        assert world.members() == [("1", 3)]
    upload = world.taken(b'\xef\xbb\xbf\n{"person_id": 1}\n  \n{"person_id": "2"}', format="ndjson")
    assert upload.report.malformed == 0
    assert world.members() == [("1", 2), ("2", 4)]


def test_rows_that_are_on_no_list_can_be_fetched(world: World) -> None:
    upload = world.begin(b"person_id\n1\n\x01\n2\n")
    assert world.uploads.rejected("shop", "vip", upload.id).malformed == ()
    world.work()
    world.lake.put(upload.path("unmatched/1/part.gz"), b"3,2")
    found = world.uploads.rejected("shop", "vip", upload.id)
    (malformed,) = (
        one.partition("?read")[0].removeprefix("https://lake.example/") for one in found.malformed
    )
    assert world.lake.objects[malformed] == b"file,line,reason\n1,3,with control characters\n"
    (unmatched,) = found.unmatched
    assert unmatched.startswith(f"https://lake.example/{upload.path('unmatched/1/part.gz')}?read")


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
