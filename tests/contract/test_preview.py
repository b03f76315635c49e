"""Previews and the SQL view on the embedded Athena: what they say is what a run finds."""

import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from segmentation.domain.build_plan import sample_properties
from segmentation.domain.published import Published, document_of, parse_published
from segmentation.domain.run_sql import create_table, sample_query
from segmentation.language.sql import members_query
from segmentation.usecases.preview_segment import Preview, PreviewSegment
from segmentation.usecases.show_sql import ShowSql

from tests.contract.conftest import Cloud
from tests.contract.workshop import Workshop
from tests.fakes import FixedClock, StaticRuleSets

NOW = 1_704_085_200
PEOPLE = 6_000
SAMPLE = 1_500
NUMBERS = count(1)
AUDIENCE: dict[str, Any] = {
    "id": "shop",
    "name": "Shop",
    "database": "shop",
    "time_zone": "UTC",
    "master": {"table": "people", "key": "id"},
    "identities": ["id"],
    "attributes": [
        {
            "table": "people",
            "key": "id",
            "columns": {
                "age": {"type": "number"},
                "city": {"type": "string"},
                "tags": {"type": "strings"},
                "mail": {"type": "string", "visibility": "pii"},
            },
        }
    ],
    "behaviors": {
        "visits": {"table": "visits", "key": "id", "time": "at", "columns": {"page": {"type": "string"}}}
    },
}


def segment(identifier: str, rule: Any, **more: Any) -> dict[str, Any]:
    return {"id": identifier, "name": identifier, "audience": "shop", "kind": "batch", "rule": rule, **more}


VISITED = {">=": [{"count": [{"within": [{"var": "behaviors.visits"}, "10d"]}]}, 2]}
SAVED = [
    segment("old", {">=": [{"var": "attributes.age"}, 60]}),
    segment(
        "oldest",
        {">=": [{"var": "attributes.age"}, 60]},
        limit={"count": 400, "by": {"var": "attributes.age"}},
    ),
    segment("visited", VISITED),
]


class World:
    """An audience of thousands with a sample of it."""

    def __init__(self, cloud: Cloud) -> None:
        self.shop = Workshop(cloud, f"preview{next(NUMBERS)}")
        n = range(PEOPLE)
        self.shop.parquet(
            "people",
            {
                "id": (pa.int64(), list(n)),
                "age": (pa.float64(), [None if i % 10 == 0 else float(i % 100) for i in n]),
                "city": (pa.string(), [["Rome", "Oslo", None][i % 3] for i in n]),
                "tags": (pa.list_(pa.string()), [["a", None], []] * (PEOPLE // 2)),
                "mail": (pa.string(), [f"m{i}@example.com" for i in n]),
            },
        )
        visits = [(i, NOW - 86_400 * (i % 20) - k) for i in n for k in range(i % 4)]
        self.shop.parquet(
            "visits",
            {
                "id": (pa.int64(), [i for i, _ in visits]),
                "at": (pa.int64(), [at for _, at in visits]),
                "page": (pa.string(), ["/"] * len(visits)),
            },
        )
        self.shop.build(AUDIENCE, NOW, {"profiles": 6_000_000, "behavior_visits": len(visits)})
        self.published = self.publish(SAVED)
        clock = FixedClock(NOW)
        sets = StaticRuleSets({"shop": self.published})
        numbers = count(1)
        self.preview = PreviewSegment(
            self.shop.warehouse,
            self.shop.lake,
            sets,
            clock,
            lambda: f"{self.shop.database}-token-of-32-characters-{next(numbers):08}",
        )
        self.show = ShowSql(self.shop.lake, sets, clock)
        self.point(sampled=True)

    @staticmethod
    def publish(segments: list[dict[str, Any]]) -> Published:
        return parse_published(document_of(AUDIENCE, segments, {}, [], "2024-01-01T00:00:00Z"))

    def point(self, sampled: bool) -> None:
        """The pointer, as a build leaves it."""
        sample: dict[str, str] = {}
        for folder, table in self.shop.tables.items() if sampled else ():
            sample[folder] = f"sample_of_{table}"
            location = self.shop.lake.uri(f"{self.shop.database}/sample/{folder}/")
            query = sample_query(table, PEOPLE, SAMPLE)
            made = create_table(sample[folder], location, query, **sample_properties())
            self.shop.warehouse.run(sample[folder], made)
        tables = None
        if sampled:
            behaviors = {"visits": sample["behavior_visits"]}
            tables = {"profiles": sample["profiles"], "behaviors": behaviors, "share": SAMPLE / PEOPLE}
        pointer = {"version": "v1", "rows": {"profiles": PEOPLE}, **self.shop.pointer, "sample": tables}
        self.shop.lake.put("audiences/shop/current.json", json.dumps(pointer).encode())

    def ended(self, preview: Preview) -> Preview:
        """Ask until it has ended."""
        deadline = time.monotonic() + 30
        while preview.state == "running":
            assert time.monotonic() < deadline
            preview = self.preview.poll("shop", preview.id)
        return preview

    def members(self, document: dict[str, Any]) -> list[str]:
        """Who a run would find."""
        rules = self.publish([*(one for one in SAVED if one["id"] != document["id"]), document]).rules
        tables = self.shop.tables
        sql = members_query(rules, tables["profiles"], {"visits": tables["behavior_visits"]}, NOW)
        found = self.shop.rows(
            f"SELECT profile_key FROM ({sql}) m WHERE contains(segments, '{document['id']}')"
        )
        return [str(key) for (key,) in found]


@pytest.fixture(scope="module")
def world(cloud: Cloud) -> Iterator[World]:
    made = World(cloud)
    yield made
    made.shop.lake.delete_prefix(f"{made.shop.database}/")
    made.shop.lake.delete_prefix("audiences/")
    made.shop.lake.delete_prefix("previews/")


DRAFTS: dict[str, dict[str, Any]] = {
    "attributes": segment("draft", {"<": [{"var": "attributes.age"}, 30]}),
    "events": segment("draft", VISITED),
    "a saved one": segment(
        "draft", {"and": [{"in": ["visited", {"var": "segments"}]}, {"<": [{"var": "attributes.age"}, 50]}]}
    ),
    "in place of a saved one": segment("old", {">=": [{"var": "attributes.age"}, 90]}),
    "a count": segment("draft", VISITED, limit={"count": 250, "by": {"var": "attributes.age"}}),
    "a share": segment("draft", VISITED, limit={"percent": 10, "by": {"var": "attributes.age"}}),
    "of a limited one": segment("draft", {"in": ["oldest", {"var": "segments"}]}),
    "nobody": segment("draft", {">": [{"var": "attributes.age"}, 1_000]}),
}


@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS)
def test_a_sample_first_then_all(world: World, draft: dict[str, Any]) -> None:
    truth = world.members(draft)
    started = world.preview.start("shop", draft)
    assert (started.state, started.count, started.population) == ("running", None, PEOPLE)
    few = world.ended(started)
    assert few.state == "done", few.reason
    assert SAMPLE * 0.85 < few.asked < SAMPLE * 1.15
    assert few.low is not None
    assert few.high is not None
    assert few.low <= len(truth) <= few.high
    assert few.approximate == (draft is DRAFTS["of a limited one"])
    if "limit" not in draft:
        # Whoever is shown is a member; limits are known of all only.
        assert {one.profile_key for one in few.members} <= set(truth) or few.approximate
        assert len(few.members) == min(10, len(truth))
    exact = world.ended(world.preview.start("shop", draft, exact=True))
    assert (exact.state, exact.count, exact.low, exact.high) == ("done", len(truth), len(truth), len(truth))
    assert (exact.confidence, exact.asked) == (1.0, PEOPLE)
    # Events are what a sample saves: these few attributes are smaller than the files' own footers.
    if "behaviors." in str(draft):
        assert few.bytes_scanned < exact.bytes_scanned


def test_shown_members_have_no_pii(world: World) -> None:
    done = world.ended(world.preview.start("shop", DRAFTS["attributes"]))
    assert {name for one in done.members for name in one.attributes} == {"age", "city", "tags"}
    one = done.members[0]
    key = int(one.profile_key)
    assert one.attributes["age"] == float(key % 100)
    assert one.attributes["tags"] == ("a" if key % 2 == 0 else "")
    assert [one.attributes["city"] for one in done.members if int(one.profile_key) % 3 == 0] == [
        "Rome" for one in done.members if int(one.profile_key) % 3 == 0
    ]


def test_two_previews_of_one_draft_draw_the_same(world: World) -> None:
    first, second = (world.ended(world.preview.start("shop", DRAFTS["events"])) for _ in range(2))
    assert first.id != second.id
    assert (first.count, first.asked, first.members) == (second.count, second.asked, second.members)


def test_without_a_sample_all_are_asked(world: World) -> None:
    kept = world.shop.lake.get("audiences/shop/current.json")
    assert kept is not None
    world.point(sampled=False)
    done = world.ended(world.preview.start("shop", DRAFTS["events"]))
    world.shop.lake.put("audiences/shop/current.json", kept.data)
    assert (done.count, done.confidence, done.asked) == (len(world.members(DRAFTS["events"])), 1.0, PEOPLE)
    assert len(done.members) == 10


def test_the_sql_that_is_shown_finds_who_a_run_finds(world: World) -> None:
    for draft in (DRAFTS["a saved one"], DRAFTS["a count"], DRAFTS["of a limited one"]):
        shown = world.show("shop", "draft", draft)
        assert [key for (key,) in world.shop.rows(shown["sql"])] == sorted(world.members(draft))
        assert shown["now"] == NOW
    saved = world.show("shop", "visited")["sql"]
    assert [key for (key,) in world.shop.rows(saved)] == sorted(world.members(SAVED[2]))
    assert saved.startswith("-- visited\n-- has at least 2 visits in the last 10 days\nWITH\n")
