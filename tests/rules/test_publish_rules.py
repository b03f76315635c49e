"""Checking and publishing a folder of rules: every problem at once, each with its file and place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.publish_rules import main

RULES = Path(__file__).parents[2] / "rules"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("audiences", "segments", "access", "destinations"):
        shutil.copytree(RULES / kind, tmp_path / kind)
    return tmp_path


def edit(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["--check", str(folder)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    *problems, last = printed.err.splitlines()
    assert last.startswith(f"{len(problems)} problem")
    return problems


def test_our_rules_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(RULES)]) == 0
    assert "complete-journey is in order: 23 segments (14 batch, 9 realtime)" in capsys.readouterr().out


def test_problems_of_all_documents_are_shown_with_their_files(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder / "segments" / "mailed.json", lambda one: one.update(rule={"sometimes": []}))
    edit(folder / "segments" / "big-families.json", lambda one: one.update(colour="blue"))
    edit(
        folder / "access" / "complete-journey.json",
        lambda one: one["tokens"][0]["attributes"].append("income"),
    )
    edit(folder / "destinations" / "demo-webhook.json", lambda one: one["segments"].append("nobody"))
    problems = refused(folder, capsys)
    starts = {
        "segments/mailed.json: /rule",
        "segments/big-families.json: /colour",
        "access/complete-journey.json: /tokens/0/attributes/3",
        "destinations/demo-webhook.json: /segments/4",
    }
    assert {start for start in starts for line in problems if line.startswith(f"{folder}/{start}")} == starts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ('{"id": "x", "id": "y"}', "twice"),
        ("[]", "object"),
        ('{"id": "x", "audience": "complete-journy"}', "no such audience 'complete-journy'"),
    ],
)
def test_a_file_that_is_no_segment_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    (folder / "segments" / "broken.json").write_text(text)
    (line,) = refused(folder, capsys)
    assert line.startswith(f"{folder}/segments/broken.json")
    assert words in line


def test_a_folder_without_rules_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(tmp_path, capsys)
    assert "no audience document" in line
