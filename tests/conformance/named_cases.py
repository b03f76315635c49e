"""Every conformance case by its name, with the rule sets that it is tried in."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pytest
from segmentation.language import RuleSet, load_rule_set

from .readings import Members
from .suite import AUDIENCE, Case, Suite, segment, suites

SUITES = list(suites())
NAMED = [pytest.param(suite, id=suite.name) for suite in SUITES]
WITH_MEMBERS = [suite for suite in SUITES if any(case.members is not None for case in suite.cases)]


def members_cases(suite: Suite, kind: str) -> Mapping[int, list[Case]]:
    """The cases that name members, for a kind of segment, by their moment."""
    cases = defaultdict(list)
    for case in suite.cases:
        if case.members is not None and kind in case.kinds:
            cases[case.now].append(case)
    return cases


def rule_sets(suite: Suite, kind: str) -> Iterator[tuple[int, RuleSet, list[Case]]]:
    """All cases of one moment as one rule set: the case at place i is the segment `case-i`."""
    for now, cases in members_cases(suite, kind).items():
        documents = [segment(f"case-{i}", case.rule, kind) for i, case in enumerate(cases)]
        yield now, load_rule_set([*suite.documents, *documents], suite.schema, AUDIENCE), cases


def assert_members(reading: str, suite: Suite, cases: list[Case], found: Members) -> None:
    wrong = [
        f"{case.name!r}: {json.dumps(case.rule, ensure_ascii=False)}\n"
        f"    too many {sorted(found[f'case-{i}'] - case.members)}, missing {sorted(case.members - found[f'case-{i}'])}"
        for i, case in enumerate(cases)
        if case.members is not None and found[f"case-{i}"] != case.members
    ]
    assert not wrong, f"{suite.name} by {reading}:\n" + "\n".join(wrong)
