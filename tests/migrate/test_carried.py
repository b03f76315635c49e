"""What has an equal in the rule language becomes it."""

from typing import Any

import pytest
from segmentation.language import check_segment

from infra.migrate.treasure_data import OPERATORS

from .carried_behaviors import BEHAVIORS
from .carried_moments import MOMENTS
from .carried_values import ARRAYS, REFERENCED, VALUES
from .sources import AUDIENCE, rule, run

CARRIED = {**VALUES, **MOMENTS, **ARRAYS, **BEHAVIORS, **REFERENCED}


@pytest.mark.parametrize("name", CARRIED)
def test_a_condition_is_carried(name: str) -> None:
    condition, expected = CARRIED[name]
    migration = run(rule(condition))
    assert migration.problems == ()
    assert migration.document is not None
    assert migration.document["rule"] == expected
    checked = check_segment(migration.document, AUDIENCE.schema(), "shop", {"vip": "batch", "staff": "batch"})
    assert checked.rule is not None


def test_every_operator_of_the_schema_is_carried_somewhere() -> None:
    def operators(item: Any) -> set[str]:
        if isinstance(item, list):
            return {found for part in item for found in operators(part)}
        if not isinstance(item, dict):
            return set()
        inner = operators(list(item.values()))
        operator = item.get("operator")
        return inner | {operator["type"]} if isinstance(operator, dict) else inner

    assert operators([condition for condition, _ in CARRIED.values()]) == set(OPERATORS)
    assert len(CARRIED) >= 40
