"""What the functions may import, and how long that may take: a cold start is somebody's page load."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("pyarrow", "pandas", "numpy", "sqlglot", "duckdb", "pydantic", "moto", "requests", "hypothesis")
PARQUET = {"archive_changes", "archive_events", "compact_events", "publish_memberships"}
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
MOST_OF_OUR_OWN_MS = 150
"""Of segmentation's own modules, without boto3, Powertools and the standard library, on a slow machine."""


def run(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with no AWS settings at all, as Lambda starts one."""
    paths = (ROOT / "functions", ROOT / "layers/core/python")
    environ = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, *options, "-c", code], env=environ, capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_nothing_heavy(function: str) -> None:
    found = run(
        f"import sys, {function}.app; print(*{{m.partition('.')[0] for m in sys.modules}})"
    ).stdout.split()
    allowed = {"pyarrow", "numpy", "pandas"} if function in PARQUET else set()
    assert "segmentation" in found
    assert not (set(HEAVY) - allowed) & set(found)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_reads_and_connects_nothing_at_import(function: str) -> None:
    code = (
        "import os, socket, builtins\n"
        "def refuse(*a, **k): raise AssertionError('at import')\n"
        "socket.socket.connect = refuse\n"
        "import boto3; boto3.client = boto3.resource = refuse\n"
        "import segmentation.runtime.settings as settings; settings.load = refuse\n"
        f"import {function}.app as app\n"
        "assert app.application.cache_info().currsize == 0\n"
    )
    run(code)


@pytest.mark.parametrize("function", ["collect_events", "evaluate_events", "serve_api"])
def test_our_own_modules_are_quick_to_import(function: str) -> None:
    lines = run(f"import {function}.app", "-X", "importtime").stderr.splitlines()
    own = [
        int(parts[0].removeprefix("import time:"))
        for parts in (line.split("|") for line in lines if "|" in line)
        if parts[2].strip().startswith("segmentation")
        and parts[0].removeprefix("import time:").strip().isdigit()
    ]
    assert own
    assert sum(own) / 1_000 < MOST_OF_OUR_OWN_MS


def test_the_language_and_the_domain_know_no_library() -> None:
    code = (
        "import sys\n"
        "import segmentation.domain.programs, segmentation.domain.published, segmentation.ports\n"
        "print(*{m.partition('.')[0] for m in sys.modules})\n"
    )
    found = set(run(code).stdout.split()) - set(sys.stdlib_module_names)
    assert {name for name in found if not name.startswith("_")} <= {"segmentation", "tzdata", "sitecustomize"}
