"""The SQL that a person reads finds the members that a run finds."""

import pytest
from segmentation.language.sql_view import segment_sql

from tests.conformance.named_cases import WITH_MEMBERS, rule_sets
from tests.conformance.readings import Athena, Tables
from tests.conformance.suite import Suite

EVERY = 7
"""Of the segments of a suite every seventh one is run; all are compared token by token."""


@pytest.mark.parametrize("suite", [pytest.param(suite, id=suite.name) for suite in WITH_MEMBERS])
def test_it_finds_who_a_run_finds(suite: Suite, athena: Athena) -> None:
    tables = Tables(athena, suite.schema, suite.profiles)
    ran = 0
    for now, rules, _ in rule_sets(suite, "batch"):
        members = tables.members(rules, now)
        for number, segment in enumerate(rules.of_kind("batch", "list")):
            sql = segment_sql(
                rules, segment.id, tables.profiles, tables.behaviors, now, lists=tables.lists_query
            )
            if number % EVERY == 0:
                assert [key for (key,) in athena.run(sql)] == sorted(members[segment.id]), sql
                ran += 1
    assert ran
