"""Every house rule fails on a bad template, and on nothing else.

A file in bad/ is named after its rule and holds changes to the real template.yaml (JSON merge patches, RFC 7396, one
a YAML document). So a rule that has stopped seeing the template as we write it fails here, and does not pass for ever.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint
from cfnlint.decode.decode import decode_str
from cfnlint.rules import RulesCollection

from tests.template.templates import ROOT, Template

BAD = sorted(Path(__file__).with_name("bad").glob("*.yaml"))
CASES = [
    pytest.param(path.stem.split("-")[0], patch, id=f"{path.stem}-{number}")
    for path in BAD
    for number, patch in enumerate(yaml.safe_load_all(path.read_text(encoding="utf-8")), 1)
]


@pytest.fixture(scope="module")
def house() -> RulesCollection:
    """The house rules alone: cfn-lint's own run in `make check`, on the templates as they are."""
    rules = RulesCollection()
    rules.create_from_directory(str(ROOT / "infra/lint"))
    return rules


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def broken(template: Template, house: RulesCollection) -> set[str]:
    return {match.rule.id for match in lint(json.dumps(template), house)}


def test_the_template_keeps_the_house_rules(template: Template, house: RulesCollection) -> None:
    assert broken(template, house) == set()


@pytest.mark.parametrize(("rule", "patch"), CASES)
def test_a_bad_template_breaks_just_this_rule(
    rule: str, patch: Template, template: Template, house: RulesCollection
) -> None:
    bad = merge(copy.deepcopy(template), patch)
    assert decode_str(json.dumps(bad))[1] == []
    assert broken(bad, house) == {rule}


def test_every_rule_has_a_bad_template(house: RulesCollection) -> None:
    assert {path.stem.split("-")[0] for path in BAD} == {rule.id for rule in house}
