"""Reading a folder of rules: every problem at once, each with its file and place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.documents.files import RulesRefused, read_rules

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


def refused(folder: Path) -> list[str]:
    try:
        for one in read_rules(folder):
            one.check()
    except RulesRefused as error:
        return error.lines
    return []


def test_our_rules_are_in_order() -> None:
    (rules,) = read_rules(RULES)
    kinds = [segment.kind for segment in rules.check().rules]
    assert (len(kinds), kinds.count("batch"), kinds.count("realtime")) == (23, 14, 9)


def test_folders_below_segments_are_read(folder: Path) -> None:
    (folder / "segments" / "food" / "fresh").mkdir(parents=True)
    shutil.move(folder / "segments" / "mailed.json", folder / "segments" / "food" / "fresh" / "mailed.json")
    (rules,) = read_rules(folder)
    folders = {key: where for key, _, where in rules.documents()}
    assert folders["segments", "mailed"] == "food/fresh"
    assert folders["segments", "big-families"] == ""


def test_problems_of_all_documents_are_shown_with_their_files(folder: Path) -> None:
    edit(folder / "segments" / "mailed.json", lambda one: one.update(rule={"sometimes": []}))
    edit(folder / "segments" / "big-families.json", lambda one: one.update(colour="blue"))
    edit(
        folder / "access" / "complete-journey.json",
        lambda one: one["tokens"][0]["attributes"].append("income"),
    )
    edit(folder / "destinations" / "demo-webhook.json", lambda one: one["segments"].append("nobody"))
    problems = refused(folder)
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
def test_a_file_that_is_no_segment_is_named(folder: Path, text: str, words: str) -> None:
    (folder / "segments" / "broken.json").write_text(text)
    (line,) = refused(folder)
    assert line.startswith(f"{folder}/segments/broken.json")
    assert words in line


def test_a_folder_without_rules_is_said_to_be_one(tmp_path: Path) -> None:
    (line,) = refused(tmp_path)
    assert "no audience document" in line
