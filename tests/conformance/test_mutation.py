"""Mutation: each of these faults in the engine is noticed by the conformance cases.

A fault is put into the Python meaning, into the index or into the SQL; the cases are then run by that reading alone, and at
least one of them must disagree. Without a fault all agree: test_cases.py shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs
from segmentation.language import sql_events, sql_latest, sql_plan
from segmentation.language.index import layers, literals, regions, tables
from segmentation.language.operators import OPERATORS, behaviors, compare, logic, text
from segmentation.language.sql_buckets import Buckets, Cell, Figure, adding
from segmentation.language.sql_events import EventSql
from segmentation.language.times import Window
from segmentation.language.tree import Node

from .readings import Athena, Tables, Way, by_closures, by_index, by_visitor, shuffled
from .suite import Suite, suites
from .test_cases import rule_sets

SUITES = {suite.name: suite for suite in suites()}
Fault = Callable[[pytest.MonkeyPatch], None]


def le_is_lt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compare.LessOrEqual, "python", staticmethod(lambda a, b: a < b))


def le_is_lt_in_sql(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compare.LessOrEqual, "symbol", "<")


def no_coalesce(patch: pytest.MonkeyPatch) -> None:
    """NULL reaches `NOT`: the classic fault."""
    patch.setattr(compare.Comparison, "sql", lambda self, node, a, b: f"({a} {self.symbol} {b})")


def missing_is_below(patch: pytest.MonkeyPatch) -> None:
    """A missing number is below 18, as most JSON-Logic engines have it."""

    def evaluate(self: Any, node: Any, left: Any, right: Any) -> Any:
        def compared(evaluation: Any, element: Any) -> bool:
            a, b = left(evaluation, element), right(evaluation, element)
            a, b = (0 if v is None and isinstance(o, float) else v for v, o in ((a, b), (b, a)))
            return a is not None and b is not None and self.python(a, b)

        return compared

    patch.setattr(compare.Comparison, "evaluate", evaluate)


def closed_window(patch: pytest.MonkeyPatch) -> None:
    """Both borders belong to a window."""
    bounds = Window.bounds

    def shifted(self: Window, now: int, zone: Any) -> tuple[int | None, int]:
        low, high = bounds(self, now, zone)
        return (None if low is None else low - 1), high

    patch.setattr(Window, "bounds", shifted)


def distinct_counts_all(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(
        behaviors.FIGURES, "count_distinct", lambda rows, c: float(sum(c in row.columns for row in rows))
    )


def not_is_nothing(patch: pytest.MonkeyPatch) -> None:
    """`none` reads as `some`."""
    patch.setattr(logic.Not, "evaluate", lambda self, node, inner: inner)


def sum_in_doubles(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(behaviors.FIGURES, "sum", lambda rows, c: sum(r.columns.get(c) or 0.0 for r in rows))


def sum_in_doubles_in_sql(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EventSql, "_exact", lambda self, column: column)


def bucket_holds_its_border(patch: pytest.MonkeyPatch) -> None:
    """An event at the very border of a window counts."""
    of = Buckets.of
    patch.setattr(Buckets, "of", lambda self, time: of(self, time).replace(" > ", " >= "))


def buckets_know_no_end(patch: pytest.MonkeyPatch) -> None:
    """Windows that ended before now go on."""
    patch.setattr(Buckets, "until", lambda self, border: "true")


def distinct_by_bucket(patch: pytest.MonkeyPatch) -> None:
    """A value that is in two buckets counts twice."""
    patch.setattr(sql_events, "distinct", lambda selected, column: Figure(
        (Cell(f"CAST(count(DISTINCT CASE WHEN {selected} THEN {column} END) AS double)", adding("sum")),), str
    ))  # fmt: skip


def last_is_any(patch: pytest.MonkeyPatch) -> None:
    """Ties are left to chance."""
    patch.setitem(behaviors.FIGURES, "last", lambda rows, c: rows[0].columns.get(c) if rows else None)


def full_case_mapping(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(text.Upper, "mapping", staticmethod(str.upper))


def same_second_follows(patch: pytest.MonkeyPatch) -> None:
    followed = behaviors.followed
    patch.setattr(
        "segmentation.language.evaluate.followed", lambda t, start, s: followed(t, start - 1, s + 1)
    )


def days_of_utc(patch: pytest.MonkeyPatch) -> None:
    """Calendar periods of UTC, whatever the audience's zone."""
    bounds = Window.bounds
    utc = __import__("zoneinfo").ZoneInfo("UTC")
    patch.setattr(Window, "bounds", lambda self, now, zone: bounds(self, now, utc))


def index_closes_thresholds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(literals, "below", lambda bound, side: regions.below(bound, 1 - side))


def index_forgets_missing(patch: pytest.MonkeyPatch) -> None:
    """The complement of a test leaves out people without a value."""
    patch.setattr(
        regions.Region, "complement", lambda self: regions.Region(self.missing, not self.lowest, self.cuts)
    )


def index_forgets_other_literals(patch: pytest.MonkeyPatch) -> None:
    """Of a clause only its first fixed literal counts."""
    init = layers.Strips.__init__
    patch.setattr(layers.Strips, "__init__", lambda self, slots: init(self, [slot[:1] for slot in slots]))


def index_lists_are_empty(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tables.Table, "_point_index", lambda self: {})


INDEX = [
    (index_closes_thresholds, "comparison"),
    (index_forgets_missing, "missing"),
    (index_forgets_other_literals, "logic"),
    (index_lists_are_empty, "text"),
]
CLOSURES = [
    (le_is_lt, "comparison"),
    (missing_is_below, "missing"),
    (closed_window, "sliding-windows"),
    (distinct_counts_all, "aggregates"),
    (not_is_nothing, "arrays"),
    (sum_in_doubles, "exact-sums"),
    (last_is_any, "first-and-last"),
    (full_case_mapping, "case-mapping"),
    (same_second_follows, "sequences"),
    (days_of_utc, "calendar-new-york"),
]
SQL = [(le_is_lt_in_sql, "comparison"), (no_coalesce, "missing"), (closed_window, "sliding-windows"), (sum_in_doubles_in_sql, "exact-sums")]  # fmt: skip


def latest_on_the_border(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EventSql, "since", lambda self, selection, since=EventSql.since: (since(self, selection) or 0) - 1)  # fmt: skip


def at_least_is_more(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql_latest, "math", SimpleNamespace(ceil=lambda number: int(number) + 1, floor=int))


def latest_of_any_window(patch: pytest.MonkeyPatch) -> None:
    """Also where the latest events are not in the window."""
    patch.setattr(EventSql, "end_now", lambda *_: True)


def more_is_as_many(patch: pytest.MonkeyPatch) -> None:
    def bounds(node: Node) -> Any:
        return sql_latest_bounds(replace(node, op="le") if node.op == "lt" else node)

    sql_latest_bounds = sql_latest.bounds
    patch.setattr(sql_latest, "bounds", bounds)
    patch.setattr(sql_plan, "bounds", bounds)


OF_MANY: list[tuple[Way, Fault, str]] = [
    ("by bucket", bucket_holds_its_border, "sliding-windows"),
    ("by bucket", buckets_know_no_end, "sliding-windows"),
    ("by bucket", distinct_by_bucket, "aggregates"),
    ("by latest moments", latest_on_the_border, "counts-in-windows"),
    ("by latest moments", at_least_is_more, "counts-in-windows"),
    ("by latest moments", latest_of_any_window, "sliding-windows"),
    ("by latest moments", more_is_as_many, "counts-in-windows"),
]


def wrong(suite: Suite, kind: str, reading: Callable[..., Any]) -> list[str]:
    """The names of the cases that a reading gets wrong."""
    names = []
    for now, rules, cases in rule_sets(suite, kind):
        found = reading(rules, now)
        names += [case.name for i, case in enumerate(cases) if found[f"case-{i}"] != case.members]
    return names


@contextmanager
def faulty(fault: Fault) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        yield


@pytest.mark.parametrize(("fault", "topic"), CLOSURES, ids=lambda x: getattr(x, "__name__", None))
def test_closures_with_a_fault_are_noticed(fault: Fault, topic: str) -> None:
    suite = SUITES[topic]

    def reading(rules: Any, now: int) -> Any:
        return by_closures(rules, suite.profiles, now)

    assert not wrong(suite, "batch", reading)
    with faulty(fault):
        assert wrong(suite, "batch", reading)


@pytest.mark.parametrize(("fault", "topic"), INDEX, ids=lambda x: getattr(x, "__name__", None))
def test_an_index_with_a_fault_is_noticed(fault: Fault, topic: str) -> None:
    suite = SUITES[topic]

    def reading(rules: Any, now: int) -> Any:
        return by_index(rules, suite.profiles, now)

    with faulty(fault):
        assert wrong(suite, "batch", reading)


@pytest.mark.parametrize(("fault", "topic"), SQL, ids=lambda x: getattr(x, "__name__", None))
def test_sql_with_a_fault_is_noticed(fault: Fault, topic: str, athena: Athena) -> None:
    suite = SUITES[topic]
    tables = Tables(athena, suite.schema, suite.profiles)
    with faulty(fault):
        assert wrong(suite, "batch", tables.members)


@pytest.mark.parametrize(("way", "fault", "topic"), OF_MANY, ids=lambda x: getattr(x, "__name__", None))
def test_sql_of_many_segments_with_a_fault_is_noticed(
    way: Way, fault: Fault, topic: str, athena: Athena
) -> None:
    suite = SUITES[topic]
    tables = Tables(athena, suite.schema, suite.profiles)

    def reading(rules: Any, now: int) -> Any:
        return tables.members(rules, now, way=way)

    assert not wrong(suite, "batch", reading)
    with faulty(fault):
        assert wrong(suite, "batch", reading)


def test_a_visitor_that_counts_events_twice_is_noticed() -> None:
    suite = SUITES["duplicates"]

    def reading(rules: Any, now: int) -> Any:
        return by_visitor(rules, suite.profiles, now)

    assert not wrong(suite, "realtime", reading)
    with pytest.MonkeyPatch.context() as patch:
        # The ids of events are kept in two places, so both must go: each arrival gets an id of its own.
        arrival = count()

        def renamed(events: Any, seed: int) -> list[Any]:
            return [structs.replace(event, id=str(next(arrival))) for event in shuffled(events, seed)]

        patch.setattr("conformance.readings.shuffled", renamed)
        assert wrong(suite, "realtime", reading)


def test_a_visitor_that_forgets_what_changes_by_itself_is_noticed() -> None:
    suite = SUITES["sliding-windows"]

    def reading(rules: Any, now: int) -> Any:
        return by_visitor(rules, suite.profiles, now, lead=3_600)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "conformance.readings.members_at", lambda program, key, visitor, view, now: visitor.members
        )
        assert wrong(suite, "realtime", reading)


def test_every_operator_is_in_some_case() -> None:
    """An operator without a conformance case cannot be added unnoticed."""
    used = {
        node.op
        for suite in SUITES.values()
        for _, rules, _ in rule_sets(suite, "batch")
        for segment in rules
        if segment.rule is not None
        for node in segment.rule.walk()
    }
    assert used >= set(OPERATORS), f"no case uses {set(OPERATORS) - used}"
