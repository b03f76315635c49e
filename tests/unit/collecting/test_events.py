"""Events that are collected: in every shape, from strangers and friends, good and bad."""

import gzip
import hashlib
import json
from typing import Any

import pytest
from segmentation.domain.errors import (
    BadRecord,
    BadRequest,
    Forbidden,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from segmentation.domain.event import Event
from segmentation.domain.records import Sender
from segmentation.usecases.collect_events import CollectEvents, receipt_document

from tests.fakes import MemoryEventLog
from tests.fakes.documents import documents
from tests.fakes.doors import NOW, make_door
from tests.fakes.submissions import RECORD, count, submission


def test_an_event_is_kept_as_it_was_sent(collect: CollectEvents, log: MemoryEventLog) -> None:
    assert count(collect(submission({"events": [RECORD]}))) == 1
    columns = {name: value for name, value in RECORD.items() if name != "time"}
    assert log.events == [
        Event("1-2", "shop", "purchases", "person_id:5", 1_699_999_000, NOW, columns),
    ]


@pytest.mark.parametrize(
    ("body", "number"),
    [({"events": [RECORD, RECORD]}, 2), ({"records": [RECORD]}, 1), (RECORD, 1), ({"events": []}, 0)],
)
def test_all_body_shapes_are_read(
    collect: CollectEvents, log: MemoryEventLog, body: Any, number: int
) -> None:
    assert count(collect(submission(body))) == number
    assert len(log.events) == number


def test_a_single_record_with_a_column_called_events_is_a_record(
    collect: CollectEvents, log: MemoryEventLog
) -> None:
    collect(submission({"person_id": 1, "events": [1, 2]}))
    assert log.events[0].columns["events"] == [1, 2]


def test_a_content_type_says_that_it_is_one_record(collect: CollectEvents, log: MemoryEventLog) -> None:
    single = Sender("", {"content-type": "Application/vnd.treasuredata.v1.Single+JSON; charset=utf-8"})
    with pytest.raises(BadRequest, match="record 0: nobody's event"):
        collect(submission({"records": [RECORD]}, sender=single))
    assert count(collect(submission(RECORD, sender=single))) == 1


def test_time_and_id_have_defaults(collect: CollectEvents, log: MemoryEventLog) -> None:
    collect(submission({"events": [{"td_client_id": "c"}, {"person_id": 1, "basket": 3}]}))
    assert [(one.id, one.time, one.profile) for one in log.events] == [
        ("new-1", NOW, "td_client_id:c"),
        ("new-2", NOW, "person_id:1"),
    ]


@pytest.mark.parametrize(
    ("time", "expected"),
    [(12.9, 12), ("1970-01-01T00:00:10Z", 10), ("1970-01-01T01:00:00+01:00", 0), (None, NOW)],
)
def test_times_are_read(collect: CollectEvents, log: MemoryEventLog, time: Any, expected: int) -> None:
    collect(submission({"person_id": 1, "time": time}))
    assert log.events[0].time == expected


def test_identities_are_taken_in_their_order_and_as_text(collect: CollectEvents, log: MemoryEventLog) -> None:
    records = [
        {"person_id": 7.0, "td_client_id": "c"},
        {"person_id": "", "td_client_id": "c"},
        {"person_id": True, "td_client_id": "c"},
        {"person_id": "x y", "td_client_id": "c"},
    ]
    collect(submission({"events": records}))
    assert [one.profile for one in log.events] == [
        "person_id:7",
        "td_client_id:c",
        "td_client_id:c",
        "person_id:x y",
    ]


def test_an_event_carries_all_its_keys_and_pii_as_its_hash(log: MemoryEventLog) -> None:
    document = documents()
    document["audience"]["identities"] = [
        {"name": "email", "normalize": "email", "visibility": "pii"},
        "td_client_id",
        "person_id",
    ]
    collect = CollectEvents(make_door(log, **document))
    collect(submission({**RECORD, "email": " Ann@Example.com", "td_client_id": "abc"}))
    collect(submission({"td_client_id": "abc", "item": "x", "basket": 1}))
    known, anonymous = (Event.from_json(one.to_json()) for one in log.events)
    hashed = hashlib.sha256(b"ann@example.com").hexdigest()
    assert (known.profile, known.also) == ("person_id:5", (f"email:{hashed}", "td_client_id:abc"))
    assert (anonymous.profile, anonymous.also) == ("td_client_id:abc", ())
    assert b"xample.com" not in log.events[0].to_json()
    with pytest.raises(BadRecord):
        Event.from_json(log.events[0].to_json().replace(b'"also":["email:', b'"also":[1,"email:'))


@pytest.mark.parametrize(
    "nothing", ["  ", "\t", "null", "undefined", "None", " NULL ", "NaN", "[object Object]", None, ""]
)
def test_what_programs_write_for_nothing_names_nobody(log: MemoryEventLog, nothing: Any) -> None:
    """Else everybody with it would be one person, and there is no way back."""
    document = documents()
    document["audience"]["identities"] = [
        "person_id",
        {"name": "email", "normalize": "email"},
        "td_client_id",
    ]
    collect = CollectEvents(make_door(log, **document))
    for cookie in ("a", "b"):
        collect(
            submission(
                {"person_id": nothing, "email": nothing, "td_client_id": cookie, "basket": nothing, "item": 1}
            )
        )
    assert [(one.profile, one.also) for one in log.events] == [("td_client_id:a", ()), ("td_client_id:b", ())]
    assert [one.id for one in log.events] == ["new-1", "new-2"], "nor is it an id"
    with pytest.raises(BadRequest, match="nobody's event"):
        collect(submission({"person_id": nothing, "basket": 1, "item": 2}))
    receipts = collect(submission({"td_version": "4", "td_client_id": nothing}))
    assert [one.unkept for one in receipts] == ["anonymous"]


def test_gzip_is_undone(collect: CollectEvents, log: MemoryEventLog) -> None:
    body = gzip.compress(json.dumps({"events": [RECORD]}).encode())
    assert count(collect(submission(body, encoding="gzip"))) == 1


@pytest.mark.parametrize(
    "header", [None, "", "TD1", "Bearer write-key", "Basic d3JpdGUta2V5", "TD1 other", "TD1 é"]
)
def test_a_stranger_is_refused(collect: CollectEvents, log: MemoryEventLog, header: str | None) -> None:
    with pytest.raises(Unauthorized):
        collect(submission(RECORD, authorization=header))
    with pytest.raises(Unauthorized):
        collect(submission(RECORD, authorization=header, database="nowhere"))
    assert not log.events


@pytest.mark.parametrize(
    ("database", "table", "named"),
    [
        ("nowhere", "purchases", "nowhere"),
        ("shop_db", "nothing", "nothing"),
        ("No-Name!", "purchases", "No-Name!"),
    ],
)
def test_an_unknown_place_is_named(collect: CollectEvents, database: str, table: str, named: str) -> None:
    with pytest.raises(NotFound, match=named):
        collect(submission(RECORD, database=database, table=table))


def test_a_key_is_bound_to_its_origins(collect: CollectEvents) -> None:
    own = "TD1 own-write-key"
    assert count(collect(submission(RECORD, authorization=own, origin="https://shop.example"))) == 1
    assert count(collect(submission(RECORD, authorization=own))) == 1
    with pytest.raises(Forbidden, match="origin"):
        collect(submission(RECORD, authorization=own, origin="https://evil.example"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON: .*line 1, column 2"),
        (b"\xff", "not UTF-8"),
        (b"[1]", "one record, an object"),
        (b'{"events": [1]}', "record 0 is not an object"),
        (b'{"person_id": NaN}', "no JSON"),
        (b"[" * 100_000, "no JSON that can be kept: RecursionError"),
        (b'{"x": 1}', "record 0: nobody's event: 'person_id' or 'td_client_id'"),
        (b'{"person_id": 1, "time": "soon"}', "record 0: 'time' must be Unix seconds"),
        (b'{"person_id": 1, "time": -5}', "record 0: 'time' must be"),
        (b'{"person_id": 1, "time": 1700000000000}', "milliseconds"),
        (b'{"person_id": "\\ud800"}', "characters of Unicode text"),
        (json.dumps({"person_id": "x" * 201}).encode(), "at most 200"),
        (
            json.dumps({"person_id": "x", "basket": "b" * 600, "item": "i"}).encode(),
            "event id of basket, item",
        ),
    ],
)
def test_what_cannot_be_understood_says_what_and_where(
    collect: CollectEvents, log: MemoryEventLog, body: bytes, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        collect(submission(body))
    assert not log.events


def test_bad_records_do_not_hold_up_the_good_ones(collect: CollectEvents, log: MemoryEventLog) -> None:
    receipts = collect(submission({"events": [{"x": 1}, RECORD, {"person_id": 1, "time": "soon"}]}))
    assert [receipt_document(one) for one in receipts] == [
        {
            "success": False,
            "error": {
                "name": "InvalidPropertyValueError",
                "description": "nobody's event: 'person_id' or 'td_client_id' must be an integer or text that names somebody",
            },
        },
        {"success": True},
        {
            "success": False,
            "error": {
                "name": "InvalidPropertyValueError",
                "description": "'time' must be Unix seconds or ISO 8601 with an offset (absent: the time of receipt)",
            },
        },
    ]
    assert [one.id for one in log.events] == ["1-2"]


def test_a_request_of_bad_records_alone_is_an_error(collect: CollectEvents, log: MemoryEventLog) -> None:
    with pytest.raises(BadRequest) as caught:
        collect(submission({"events": [{"x": 1}] * 13}))
    assert "record 0:" in str(caught.value)
    assert "record 9:" in str(caught.value)
    assert "and 3 more" in str(caught.value)
    assert not log.events


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (b"x", "br", "unknown Content-Encoding"),
        (b"neither one nor the other", "gzip", "not gzip"),
        (gzip.compress(b"{}" * 100, mtime=0)[:20], "gzip", "cut off"),
        (2 * gzip.compress(json.dumps({"events": [RECORD]}).encode()), "gzip", "behind the gzip body"),
    ],
)
def test_odd_encodings_are_refused(collect: CollectEvents, body: bytes, encoding: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        collect(submission(body, encoding=encoding))


def test_limits(collect: CollectEvents, log: MemoryEventLog) -> None:
    big = {"person_id": 1, "x": "x" * 999_000}
    assert count(collect(submission({"events": [RECORD] * 500}))) == 500
    with pytest.raises(TooLarge, match="501 records"):
        collect(submission({"events": [RECORD] * 501}))
    assert count(collect(submission({"events": [big] * 4}))) == 4
    bigger = {**big, "y": "y" * 1_000}
    with pytest.raises(TooLarge, match="record 0: it has more than 1000000 bytes"):
        collect(submission({"events": [bigger]}))
    receipts = collect(submission({"events": [RECORD, bigger]}))
    assert [one.problem is None for one in receipts] == [True, False]
    with pytest.raises(TooLarge, match="5000000 bytes"):
        collect(submission({"events": [big] * 6}))
    bomb = gzip.compress(b'{"x": "' + b" " * 50_000_000 + b'"}', mtime=0)
    assert len(bomb) < 100_000
    with pytest.raises(TooLarge, match="unpacks to more"):
        collect(submission(bomb, encoding="gzip"))
    assert len(log.events) == 505


def test_nothing_is_acknowledged_that_the_log_did_not_take(
    collect: CollectEvents, log: MemoryEventLog
) -> None:
    log.room = 1
    with pytest.raises(Unavailable, match="1 of 2 events were kept"):
        collect(submission({"events": [RECORD, RECORD]}))
