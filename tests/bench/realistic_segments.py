"""Realistic segments by the hundred, and ten that a person also wrote as SQL."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.language import RuleSet, Schema, load_rule_set
from segmentation.language.tree import Aggregate

from . import batch_one_query
from .engine import DEPARTMENTS, NOW, SCHEMA

SEED = 7
DRAWS = 200
"""Draws of ten segments that are looked at for one that reads what many read."""
DAYS = (1, 3, 7, 14, 30, 60, 90, 180)
P: dict[str, Any] = {"var": "behaviors.purchases"}


@dataclass(frozen=True)
class Choices:
    """What rules are made of: an audience's schema, its departments, and how a condition on an attribute is drawn."""

    schema: Schema
    departments: Sequence[str]
    on_attribute: Callable[[random.Random, int], dict[str, Any]]


def _on_made_up(draw: random.Random, which: int) -> dict[str, Any]:
    match which:
        case 0:
            return {">=": [{"var": "attributes.age"}, draw.randint(20, 60)]}
        case 1:
            return {"in": [{"var": "attributes.country"}, draw.sample(["US", "DE", "FR", "GB", "IT"], 2)]}
        case _:
            return {"==": [{"var": "attributes.plan"}, draw.choice(["free", "pro", "team"])]}


def _on_households(draw: random.Random, which: int) -> dict[str, Any]:
    if which == 0:
        return {"==": [{"var": "attributes.age"}, draw.choice(AGES)]}
    name, values = ("age", AGES) if which == 1 else ("income", INCOMES)
    return {"in": [{"var": f"attributes.{name}"}, draw.sample(values, 2)]}


AGES = ["19-24", "25-34", "35-44", "45-54", "55-64", "65+"]
INCOMES = ["Under 15K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K", "125-149K"]
MADE_UP = Choices(SCHEMA, DEPARTMENTS, _on_made_up)
HOUSEHOLDS = Choices(
    batch_one_query.demo().schema,
    ("GROCERY", "DRUG GM", "PRODUCE", "MEAT", "DELI", "PASTRY", "NUTRITION", "FUEL"),
    _on_households,
)


def rules(count: int, *, any_window: bool = False, seed: int = SEED, choices: Choices = MADE_UP) -> RuleSet:
    """Realistic rules: one to three conditions on what was bought when, and on attributes.

    Windows are those that people choose, or (`any_window`) of any length, so that hardly two are alike.
    """
    draw = random.Random(seed)

    def condition() -> dict[str, Any]:
        days = f"{draw.randint(1, 180) if any_window else draw.choice(DAYS)}d"
        bought = {"filter": [P, {"==": [{"var": "department"}, draw.choice(choices.departments)]}]}
        match draw.randrange(8):
            case 0 | 1 | 2:
                return {">=": [{"count": [{"within": [bought, days]}]}, draw.randint(1, 6)]}
            case 3:
                return {">": [{"sum": [{"within": [P, days]}, "sales_value"]}, draw.randint(10, 500)]}
            case 4:
                return {"==": [{"count": [{"within": [P, days]}]}, 0]}
            case other:
                return choices.on_attribute(draw, other - 5)

    documents = [
        {
            "id": f"s{number:04}",
            "name": "x",
            "audience": "bench",
            "kind": "batch",
            "rule": {draw.choice(["and", "and", "or"]): [condition() for _ in range(draw.randint(2, 3))]},
        }
        for number in range(count)
    ]
    return load_rule_set(documents, choices.schema, "bench")


def what_is_read(rules_: RuleSet) -> tuple[frozenset[str], int]:
    """The columns that segments read, and how far back in seconds."""
    columns, reach = set(), 0
    for node in (node for segment in rules_ for node in segment.nodes()):
        columns |= {str(node.value)} if node.op in ("attribute", "column") else set()
        if isinstance(node.value, Aggregate):
            columns |= {node.value.column} if node.value.column else set()
            reach = max([reach, *(window.reach or 0 for window in node.value.events.windows)])
    return frozenset(columns), reach


def ten_that_read_all(of: RuleSet, choices: Choices) -> tuple[RuleSet, int]:
    """The first draw of ten segments that read the columns and the window that many read; how many draws do."""
    whole = what_is_read(of)
    draws = (rules(10, seed=seed, choices=choices) for seed in range(DRAWS))
    found = [one for one in draws if what_is_read(one) == whole]
    return found[0], len(found)


TEN = [
    ("count", "GROCERY", 30, 3),
    ("count", "MEAT", 90, 2),
    ("count", "FUEL", 7, 1),
    ("count", "DELI", 180, 5),
    ("count", "PRODUCE", 14, 2),
    ("sum", None, 30, 100),
    ("sum", None, 90, 300),
    ("sum", "GROCERY", 60, 50),
    ("none", None, 14, 0),
    ("none", None, 60, 0),
]
"""Ten segments that a person has also written as DuckDB SQL: what, department, days, threshold."""


def ten() -> RuleSet:
    """The ten, as rules; each of people of 30 and more."""
    documents = []
    for number, (what, department, days, least) in enumerate(TEN):
        events: dict[str, Any] = (
            P if department is None else {"filter": [P, {"==": [{"var": "department"}, department]}]}
        )
        window = {"within": [events, f"{days}d"]}
        figure = {
            "count": {">=": [{"count": [window]}, least]},
            "sum": {">": [{"sum": [window, "sales_value"]}, least]},
            "none": {"==": [{"count": [window]}, 0]},
        }[what]
        rule = {"and": [figure, {">=": [{"var": "attributes.age"}, 30]}]}
        documents.append(
            {"id": f"t{number}", "name": "x", "audience": "bench", "kind": "batch", "rule": rule}
        )
    return load_rule_set(documents, SCHEMA, "bench")


def by_hand() -> str:
    """The same ten segments as somebody who knows DuckDB writes them."""

    def figure(what: str, department: str | None, days: int) -> str:
        when = f"time > {NOW - days * 86_400}" + (f" AND department = '{department}'" if department else "")
        # Sums must not depend on the order of events, so they are of decimals for anybody who wants the same answer twice.
        return (
            f"sum(sales_value::decimal(18, 6)) FILTER ({when})"
            if what == "sum"
            else f"count(*) FILTER ({when})"
        )

    figures = ",\n".join(
        f"{figure(what, department, days)} AS f{n}" for n, (what, department, days, _) in enumerate(TEN)
    )
    tests = [
        {"count": f"f{n} >= {least}", "sum": f"f{n} > {least}", "none": f"coalesce(f{n}, 0) = 0"}[what]
        for n, (what, _, _, least) in enumerate(TEN)
    ]
    marks = ",\n".join(f"CASE WHEN age >= 30 AND {test} THEN 't{n}' END" for n, test in enumerate(tests))
    longest = max(days for _, _, days, _ in TEN)
    return f"""
        WITH e AS (SELECT profile_key, {figures} FROM lake.purchases
            WHERE period >= DATE '{_month(NOW - longest * 86_400)}' AND time > {NOW - longest * 86_400} AND time <= {NOW} GROUP BY profile_key)
        SELECT p.profile_key, list_filter([{marks}], x -> x IS NOT NULL) AS segments
        FROM lake.profiles p LEFT JOIN e ON e.profile_key = p.profile_key"""


def _month(time: int) -> str:
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-01")
