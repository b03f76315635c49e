"""Personalization, generation 2, and the tokens behind all readings."""

import hashlib
import json
from typing import Any

import pytest
from msgspec.structs import replace
from segmentation.domain.errors import Forbidden, NotFound, TooMany, Unauthorized, Unavailable
from segmentation.domain.profile import BatchPart, Profile
from segmentation.domain.programs import Programs
from segmentation.domain.published import parse_published
from segmentation.domain.signing import sign
from segmentation.domain.stream import StreamRecord
from segmentation.domain.visitor import Visitor
from segmentation.language import RuleError
from segmentation.usecases.answer_event import AnswerEvent, Refused, error_document
from segmentation.usecases.collect_events import CollectEvents, Submission
from segmentation.usecases.evaluate_events import EvaluateEvents
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.show_profile import ShowProfile
from segmentation.usecases.tokens import Tokens
from segmentation.usecases.update_visitors import UpdateVisitors

from tests.fakes import FakeSecrets, FixedClock, MemoryEventLog, MemoryFailures, MemoryProfiles, MemoryQueue
from tests.fakes.documents import documents
from tests.fakes.doors import NOW, make_door

ONE, COOKIE = "shop#person_id:1", "shop#td_client_id:c"
BATCH = BatchPart("run1", NOW - 600, ("adults", "buyers"), {"country": "FR", "age": 30.0, "income": "leaked"})
PAGE = "https://shop.example"

SECTIONS = {
    "hero": {
        "attributes": ["country"],
        "segments": ["adults", "buying-now"],
        "texts": {
            "greeting": "Bonjour, {{attributes.age}} years from {{attributes.country|somewhere}}",
            "born": "Born on {{attributes.born}}",
        },
    },
    "for-buyers": {
        "when": {
            "and": [{"in": ["buying-now", {"var": "segments"}]}, {">": [{"var": "attributes.age"}, 18]}]
        },
    },
    "for-strangers": {"when": {"==": [{"var": "attributes.country"}, None]}},
}


def document(**token: Any) -> dict[str, Any]:
    made = documents()
    made["access"]["tokens"] = [
        {
            "id": "page",
            "sha256": hashlib.sha256(b"page").hexdigest(),
            "key_columns": ["person_id", "td_client_id"],
            "segments": ["adults", "buying-now"],
            "attributes": ["country"],
            "origins": [PAGE],
            "sections": SECTIONS,
            **token,
        }
    ]
    return made


class Shop:
    """The endpoints over fakes."""

    def __init__(self, **token: Any) -> None:
        self.log = MemoryEventLog()
        self.profiles = MemoryProfiles(batch={ONE: BATCH})
        door = make_door(self.log, **document(**token))
        tokens = Tokens(door.rule_sets, door.limits, door.secrets)
        read = ReadProfiles(self.profiles, Programs())
        self.answer = AnswerEvent(CollectEvents(door), tokens, read)
        self.show = ShowProfile(tokens, read, FixedClock(NOW))

    def post(
        self, record: Any = None, token: str | None = "page", public: bool = True, **changes: Any
    ) -> Any:
        given: dict[str, Any] = {
            "database": "shop_db",
            "table": "purchases",
            "body": record if isinstance(record, bytes) else json.dumps(record or {}).encode(),
            "authorization": "TD1 write-key",
            "origin": PAGE,
        }
        return self.answer(Submission(**{**given, **changes}), token, public=public)["offers"]


def signed(value: object, expires: int = NOW + 60) -> dict[str, Any]:
    return {
        "person_id": value,
        "person_id.sig": sign(FakeSecrets().secret, "shop", "person_id", str(value), expires),
    }


def test_the_answer_counts_the_event_that_it_came_with() -> None:
    shop = Shop()
    assert shop.post({**signed(1), "basket": 1, "item": 2}) == {
        "hero": {
            "attributes": {"country": "FR", "greeting": "Bonjour, 30 years from FR"},
            "batch_segments": [{"id": "adults"}],
            "realtime_segments": [{"id": "buying-now"}],
        },
        "for-buyers": {"attributes": {}, "batch_segments": [], "realtime_segments": []},
    }
    (event,) = shop.log.events
    assert (event.id, event.profile) == ("1-2", "person_id:1")
    assert shop.profiles.reads == 1
    assert not shop.profiles.realtime, "the stream writes, and counts the same event once by its id"


def test_the_stream_counts_the_same_event_once() -> None:
    """ "adults-buying" wants two purchases: the one event, answered, delivered twice and asked about again, is one."""
    shop = Shop(segments=["adults-buying", "buying-now"], sections={"hero": {"segments": ["adults-buying"]}})
    sets, queue = shop.answer.tokens.rule_sets, MemoryQueue()
    update = UpdateVisitors(shop.profiles, queue, Programs(), FixedClock(NOW))

    def stream() -> None:
        EvaluateEvents(update, sets, MemoryFailures(), FixedClock(NOW))(
            StreamRecord(str(number), one.to_json()) for number, one in enumerate(shop.log.events)
        )

    def post(item: int) -> list[dict[str, str]]:
        answered = shop.post({**signed(1), "basket": 1, "item": item})
        return list(answered["hero"]["realtime_segments"])

    assert post(1) == []
    stream()
    assert post(1) == [], "the same purchase, posted again"
    stream()
    assert post(2) == [{"id": "adults-buying"}], "another one, which the stream has not seen"
    stream()
    shown = shop.show("page", "person_id", "1", signature=signed(1)["person_id.sig"])
    assert shown.body["segments"] == ["adults-buying", "buying-now"]


class Streaming(Shop):
    """With the stream behind it."""

    def __init__(self) -> None:
        super().__init__(
            segments=["adults-buying", "buying-now"],
            sections={"hero": {"segments": ["adults-buying", "buying-now"]}},
        )
        update = UpdateVisitors(self.profiles, MemoryQueue(), Programs(), FixedClock(NOW))
        self.evaluate = EvaluateEvents(
            update, self.answer.tokens.rule_sets, MemoryFailures(), FixedClock(NOW)
        )

    def stream(self) -> None:
        self.evaluate(StreamRecord(str(number), one.to_json()) for number, one in enumerate(self.log.events))
        self.log.events.clear()

    def realtime(self, record: dict[str, Any]) -> list[str]:
        return [one["id"] for one in self.post(record)["hero"]["realtime_segments"]]


def test_who_signs_in_is_answered_with_what_was_done_before() -> None:
    """The answer is what the stream makes of it a moment later: the cookie's purchase is the customer's."""
    shop = Streaming()
    assert shop.realtime({"td_client_id": "c", "basket": 1, "item": 1}) == ["buying-now"]
    shop.stream()
    both = {**signed(1), "td_client_id": "c", "basket": 1, "item": 2}
    assert shop.realtime(both) == ["adults-buying", "buying-now"]
    shop.stream()
    assert shop.realtime(both) == ["adults-buying", "buying-now"]
    assert shop.profiles.realtime[COOKIE].alias == "person_id:1"


def test_an_unsigned_name_beside_a_cookie_reads_nothing_of_whom_it_names() -> None:
    shop = Shop()
    offers = shop.post({"person_id": 1, "td_client_id": "c", "basket": 1, "item": 2})
    assert offers["hero"]["attributes"] == {}
    assert offers["hero"]["batch_segments"] == []


def test_what_another_customer_does_in_a_shared_browser_is_not_its_owners() -> None:
    shop = Streaming()
    shop.post({**signed(2), "td_client_id": "c", "basket": 1, "item": 1})
    shop.stream()
    other = {"person_id": 3, "td_client_id": "c", "basket": 2, "item": 1}
    before = shop.realtime({"td_client_id": "c", "basket": 1, "item": 1})
    assert before == ["buying-now"]
    shop.profiles.realtime["shop#person_id:2"] = replace(
        shop.profiles.realtime["shop#person_id:2"], state=Visitor.new().encode(), members=()
    )
    assert shop.realtime(other) == [], "it is the other customer's purchase"


def test_an_empty_body_is_a_question_of_a_stranger() -> None:
    shop = Shop()
    offers = shop.post()
    assert set(offers) == {"hero", "for-strangers"}
    assert offers["hero"] == {"attributes": {}, "batch_segments": [], "realtime_segments": []}
    assert (shop.log.events, shop.profiles.reads) == ([], 0)


def test_a_guessed_key_reads_nothing() -> None:
    shop = Shop()
    offers = shop.post({"person_id": 1, "basket": 1, "item": 2})
    assert set(offers) == {"hero", "for-strangers"}
    offers = shop.post({"person_id": 1, "td_client_id": "c", "basket": 1, "item": 3})
    assert offers["hero"]["attributes"] == {}
    assert offers["hero"]["realtime_segments"] == [{"id": "buying-now"}], "the cookie's own"
    assert len(shop.log.events) == 2


def test_servers_ask_without_an_origin_and_by_any_key() -> None:
    shop = Shop(use="server", origins=[])
    offers = shop.post({"person_id": 1, "basket": 1, "item": 2}, public=False, origin=None)
    assert offers["hero"]["attributes"]["country"] == "FR"
    with pytest.raises(Forbidden, match="secret of a server"):
        shop.post({"person_id": 1}, public=False)
    with pytest.raises(Refused) as caught:
        shop.post({"person_id": 1})
    assert caught.value.code == 3007


def test_who_objects_is_neither_evaluated_nor_kept() -> None:
    made = document()
    made["audience"]["consent"] = {"columns": ["marketing"]}
    log, profiles = MemoryEventLog(), MemoryProfiles(batch={ONE: BATCH})
    door = make_door(log, **made)
    answer = AnswerEvent(
        CollectEvents(door),
        Tokens(door.rule_sets, door.limits, door.secrets),
        ReadProfiles(profiles, Programs()),
    )
    body = json.dumps({**signed(1), "marketing": "refused"}).encode()
    offers = answer(
        Submission("shop_db", "purchases", body, "TD1 write-key", origin=PAGE), "page", public=True
    )
    assert set(offers["offers"]) == {"hero", "for-strangers"}
    assert (log.events, profiles.reads) == ([], 0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": None}, 3000),
        ({"token": ""}, 3000),
        ({"token": "nobody"}, 3001),
        ({"record": b"{"}, 3003),
        ({"record": b"[]"}, 3003),
        ({"record": {"td_client_id": "c", "time": "soon"}}, 3004),
        ({"record": {"x": 1}}, 3004),
        ({"record": {"events": [{"td_client_id": "c"}, {"td_client_id": "d"}]}}, 3004),
        ({"origin": None}, 3007),
        ({"origin": "https://evil.example"}, 3007),
    ],
)
def test_errors_have_their_numbers(changes: dict[str, Any], code: int) -> None:
    shop = Shop()
    with pytest.raises(Refused) as caught:
        shop.post(**changes)
    assert error_document(400, str(caught.value), caught.value)["code"] == code
    assert not shop.log.events


def test_a_write_key_is_needed_and_a_rate_holds() -> None:
    shop = Shop(per_minute=1)
    with pytest.raises(Unauthorized):
        shop.post(authorization="TD1 nobody")
    shop.post()
    with pytest.raises(TooMany):
        shop.post()


def test_what_the_stream_does_not_take_is_an_error() -> None:
    shop = Shop()
    shop.log.room = 0
    with pytest.raises(Unavailable):
        shop.post({"td_client_id": "c", "basket": 1, "item": 2})


def test_sections_are_checked_with_their_places() -> None:
    sections = {
        "a": {
            "when": {">": [{"var": "attributes.income"}, "x"]},
            "attributes": ["income", "shoe_size"],
            "segments": ["adutls"],
            "texts": {"t": "{{attributes.iban}}", "u": "{{profile.age}}", "v": "}}", "income": "x"},
        },
        "b": {"when": {">": [{"count": [{"var": "behaviors.purchases"}]}, 1]}, "extra": 1},
    }
    with pytest.raises(RuleError) as caught:
        parse_published(document(sections=sections))
    base = "/access/tokens/0/sections"
    places = {one.pointer for one in caught.value.problems}
    assert {
        f"{base}/a/attributes/0",
        f"{base}/a/attributes/1",
        f"{base}/a/segments/0",
        f"{base}/a/texts/t",
        f"{base}/a/texts/u",
        f"{base}/a/texts/v",
        f"{base}/a/texts/income",
        f"{base}/b/extra",
    } <= places
    assert any(place.startswith(f"{base}/a/when") for place in places), "criteria do not read what is hidden"
    assert any(place.startswith(f"{base}/b/when") for place in places)


def test_what_sections_need_is_published() -> None:
    assert parse_published(document(attributes=[])).published_attributes() == ("age", "born", "country")


# ------------------------------------------------------------------------------------------ the native reading


def test_a_profile_is_shown_with_the_moment_it_changes() -> None:
    shop = Shop(lookup="open", max_age=300)
    shop.profiles.batch[ONE] = BATCH
    shown = shop.show("page", "person_id", "1")
    assert dict(shown.body) == {
        "audience": "shop",
        "key": {"person_id": "1"},
        "segments": ["adults"],
        "attributes": {"country": "FR"},
        "now": NOW,
        "batch_now": NOW - 600,
        "until": None,
    }
    assert shown.seconds == 300
    assert shop.show("page", "person_id", "1", "segments", "adults").body["member"] is True
    assert shop.show("page", "person_id", "2", "segments", "adults").body["member"] is False
    assert "segments" not in shop.show("page", "person_id", "1", "attributes").body
    assert "attributes" not in shop.show("page", "person_id", "1", "segments").body


def test_a_browser_may_not_keep_an_answer_beyond_its_change() -> None:
    shop = Shop(max_age=300)
    shop.post({"td_client_id": "c", "basket": 1, "item": 2, "time": NOW - 3_590})
    rules = shop.answer.tokens.rule_sets.all()["shop"]
    part = Programs().evaluate(rules, "td_client_id:c", Profile(), shop.log.events, NOW).part
    assert part is not None
    shop.profiles.realtime[COOKIE] = part
    shown = shop.show("page", "td_client_id", "c", "segments")
    assert (shown.body["segments"], shown.body["until"], shown.seconds) == (["buying-now"], NOW + 10, 10)


@pytest.mark.parametrize(
    ("token", "column", "value", "segment", "error"),
    [
        (None, "person_id", "1", "", Unauthorized),
        ("nobody", "person_id", "1", "", Unauthorized),
        ("page", "person_id", "1", "", Forbidden),
        ("page", "email", "x", "", Forbidden),
        ("page", "td_client_id", "c", "buyers", NotFound),
        ("page", "td_client_id", "c", "nothing", NotFound),
    ],
)
def test_what_is_not_exposed_is_not_shown(
    token: str | None, column: str, value: str, segment: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        Shop().show(token, column, value, "segments", segment)


def test_a_signature_opens_one_profile_for_a_while() -> None:
    shop = Shop()
    good = signed(1)["person_id.sig"]
    assert shop.show("page", "person_id", "1", signature=good).body["segments"] == ["adults"]
    for value, signature in (
        ("2", good),
        ("1", good[:-1] + "0"),
        ("1", signed(1, NOW - 1)["person_id.sig"]),
        ("1", "x"),
    ):
        with pytest.raises(Forbidden, match=r"person_id\.sig"):
            shop.show("page", "person_id", value, signature=signature)
