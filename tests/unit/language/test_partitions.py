"""Partitions by time: what a window reaches is never left out, whatever the borders are."""

import datetime as dt

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmentation.language import Schema, Type, load_rule_set
from segmentation.language.partitions import BEFORE_ALL, DAY, MOST, Partitions, borders, day_of
from segmentation.language.sql import members_queries, members_query

from infra.local.athena.translate import translate
from infra.local.athena.trino import parse_query

TIMES = st.integers(-62_000_000_000, 250_000_000_000)
SOME_BORDERS = st.sets(st.integers(-600_000, 2_900_000), max_size=8).map(
    lambda days: tuple(sorted(day * DAY for day in days))
)


def second(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())


@given(SOME_BORDERS, TIMES, st.integers(1, 10**9))
def test_no_event_after_the_bound_is_left_out(starts: tuple[int, ...], low: int, later: int) -> None:
    partitions = Partitions(starts)
    condition = partitions.reaching(low)
    if condition is not None:
        first = condition.split("'")[1]
        assert partitions.of(low + later) >= first
        assert partitions.of(low + 1) == first
        assert first <= day_of(low + 1)


@given(SOME_BORDERS, st.lists(TIMES, min_size=1, max_size=20))
def test_sql_says_the_same(starts: tuple[int, ...], times: list[int]) -> None:
    partitions = Partitions(starts)
    times += [start + shift for start in starts for shift in (-1, 0, 1)]
    values = ", ".join(f"({time})" for time in times)
    rows = duckdb.execute(f"SELECT CAST({partitions.sql('t')} AS varchar) FROM (VALUES {values}) v(t)")
    assert [row[0] for row in rows.fetchall()] == [partitions.of(time) for time in times]


@given(st.sampled_from(["day", "month", "year"]), TIMES | st.sampled_from([2**40, -(2**40), 1_514_782_800]))
def test_borders_fit_into_one_statement_and_begin_periods(grain: str, now: int) -> None:
    found = borders(grain, now)
    assert len(found) < MOST
    assert list(found) == sorted(set(found))
    assert Partitions.from_document(Partitions(found).to_document()) == Partitions(found)
    for border in found[:-40]:
        assert day_of(border).endswith("-01-01" if grain == "year" else "-01")


def test_what_is_recent_is_divided_finely() -> None:
    now = second("2018-01-01T05:00")
    months = [day_of(one) for one in borders("month", now)]
    assert months[-3:] == ["2017-11-01", "2017-12-01", "2018-01-01"]
    assert months[-62:-58] == ["2012-01-01", "2013-01-01", "2013-02-01", "2013-03-01"]
    assert months[0] == "1975-01-01"
    days = [day_of(one) for one in borders("day", now)]
    assert days[-2:] == ["2017-12-31", "2018-01-01"]
    assert days[-42:-39] == ["2017-10-01", "2017-11-01", "2017-11-23"]
    assert [day_of(one) for one in borders("year", now)][-2:] == ["2017-01-01", "2018-01-01"]
    assert borders("none", now) == ()
    assert Partitions(borders("month", now)).of(now + 10**9) == "2018-01-01"
    assert Partitions(borders("month", now)).of(-(10**10)) == BEFORE_ALL


SCHEMA = Schema({}, {"visits": {"page": Type.STRING}, "buys": {"amount": Type.NUMBER}}, "UTC")
NOW = second("2018-01-01T05:00")
PARTITIONS = {"visits": Partitions(borders("month", NOW))}
TABLES = {"visits": "v", "buys": "b"}


def count(events: object) -> dict[str, object]:
    return {">=": [{"count": [events]}, 1]}


def query(rule: object) -> str:
    document = {"id": "s", "name": "s", "audience": "a", "kind": "batch", "rule": rule}
    return members_query(load_rule_set([document], SCHEMA, "a"), "p", TABLES, NOW, partitions=PARTITIONS)


VISITS = {"var": "behaviors.visits"}
BUYS = {"var": "behaviors.buys"}


@pytest.mark.parametrize(
    ("rule", "since"),
    [
        (count({"within": [VISITS, "30d"]}), "2017-12-01"),
        (count({"within": [VISITS, "31d"]}), "2017-12-01"),
        (count({"within": [VISITS, "32d"]}), "2017-11-01"),
        (count({"during": [VISITS, "today"]}), "2018-01-01"),
        (count(VISITS), None),
        (count({"older_than": [VISITS, "30d"]}), None),
        ({"or": [count({"within": [VISITS, "1d"]}), count({"within": [VISITS, "90d"]})]}, "2017-10-01"),
        ({"or": [count({"within": [VISITS, "1d"]}), count(VISITS)]}, None),
        # what follows an event of the last week is of the last week too
        (count({"within": [{"followed_by": [BUYS, VISITS, "3d"]}, "7d"]}), "2017-12-01"),
        (count({"within": [{"not_followed_by": [BUYS, VISITS, "3d"]}, "7d"]}), "2017-12-01"),
        # what an event of the last week follows may be older
        (
            count({"within": [{"followed_by": [VISITS, {"within": [BUYS, "7d"]}, "3d"]}, "400d"]}),
            "2016-11-01",
        ),
        (count({"within": [BUYS, "7d"]}), None),
    ],
)
def test_only_what_windows_reach_is_read(rule: object, since: str | None) -> None:
    sql = query(rule)
    assert ("period" in sql) == (since is not None)
    if since:
        assert f"\"period\" >= DATE '{since}'" in sql
    translate(
        parse_query(sql), "lake", lambda _: ["profile_key", "event_id", "time", "period", "page", "amount"]
    )


def test_identities_are_in_the_first_query_alone() -> None:
    documents = [
        {
            "id": name,
            "name": name,
            "audience": "a",
            "kind": "batch",
            "rule": count({"within": [VISITS, "1d"]}),
        }
        for name in ("a", "b")
    ]
    rules = load_rule_set(documents, SCHEMA, "a")
    both = members_queries(rules, "p", TABLES, NOW, partitions=PARTITIONS, identities=True)
    assert both[0].sql.count("identities") == 2
    longest = len(both[0].sql.encode()) - 1
    first, second = members_queries(
        rules, "p", TABLES, NOW, partitions=PARTITIONS, identities=True, longest=longest
    )
    assert "identities" in first.sql
    assert "identities" not in second.sql
    assert all("period" in one.sql for one in (first, second))
