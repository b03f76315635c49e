"""What is told of rules: over random worlds and all conformance cases, explanations are right, and sentences
and the published schema know every rule."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

from hypothesis import given, settings
from segmentation.language import RuleSet, load_rule_set
from segmentation.language.evaluate import Compiler, Evaluation
from segmentation.language.explain import as_text, explain
from segmentation.language.sentence import outline, segment_sentence
from segmentation.language.times import UNIT_SECONDS, first_second, local_date, parse_duration, zone

from tests.examples import examples

from .random_values import DURATIONS
from .readings import by_closures, history_of, limited, typed_attributes, typed_rows
from .strategies import World, loaded, worlds
from .suite import AUDIENCE, PUBLISHED, Profile, segment, suites


def truth_of(rules: RuleSet, name: str, profile: Profile) -> Callable[[int], bool]:
    """Whether a profile is in a segment at a moment, by the closures alone."""
    compiler = Compiler()
    known = history_of(rules.schema, profile)
    compiled = [(s.id, compiler.compile(s.rule)) for s in rules if s.rule is not None]

    def at(moment: int) -> bool:
        evaluation = Evaluation(known, profile.key, moment, zone(rules.schema.time_zone), profile.lists)
        for other, holds in compiled:
            if holds(evaluation, None):
                evaluation.segments.add(other)
            if other == name:
                break
        return name in evaluation.segments

    return at


def moments_to_try(rules: RuleSet, profile: Profile, now: int) -> list[int]:
    """Moments after now near which something may happen: what is known of the profile, shifted, and midnights."""
    place = zone(rules.schema.time_zone)
    anchors = {now}
    for value in typed_attributes(rules.schema, profile).values():
        if isinstance(value, int) and not isinstance(value, bool):
            anchors.add(value)
    for behavior in rules.schema.behaviors:
        for row in typed_rows(rules.schema, profile, behavior):
            anchors.add(row.time)
            anchors.update(
                value
                for value in row.columns.values()
                if isinstance(value, int) and not isinstance(value, bool)
            )
    spans = [0, *(span for text in DURATIONS if (span := parse_duration(text)) is not None)]
    tried = {
        anchor + sign * span + by
        for anchor in anchors
        for span in spans
        for sign in (1, -1)
        for by in (-1, 0, 1)
    }
    today = local_date(now, place)
    for days in (*range(1, 70), 92, 184, 366, 400):
        tried.add(first_second(today + dt.timedelta(days=days), place))
    return sorted(moment for moment in tried if now < moment < now + 800 * UNIT_SECONDS["d"])


@settings(max_examples=examples(40))
@given(world=worlds(rules=6, people=3))
def test_explanations_agree_with_the_closures_and_know_when_they_change(world: World) -> None:
    rules = loaded(world)
    expected = by_closures(rules, world.profiles, world.now)
    for profile in world.profiles:
        known = history_of(rules.schema, profile)
        given_lists = {s.id: s.id in profile.lists for s in rules if s.kind == "list"}
        tried = moments_to_try(rules, profile, world.now)
        for one in rules:
            explanation = explain(rules, one.id, known, profile.key, world.now, given_lists)
            assert explanation["holds"] is (profile.key in expected[one.id])
            assert json.loads(json.dumps(explanation)) == explanation
            assert as_text(explanation)
            if one.rule is None:
                continue
            assert explanation["rule"]["holds"] is explanation["holds"]
            at = truth_of(rules, one.id, profile)
            change = explanation["changes"]
            ends = None
            if "at" in change:
                ends = change["at"]["unix"]
                assert at(ends) is change["to"] is not explanation["holds"]
                assert at(ends - 1) is explanation["holds"]
            elif "not_before" in change:
                ends = change["not_before"]["unix"]
            early = [m for m in tried if (ends is None or m < ends) and at(m) is not explanation["holds"]]
            assert early == [], (one.id, profile, explanation["changes"])


@settings(max_examples=examples(40))
@given(world=worlds(rules=10, people=1))
def test_every_rule_has_a_sentence_and_a_valid_shape(world: World) -> None:
    for document in world.documents:
        assert [error.message for error in PUBLISHED.iter_errors(document)] == []
    rules = loaded(world)
    for one in rules:
        assert segment_sentence(one, rules.schema.time_zone)
        if one.rule is not None:
            lines = outline(one.rule, rules.schema.time_zone)
            assert lines[0].depth == 0
            assert all(line.text.strip() for line in lines)


def test_every_conformance_case_is_explained_and_said() -> None:
    explained = 0
    for suite in suites():
        for case in suite.cases:
            if case.members is None:
                continue
            documents = [*suite.documents, segment("the-case", case.rule)]
            rules = load_rule_set(documents, suite.schema, AUDIENCE)
            one = next(s for s in rules if s.id == "the-case")
            assert segment_sentence(one, suite.schema.time_zone)
            stays = by_closures(rules, suite.profiles, case.now) if limited(rules) else {}
            for profile in suite.profiles:
                given = {s.id: s.id in profile.lists for s in rules if s.kind == "list"}
                given |= {name: profile.key in stays[name] for name in limited(rules)}
                known = history_of(suite.schema, profile)
                explanation = explain(rules, "the-case", known, profile.key, case.now, given)
                assert explanation["holds"] is (profile.key in case.members), (
                    suite.name,
                    case.name,
                    profile.key,
                )
                explained += 1
    assert explained > 1_000
