"""Audience, access, destinations and the rule set as one: all problems at once."""

from typing import Any

import pytest
from segmentation.domain.access import holder, origin_allowed
from segmentation.domain.audience import Visibility
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.published import parse_published
from segmentation.language import RuleError, Type

from tests.fakes import FixedClock, MemoryLake
from tests.fakes.documents import ACCESS, AUDIENCE, DESTINATIONS, SEGMENTS, documents, published
from tests.publishing import PublishRules


def problems(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(RuleError) as caught:
        parse_published(document)
    return [(one.pointer, one.code) for one in caught.value.problems]


def test_an_audience_is_read() -> None:
    audience = parse_audience(AUDIENCE)
    assert audience.schema().attributes["tags"] is Type.STRINGS
    assert "iban" not in audience.schema().attributes
    assert audience.columns()["income"].visibility is Visibility.PII
    assert audience.public() == {"country", "age", "born", "tags"}
    assert audience.behaviors["purchases"].columns[2].lookup == "items"
    assert audience.behaviors["mailings"].time_zone == "America/New_York"
    assert audience.schema().behaviors["mailings"] == {"name": Type.STRING}


def test_everything_wrong_with_an_audience_is_said_at_once() -> None:
    document = {
        "id": "9 lives",
        "database": "X",
        "time_zone": "Mars/Olympus",
        "master": {"table": "people; DROP", "key": "person_id", "extra": 1},
        "identities": ["other", "other"],
        "attribute": [],
        "attributes": [
            {
                "table": "t",
                "key": "k",
                "columns": {
                    "a": {"type": "sting"},
                    "A": {"type": "string", "visibility": "secret"},
                    "segments": {"type": "string"},
                    "b-c": {"type": "string"},
                    "d": "string",
                    "e": {"type": "string", "from": "t2"},
                },
            }
        ],
        "behaviors": {
            "x": {},
            "visits": {
                "table": "v",
                "key": "k",
                "time": "at",
                "lookups": [{"table": "pages", "key": "page"}],
                "columns": {"time": {"type": "timestamp"}, "title": {"type": "string", "from": "page"}},
            },
        },
    }
    with pytest.raises(RuleError) as caught:
        parse_audience(document)
    found = {one.pointer: one.message for one in caught.value.problems}
    assert "did you mean 'attributes'" in found["/attribute"]
    assert "did you mean 'string'" in found["/attributes/0/columns/a/type"]
    assert "did you mean 'pages'" in found["/behaviors/visits/columns/title/from"]
    assert set(found) >= {
        "/id",
        "/database",
        "/time_zone",
        "/master/table",
        "/master/extra",
        "/identities",
        "/identities/1",
        "/attributes/0/columns/A",
        "/attributes/0/columns/A/visibility",
        "/attributes/0/columns/segments",
        "/attributes/0/columns/b-c",
        "/attributes/0/columns/d",
        "/attributes/0/columns/e/from",
        "/behaviors/x",
        "/behaviors/visits/columns/time",
    }


@pytest.mark.parametrize("document", [None, [], "audience", 1])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(RuleError, match="must be an object"):
        parse_audience(document)
    with pytest.raises(RuleError, match="must be an object"):
        parse_published(document)


def test_problems_of_all_parts_come_together() -> None:
    document = documents()
    document["segments"][0]["rule"] = {">=": [{"var": "attributes.aeg"}, 18]}
    document["access"]["tokens"][0]["segments"] = ["adutls"]
    document["access"]["tokens"][0]["attributes"] = ["income", "iban", "shoe_size"]
    document["access"]["tokens"][1]["key_column"] = "email"
    document["access"]["write_keys"][0]["sha256"] = "write-key"
    document["access"]["partners"][0]["origins"] = ["*"]
    document["destinations"][0]["url"] = "ftp://hooks.example"
    document["extra"] = 1
    found = dict(problems(document))
    assert any(pointer.startswith("/segments/0/rule") for pointer in found)
    assert {pointer: code for pointer, code in found.items() if not pointer.startswith("/segments")} == {
        "/extra": "unknown-field",
        "/access/write_keys/0/sha256": "sha256",
        "/access/tokens/0/segments/0": "unknown-segment",
        "/access/tokens/0/attributes/0": "not-clear",
        "/access/tokens/0/attributes/1": "not-clear",
        "/access/tokens/0/attributes/2": "unknown-attribute",
        "/access/tokens/1/key_column": "unknown-identity",
        "/access/partners/0/origins": "unknown-field",
        "/destinations/0/url": "url",
    }


def test_keys_and_ids_stand_once() -> None:
    document = documents()
    document["access"]["tokens"][1]["sha256"] = document["access"]["tokens"][0]["sha256"]
    document["destinations"].append(document["destinations"][0])
    assert problems(document) == [
        ("/access/tokens/1/sha256", "duplicate"),
        ("/destinations/1/id", "duplicate"),
    ]


def test_a_realtime_rule_cannot_read_pii() -> None:
    document = documents()
    document["segments"][3]["rule"] = {"==": [{"var": "attributes.income"}, "high"]}
    assert problems(document) == [("/segments", "not-clear")]
    document["segments"][3]["kind"] = "batch"
    document["segments"][3]["rule"] = {"==": [{"var": "attributes.income"}, "high"]}
    assert published(**document).published_attributes() == ("age", "country")


def test_what_is_published_of_a_profile() -> None:
    # country by a real-time rule and a token, age by a token; income is PII, born and tags are not asked for
    assert published().published_attributes() == ("age", "country")


def test_a_key_is_known_by_its_hash() -> None:
    access = published().access
    assert holder(access.write_keys, "write-key") is access.write_keys[0]
    assert holder(access.write_keys, "own-write-key") is access.write_keys[1]
    assert holder(access.write_keys, "") is None
    assert holder(access.write_keys, access.write_keys[0].sha256[0]) is None
    assert holder(access.write_keys, "\ud800") is None


def test_a_public_token_needs_a_signature_for_keys_that_others_can_guess() -> None:
    document = documents()
    document["audience"]["identities"] = [
        "person_id",
        "td_client_id",
        {"name": "email", "normalize": "email"},
        {"name": "phone", "visibility": "pii"},
        {"name": "card", "table": "cards", "key": "person_id"},
    ]
    keys = ["td_client_id", "person_id", "email", "phone", "card"]
    token = {"id": "all", "sha256": "0" * 64, "key_columns": keys}
    document["access"]["tokens"] = [
        token,
        {**token, "id": "server", "sha256": "1" * 64, "use": "server"},
        {**token, "id": "open", "sha256": "2" * 64, "lookup": "open"},
    ]
    signed = [one.signed for one in published(**document).access.tokens]
    assert signed == [{"person_id", "email", "phone", "card"}, set(), set()]


def test_origins_are_compared_as_browsers_write_them() -> None:
    document = documents()
    key = document["access"]["write_keys"][0]
    key["origins"] = ["https://Shop.Example:443", "http://localhost:80", "http://localhost:8080", "*"]
    assert parse_published(document).access.write_keys[0].origins == (
        *("https://shop.example", "http://localhost", "http://localhost:8080", "*"),
    )


def test_batch_segments_that_would_fill_an_item_are_refused() -> None:
    document = documents()
    document["segments"] += [
        {**document["segments"][0], "id": f"{number:05}{'x' * 55}"} for number in range(3_300)
    ]
    with pytest.raises(RuleError, match="a profile has room for 200,000") as caught:
        parse_published(document)
    assert [one.code for one in caught.value.problems] == ["too-many-batch"]


def test_the_path_of_pages_is_no_database() -> None:
    document = documents()
    document["audience"]["database"] = "public"
    with pytest.raises(RuleError, match="/public/ is where pages ask"):
        parse_published(document)


def test_origins() -> None:
    assert origin_allowed(("https://a.example",), "https://a.example")
    assert not origin_allowed(("https://a.example",), "https://b.example")
    assert not origin_allowed(("https://a.example",), "null")
    assert origin_allowed(("https://a.example",), None)
    assert origin_allowed(("*",), "https://b.example")
    assert origin_allowed((), "https://b.example")


def test_rules_are_published_checked_or_not_at_all() -> None:
    lake = MemoryLake()
    publish = PublishRules(lake, FixedClock(1_704_067_200))
    first = publish(AUDIENCE, SEGMENTS, ACCESS, DESTINATIONS)
    assert lake.json("rules/shop/ruleset.json")["published"] == "2024-01-01T00:00:00Z"
    assert parse_published(lake.json("rules/shop/ruleset.json")).version == first.version
    with pytest.raises(RuleError):
        publish(AUDIENCE, [*SEGMENTS, {"id": "broken"}], ACCESS, DESTINATIONS)
    assert lake.json("rules/shop/ruleset.json")["version"] == first.version
    assert publish(AUDIENCE, SEGMENTS, ACCESS, DESTINATIONS).version == first.version
    assert publish(AUDIENCE, SEGMENTS, ACCESS, []).version != first.version
