"""Every house rule fails on a bad template, and on nothing else.

A file in bad/ is named after its rule and holds changes to the real templates (JSON merge patches, RFC 7396, one a YAML
document). So a rule that has stopped seeing the templates as we write them fails here, and does not pass for ever.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.config import ConfigMixIn
from cfnlint.rules import RulesCollection
from cfnlint.runner.template.runner import run_template_by_file_path

from infra.lint._stacks import Stack
from tests.template.templates import ROOT, WHOLE, Template

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


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates as they are, for a test to change one of them and put it back."""
    folder = tmp_path_factory.mktemp("templates")
    for stack in WHOLE.walk():
        path = folder / stack.path.relative_to(ROOT)
        path.parent.mkdir(exist_ok=True)
        shutil.copy(stack.path, path)
    return folder


def broken(paths: Iterable[Path], house: RulesCollection) -> set[str]:
    config = ConfigMixIn(regions=["us-east-1"])
    return {
        match.rule.id
        for path in paths
        for match in run_template_by_file_path(str(path), config, house, False)
    }


def changed(patch: Template) -> Stack:
    """The template that a patch is for: it has what the patch changes."""
    ids = set(patch.get("Resources", {}))
    (stack,) = [one for one in WHOLE.walk() if ids & set(one.template["Resources"])] if ids else [WHOLE]
    return stack


def test_the_templates_keep_the_house_rules(house: RulesCollection) -> None:
    assert broken([stack.path for stack in WHOLE.walk()], house) == set()


@pytest.mark.parametrize(("rule", "patch"), CASES)
def test_a_bad_template_breaks_just_this_rule(
    rule: str, patch: Template, copies: Path, house: RulesCollection
) -> None:
    stack = changed(patch)
    path = copies / stack.path.relative_to(ROOT)
    path.write_text(json.dumps(merge(stack.template, patch)), encoding="utf-8")
    looked_at = (
        [path] if stack.parent is None or not stack.template.get("Outputs") else copies.rglob("*.yaml")
    )
    try:
        assert broken(looked_at, house) == {rule}
    finally:
        shutil.copy(stack.path, path)


def test_every_rule_has_a_bad_template(house: RulesCollection) -> None:
    assert {path.stem.split("-")[0] for path in BAD} == {rule.id for rule in house}
