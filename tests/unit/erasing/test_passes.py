"""The lake, lists, pages and what was put aside are gone through until nothing of an erased person is left."""

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

from msgspec import structs
from segmentation.domain.erasure import LAST_PASS, REST, SETTLED, Erasure, excluded_table, key_hash
from segmentation.domain.errors import Unavailable
from segmentation.domain.event_lake import CHANGES
from segmentation.domain.lists import COLUMNS, members_folder
from segmentation.domain.run import run_id, stamp
from segmentation.domain.stream import StreamRecord
from segmentation.domain.syndication import contents_path, page_path

from tests.fakes.identities import NOW, C, E, P, event
from tests.unit.erasing.privacy import DAY, OTHER, Privacy


def test_the_lake_is_gone_through_until_nothing_arrives_any_more(known: Privacy) -> None:
    known.archive("a", event("1", C), event("3", OTHER))
    known.tables.write(
        "changes/shop/date=2023-11-14/a.parquet",
        CHANGES,
        [
            {
                "change_id": name,
                "profile": name,
                "segment": "bought",
                "joined": True,
                "moment": NOW,
                "computed": NOW,
                "rules": "",
            }
            for name in (P, OTHER)
        ],
    )
    known.erase("shop", "person_id", "1")
    first = known.night(60)
    assert (first.rows, first.files, first.open) == (2, 2, 1)
    assert known.people() == {OTHER}
    known.archive("late", event("8", E))  # was on its way
    assert known.night(3_600).rows == 0  # it rests
    assert known.night().rows == 1
    assert known.people() == {OTHER}
    assert [known.night().rows for _ in range(3)] == [0, 0, 0]
    passed = known.request().passed
    known.night()
    assert known.request().passed == passed  # quiet, until the last pass
    known.shop.clock.time = NOW + LAST_PASS
    done = known.night(60)
    assert (done.done, done.late) == (1, 0)
    kept = known.request()
    assert kept.names == ()
    assert kept.hashes == tuple(sorted(map(key_hash, (E, P, C))))
    assert "email:aa" not in json.dumps(kept.to_document())
    assert known.night().open == 0


def poison(one: Any, broken: bytes = b"") -> bytes:
    data = one.to_json()[: -len(broken) or None] if broken else one.to_json()
    return StreamRecord("1", data).kept("evaluate_events", "a reason", NOW)


def given_up(*records: dict[str, Any]) -> bytes:
    """As Lambda keeps a batch that no retry could process."""
    return json.dumps({"requestContext": {}, "payload": json.dumps({"Records": records})}).encode()


def kinesis_record(one: Any) -> dict[str, Any]:
    return {"kinesis": {"data": base64.b64encode(one.to_json()).decode(), "partitionKey": "x"}}


def test_what_could_not_be_processed_is_gone_through_too(known: Privacy) -> None:
    objects = {
        "poison/evaluate_events/1.json": poison(event("1", C)),
        "poison/evaluate_events/2.json": poison(event("2", OTHER)),
        "poison/evaluate_events/3.json": poison(event("3", OTHER, C)),
        "poison/evaluate_events/4.json": poison(event("4", P), b"}"),  # no JSON, but it names them
        "poison/evaluate_events/5.json": poison(structs.replace(event("5", P), audience="another")),
        "replayed/poison/evaluate_events/6.json": poison(event("6", E)),
        "aws/lambda/a": given_up(kinesis_record(event("7", P)), kinesis_record(event("8", OTHER))),
        "aws/lambda/b": given_up(kinesis_record(event("9", C))),
        "aws/lambda/c": given_up({"dynamodb": {"Keys": {"profile": {"S": f"shop#{P}"}}}}),
        "aws/lambda/d": given_up(kinesis_record(event("10", OTHER))),
        "aws/lambda/e": b"no JSON",
    }
    for path, data in objects.items():
        known.failures.put(path, data)
    known.erase("shop", "person_id", "1")
    night = known.night(60)
    assert (night.rows, night.corrupt) == (7, 1)
    assert sorted(known.failures.objects) == [
        "aws/lambda/a",
        "aws/lambda/d",
        "aws/lambda/e",
        "poison/evaluate_events/2.json",
        "poison/evaluate_events/5.json",
    ]
    (kept,) = json.loads(known.failures.json("aws/lambda/a")["payload"])["Records"]
    assert kept == kinesis_record(event("8", OTHER))
    assert known.night().rows == 0


def test_keys_in_any_script_are_found_in_what_could_not_be_processed(known: Privacy) -> None:
    name = 'td_client_id:Zoë "漢"'
    known.shop.deliver(event("u", name))
    objects = {
        "poison/evaluate_events/1.json": poison(event("1", name)),
        "poison/evaluate_events/2.json": poison(event("2", name), b"}"),
        "aws/lambda/a": given_up(kinesis_record(event("3", OTHER, name))),
        "aws/lambda/b": given_up({"dynamodb": {"Keys": {"profile": {"S": f"shop#{name}"}}}}),
    }
    for path, data in objects.items():
        known.failures.put(path, data)
    known.erase("shop", "td_client_id", 'Zoë "漢"')
    assert known.night(60).rows == 4
    assert not known.failures.objects


def test_uploaded_rows_that_matched_nobody_are_gone_through(known: Privacy) -> None:
    folder = "lists/shop/vips/upload1/"
    keys = ["email:aa", "1", "2", "td_client_id:c", "email:aa,b"]
    text = "".join(f"{line},{key}\n" for line, key in enumerate(keys)).encode()
    known.lake.put(f"{folder}unmatched/1/part", gzip.compress(text))
    known.lake.put(f"{folder}unmatched/1/broken", b"\x1f\x8bno gzip")
    known.lake.put(f"{folder}upload.json", b"{}")
    known.erase("shop", "person_id", "1")
    night = known.night(60)
    assert (night.rows, night.corrupt) == (3, 1)
    assert gzip.decompress(known.lake.objects[f"{folder}unmatched/1/part"]) == b"2,2\n4,email:aa,b\n"
    assert known.night().rows == 0


def test_a_pass_that_has_no_time_left_goes_on_where_it_was(known: Privacy) -> None:
    for number in range(5):
        known.archive(f"file-{number}", event(str(number), C))
    known.erase("shop", "td_client_id", "c")
    left = iter([900.0, 900.0, 1.0])
    known.shop.clock.time += 60
    assert not known.profiles(lambda: next(left)).finished
    assert (
        len([rows for rows in known.tables.objects.values() if rows]) == 4
    )  # three files, and the keys left out
    going = known.lake.json("erasures/shop/pass.json")
    assert (going["after"], going["found"]) == ("events/shop/purchases/date=2023-11-14/file-1.parquet", 2)
    again = known.night(60)
    assert (again.rows, again.finished) == (3, True)
    assert known.request().found == 5
    assert "erasures/shop/pass.json" not in known.lake.objects


def test_a_file_that_cannot_be_read_holds_up_no_other(known: Privacy) -> None:
    known.archive("a", event("1", C))
    known.erase("shop", "td_client_id", "c")
    gone = known.archive("b", event("2", C))
    real = known.tables.remove

    def remove(path: str, column: str, values: Any) -> int:
        if path == gone:
            known.tables.objects.pop(path, None)  # merged into another file meanwhile
            raise Unavailable(f"{path} was removed")
        return real(path, column, values)

    known.tables.remove = remove  # type: ignore[method-assign]
    result = known.night(60)
    assert (result.rows, result.failed) == (1, 0)
    assert known.request().found == 2  # so that another pass looks for what was merged


def test_builds_are_told_and_a_request_is_not_over_before_one_listened(known: Privacy) -> None:
    built = f"{stamp(NOW - DAY)}_0000"
    known.lake.put("audiences/shop/current.json", json.dumps({"version": built}).encode())
    known.erase("shop", "person_id", "1")
    known.night(60)
    (path,) = [one for one in known.tables.objects if one.startswith(excluded_table("shop").folder)]
    assert {row["key_hash"] for row in known.tables.objects[path]} == set(map(key_hash, (E, P, C)))
    for _ in range(3):
        known.night()
    known.shop.clock.time = NOW + LAST_PASS
    assert known.night(60).done == 0
    assert known.night(3 * DAY).late == 1
    known.lake.put(
        "audiences/shop/current.json", json.dumps({"version": f"{stamp(NOW + DAY)}_0000"}).encode()
    )
    assert known.night(60).done == 1


def test_pages_of_past_runs_forget_them_and_the_page_that_says_they_left_stays_for_partners(
    known: Privacy,
) -> None:
    lake, before, after = known.lake, run_id(NOW - DAY, "0000"), run_id(NOW + DAY, "0000")

    def put(run: str, kind: str, entries: list[Any]) -> str:
        path = page_path("shop", run, "s", kind, 0, 0)
        lake.put(path, json.dumps(entries).encode())
        return path

    members = put(before, "members", ["1", "2"])
    joined = put(before, "changes", [["1", "joined"], ["2", "joined"]])
    left = put(after, "changes", [["1", "left"]])
    lake.put("syndication/shop/index.json", b'{"runs": ["r1", "r2"]}')
    lake.put(contents_path("shop", before, "s"), b'{"run": "r1", "members": [[0, 1]]}')
    known.erase("shop", "person_id", "1")
    known.night(60)
    assert lake.json(members) == ["2"]
    assert lake.json(joined) == [["2", "joined"]]
    assert lake.json(left) == [["1", "left"]]
    for _ in range(3):
        known.night()
    known.shop.clock.time = NOW + LAST_PASS
    assert known.night(60).rows == 1
    assert lake.json(left) == []
    assert lake.json("syndication/shop/index.json") == {"runs": ["r1", "r2"]}
    assert known.night().done == 1


def test_uploaded_lists_forget_them_by_whatever_key_they_know_people(known: Privacy) -> None:
    folder = members_folder("shop", "vips", "u1")
    rows = [{"segment": "vips", "key": key, "line": 1} for key in ("1", "2", E, "email:bb", "td_client_id:1")]
    known.tables.write(f"{folder}a.parquet", COLUMNS, rows)
    known.erase("shop", "person_id", "1")
    assert known.night(60).rows == 2
    assert [row["key"] for row in known.tables.objects[f"{folder}a.parquet"]] == [
        "2",
        "email:bb",
        "td_client_id:1",
    ]


def test_when_a_pass_is_due() -> None:
    request = Erasure("r", "shop", NOW, (P,), store=True)
    assert request.is_due(NOW)
    assert not replace(request, store=False).is_due(NOW)
    found = request.after_pass(NOW, 3)
    assert not found.is_due(NOW + REST - 1)
    assert found.is_due(NOW + REST)
    quiet = request.after_pass(NOW + SETTLED, 0)
    assert not quiet.is_due(NOW + LAST_PASS - 1)
    assert quiet.is_due(NOW + LAST_PASS)
    assert Erasure.from_document(json.loads(json.dumps(quiet.to_document()))) == quiet


def test_everything_is_exported_by_any_key(known: Privacy) -> None:
    known.archive("a", event("1", C, item="x"), event("3", OTHER))
    known.archive("merged", event("1", C, item="x"))
    document = json.loads(json.dumps(known.export("shop", "email", "aa")))
    assert document["keys"] == [E, P, C]
    (profile,) = document["profiles"]
    assert profile["batch"] == {"run": "run1", "segments": ["bought"], "attributes": {"country": "DE"}}
    assert profile["realtime"][0]["segments"] == ["bought", "german-buyer"]
    assert profile["realtime"][0]["state"]["rows"]
    (row,) = document["events"]["purchases"]
    assert (row["event_id"], row["profile"], row["item__string"]) == ("1", C, "x")
    known.erase("shop", "email", "aa")
    known.night(60)
    empty = known.export("shop", "email", "aa")
    assert (empty["profiles"], empty["events"]["purchases"]) == ([], [])
