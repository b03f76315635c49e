"""Previews: what is started, asked for and stopped, and who may ask for what."""

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from segmentation.domain.errors import BadRequest, Gone, NotBuilt, NotFound, Unavailable
from segmentation.domain.pipeline import Outcome, QueryStatus
from segmentation.language import RuleError
from segmentation.usecases.preview_segment import PreviewSegment
from segmentation.usecases.show_sql import ShowSql

from tests.fakes import FixedClock, MemoryLake, StaticRuleSets
from tests.fakes.documents import published
from tests.fakes.warehouse import FakeWarehouse

DRAFT: dict[str, Any] = {
    "id": "draft",
    "name": "Draft",
    "audience": "shop",
    "kind": "batch",
    "rule": {"and": [{"in": ["adults", {"var": "segments"}]}, {"==": [{"var": "attributes.country"}, "DE"]}]},
}
POINTER = {
    "version": "v1",
    "rows": {"profiles": 1_000_000},
    "tables": {"profiles": "all_people", "behaviors": {"purchases": "all_sales", "mailings": "all_mail"}},
    "sample": {
        "profiles": "few_people",
        "behaviors": {"purchases": "few_sales", "mailings": "few_mail"},
        "share": 0.1,
    },
}


@dataclass
class World:
    warehouse: FakeWarehouse = field(default_factory=lambda: FakeWarehouse(instant=False))
    lake: MemoryLake = field(default_factory=MemoryLake)
    clock: FixedClock = field(default_factory=FixedClock)

    def __post_init__(self) -> None:
        numbers = itertools.count(1)
        sets = StaticRuleSets({"shop": published()})
        self.preview = PreviewSegment(
            self.warehouse, self.lake, sets, self.clock, lambda: f"token-{next(numbers)}"
        )
        self.show = ShowSql(self.lake, sets, self.clock)
        self.lake.put("audiences/shop/current.json", json.dumps(POINTER).encode())


@pytest.fixture
def world() -> World:
    return World()


def test_a_preview_runs_and_is_done(world: World) -> None:
    started = world.preview.start("shop", DRAFT)
    assert world.preview.poll("shop", started.id).state == "running"
    row = ("1000", "100000", "true", "p1", "DE", "42.0", None, "a, b")
    world.warehouse.answers["preview"] = [("1000", "100000", "false", "p0", *row[4:]), row]
    world.warehouse.finish(started.id)
    done = world.preview.poll("shop", started.id)
    assert (done.state, done.count, done.asked, done.confidence) == ("done", 10_000, 100_000, 0.95)
    assert (done.low, done.high) == (9_431, 10_603)  # Wilson for 1% of 100,000, of a million
    (member,) = done.members
    assert (member.profile_key, member.attributes) == ("p1", {"country": "DE", "age": 42.0, "tags": "a, b"})
    sql = world.warehouse.statements[0][1]
    assert '"few_people"' in sql
    assert "all_people" not in sql
    assert "income" not in sql
    assert "iban" not in sql


def test_the_exact_count_asks_all(world: World) -> None:
    started = world.preview.start("shop", DRAFT, exact=True)
    world.warehouse.answers["preview"] = [("12345",)]
    world.warehouse.finish(started.id)
    done = world.preview.poll("shop", started.id)
    assert (done.count, done.low, done.high, done.confidence) == (12_345, 12_345, 12_345, 1.0)
    assert done.members == ()
    sql = world.warehouse.statements[0][1]
    assert "few_" not in sql
    assert '"all_people"' in sql


def test_the_limit_of_a_draft_is_applied_to_the_estimate(world: World) -> None:
    limit = {"percent": 50, "by": {"var": "attributes.age"}}
    started = world.preview.start("shop", {**DRAFT, "limit": limit})
    assert "_all" not in world.warehouse.statements[0][1]
    world.warehouse.answers["preview"] = [("1000", "100000", "false", "p0", "DE", None, None, None)]
    world.warehouse.finish(started.id)
    done = world.preview.poll("shop", started.id)
    assert (done.count, done.low, done.high) == (5_000, 4_715, 5_301)


def test_a_preview_is_stopped(world: World) -> None:
    started = world.preview.start("shop", DRAFT)
    assert world.preview.cancel("shop", started.id).state == "cancelled"
    assert world.warehouse.queries[started.id].outcome is Outcome.STOPPED
    done = world.preview.start("shop", DRAFT)
    world.warehouse.answers["preview"] = []
    world.warehouse.finish(done.id)
    assert world.preview.cancel("shop", done.id).state == "done"  # too late: it stays as it is


def test_a_failure_says_why(world: World) -> None:
    started = world.preview.start("shop", DRAFT)
    world.warehouse.queries[started.id] = QueryStatus(Outcome.FAILED, 20_000_000, 5, "Bytes scanned limit")
    failed = world.preview.poll("shop", started.id)
    assert (failed.state, failed.reason, failed.dollars) == ("failed", "Bytes scanned limit", 0.0001)


def test_no_other_query_can_be_asked_for(world: World) -> None:
    started = world.preview.start("shop", DRAFT)
    query = world.warehouse.start("members", "SELECT 1 AS secret", "some-token")
    for audience, preview in (
        ("shop", query),
        ("other", started.id),
        ("shop", "../../rules/shop/ruleset"),
        ("shop", ""),
    ):
        with pytest.raises(NotFound):
            world.preview.poll(audience, preview)
        with pytest.raises(NotFound):
            world.preview.cancel(audience, preview)
    assert world.warehouse.queries[query].outcome is Outcome.ACTIVE
    del world.warehouse.queries[started.id]
    with pytest.raises(Gone, match="start it again"):
        world.preview.poll("shop", started.id)


def test_drafts_that_are_not_in_order_start_nothing(world: World) -> None:
    with pytest.raises(RuleError) as caught:
        world.preview.start("shop", {**DRAFT, "rule": {"==": [{"var": "attributes.land"}, "DE"]}, "x": 1})
    assert {problem.pointer for problem in caught.value.problems} == {"/rule/==/0/var", "/x"}
    circle = {**DRAFT, "id": "adults", "rule": {"in": ["adults", {"var": "segments"}]}}
    with pytest.raises(RuleError, match="circle"):
        world.preview.start("shop", circle)
    with pytest.raises(BadRequest, match="'income' cannot be shown"):
        world.preview.start("shop", DRAFT, attributes=["income"])
    with pytest.raises(NotFound):
        world.preview.start("nobody", DRAFT)
    assert world.warehouse.statements == []


def test_without_a_build_there_is_nothing_to_ask(world: World) -> None:
    world.lake.objects.clear()
    with pytest.raises(NotBuilt, match="start a build first"):
        world.preview.start("shop", DRAFT)
    with pytest.raises(NotBuilt):
        world.show("shop", "adults")


def test_a_throttle_is_the_callers_to_repeat(world: World) -> None:
    world.warehouse.throttled = 1
    with pytest.raises(Unavailable):
        world.preview.start("shop", DRAFT)
    assert world.preview.start("shop", DRAFT).state == "running"


def test_the_sql_of_a_segment(world: World) -> None:
    shown = world.show("shop", "adults")
    assert shown["audience_version"] == "v1"
    assert shown["sql"].startswith("-- Adults\n-- age is at least 18\nWITH\n")
    assert "in_draft" in world.show("shop", "draft", DRAFT)["sql"]
    with pytest.raises(NotFound, match="no segment 'nothing'"):
        world.show("shop", "nothing")


def test_what_was_declared_since_the_build_is_said_and_hides_nothing_else(world: World) -> None:
    """Without this a new attribute made every preview of the audience fail, and a new behavior was an error of ours."""
    columns = {
        "attributes": {"country": "string", "age": "string"},
        "behaviors": {"purchases": {"item": "string"}},
    }
    world.lake.put(
        "audiences/shop/current.json", json.dumps({**POINTER, "layout": {"columns": columns}}).encode()
    )
    plain = {**DRAFT, "rule": {"==": [{"var": "attributes.country"}, "DE"]}}
    world.preview.start("shop", plain)
    sql = world.warehouse.statements[-1][1]
    assert "p_country" in sql
    assert "p_age" not in sql
    assert "p_tags" not in sql
    lacking = {
        "attribute 'born'": {"!=": [{"var": "attributes.born"}, None]},
        "attribute 'age' as a number (it was built as a string)": {"in": ["adults", {"var": "segments"}]},
        "behavior 'mailings'": {">=": [{"count": [{"var": "behaviors.mailings"}]}, 1]},
        "column 'amount' of behavior 'purchases'": {
            ">=": [{"sum": [{"var": "behaviors.purchases"}, "amount"]}, 1]
        },
    }
    for what, rule in lacking.items():
        said = f"the audience as it is built (version v1) lacks {what}; start a build first"
        with pytest.raises(NotBuilt, match=re.escape(said)):
            world.preview.start("shop", {**DRAFT, "rule": rule})
        with pytest.raises(NotBuilt, match=re.escape(said)):
            world.show("shop", "draft", {**DRAFT, "rule": rule})
    with pytest.raises(NotBuilt, match="attribute 'tags' was declared since"):
        world.preview.start("shop", plain, attributes=["tags"])
