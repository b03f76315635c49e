"""The members query: one for all segments, each table read once, each term computed once, within Athena's limit."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import sqlglot
from segmentation.language import RuleSet, Schema, Type, load_rule_set
from segmentation.language.sql import LONGEST_QUERY, WRAPPING, QueryTooLong, members_queries, members_query
from segmentation.language.sql_latest import COUNT_BYTES, latest_bytes
from sqlglot import exp

from tests.bench import renderings
from tests.bench.realistic import LISTS, make_rules
from tests.bench.realistic import SCHEMA as REALISTIC

NOW = 1_790_000_000
SCHEMA = Schema(
    {"age": Type.NUMBER, "name": Type.STRING, "unread": Type.STRING},
    {
        "views": {"page": Type.STRING, "seconds": Type.NUMBER, "unread": Type.STRING},
        "purchases": {"item": Type.STRING, "price": Type.NUMBER},
    },
)
VIEWS: Any = {"var": "behaviors.views"}
PURCHASES: Any = {"var": "behaviors.purchases"}
TABLES = {"views": "t_views", "purchases": "t_purchases"}


def rule_set(*rules: Any, schema: Schema = SCHEMA) -> RuleSet:
    documents = [
        {"id": f"s{i}", "name": "x", "audience": "a", "kind": "batch", "rule": rule}
        for i, rule in enumerate(rules)
    ]
    return load_rule_set(documents, schema, "a")


def query(*rules: Any) -> str:
    return members_query(rule_set(*rules), "profiles", TABLES, NOW)


def tables_of(sql: str) -> Counter[str]:
    tree = sqlglot.parse_one(sql, read="trino")
    parts = {part.alias for part in tree.find_all(exp.CTE)}
    return Counter(table.name for table in tree.find_all(exp.Table) if table.name not in parts)


def pages(*names: str) -> Any:
    return {"filter": [VIEWS, {"in": [{"var": "page"}, list(names)]}]}


@pytest.fixture(scope="module")
def thousand() -> RuleSet:
    """A thousand realistic segments."""
    documents: list[dict[str, Any]] = [
        {"id": name, "name": name, "audience": "bench", "kind": "list"} for name in LISTS
    ]
    for name, tree in make_rules(1_000):
        document = {"id": name, "name": name, "audience": "bench", "kind": "batch"}
        documents.append({**document, "rule": renderings.ours(tree, prepared=False)})
    return load_rule_set(documents, REALISTIC, "bench")


def test_a_thousand_segments_are_one_query(thousand: RuleSet) -> None:
    tables = {"views": "t_views", "purchases": "t_purchases"}
    lists = "SELECT profile_key, segment FROM t_lists"
    (only,) = members_queries(thousand, "profiles", tables, NOW, lists=lambda _: lists)
    assert len(only.segments) == 1_000 + len(LISTS)
    assert len(only.sql.encode()) <= LONGEST_QUERY - WRAPPING
    assert tables_of(only.sql) == {"profiles": 1, "t_views": 1, "t_purchases": 1, "t_lists": 1}


def test_each_table_is_read_once() -> None:
    sql = query(
        {">": [{"count": [VIEWS]}, 1]},
        {">": [{"sum": [{"within": [VIEWS, "7d"]}, "seconds"]}, 1]},
        {"==": [{"first": [VIEWS, "page"]}, {"last": [PURCHASES, "item"]}]},
        {"!": [{"in": ["s0", {"var": "segments"}]}]},
    )
    assert tables_of(sql) == {"profiles": 1, "t_views": 1, "t_purchases": 1}


def test_behaviors_that_a_sequence_ties_are_read_once_too() -> None:
    followed = {"within": [{"followed_by": [VIEWS, PURCHASES, "1d"]}, "7d"]}
    sql = query({">": [{"count": [followed]}, 0]}, {">": [{"count": [PURCHASES]}, 3]})
    assert tables_of(sql) == {"profiles": 1, "t_views": 1, "t_purchases": 1}
    assert sql.count("GROUP BY") == 1


def test_equal_terms_are_computed_once() -> None:
    count = {"count": [{"within": [pages("a", "b"), "7d"]}]}
    same = {"count": [{"within": [{"filter": [VIEWS, {"in": [{"var": "page"}, ["b", "a"]]}]}, "168h"]}]}
    sql = query({">": [count, 1]}, {">": [same, 2]}, {"<": [same, 9]}, {"==": [{"+": [count, 1]}, 3]})
    assert sql.count("count_if") == 1
    assert sql.count("'a'") == 1


DAYS = (1, 3, 7, 14, 30, 60)
OFTEN = [
    {">": [{"count": [{"within": [pages(page), f"{days}d"]}]}, least]}
    for page in "abc"
    for days in DAYS
    for least in (1, 2)
]


def of_many(rules: list[Any], events_a_profile: float) -> str:
    return members_query(
        rule_set(*rules), "profiles", TABLES, NOW, events_a_profile={"views": events_a_profile}
    )


def test_events_of_many_windows_are_put_together_in_two_steps() -> None:
    sql = of_many(OFTEN, 100)
    assert sql.count("count_if") == 3  # one a page, whatever the windows
    assert sql.count("GROUP BY profile_key, g") == 1
    assert tables_of(sql) == {"profiles": 1, "t_views": 1}
    # The border of the longest window is that of all events, so it is none of the buckets'.
    assert f"t > {NOW - 60 * 86_400}" not in sql
    assert sql.count(f"CASE WHEN t > {NOW - 30 * 86_400}") == 1


def often(windows: int, least: int = 1) -> list[Any]:
    """Whether there are more events than that, in so many windows."""
    return [{">": [{"count": [{"within": [VIEWS, f"{days}d"]}]}, least]} for days in range(1, windows + 1)]


def test_counts_in_many_windows_are_the_latest_moments() -> None:
    sql = of_many([*often(14), *often(14, least=2)], 5)
    assert "count_if" not in sql
    assert sql.count("max(t, 3)") == 1  # whatever the windows
    assert sql.count("element_at") == 2  # more than one, and more than two
    assert f"(l0_2 > {NOW - 7 * 86_400})" in sql
    assert tables_of(sql) == {"profiles": 1, "t_views": 1}


def test_counts_stay_counts_where_moments_need_more_memory() -> None:
    assert latest_bytes(2) == 108 == 12 * COUNT_BYTES
    assert of_many(often(12), 5).count("count_if") == 12
    assert "count_if" not in of_many(often(13), 5)
    assert of_many(often(1, least=0), 5).count("count_if") == 1
    assert of_many(often(2, least=0), 5).count("max(t) AS l0") == 1  # the last one is as short as a count


@pytest.mark.parametrize(
    "also",
    [
        {">": [{"count": [{"within": [VIEWS, "7d"]}]}, {"var": "attributes.age"}]},
        {">": [{"count": [{"within": [VIEWS, "7d"]}]}, 1_000]},
        {">": [{"count": [{"within": [VIEWS, "7d", "1d"]}]}, 1]},
        {">": [{"count": [{"older_than": [VIEWS, "7d"]}]}, 1]},
    ],
    ids=["with what varies", "with too much", "not up to now", "long ago"],
)
def test_counts_that_are_needed_as_such_stay_counts(also: Any) -> None:
    sql = of_many([*often(15), also], 5)
    assert sql.count("count_if") == 1
    assert sql.count("max(t, 2)") == 1


@pytest.mark.parametrize(
    ("rules", "events"),
    [(OFTEN, 5), (OFTEN[:6], 100), (OFTEN, 0)],
    ids=["few events", "few aggregates", "nobody has counted"],
)
def test_otherwise_one_step_takes_less(rules: list[Any], events: float) -> None:
    assert ", g" not in of_many(rules, events)


def test_a_condition_of_several_segments_stands_once() -> None:
    often = {">": [{"count": [VIEWS]}, 3]}
    sql = query(often, {"and": [often, {"==": [{"var": "attributes.name"}, "x"]}]}, {"!": [often]})
    assert sql.count("3e0 <") == 1


def test_an_equal_filter_is_applied_once_an_event() -> None:
    filtered = pages("a", "b")
    sql = query(
        {">": [{"count": [{"within": [filtered, "7d"]}]}, 1]},
        {">": [{"sum": [{"within": [filtered, "30d"]}, "seconds"]}, 2]},
        {"==": [{"first": [filtered, "page"]}, "a"]},
    )
    assert sql.count("('a', 'b')") == 1


def test_only_columns_that_are_read_appear() -> None:
    sql = query(
        {">": [{"sum": [pages("a"), "seconds"]}, 1]},
        {"and": [{">": [{"var": "attributes.age"}, 1]}, {"==": [{"count": [PURCHASES]}, 0]}]},
    )
    assert "unread" not in sql
    assert '"name"' not in sql
    assert '"item"' not in sql
    assert '"price"' not in sql


def test_segments_of_segments_follow_in_the_same_query() -> None:
    sql = query(
        {">": [{"var": "attributes.age"}, 18]},
        {"in": ["s0", {"var": "segments"}]},
        {"or": [{"in": ["s1", {"var": "segments"}]}, {"in": ["s0", {"var": "segments"}]}]},
    )
    assert sql.index(" AS s0") < sql.index(" AS s1") < sql.index(" AS s2")
    assert tables_of(sql) == {"profiles": 1}


def test_what_is_too_long_is_split_by_the_tables_that_are_read() -> None:
    rules = rule_set(
        *(
            {"==": [{"count": [{"filter": [table, {"==": [{"var": column}, f"{i:04}"]}]}]}, i]}
            for i in range(60)
            for table, column in ((VIEWS, "page"), (PURCHASES, "item"))
        )
    )
    (whole,) = members_queries(rules, "profiles", TABLES, NOW)
    longest = len(whole.sql.encode()) * 2 // 3
    parts = members_queries(rules, "profiles", TABLES, NOW, longest=longest)
    assert len(parts) == 2
    assert all(len(part.sql.encode()) <= longest for part in parts)
    assert sorted(name for part in parts for name in part.segments) == sorted(whole.segments)
    assert [sorted(tables_of(part.sql)) for part in parts] == [
        ["profiles", "t_purchases"],
        ["profiles", "t_views"],
    ]


def test_a_long_list_stands_once_however_often_it_is_read() -> None:
    names = [f"item-{i:06}" for i in range(10_000)]
    filtered = {"filter": [VIEWS, {"in": [{"var": "page"}, names]}]}
    aged = {"in": [{"var": "attributes.name"}, names[:4_000]]}
    rules = rule_set(
        {">": [{"count": [{"within": [filtered, "7d"]}]}, 3]},
        {">": [{"avg": [filtered, "seconds"]}, 3]},
        {"==": [{"last": [filtered, "page"]}, "item-000001"]},
        {"and": [aged, {">": [{"count": [filtered]}, 3]}]},
        {"and": [aged, {">": [{"var": "attributes.age"}, 3]}]},
    )
    (only,) = members_queries(rules, "profiles", TABLES, NOW)
    assert only.sql.count("'item-003999'") == 2


def test_a_segment_that_no_query_can_hold_is_named() -> None:
    names = [f"{'x' * 15}{i:06}" for i in range(9_000)]
    rules = rule_set({"in": [{"var": "attributes.name"}, names]}, {">": [{"var": "attributes.age"}, 3]})
    with pytest.raises(QueryTooLong, match="segment 's0'"):
        members_queries(rules, "profiles", TABLES, NOW, longest=100_000)
