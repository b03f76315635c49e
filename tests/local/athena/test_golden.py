"""Trino expressions with the values that Trino's documentation and source give them, run through the service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.local.athena import functions
from tests.local.athena.conftest import Cloud

CASES: dict[str, list[list[str | None]]] = json.loads(
    Path(__file__).with_name("golden.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("group", CASES)
def test_golden(cloud: Cloud, group: str) -> None:
    wrong = []
    selects = [(str(expression), expected) for expression, expected in CASES[group]]
    subqueries = ", ".join(f"(SELECT {expression})" for expression, _ in selects)
    (row,) = cloud.rows(f"SELECT {subqueries}")
    for (expression, expected), got in zip(selects, row, strict=True):
        if got != expected:
            wrong.append(f"{expression}: expected {expected!r}, got {got!r}")
    assert not wrong, "\n".join(wrong)


def test_every_function_of_the_list_has_a_golden_case() -> None:
    text = " ".join(str(case[0]) for cases in CASES.values() for case in cases)
    synonyms = {"ceil", "pow", "dow", "day_of_month", "every", "arbitrary", "any_value"}
    listed = {*functions.SCALARS, *functions.AGGREGATES}
    assert not {name for name in listed - synonyms if f"{name}(" not in text}
