"""What the functions may import, and how much of it: a cold start is somebody's page load."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("pyarrow", "pandas", "numpy", "sqlglot", "duckdb", "pydantic", "moto", "requests", "hypothesis")
UNUSED = ("boto3", "s3transfer", "multiprocessing")
"""What boto3 adds to botocore: 15 ms of resources and transfers, of which nothing is used."""
PARQUET = {
    "archive_changes",
    "archive_events",
    "compact_events",
    "erase_profiles",
    "fill_segments",
    "import_lists",
    "publish_memberships",
    "remove_audiences",
}
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
MOST_MODULES = (110, 515)
"""Of segmentation's own, and of all with botocore, Powertools and the standard library: botocore and what it needs are 350."""
MOST_WITH_PARQUET = (110, 625)
MOST_OF = {
    # A page waits for it: see tests/bench/READS.md.
    "serve_api": (115, 515),
    # It asks the warehouse as batch does and evaluates as the stream does; nobody waits for it.
    "fill_segments": (140, 660),
    # It writes what a run says, and evaluates whoever that changes.
    "publish_memberships": (120, 635),
    # The batch path, whose jobs are many small modules; nobody waits for it.
    "advance_runs": (135, 535),
    "build_audience": (120, 515),
    "import_lists": (130, 640),
    "remove_audiences": (130, 640),
    "materialize_segments": (130, 525),
    # Many operations in one function, for people who can wait.
    "manage_api": (200, 600),
}


def run(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with no AWS settings at all, as Lambda starts one."""
    paths = (ROOT / "functions", ROOT / "layers/core/python")
    environ = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, *options, "-c", code], env=environ, capture_output=True, text=True, check=True
    )


@cache
def modules_of(function: str) -> list[str]:
    """All that a function has imported when it is ready."""
    return run(f"import sys, {function}.app; print(*sys.modules)").stdout.split()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_nothing_heavy(function: str) -> None:
    found = {name.partition(".")[0] for name in modules_of(function)}
    allowed = {"pyarrow", "numpy", "pandas"} if function in PARQUET else set()
    assert "segmentation" in found
    assert not (set(HEAVY) - allowed) & found
    assert not set(UNUSED) & found


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_reads_and_connects_nothing_at_import(function: str) -> None:
    code = (
        "import os, socket, builtins\n"
        "def refuse(*a, **k): raise AssertionError('at import')\n"
        "socket.socket.connect = refuse\n"
        "import botocore.session; botocore.session.Session.create_client = refuse\n"
        "import segmentation.runtime.settings as settings; settings.load = refuse\n"
        f"import {function}.app as app\n"
        "assert app.application.cache_info().currsize == 0\n"
    )
    run(code)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_few_modules(function: str) -> None:
    """Files that are opened at a cold start: their number is a time that no other load disturbs."""
    found = modules_of(function)
    own = [name for name in found if name.startswith("segmentation")]
    most = MOST_OF.get(function, MOST_WITH_PARQUET if function in PARQUET else MOST_MODULES)
    assert len(own) <= most[0]
    assert len(found) <= most[1]


@pytest.mark.parametrize("function", ["collect_calls", "collect_events", "manage_api", "serve_api"])
def test_a_start_that_somebody_waits_for_collects_no_garbage(function: str) -> None:
    code = (
        "import gc\n"
        "def collections(): return sum(one['collections'] for one in gc.get_stats())\n"
        "before = collections()\n"
        f"import {function}.app\n"
        "assert collections() - before <= 1, collections() - before\n"
        "assert gc.isenabled()\n"
        "assert gc.get_freeze_count() > 50_000, gc.get_freeze_count()\n"
    )
    run(code)


def test_before_a_snapshot_clients_are_made_and_nothing_is_read() -> None:
    code = (
        "import os, socket\n"
        "from snapshot_restore_py import get_before_snapshot\n"
        "def refuse(*a, **k): raise AssertionError('connected')\n"
        "socket.socket.connect = refuse\n"
        "import serve_api.app as app\n"
        "names = ('LAKE_BUCKET', 'PROFILES_TABLE', 'LIMITS_TABLE', 'SIGNING_SECRET_ARN')\n"
        "keys = {'AWS_ACCESS_KEY_ID': 'x', 'AWS_SECRET_ACCESS_KEY': 'x', 'AWS_DEFAULT_REGION': 'eu-west-1'}\n"
        "os.environ.update({**keys, **dict.fromkeys(names, 'x')})\n"
        "for prepare, positional, named in get_before_snapshot(): prepare(*positional, **named)\n"
        "assert app.application.cache_info().currsize == 1\n"
        "from segmentation.runtime.composition.clients import client\n"
        "assert client.cache_info().currsize == 3\n"
    )
    run(code)


def test_the_language_and_the_domain_know_no_library() -> None:
    code = (
        "import sys\n"
        "import segmentation.domain.programs, segmentation.domain.published, segmentation.ports\n"
        "print(*{m.partition('.')[0] for m in sys.modules})\n"
    )
    found = set(run(code).stdout.split()) - set(sys.stdlib_module_names)
    # msgspec writes and reads JSON, ten times as fast as the standard library: a visitor's state, at each event.
    allowed = {"segmentation", "tzdata", "sitecustomize", "msgspec", "typing_extensions"}
    assert {name for name in found if not name.startswith("_")} <= allowed
