"""The SQL that a person reads differs from that of a run in its layout and names only."""

from __future__ import annotations

import re

import pytest
from segmentation.language import RuleSet, load_rule_set
from segmentation.language.sql import members_query
from segmentation.language.sql_layout import WIDTH, laid_out, tokens
from segmentation.language.sql_view import segment_sql

from tests.conformance.named_cases import WITH_MEMBERS

from .suite import Suite
from .test_cases import rule_sets


def without_comments(sql: str) -> str:
    return "\n".join(re.sub(r"^--.*$|  -- (\d{4}-\S+Z(, )?)+$", "", line) for line in sql.split("\n"))


@pytest.mark.parametrize("suite", [pytest.param(suite, id=suite.name) for suite in WITH_MEMBERS])
def test_layout_changes_no_token(suite: Suite) -> None:
    tables = {name: f"t_{name}" for name in suite.schema.behaviors}
    for now, rules, _ in rule_sets(suite, "batch"):
        sql = members_query(rules, "p", tables, now, lists=lambda _: "SELECT profile_key, segment FROM x")
        laid = without_comments(laid_out(sql))
        assert tokens(laid) == tokens(sql)
        assert laid.count("\n") > 5


def lines_of(rule: object, name: str = "One") -> list[str]:
    document = {"id": "one", "name": name, "audience": "a", "kind": "batch", "rule": rule}
    return segment_sql(of(document), "one", "people", {"visits": "v"}, 1_700_000_000).rstrip().split("\n")


def of(*documents: dict[str, object]) -> RuleSet:
    from segmentation.language import Schema, Type

    schema = Schema({"name": Type.STRING}, {"visits": {"url": Type.STRING}}, "UTC")
    return load_rule_set(list(documents), schema, "a")


def test_a_query_reads_well() -> None:
    visits = {"within": [{"filter": [{"var": "behaviors.visits"}, {"==": [{"var": "url"}, "/cart"]}]}, "7d"]}
    assert lines_of({">=": [{"count": [visits]}, 2]}) == [
        "-- One",
        '-- has at least 2 visits with url "/cart" in the last 7 days',
        "WITH",
        "  visits_of_profile AS (",
        "    SELECT",
        "      profile_key,",
        "      CAST(",
        "        count_if(t > 1699395200 AND coalesce(\"visits.url\" = '/cart', false)) AS double"
        "  -- 2023-11-07T22:13:20Z",
        "      ) AS count_visits",
        "    FROM (",
        '      SELECT profile_key, "time" AS t, coalesce(event_id, \'\') AS i, "url" AS "visits.url"',
        '      FROM "v"',
        '      WHERE "time" <= 1700000000 AND "time" > 1699395200  -- 2023-11-14T22:13:20Z, 2023-11-07T22:13:20Z',
        "    )",
        "    GROUP BY profile_key",
        "  ),",
        "  figures AS (",
        "    SELECT p.profile_key, coalesce(visits_of_profile.count_visits, 0e0) AS count_visits",
        '    FROM "people" AS p',
        "    LEFT JOIN visits_of_profile ON visits_of_profile.profile_key = p.profile_key",
        "  ),",
        "  membership AS (",
        "    SELECT *, (2e0 <= count_visits) AS in_one",
        "    FROM figures",
        "  )",
        "SELECT profile_key",
        "FROM membership",
        "WHERE in_one",
        "ORDER BY profile_key",
    ]


@pytest.mark.parametrize("nasty", ["a\n; DROP TABLE people", "b\r-- c", "d\u2028e", "'; --", "f\x85g"])
def test_no_text_of_a_user_becomes_sql(nasty: str) -> None:
    lines = lines_of({"==": [{"var": "attributes.name"}, nasty]}, name=nasty)
    comments = [line for line in lines[:3] if line.startswith("--")]
    assert len(comments) == 2
    plain = lines_of({"==": [{"var": "attributes.name"}, "x"]})
    laid, expected = ("\n".join(one[2:]) for one in (lines, plain))
    assert [t for t in tokens(without_comments(laid)) if not t.startswith("'")] == [
        t for t in tokens(expected) if not t.startswith("'")
    ]


def test_lines_are_not_longer_than_they_must_be() -> None:
    names = [f"value number {number}" for number in range(60)]
    lines = lines_of({"in": [{"var": "attributes.name"}, names]})
    assert all(len(line) <= WIDTH + 2 for line in lines[2:])
