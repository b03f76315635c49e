"""Segment-compatible calls as events of behaviors."""

import base64
import json
from typing import Any

import pytest
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
)
from segmentation.domain.records import Sender
from segmentation.language import RuleError
from segmentation.usecases.collect_calls import CallRequest, CollectCalls

from tests.fakes import MemoryEventLog
from tests.fakes.documents import documents
from tests.fakes.doors import NOW, make_door

CALLS: dict[str, Any] = {
    "user_id": "person_id",
    "anonymous_id": "td_client_id",
    "events": {
        "Order Completed": {
            "behavior": "purchases",
            "each": "products",
            "columns": {"basket": "properties.order_id", "item": "each.sku", "amount": "each.price"},
        }
    },
    "track": {"behavior": "actions"},
    "page": {"behavior": "actions", "columns": {"campaign": "context.campaign.name"}},
    "identify": {"behavior": "traits"},
    "alias": {"behavior": "traits"},
}
BEHAVIORS: dict[str, Any] = {
    "actions": {
        "source": "events",
        "columns": {
            **{name: {"type": "string"} for name in ("event", "name", "url", "title", "campaign")},
            "ip": {"type": "string", "visibility": "pii"},
            "amount": {"type": "number"},
        },
    },
    "traits": {"source": "events", "columns": {"plan": {"type": "string"}}},
}
BASIC = "Basic " + base64.b64encode(b"write-key:").decode()


def document(**changes: Any) -> dict[str, Any]:
    made = documents()
    made["audience"] = {**made["audience"], "calls": CALLS, **changes}
    made["audience"]["behaviors"] |= BEHAVIORS
    return made


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog()


@pytest.fixture
def collect(log: MemoryEventLog) -> CollectCalls:
    return CollectCalls(make_door(log, **document()))


def request(kind: str, body: Any, **changes: Any) -> CallRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CallRequest(**{"kind": kind, "body": data, "authorization": BASIC, **changes})


TRACK = {"event": "Clicked", "userId": 5, "anonymousId": "a", "messageId": "m-1", "properties": {"amount": 2}}


@pytest.mark.parametrize("kind", ["t", "track"])
def test_a_call_is_an_event_of_its_behavior_under_its_message_id(
    collect: CollectCalls, log: MemoryEventLog, kind: str
) -> None:
    collect(request(kind, {**TRACK, "timestamp": "2023-11-14T22:00:00.250Z"}))
    (event,) = log.events
    assert (event.id, event.behavior, event.profile, event.also) == (
        "m-1",
        "actions",
        "person_id:5",
        ("td_client_id:a",),
    )
    assert (event.time, event.received) == (1_699_999_200, NOW)
    assert event.columns == {"event": "Clicked", "amount": 2, "person_id": 5, "td_client_id": "a"}


def test_a_mapped_event_has_one_record_of_each_object(collect: CollectCalls, log: MemoryEventLog) -> None:
    products = [{"sku": "x", "price": 1.5, "sale": True}, {"sku": "y", "price": 2}]
    order = {"order_id": "o1", "products": products, "coupon": "c"}
    collect(request("track", {**TRACK, "event": "Order Completed", "properties": order}))
    # The behavior's own id columns say which event it is, as they do in its raw table.
    assert [(one.id, one.behavior, one.columns["item"], one.columns["amount"]) for one in log.events] == [
        ("o1-x", "purchases", "x", 1.5),
        ("o1-y", "purchases", "y", 2),
    ]
    assert log.events[0].columns["coupon"] == "c"
    collect(
        request("track", {**TRACK, "event": "Order Completed", "properties": {"products": [{"sku": "z"}]}})
    )
    assert log.events[2].id == "m-1-0"


def test_a_call_without_objects_is_said_to_be_empty(collect: CollectCalls, log: MemoryEventLog) -> None:
    for properties in ({"order_id": "o1"}, {"products": []}, {"products": None}, None):
        receipts = collect(request("track", {**TRACK, "event": "Order Completed", "properties": properties}))
        assert [one.unkept for one in receipts] == ["empty"]
    assert not log.events


@pytest.mark.parametrize("nothing", [None, [], {}])
def test_no_properties_are_written_in_many_ways(
    collect: CollectCalls, log: MemoryEventLog, nothing: Any
) -> None:
    collect(request("t", {"event": "Clicked", "userId": 5, "properties": nothing, "context": nothing}))
    collect(request("i", {"userId": 5, "anonymousId": nothing or None, "traits": nothing}))
    assert [one.columns for one in log.events] == [{"event": "Clicked", "person_id": 5}, {"person_id": 5}]


def test_what_a_call_becomes_has_a_limit_too(collect: CollectCalls, log: MemoryEventLog) -> None:
    """A call may be a hundred records, each with all that the call says."""
    order = {"note": "x" * 28_000, "products": [{"sku": str(number)} for number in range(100)]}
    call = {**TRACK, "type": "track", "event": "Order Completed", "properties": order}
    collect(request("batch", {"batch": [call] * 3}))
    with pytest.raises(TooLarge, match="at most 10000000; send fewer"):
        collect(request("batch", {"batch": [call] * 5}))
    assert len(log.events) == 300


def test_a_page_fills_declared_columns_from_its_context(collect: CollectCalls, log: MemoryEventLog) -> None:
    page = {"url": "https://shop.example/x", "title": "X", "path": "/x"}
    context = {"page": page, "campaign": {"name": "spring"}, "ip": "203.0.113.7", "userAgent": "Mozilla"}
    collect(request("p", {"anonymousId": "a", "name": "Home", "properties": {}, "context": context}))
    assert log.events[0].columns == {
        "url": "https://shop.example/x",
        "title": "X",
        "name": "Home",
        "campaign": "spring",
        "ip": "203.0.113.7",
        "td_client_id": "a",
    }
    assert log.events[0].id == "new-1"


def test_identify_carries_traits_and_both_ids(collect: CollectCalls, log: MemoryEventLog) -> None:
    traits = {"plan": "pro", "person_id": 99, "td_client_id": "another"}
    collect(request("identify", {"userId": 5, "anonymousId": "a", "traits": traits}))
    assert log.events[0].columns == {"plan": "pro", "person_id": 5, "td_client_id": "a"}
    collect(request("i", {"anonymousId": "a", "traits": traits}))
    assert log.events[1].columns == {"plan": "pro", "td_client_id": "a"}, "a trait is nobody's identity"


def test_an_alias_joins_the_id_before(collect: CollectCalls, log: MemoryEventLog) -> None:
    collect(request("a", {"userId": 5, "previousId": "before"}))
    assert (log.events[0].profile, log.events[0].also) == ("person_id:5", ("td_client_id:before",))


@pytest.mark.parametrize(
    ("sent", "time"),
    [
        ("2023-11-14T22:13:20Z", 1_699_999_200),  # right
        ("2023-11-14T22:13:19Z", 1_699_999_200),  # a second is the way here
        ("2023-11-14T23:13:20Z", 1_699_995_600),  # an hour fast
        ("2023-11-14T21:13:20Z", 1_700_002_800),  # an hour slow
        (None, 1_699_999_200),
        ("yesterday", 1_699_999_200),
    ],
)
def test_a_clock_that_is_wrong_is_put_right(
    collect: CollectCalls, log: MemoryEventLog, sent: Any, time: int
) -> None:
    call = {**TRACK, "timestamp": "2023-11-14T22:00:00Z"}
    collect(request("t", {**call, "sentAt": sent}))
    collect(request("batch", {"batch": [{**call, "type": "track"}], "sentAt": sent}))
    assert [one.time for one in log.events] == [time, time]


def test_a_clock_that_is_a_second_fast_keeps_nobody_waiting(
    collect: CollectCalls, log: MemoryEventLog
) -> None:
    """What is later than now does not count yet, and partners would hear of it by a sweep only."""
    for second in (19, 21, 22):
        moment = f"2023-11-14T22:13:{second}.900Z"
        collect(request("t", {**TRACK, "timestamp": moment, "sentAt": moment}))
    collect(request("t", {**TRACK, "timestamp": "2023-11-14T22:13:22Z"}))
    assert [one.time - NOW for one in log.events] == [-1, 0, 0, 2]


def test_a_batch_keeps_its_good_calls(collect: CollectCalls, log: MemoryEventLog) -> None:
    good = {**TRACK, "type": "track"}
    batch = [good, {**good, "type": "sing"}, {"type": "screen", "userId": 5}, {**good, "messageId": "m-2"}, 7]
    receipts = collect(request("b", {"batch": batch, "context": {"ip": "203.0.113.7"}, "writeKey": "x"}))
    assert [(one.event is not None, one.unkept) for one in receipts] == [
        (True, None),
        (False, None),
        (False, "not mapped"),
        (True, None),
        (False, None),
    ]
    assert "call 1: its 'type' must be one of" in str(receipts[1].problem)
    assert [one.columns["ip"] for one in log.events] == ["203.0.113.7"] * 2


@pytest.mark.parametrize(
    ("kind", "body", "kind_of_error", "message"),
    [
        ("sing", TRACK, NotFound, "posted to /v1/"),
        ("t", [], BadRequest, "must be a call"),
        ("t", b"{", BadRequest, "not JSON"),
        ("batch", {"batch": {}}, BadRequest, "a list of calls"),
        ("t", {"userId": 5}, BadRequest, "needs 'event'"),
        ("t", {**TRACK, "properties": [1]}, BadRequest, "must be objects"),
        ("t", {**TRACK, "properties": ""}, BadRequest, "must be objects"),
        ("t", {**TRACK, "properties": {"x": "\u00e9" * 16_000}}, TooLarge, "32000 bytes"),
        ("t", {**TRACK, "messageId": "m" * 600}, BadRequest, "'messageId'"),
        ("t", {**TRACK, "userId": "", "anonymousId": None}, BadRequest, "nobody's event"),
        ("t", {**TRACK, "properties": {"x": "x" * 32_000}}, TooLarge, "32000 bytes"),
        ("batch", b" " * 500_001, TooLarge, "500000 bytes"),
        (
            "t",
            {**TRACK, "event": "Order Completed", "properties": {"products": [1]}},
            BadRequest,
            "list of objects",
        ),
    ],
)
def test_what_cannot_be_kept_says_why(
    collect: CollectCalls,
    log: MemoryEventLog,
    kind: str,
    body: Any,
    kind_of_error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind_of_error, match=message):
        collect(request(kind, body))
    assert not log.events


@pytest.mark.parametrize(
    "header", [None, "Basic", "Basic !!", "Bearer write-key", "Basic " + base64.b64encode(b"no:").decode()]
)
def test_a_stranger_is_refused(collect: CollectCalls, header: str | None) -> None:
    with pytest.raises(Unauthorized):
        collect(request("t", TRACK, authorization=header))


def test_the_key_may_stand_in_the_body(collect: CollectCalls, log: MemoryEventLog) -> None:
    collect(request("t", {**TRACK, "writeKey": "write-key"}, authorization=None))
    assert len(log.events) == 1
    with pytest.raises(Forbidden, match="origin"):
        collect(
            request(
                "t", {**TRACK, "writeKey": "own-write-key"}, authorization=None, origin="https://evil.example"
            )
        )


def test_a_key_has_its_rate_here_too(log: MemoryEventLog) -> None:
    made = document()
    made["access"]["write_keys"][0]["per_minute"] = 1
    collect = CollectCalls(make_door(log, **made))
    collect(request("t", TRACK))
    with pytest.raises(TooMany):
        collect(request("t", TRACK))


def test_who_objects_is_not_kept(log: MemoryEventLog) -> None:
    collect = CollectCalls(make_door(log, **document(consent={"categories": ["Analytics"]})))
    for said in (True, False):
        consent = {"consent": {"categoryPreferences": {"Analytics": said, "Advertising": False}}}
        collect(request("t", {**TRACK, "context": consent}))
    assert [one.id for one in log.events] == ["m-1"]
    assert b"Advertising" not in log.events[0].to_json()


def test_the_address_of_a_server_is_not_its_visitors(collect: CollectCalls, log: MemoryEventLog) -> None:
    sender = Sender("198.51.100.1", {"user-agent": "analytics-python"})
    collect(request("t", TRACK, sender=sender))
    collect(request("t", TRACK, sender=sender, origin="https://shop.example"))
    assert [one.columns.get("ip") for one in log.events] == [None, "198.51.100.1"]


def test_an_error_of_the_stream_is_the_callers_to_see(collect: CollectCalls, log: MemoryEventLog) -> None:
    log.room = 0
    with pytest.raises(Unavailable):
        collect(request("t", TRACK))


def test_an_audience_without_calls_says_so(log: MemoryEventLog) -> None:
    with pytest.raises(NotFound, match="needs 'calls'"):
        CollectCalls(make_door(log))(request("t", TRACK))


def test_settings_are_what_the_browser_client_reads(collect: CollectCalls) -> None:
    settings = collect.settings("write-key", "api.shop.example")
    assert settings["integrations"]["Segment.io"]["apiHost"] == "api.shop.example/v1"
    with pytest.raises(NotFound):
        collect.settings("nobody", "api.shop.example")


def test_a_wrong_mapping_is_refused_with_its_places() -> None:
    calls = {
        "user_id": "persn_id",
        "track": {"behavior": "action", "columns": {"x": "each.y"}},
        "sing": {},
        "events": {"E": {"behavior": "actions", "columns": []}},
    }
    with pytest.raises(RuleError) as caught:
        parse_audience(document(calls=calls)["audience"])
    assert {one.pointer for one in caught.value.problems} == {
        "/calls/sing",
        "/calls/user_id",
        "/calls/track/behavior",
        "/calls/track/columns/x",
        "/calls/events/E/columns",
    }


@pytest.mark.parametrize(
    ("column", "path"),
    [
        ("url", "context.ip"),
        ("campaign", "context.userAgent"),
        ("nowhere", "context.userAgentData.brands"),
        ("title", "context"),
    ],
)
def test_an_address_goes_into_no_column_that_others_see(column: str, path: str) -> None:
    calls: dict[str, Any] = {"user_id": "person_id", "events": {"E": {"behavior": "actions"}}}
    calls["events"]["E"]["columns"] = {column: path}
    with pytest.raises(RuleError, match="tells who somebody is") as caught:
        parse_audience(document(calls=calls)["audience"])
    assert [one.pointer for one in caught.value.problems] == [f"/calls/events/E/columns/{column}"]
    calls["events"]["E"]["columns"] = {"ip": "context.ip", "url": "context.page.url", "title": "context.ipv"}
    assert parse_audience(document(calls=calls)["audience"]).calls is not None
