"""The SQL has a witness besides the local engine: an independent Trino grammar (npm dt-sql-parser)."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from segmentation.domain.audience_document import parse_audience
from segmentation.language import RuleSet, Schema, Type, load_rule_set, sql_latest
from segmentation.language.sql import members_query
from segmentation.language.sql_buckets import Buckets

from tests.conformance.named_cases import rule_sets
from tests.conformance.strategies import loaded, world
from tests.conformance.suite import suites

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "rules"
CHECK = HERE / "node_modules" / ".check.cjs"

Witness = Callable[[list[str]], list[str | None]]


@pytest.fixture(scope="session")
def witness() -> Witness:
    """Gives each query's syntax error, or None."""
    assert CHECK.exists(), "the grammar is not installed; run `make grammar` (it needs Node 20 or newer)"

    def ask(queries: list[str]) -> list[str | None]:
        done = subprocess.run(
            ["node", str(CHECK)],
            input=json.dumps(queries),
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return list(json.loads(done.stdout))

    return ask


SCHEMA = Schema(
    {
        "name": Type.STRING,
        "age": Type.NUMBER,
        "vip": Type.BOOLEAN,
        "seen": Type.TIMESTAMP,
        "born": Type.DATE,
        "tags": Type.STRINGS,
        "scores": Type.NUMBERS,
    },
    {
        "purchases": {
            "department": Type.STRING,
            "price": Type.NUMBER,
            "due": Type.DATE,
            "labels": Type.STRINGS,
        },
        "visits": {"url": Type.STRING},
    },
    "Europe/Berlin",
)
P: dict[str, Any] = {"var": "behaviors.purchases"}
V: dict[str, Any] = {"var": "behaviors.visits"}


def attribute(name: str) -> dict[str, str]:
    return {"var": f"attributes.{name}"}


EVERY_OPERATOR: list[dict[str, Any]] = [
    {"and": [attribute("vip"), {"!": [attribute("vip")]}, {"or": [{"!!": [attribute("vip")]}]}]},
    {"==": [attribute("name"), 'it\'s "quoted" \\ and \n broken é 😀']},
    {"!=": [attribute("name"), None]},
    {"<": [-1.5e-7, attribute("age"), 1e300]},
    {"<=": [attribute("seen"), "2026-01-31T09:00:00"]},
    {">": [attribute("born"), "1999-12-31"]},
    {"in": [attribute("name"), ["a", "b", "c'd"]]},
    {"in": ["x", attribute("name")]},
    {"in": ["x", attribute("tags")]},
    {"in": ["s0", {"var": "segments"}]},
    {"starts_with": [attribute("name"), "a"]},
    {"ends_with": [{"lower": [attribute("name")]}, {"upper": [attribute("name")]}]},
    {"matches": [attribute("name"), r"^(a|b)+[^\d\s.]{2,3}\.?$"]},
    {"some": [attribute("tags"), {"==": [{"var": ""}, "a"]}]},
    {"all": [attribute("scores"), {">": [{"var": ""}, 1]}]},
    {"none": [attribute("scores"), {"==": [{"var": ""}, None]}]},
    {">=": [{"count": [{"filter": [attribute("tags"), {"==": [{"var": ""}, "a"]}]}]}, 2]},
    {"within": [attribute("seen"), "30d", "7d"]},
    {"older_than": [attribute("born"), "1w"]},
    {"within_next": [attribute("born"), "7d"]},
    {"during": [attribute("seen"), "last quarter"]},
    {"<": [{"bucket": ["spring-'test'"]}, 10]},
    {
        ">": [
            {"%": [{"/": [{"*": [{"-": [{"+": [attribute("age"), 1]}, 2]}, 3]}, 4]}, 5]},
            {"-": [attribute("age")]},
        ]
    },
    {">=": [{"count": [{"within": [{"filter": [P, {"==": [{"var": "department"}, "A"]}]}, "90d"]}]}, 3]},
    {"==": [{"count_distinct": [{"older_than": [P, "1d"]}, "department"]}, 3]},
    {">": [{"sum": [{"during": [P, "this week"]}, "price"]}, {"avg": [P, "price"]}]},
    {"<": [{"min": [P, "due"]}, {"max": [P, "due"]}]},
    {"==": [{"first": [P, "department"]}, {"last": [V, "url"]}]},
    {"within": [{"max": [P, "time"]}, "30d"]},
    {"some": [P, {"some": [{"var": "labels"}, {"==": [{"var": ""}, "new"]}]}]},
    {"all": [P, {"within": [{"var": "due"}, "3d"]}]},
    {">=": [{"count": [{"within": [{"followed_by": [V, P, "3d"]}, "7d"]}]}, 1]},
    {
        "==": [
            {
                "count": [
                    {
                        "within": [
                            {"not_followed_by": [V, {"filter": [V, {"in": ["cart", {"var": "url"}]}]}, "1h"]},
                            "7d",
                        ]
                    }
                ]
            },
            0,
        ]
    },
]


def rule_set(rules: list[dict[str, Any]], **more: Any) -> RuleSet:
    documents = [
        {"id": f"s{number}", "name": f"s{number}", "audience": "a", "kind": "batch", "rule": rule, **more}
        for number, rule in enumerate(rules)
    ]
    return load_rule_set(documents, SCHEMA, "a")


def query(rules: RuleSet) -> str:
    return members_query(rules, "profiles", {"purchases": "p", "visits": "v"}, 1_790_000_000, ["name"])


def members(rules: RuleSet, now: int) -> str:
    tables = {behavior: f"b_{behavior}" for behavior in rules.schema.behaviors}
    lists = "SELECT profile_key, segment FROM lists"
    return members_query(rules, "profiles", tables, now, lists=lambda _: lists)


def test_every_operator_is_valid_trino(witness: Witness) -> None:
    ready = [*EVERY_OPERATOR]
    ready[9] = {"==": [attribute("name"), "stands for s0"]}
    queries = [query(rule_set([rule])) for rule in ready]
    queries.append(query(rule_set(EVERY_OPERATOR)))
    queries.append(query(rule_set([EVERY_OPERATOR[1]], limit={"percent": 10, "by": {"count": [P]}})))
    queries.append(
        query(
            rule_set([EVERY_OPERATOR[1]], limit={"count": 10, "by": attribute("seen"), "order": "ascending"})
        )
    )
    assert [error for error in witness(queries) if error] == []


def test_the_demo_query_is_valid_trino(witness: Witness) -> None:
    audience = parse_audience(json.loads((RULES / "audiences" / "complete-journey.json").read_text()))
    paths = sorted((RULES / "segments").rglob("*.json"))
    rules = load_rule_set([json.loads(path.read_text()) for path in paths], audience.schema(), audience.id)
    tables = {name: f"t_{name}" for name in audience.schema().behaviors}
    assert witness([members_query(rules, "profiles", tables, 1_514_782_800)]) == [None]


def test_every_conformance_query_is_valid_trino(witness: Witness) -> None:
    queries, names = [], []
    for suite in suites():
        for number, (now, rules, _) in enumerate(rule_sets(suite, "batch")):
            queries.append(members(rules, now))
            names.append(f"{suite.name} {number}")
    assert len(queries) >= 30
    assert [one for one in zip(names, witness(queries), strict=True) if one[1]] == []


def test_random_queries_are_valid_trino(witness: Witness) -> None:
    worlds = [world(Random(seed), rules=20, people=0) for seed in range(40)]
    queries = [members(loaded(one), one.now) for one in worlds]
    assert [error for error in witness(queries) if error] == []


def test_queries_of_many_segments_are_valid_trino(witness: Witness) -> None:
    """Events by bucket, or by latest moments; those of enough segments have lists in pieces."""
    rules = rule_set([one for one in EVERY_OPERATOR for _ in range(5)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Buckets, "worth", lambda *_: True)
        queries = [query(rules)]
        queries += [members(one, now) for suite in suites() for now, one, _ in rule_sets(suite, "batch")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql_latest, "latest_bytes", lambda _: 0)
        queries += [members(one, now) for suite in suites() for now, one, _ in rule_sets(suite, "batch")]
    assert any("element_at(e0.l0" in one for one in queries)
    assert "GROUP BY profile_key, g" in queries[0]
    assert "concat_ws" in queries[0]
    assert [error for error in witness(queries) if error] == []


@pytest.mark.parametrize("wrong", ["SELECT 1::integer", "SELECT a FROM t QUALIFY 1 = 1", "SELECT FROM WHERE"])
def test_the_witness_refuses_what_is_not_trino(witness: Witness, wrong: str) -> None:
    assert witness([wrong]) != [None]
