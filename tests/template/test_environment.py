"""Functions are told what they read, and read what they are told; and layers hold what they import."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.template.code import PACKAGE, every_function, parse
from tests.template.templates import ROOT, told

CODE = every_function()
POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
# Part of the runtime.
RUNTIME = {"boto3", "botocore", "snapshot-restore-py"}


@pytest.mark.parametrize("function", CODE)
def test_the_environment_is_what_the_settings_read(function: str) -> None:
    assert set(told(function)) == CODE[function].variables | POWERTOOLS


def test_layers_hold_what_the_code_imports() -> None:
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    assert sources
    roots = {
        name.split(".")[0]
        for source in sources
        for node in ast.walk(parse(source))
        for name in _imports(node)
    }
    distributions = packages_distributions()
    foreign = {
        distributions[root][0].lower() for root in roots - set(sys.stdlib_module_names) - {"segmentation"}
    }
    written = "\n".join(
        (ROOT / f"layers/{layer}/requirements.txt").read_text("utf-8") for layer in ("core", "arrow")
    )
    held = {line.split("==")[0] for line in written.splitlines() if "==" in line}
    assert {name.replace("_", "-") for name in foreign} - RUNTIME <= held


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []
