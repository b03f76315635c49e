"""`sam build` really makes what Lambda takes: python3.13 on arm64, without Docker, within the size limits."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest

from infra.lint._stacks import Stack
from tests.template.templates import FUNCTIONS, ROOT, WHOLE

MB = 1024 * 1024
UNZIPPED_LIMIT = 250 * MB
AARCH64 = 183
SAM = ROOT / ".venv-sam/bin/sam"


def sam(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    assert SAM.is_file(), "SAM CLI is not set up; run `make .venv-sam/.installed`"
    environment = {
        "PATH": f"{SAM.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(cwd),
        "SAM_CLI_TELEMETRY": "0",
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_")) or "proxy" in name.lower()},
    }  # fmt: skip
    return subprocess.run(
        [str(SAM), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sam` reads, apart from the working tree: nothing else may be needed."""
    copy = tmp_path_factory.mktemp("checkout")
    (copy / "infra").mkdir()
    for path in (ROOT / "samconfig.toml", *(stack.path for stack in WHOLE.walk())):
        shutil.copy(path, copy / path.relative_to(ROOT))
    for name in ("functions", "layers"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return copy


@pytest.fixture(scope="module")
def built(checkout: Path) -> Path:
    done = sam("build", cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout / ".aws-sam/build"


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_sam_accepts_the_template(checkout: Path) -> None:
    done = sam("validate", "--lint", "--region", "us-east-1", cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_function_is_built_from_its_own_folder_alone(built: Path) -> None:
    for name, function in FUNCTIONS.items():
        folder = function.resource["Properties"]["Handler"].split(".")[0]
        code = built / function.stack.name / name
        assert [path.name for path in code.iterdir()] == [folder]
        assert (code / folder / "app.py").is_file()
        assert size(code) < MB


@pytest.mark.parametrize(("target", "compiled"), [(sys.executable, 1), ("python-of-nobody", 0)])
def test_bytecode_is_built_where_the_functions_python_is_at_hand(
    target: str, compiled: int, tmp_path: Path
) -> None:
    command = ["make", "build-ServeApi", f"ARTIFACTS_DIR={tmp_path}", f"TARGET={target}"]
    done = subprocess.run(command, cwd=ROOT / "functions", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.rglob("app.*.pyc"))) == compiled


def test_nested_stacks_are_built_with_what_they_ask_for(built: Path) -> None:
    for stack in WHOLE.walk():
        template = Stack.load(built / stack.name / "template.yaml").template
        assert set(template["Resources"]) == set(stack.template["Resources"])


def test_functions_fit_with_their_layers(built: Path) -> None:
    core, arrow = size(built / "CoreLayer"), size(built / "ArrowLayer")
    assert core < 25 * MB  # with bytecode
    assert arrow < 120 * MB
    assert core + arrow + MB < UNZIPPED_LIMIT


def test_the_core_layer_holds_the_package_and_no_aws_sdk(built: Path) -> None:
    held = {path.name for path in (built / "CoreLayer/python").iterdir()}
    assert {"segmentation", "aws_lambda_powertools"} <= held
    assert not held & {"boto3", "botocore", "pyarrow", "sqlglot", "duckdb"}


def test_native_code_is_for_arm64_and_python_3_13(built: Path) -> None:
    native = [path for path in built.rglob("*") if ".so" in path.suffixes]
    assert native
    for path in native:
        with path.open("rb") as file:
            assert struct.unpack_from("<18xH", file.read(20))[0] == AARCH64, path
        assert "cpython-" not in path.name or "cpython-313-aarch64" in path.name


def test_pyarrow_imports_without_what_is_trimmed(built: Path, tmp_path: Path) -> None:
    """The trimmed layer cannot run on this machine, so the same files are taken from the pyarrow that can."""
    here = Path(pyarrow.__file__).parent
    shutil.copytree(here, tmp_path / "pyarrow", ignore=shutil.ignore_patterns("__pycache__"))
    kept = {path.name.split(".")[0] for path in (built / "ArrowLayer/python/pyarrow").iterdir()}
    for path in (tmp_path / "pyarrow").iterdir():
        if path.name.split(".")[0] not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    program = """
import pyarrow, pyarrow.parquet, pyarrow.dataset, pyarrow.compute, sys
table = pyarrow.table({"key": ["a", "b"], "segments": [["x"], []]})
pyarrow.parquet.write_table(table, sys.argv[1], compression="zstd")
assert pyarrow.parquet.read_table(sys.argv[1]) == table
assert pyarrow.dataset.dataset(sys.argv[1]).count_rows(filter=pyarrow.compute.field("key") == "a") == 1
print(pyarrow.__file__)
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", program, str(tmp_path / "table.parquet")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(tmp_path))
