"""What a write key may do."""

import hashlib
from typing import Any

import pytest
from segmentation.domain.errors import (
    TooMany,
    Unauthorized,
)
from segmentation.domain.signing import sign
from segmentation.usecases.collect_events import CollectEvents

from tests.fakes import FakeSecrets, MemoryEventLog
from tests.fakes.documents import documents
from tests.fakes.doors import NOW, make_door
from tests.fakes.submissions import RECORD, count, submission


def key(**changes: Any) -> dict[str, Any]:
    access = documents()["access"]
    access["write_keys"][0] |= changes
    return {"access": access}


def test_a_key_has_its_rate(log: MemoryEventLog) -> None:
    collect = CollectEvents(make_door(log, **key(per_minute=2)))
    collect(submission(RECORD))
    collect(submission(RECORD))
    with pytest.raises(TooMany, match="2 requests a minute") as caught:
        collect(submission(RECORD))
    assert caught.value.retry_after == 60 - NOW % 60
    assert count(collect(submission(RECORD, authorization="TD1 own-write-key"))) == 1


def test_a_key_that_is_replaced_works_beside_its_successor(log: MemoryEventLog) -> None:
    digests = [hashlib.sha256(one).hexdigest() for one in (b"old", b"new")]
    collect = CollectEvents(make_door(log, **key(sha256=digests)))
    for text in ("old", "new"):
        assert count(collect(submission(RECORD, authorization=f"TD1 {text}"))) == 1
    with pytest.raises(Unauthorized):
        collect(submission(RECORD))


def test_a_public_key_cannot_speak_for_a_customer_without_a_signature(log: MemoryEventLog) -> None:
    collect = CollectEvents(make_door(log, **key(identities=["td_client_id"])))
    cookie = {"td_client_id": "c", "basket": 1, "item": 1}
    good = sign(FakeSecrets().secret, "shop", "person_id", "5", NOW + 60)
    of_another = sign(FakeSecrets().secret, "shop", "person_id", "6", NOW + 60)
    old = sign(FakeSecrets().secret, "shop", "person_id", "5", NOW)
    endless = sign(FakeSecrets().secret, "shop", "person_id", "5", NOW + 400 * 86_400)
    claims = [{}, *({"person_id": 5, "person_id.sig": one} for one in (good, of_another, old, endless, None))]
    receipts = collect(submission({"events": [{**cookie, **claim} for claim in claims]}))
    assert [one.problem is None for one in receipts] == [True, True, False, False, False, False]
    assert [one.profile for one in log.events] == ["td_client_id:c", "person_id:5"]
    assert b".sig" not in log.events[1].to_json()
