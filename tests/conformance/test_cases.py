"""Every case of rules/conformance through every reading in Python; through SQL: tests/sql."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from segmentation.language import RuleError, RuleSet, Schema, load_rule_set, parse_document
from segmentation.language.lower import NOT_LOWERED

from tests.conformance.named_cases import NAMED, SUITES, assert_members, rule_sets

from .oracle import beyond_whole, by_oracle
from .readings import by_closures, by_index, by_visitor
from .suite import AUDIENCE, Case, Suite, segment

LEADS = (0, 1, 3_600, 40 * 86_400)
"""How many seconds before a case's moment the visitor is evaluated for the last time."""


@pytest.mark.parametrize("suite", NAMED)
def test_closures(suite: Suite) -> None:
    for now, rules, cases in rule_sets(suite, "batch"):
        assert_members("closures", suite, cases, by_closures(rules, suite.profiles, now))


@pytest.mark.parametrize("suite", NAMED)
def test_index(suite: Suite) -> None:
    for now, rules, cases in rule_sets(suite, "batch"):
        assert_members("index", suite, cases, by_index(rules, suite.profiles, now))


@pytest.mark.parametrize("suite", NAMED)
@pytest.mark.parametrize("lead", LEADS)
def test_visitor(suite: Suite, lead: int) -> None:
    for now, rules, cases in rule_sets(suite, "realtime"):
        found = by_visitor(rules, suite.profiles, now, lead)
        assert_members(f"visitor, {lead} s ahead", suite, cases, found)


def test_oracle() -> None:
    """All files through a third-party engine; only what lower.py lists is left out."""
    left_out: Counter[str] = Counter()
    done = 0
    for suite in SUITES:
        profiles = [profile for profile in suite.profiles if not beyond_whole(profile)]
        keys = {profile.key for profile in profiles}
        for now, rules, cases in rule_sets(suite, "batch"):
            found, without = by_oracle(rules, profiles, now)
            left_out.update(without.values())
            done += len(cases) - len(without)
            expected = [replace(case, members=(case.members or frozenset()) & keys) for case in cases]
            answers = {
                f"case-{i}": found.get(f"case-{i}", case.members or frozenset())
                for i, case in enumerate(expected)
            }
            assert_members("oracle", suite, expected, answers)
    assert set(left_out) == set(NOT_LOWERED), "everything listed as not lowered has a case"
    assert done > 400
    assert sum(left_out.values()) < done / 4, left_out


REFUSALS = [
    pytest.param(suite, case, id=f"{suite.name}: {case.name}")
    for suite in SUITES
    for case in suite.cases
    if case.problems is not None
]


@pytest.mark.parametrize(("suite", "case"), REFUSALS)
def test_refusal(suite: Suite, case: Case) -> None:
    with pytest.raises(RuleError) as refused:
        load(suite.schema, suite, case)
    found = tuple((problem.pointer, problem.code) for problem in refused.value.problems)
    assert found == case.problems, str(refused.value)
    assert all(len(problem.message) > 15 for problem in refused.value.problems)


def load(schema: Schema, suite: Suite, case: Case) -> RuleSet:
    """The rule set of a case: of its own documents, or of its rule beside those of the file."""
    if case.text is not None:
        return load_rule_set([parse_document(case.text)], schema, AUDIENCE)
    if case.documents is not None:
        return load_rule_set(case.documents, schema, AUDIENCE)
    return load_rule_set([segment("case", case.rule), *suite.documents], schema, AUDIENCE)


def version(suite: Suite, rule: Any) -> str:
    rules = load_rule_set([*suite.documents, segment("case", rule)], suite.schema, AUDIENCE)
    return next(s.version for s in rules if s.id == "case")


NORMAL = [
    pytest.param(suite, case, id=f"{suite.name}: {case.name}")
    for suite in SUITES
    for case in suite.cases
    if case.equal is not None or case.different is not None
]


@pytest.mark.parametrize(("suite", "case"), NORMAL)
def test_normal_form(suite: Suite, case: Case) -> None:
    versions = [version(suite, rule) for rule in case.equal or case.different or ()]
    assert len(versions) > 1
    assert len(set(versions)) == (1 if case.equal is not None else len(versions))


def test_there_are_cases_enough() -> None:
    assert sum(len(suite.cases) for suite in SUITES) >= 400
