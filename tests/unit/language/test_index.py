"""The index gives what the closures give, for every rule, at once and step by step."""

from collections.abc import Sequence
from typing import Any

import pytest
from segmentation.language import RuleSet, Schema, load_rule_set
from segmentation.language.evaluate import Evaluation, History
from segmentation.language.index import ArtifactError, Index
from segmentation.language.times import zone

from tests.unit.language.random_rules import NOW, OUTSIDE, SCHEMA


def realtime(rule_set: RuleSet) -> list[tuple[str, Any]]:
    return [(segment.id, segment.rule) for segment in rule_set.of_kind("realtime")]


def index_of(*rules: Any, schema: Schema = SCHEMA) -> Index:
    documents = [
        {"id": f"s{number}", "name": "S", "audience": "a", "kind": "realtime", "rule": rule}
        for number, rule in enumerate(rules)
    ]
    lists = [{"id": name, "name": name, "audience": "a", "kind": "list"} for name in OUTSIDE]
    return Index.compile(realtime(load_rule_set([*lists, *documents], schema, "a")), schema.time_zone)


def members(index: Index, attributes: dict[str, Any], segments: Sequence[str] = ()) -> list[str]:
    known = History(attributes, {})
    evaluation = Evaluation(known, "person-1", NOW, zone("Europe/Berlin"), segments)
    return sorted(index.members(index.evaluate(evaluation)))


def test_many_thresholds_are_found_from_their_checkpoints() -> None:
    bounds = range(1_000)
    rules = [
        {"and": [{">=": [{"var": "attributes.age"}, n]}, {"!=": [{"var": "attributes.age"}, n + 1]}]}
        for n in bounds
    ]
    index = index_of(*rules)
    for age in (-1.0, 0.0, 0.5, 63.0, 64.0, 128.0, 500.5, 999.0, 5_000.0):
        expected = sorted(f"s{n}" for n in bounds if age >= n and age != n + 1)
        assert members(index, {"age": age}) == expected
    assert members(index, {}) == []


def test_a_missing_value_fails_every_test_and_passes_every_complement() -> None:
    age = {"var": "attributes.age"}
    index = index_of({"<": [age, 18]}, {"!": [{"<": [age, 18]}]}, {"!=": [age, 18]}, {"==": [age, None]})
    assert members(index, {}) == ["s1", "s2", "s3"]
    assert members(index, {"age": 17.0}) == ["s0", "s2"]


def test_references_follow_in_the_same_evaluation() -> None:
    index = index_of(
        {"in": ["list-a", {"var": "segments"}]},
        {"!": [{"in": ["s0", {"var": "segments"}]}]},
        {"and": [{"in": ["s1", {"var": "segments"}]}, {"var": "attributes.vip"}]},
    )
    assert members(index, {"vip": True}) == ["s1", "s2"]
    assert members(index, {"vip": True}, ["list-a"]) == ["s0"]


def test_a_rule_whose_form_would_explode_is_still_right() -> None:
    columns = ("country", "city")
    pairs = [
        {"and": [{"==": [{"var": f"attributes.{c}"}, w]} for c, w in zip(columns, words, strict=True)]}
        for words in zip("abcdefghijklmnop", "ponmlkjihgfedcba", strict=True)
    ]
    index = index_of({"or": [*pairs, {"var": "attributes.vip"}]})
    assert members(index, {"country": "c", "city": "n"}) == ["s0"]
    assert members(index, {"country": "c", "city": "c"}) == []
    assert members(index, {"vip": True}) == ["s0"]


def test_an_empty_rule_set_has_nobody() -> None:
    index = Index.compile([], "UTC")
    assert members(index, {"age": 3.0}) == []
    assert members(Index.load(index.dump()), {}) == []


@pytest.mark.parametrize("artifact", [b"", b"{}\n", b"segmentation\n", b"segmentation\n\x01", b"\xff\xfe"])
def test_other_bytes_are_refused(artifact: bytes) -> None:
    with pytest.raises(ArtifactError):
        Index.load(artifact)


def test_a_damaged_artifact_is_refused() -> None:
    artifact = index_of({"var": "attributes.vip"}).dump()
    for broken in (artifact[:-20], artifact[:-20] + bytes(20)):
        with pytest.raises(ArtifactError, match="publish the rules anew"):
            Index.load(broken)
    with pytest.raises(ArtifactError, match="index 9"):
        Index.load(artifact.replace(b"index 2", b"index 9"))
