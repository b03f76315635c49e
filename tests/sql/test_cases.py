"""Every case of rules/conformance as SQL."""

import pytest

from tests.conformance.named_cases import NAMED, assert_members, rule_sets
from tests.conformance.readings import FEW_SEGMENTS, WAYS, Athena, Tables, Way
from tests.conformance.suite import Suite


@pytest.mark.parametrize("suite", NAMED)
@pytest.mark.parametrize("partitioned", [False, True], ids=["whole", "partitioned"])
def test_sql(suite: Suite, athena: Athena, partitioned: bool) -> None:
    tables = Tables(athena, suite.schema, suite.profiles)
    for now, rules, cases in rule_sets(suite, "batch"):
        assert_members("SQL", suite, cases, tables.members(rules, now, partitioned))


@pytest.mark.parametrize("suite", NAMED)
@pytest.mark.parametrize("way", WAYS)
def test_sql_of_many_segments(suite: Suite, athena: Athena, way: Way) -> None:
    """Events that are put together as those of many segments are mean the same."""
    tables = Tables(athena, suite.schema, suite.profiles)
    for now, rules, cases in rule_sets(suite, "batch"):
        assert_members(f"SQL {way}", suite, cases, tables.members(rules, now, way=way))


@pytest.mark.parametrize("suite", NAMED)
def test_sql_in_several_queries(suite: Suite, athena: Athena) -> None:
    """What would be too long is split, and means the same."""
    tables = Tables(athena, suite.schema, suite.profiles)
    for now, rules, cases in rule_sets(suite, "batch"):
        assert_members("split SQL", suite, cases, tables.members(rules, now, longest=FEW_SEGMENTS))
