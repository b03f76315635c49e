"""What strangers send: whatever it is, the answer is theirs to mend, says nothing of us, and keeps nothing odd."""

import base64
import gzip
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segmentation.domain.event import Event
from segmentation.domain.profile import BatchPart
from segmentation.domain.programs import Programs
from segmentation.usecases.answer_event import AnswerEvent
from segmentation.usecases.collect_calls import CollectCalls
from segmentation.usecases.collect_events import CollectEvents
from segmentation.usecases.personalize import Personalize
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.show_profile import ShowProfile
from segmentation.usecases.tokens import Tokens

from functions.collect_calls import app as collect_calls
from functions.collect_events import app as collect_events
from functions.serve_api import app as serve_api
from tests.fakes import MemoryEventLog, MemoryProfiles
from tests.fakes.documents import documents
from tests.fakes.doors import NOW, make_door
from tests.handlers.conftest import CONTEXT, golden

SECRETS = ("write-key", "site-token", "leaked-income", "leaked-segment")


class Shop:
    """All public routes over fakes."""

    def __init__(self) -> None:
        document = documents()
        document["audience"]["calls"] = {
            "user_id": "person_id",
            "anonymous_id": "td_client_id",
            "track": {"behavior": "purchases", "each": "products"},
            "page": {"behavior": "mailings"},
        }
        self.log = MemoryEventLog()
        part = BatchPart("r", NOW, ("adults", "leaked-segment"), {"country": "FR", "income": "leaked-income"})
        profiles = MemoryProfiles(batch={"shop#person_id:1": part})
        door = make_door(self.log, **document)
        tokens = Tokens(door.rule_sets, door.limits, door.secrets)
        read = ReadProfiles(profiles, Programs())
        self.events = SimpleNamespace(
            collect=CollectEvents(door), answer=AnswerEvent(CollectEvents(door), tokens, read)
        )
        self.calls = CollectCalls(door)
        self.api = SimpleNamespace(
            personalize=Personalize(tokens, read, door.clock),
            show_profile=ShowProfile(tokens, read, door.clock),
        )


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    made = Shop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect_events, "application", lambda: made.events)
        patch.setattr(collect_calls, "application", lambda: made.calls)
        patch.setattr(serve_api, "application", lambda: made.api)
        yield made


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.just("\ud800"),
)
NAMES = st.one_of(
    st.sampled_from(
        [
            "person_id",
            "td_client_id",
            "time",
            "basket",
            "item",
            "amount",
            "events",
            "records",
            "batch",
            "type",
            "userId",
            "anonymousId",
            "messageId",
            "timestamp",
            "sentAt",
            "properties",
            "traits",
            "context",
            "event",
            "writeKey",
            "products",
            "person_id.sig",
            "td_version",
        ]
    ),
    st.text(max_size=10),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=12,
)
BODIES = st.one_of(
    st.dictionaries(NAMES, VALUES, max_size=8).map(lambda one: json.dumps(one).encode()),
    st.lists(st.dictionaries(NAMES, VALUES, max_size=8), max_size=4).map(
        lambda many: json.dumps({"events": many}).encode()
    ),
    st.lists(st.dictionaries(NAMES, VALUES, max_size=8), max_size=4).map(
        lambda many: json.dumps({"batch": many, "writeKey": "write-key"}).encode()
    ),
    st.binary(max_size=60),
)
PATHS = st.sampled_from(
    [
        "/shop_db/purchases",
        "/public/shop_db/purchases",
        "/v1/t",
        "/v1/batch",
        "/v1/i",
        "/v1/p",
        "/shop_db",
        "/v1/x/y",
    ]
)
HEADERS = st.fixed_dictionaries(
    {
        "authorization": st.sampled_from(
            ["TD1 write-key", "Basic d3JpdGUta2V5Og==", "Basic %", "TD1", "", "Bearer site-token"]
        )
    },
    optional={
        "wp13n-token": st.sampled_from(["site-token", "", "\u00e9", "x" * 5_000]),
        "content-encoding": st.sampled_from(["gzip", "br", "identity", ""]),
        "origin": st.sampled_from(["null", "https://shop.example", "https://evil.example", "\r\nX: y"]),
        "sec-gpc": st.just("1"),
    },
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=PATHS, body=BODIES, headers=HEADERS, packed=st.booleans())
def test_no_body_breaks_the_collector(
    shop: Shop, path: str, body: bytes, headers: dict[str, str], packed: bool
) -> None:
    event = golden("collect")
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["body"] = base64.b64encode(gzip.compress(body) if packed else body).decode()
    event["headers"] = headers
    handler = collect_calls.handler if path.startswith("/v1/") else collect_events.handler
    kept = len(shop.log.events)
    answer = handler(event, CONTEXT)
    assert answer["statusCode"] in (200, 400, 401, 403, 404, 413)
    told = json.loads(answer["body"])
    assert not any(secret in answer["body"] for secret in SECRETS[2:])
    if answer["statusCode"] != 200:
        assert told["message"]
        assert len(shop.log.events) == kept
    for one in shop.log.events[kept:]:
        assert Event.from_json(one.to_json()).id == one.id
        one.profile.encode()
        one.id.encode()


TEXTS = st.one_of(
    st.text(max_size=30), st.sampled_from(["1", "site-token", "own-token", "person_id", "segments"])
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(TEXTS.filter(lambda text: "\x00" not in text), max_size=6),
    query=st.text(max_size=60),
    native=st.booleans(),
)
def test_no_question_breaks_a_reading(shop: Shop, parts: list[str], query: str, native: bool) -> None:
    event = golden("personalize")
    path = "/v1/profiles/" + "/".join(parts) if native else "/cdp/lookup/collect/segments"
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["rawQueryString"] = query
    answer = serve_api.handler(event, CONTEXT)
    assert answer["statusCode"] in (200, 400, 401, 403, 404)
    assert not any(secret in answer["body"] for secret in SECRETS[2:])


def asked(path: str, query: str, **headers: str) -> dict[str, Any]:
    event = golden("personalize")
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["rawQueryString"] = query
    event["headers"].update(headers)
    answer: dict[str, Any] = serve_api.handler(event, CONTEXT)
    return answer


@pytest.mark.parametrize(
    "query",
    [
        "token=site-token&key.person_id=1",
        "token=site-token&key.person_id=1&segments=leaked-segment&attributes=income",
        "token=site-token,site-token&key.person_id=1&key.income=leaked-income",
    ],
)
def test_what_a_token_does_not_expose_leaves_by_no_query(shop: Shop, query: str) -> None:
    body = asked("/cdp/lookup/collect/segments", query)["body"]
    assert "leaked" not in body
    assert all(entry["values"] == ["adults"] for entry in json.loads(body))


def test_an_unknown_visitor_is_answered_as_one_who_is_in_nothing(shop: Shop) -> None:
    """By the native route nobody learns who is known."""
    known, unknown = (
        json.loads(asked(f"/v1/profiles/person_id/{who}/segments/buying-now", "token=site-token")["body"])
        for who in ("1", "nobody")
    )
    assert known["member"] is unknown["member"] is False
    assert set(known) == set(unknown)


@pytest.mark.parametrize("depth", [49, 51, 400, 960, 990, 5_000])
def test_deep_bodies_are_refused_before_anybody_stumbles(shop: Shop, depth: int) -> None:
    event = golden("collect")
    nested = b'{"td_client_id": "c", "x": ' + b"[" * depth + b"]" * depth + b"}"
    event["body"] = base64.b64encode(nested).decode()
    assert collect_events.handler(event, CONTEXT)["statusCode"] == (200 if depth < 50 else 400)


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "https://shop.example.evil.example"])
def test_an_origin_that_is_not_the_keys_is_refused_by_name_only(shop: Shop, origin: str) -> None:
    event = golden("collect")
    event["headers"] |= {"authorization": "TD1 own-write-key", "origin": origin}
    answer = collect_events.handler(event, CONTEXT)
    assert answer["statusCode"] == 403
    assert answer["headers"]["access-control-allow-origin"] == origin  # so that the page can read why
    assert "*" not in answer["headers"].values()
