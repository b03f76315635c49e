from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from segmentation.domain.audience import Visibility
from segmentation.domain.errors import BadRequest, Forbidden, Unauthorized
from segmentation.domain.profile import BatchPart, RealtimePart
from segmentation.domain.programs import Programs
from segmentation.domain.visitor import Visitor
from segmentation.usecases.personalize import Personalize
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.tokens import Tokens

from tests.fakes import FakeSecrets, FixedClock, MemoryLimits, MemoryProfiles, StaticRuleSets
from tests.fakes.documents import documents, published

NOW = 1_700_000_000
ONE = "shop#person_id:1"
BATCH = BatchPart("run1", NOW, ("adults", "buyers"), {"country": "FR", "age": 30.0, "income": "leaked"})


@pytest.fixture
def profiles() -> MemoryProfiles:
    return MemoryProfiles(batch={ONE: BATCH})


def personalize(profiles: MemoryProfiles, **changes: Any) -> Personalize:
    return over(profiles, StaticRuleSets({"shop": published(**changes)}))


def over(profiles: MemoryProfiles, sets: StaticRuleSets) -> Personalize:
    tokens = Tokens(sets, MemoryLimits(), FakeSecrets())
    return Personalize(tokens, ReadProfiles(profiles, Programs()), FixedClock(NOW))


def test_only_what_the_token_exposes_leaves(profiles: MemoryProfiles) -> None:
    assert personalize(profiles)(["site-token"], {"person_id": "1"}) == [
        {
            "values": ["adults"],
            "attributes": {"country": "FR"},
            "key": {"person_id": "1"},
            "audienceId": "shop",
        }
    ]


def test_several_tokens_are_answered_with_one_read(profiles: MemoryProfiles) -> None:
    answer = personalize(profiles)(["own-token", "site-token"], {"person_id": "1"})
    assert [entry["values"] for entry in answer] == [["buyers"], ["adults"]]
    assert [entry["attributes"] for entry in answer] == [{"age": 30.0}, {"country": "FR"}]
    assert profiles.reads == 1


def test_an_attribute_that_became_pii_no_longer_leaves(profiles: MemoryProfiles) -> None:
    document = documents()
    call = personalize(profiles)
    audience = call.tokens.rule_sets.all()["shop"].audience
    table = audience.attributes[0]

    hidden = tuple(
        replace(column, visibility=Visibility.PII) if column.name == "country" else column
        for column in table.columns
    )
    changed = replace(audience, attributes=(replace(table, columns=hidden),))
    sets = {"shop": replace(published(**document), audience=changed)}
    (entry,) = over(profiles, StaticRuleSets(sets))(["site-token"], {"person_id": "1"})
    assert entry["attributes"] == {}


def test_what_was_computed_is_only_used_in_its_own_time(profiles: MemoryProfiles) -> None:
    rules = published()
    part = RealtimePart(
        revision=1,
        state=Visitor.new().encode(),
        members=("buying-now",),
        changes=(),
        computed=NOW - 10,
        rules=rules.version,
        batch="run1",
    )

    def values(part: RealtimePart) -> list[str]:
        profiles.realtime[ONE] = part
        (entry,) = personalize(profiles)(["site-token"], {"person_id": "1"})
        return list(entry["values"])

    assert values(part) == ["adults", "buying-now"]
    assert values(structs.replace(part, due=NOW + 1)) == ["adults", "buying-now"]
    assert values(structs.replace(part, due=NOW)) == ["adults"]
    assert values(structs.replace(part, rules="old")) == ["adults"]
    assert values(structs.replace(part, batch="run0")) == ["adults"]


@pytest.mark.parametrize(
    ("tokens", "keys", "origin", "error", "message"),
    [
        ([], {}, None, BadRequest, "token="),
        (["site-token"] * 6, {"person_id": "1"}, None, BadRequest, "6 tokens"),
        (["nobody"], {"person_id": "1"}, None, Unauthorized, "token 1 is unknown"),
        (["site-token", "x"], {"person_id": "1"}, None, Unauthorized, "token 2 is unknown"),
        (["site-token"], {}, None, BadRequest, "key.person_id"),
        (["site-token"], {"email": "x"}, None, BadRequest, "key.person_id"),
        (["own-token"], {"person_id": "1"}, "https://evil.example", Forbidden, "origin"),
    ],
)
def test_refusals(
    profiles: MemoryProfiles,
    tokens: list[str],
    keys: dict[str, str],
    origin: str | None,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as caught:
        personalize(profiles)(tokens, keys, origin)
    assert "nobody" not in str(caught.value)  # a token is never repeated
