"""The index gives what the closures give, for random rule sets, at once and step by step."""

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation.language import RuleSet, load_rule_set
from segmentation.language.evaluate import Compiler, Evaluation, History
from segmentation.language.index import NEVER, Index
from segmentation.language.times import zone

from tests.examples import examples
from tests.unit.language.random_rules import DAY, NOW, OUTSIDE, SCHEMA, Profile, Rules

SEEDS = st.integers(0, 2**32)


def realtime(rule_set: RuleSet) -> list[tuple[str, Any]]:
    return [(segment.id, segment.rule) for segment in rule_set.of_kind("realtime")]


def evaluation_of(profile: Profile, now: int) -> Evaluation:
    known = History(profile.attributes, profile.events)
    return Evaluation(known, "person-1", now, zone(SCHEMA.time_zone), profile.segments)


def by_closures(rules: Sequence[tuple[str, Any]], evaluation: Evaluation) -> set[str]:
    compiler = Compiler()
    found = set()
    for name, rule in rules:
        if compiler.compile(rule)(evaluation, None):
            evaluation.segments.add(name)
            found.add(name)
    return found


@settings(max_examples=examples(60))
@given(SEEDS)
def test_random_rule_sets_give_what_closures_give(seed: int) -> None:
    random = Random(seed)
    rules = realtime(load_rule_set(Rules(random).documents(12), SCHEMA, "a"))
    index = Index.compile(rules, SCHEMA.time_zone)
    for _ in range(4):
        profile = Profile(random)
        expected = by_closures(rules, evaluation_of(profile, NOW))
        bits = index.evaluate(evaluation_of(profile, NOW))
        assert set(index.members(bits)) == expected
        assert index.numbering.bits(expected) == bits


@settings(max_examples=examples(50))
@given(SEEDS)
def test_updates_give_what_a_whole_evaluation_gives(seed: int) -> None:
    random = Random(seed)
    rules = realtime(load_rule_set(Rules(random).documents(10), SCHEMA, "a"))
    index = Index.compile(rules, SCHEMA.time_zone)
    profile = Profile(random)
    now = NOW
    state = index.start(evaluation_of(profile, now))
    for _ in range(8):
        changed: dict[str, list[Any]] = {"attributes": [], "bases": [], "segments": []}
        if random.random() < 0.5:
            name = random.choice(sorted(SCHEMA.attributes))
            profile.attributes[name] = profile.value(name)
            changed["attributes"].append(name)
        if random.random() < 0.5:
            name = random.choice(sorted(SCHEMA.behaviors))
            profile.add_event(name, now)
            changed["bases"] += [base for base in index.bases if base.behavior == name]
        if random.random() < 0.3:
            profile.segments ^= {OUTSIDE[0]}
            changed["segments"].append(OUTSIDE[0])
        now += random.choice((0, 0, 1, 3_600, DAY, 20 * DAY))
        bits = index.update(state, evaluation_of(profile, now), **changed)
        assert set(index.members(bits)) == by_closures(rules, evaluation_of(profile, now))
        assert state.result == bits


@settings(max_examples=examples(40))
@given(SEEDS)
def test_nothing_changes_before_it_is_due(seed: int) -> None:
    random = Random(seed)
    rules = realtime(load_rule_set(Rules(random).documents(8), SCHEMA, "a"))
    index = Index.compile(rules, SCHEMA.time_zone)
    profile = Profile(random)
    state = index.start(evaluation_of(profile, NOW))
    for _ in range(6):
        due = state.due
        before = by_closures(rules, evaluation_of(profile, min(due, NOW + 500 * DAY) - 1))
        assert set(index.members(state.result)) == before
        if due == NEVER:
            return
        index.update(state, evaluation_of(profile, due))


@settings(max_examples=examples(60))
@given(SEEDS)
def test_an_artifact_gives_the_same(seed: int) -> None:
    random = Random(seed)
    rules = realtime(load_rule_set(Rules(random).documents(8), SCHEMA, "a"))
    index = Index.compile(rules, SCHEMA.time_zone, "v1")
    loaded = Index.load(index.dump())
    assert loaded.version == "v1"
    assert loaded.names == index.names
    assert loaded.dump() == index.dump()
    for _ in range(3):
        profile = Profile(random)
        assert loaded.evaluate(evaluation_of(profile, NOW)) == index.evaluate(evaluation_of(profile, NOW))


def test_forgetting_bitmaps_changes_nothing() -> None:
    random = Random(7)
    rules = realtime(load_rule_set(Rules(random).documents(60), SCHEMA, "a"))
    roomy, tight = (Index.compile(rules, SCHEMA.time_zone) for _ in range(2))
    tight.budget.limit = 200
    for _ in range(40):
        profile = Profile(random)
        assert tight.evaluate(evaluation_of(profile, NOW)) == roomy.evaluate(evaluation_of(profile, NOW))
    assert tight.budget.used <= 200 + 1_000
