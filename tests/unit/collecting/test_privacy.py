"""Who objects, what is personal, and what a schema lets through."""

from typing import Any

import pytest
from segmentation.domain.records import Sender
from segmentation.usecases.collect_events import CollectEvents, receipt_document

from tests.fakes import MemoryEventLog
from tests.fakes.documents import documents
from tests.fakes.doors import make_door
from tests.fakes.submissions import RECORD, submission


def audience(**changes: Any) -> dict[str, Any]:
    document = documents()["audience"]
    return {"audience": {**document, **changes}}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({}, True),
        ({"marketing": True}, True),
        ({"marketing": "Given"}, True),
        ({"marketing": "opted-in"}, True),
        ({"marketing": False}, False),
        ({"marketing": 0}, False),
        ({"marketing": "refused"}, False),
        ({"marketing": "notgiven"}, False),
        ({"marketing": "nein danke"}, False),
        ({"marketing": [True]}, False),
    ],
)
def test_who_objects_is_not_kept(log: MemoryEventLog, said: dict[str, Any], kept: bool) -> None:
    collect = CollectEvents(make_door(log, **audience(consent={"columns": ["marketing"]})))
    (receipt,) = collect(submission({**RECORD, **said}))
    assert (receipt.unkept, len(log.events)) == ((None, 1) if kept else ("objection", 0))
    assert receipt_document(receipt)["success"]


def test_silence_is_an_objection_where_consent_is_required(log: MemoryEventLog) -> None:
    consent = {"columns": ["marketing"], "required": True, "global_privacy_control": True}
    collect = CollectEvents(make_door(log, **audience(consent=consent)))
    yes = {**RECORD, "marketing": "yes"}
    control = Sender(headers={"sec-gpc": "1"})
    receipts = [
        collect(submission(RECORD)),
        collect(submission(yes)),
        collect(submission(yes, sender=control)),
    ]
    assert [one.unkept for (one,) in receipts] == ["objection", None, "objection"]
    assert len(log.events) == 1


def test_the_anonymous_mode_of_the_sdk_is_accepted_and_kept_of_nobody(
    collect: CollectEvents, log: MemoryEventLog
) -> None:
    (receipt,) = collect(submission({"events": [{"td_version": "4.4.0", "td_url": "https://shop.example/"}]}))
    assert receipt_document(receipt) == {"success": True, "kept": False, "reason": "anonymous"}
    assert not log.events


BROWSER = Sender("203.0.113.7", {"user-agent": "Mozilla/5.0"})


def test_addresses_and_browsers_are_dropped_unless_declared(
    collect: CollectEvents, log: MemoryEventLog
) -> None:
    said = {
        "td_ip": "203.0.113.7",
        "td_user_agent": "Mozilla/5.0",
        "ip": "203.0.113.7",
        "userAgent": "Mozilla",
    }
    collect(submission({**RECORD, **said}, sender=BROWSER))
    assert b"203.0" not in log.events[0].to_json()
    assert b"Mozilla" not in log.events[0].to_json()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({}, {"td_ip": "203.0.113.7", "user_agent": "Mozilla/5.0"}),
        ({"td_ip": "td_ip"}, {"td_ip": "203.0.113.7", "user_agent": "Mozilla/5.0"}),
        ({"td_ip": "198.51.100.1"}, {"td_ip": "198.51.100.1", "user_agent": "Mozilla/5.0"}),
        ({"td_version": "4.4.0"}, {}),  # anonymous mode, of a customer who is logged in
        ({"td_version": "4.4.0", "td_client_id": "c"}, {"td_ip": "203.0.113.7", "user_agent": "Mozilla/5.0"}),
    ],
)
def test_declared_ones_are_filled_in(log: MemoryEventLog, said: dict[str, Any], kept: dict[str, Any]) -> None:
    document = documents()
    columns = document["audience"]["behaviors"]["purchases"]["columns"]
    columns |= {name: {"type": "string", "visibility": "pii"} for name in ("td_ip", "user_agent")}
    collect = CollectEvents(make_door(log, **document))
    collect(submission({"person_id": 1, **said}, sender=BROWSER))
    found = {name: value for name, value in log.events[0].columns.items() if name in ("td_ip", "user_agent")}
    assert found == kept


def test_blocked_columns_are_not_kept(log: MemoryEventLog) -> None:
    document = documents()
    document["audience"]["behaviors"]["purchases"]["columns"]["iban"] = {
        "type": "string",
        "visibility": "blocked",
    }
    CollectEvents(make_door(log, **document))(submission({**RECORD, "iban": "DE00"}))
    assert "iban" not in log.events[0].columns


def test_an_enforced_schema_refuses_what_is_not_declared(log: MemoryEventLog) -> None:
    document = documents()
    document["audience"]["behaviors"]["purchases"]["schema"] = "enforced"
    collect = CollectEvents(make_door(log, **document))
    good = {"person_id": 1, "basket": "1", "item": "2", "amount": 3.5, "department": None}
    receipts = collect(submission({"events": [good, {**good, "amuont": 1}, {**good, "amount": "much"}]}))
    assert [str(one.problem or "") for one in receipts] == [
        "",
        "unknown column 'amuont'; did you mean 'amount'? ('purchases' takes its declared columns only)",
        "'amount' must be of type number ('purchases' takes its declared columns only)",
    ]
    assert len(log.events) == 1
