"""The command: files in, a document or problems out."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.migrate.__main__ import main

from .sources import ADULT, AUDIENCE_DOCUMENT, DE, IS_ADULT, IS_DE, REFERENCES, no, op, rule, value


class TestCommand:
    @pytest.fixture
    def files(self, tmp_path: Path) -> Path:
        (tmp_path / "audience.json").write_text(json.dumps(AUDIENCE_DOCUMENT))
        (tmp_path / "references.json").write_text(json.dumps(REFERENCES))
        return tmp_path

    def run(self, folder: Path, source: Any, *options: str) -> int:
        (folder / "rule.json").write_text(json.dumps(source))
        return main(
            [
                "treasure-data",
                str(folder / "rule.json"),
                "--audience",
                str(folder / "audience.json"),
                "--references",
                str(folder / "references.json"),
                "-o",
                str(folder / "out.json"),
                *options,
            ]
        )

    def test_a_segment_becomes_a_document(self, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = {"name": "Adults, Germany!", "description": "grown up", "rule": rule(DE, ADULT)}
        assert self.run(files, source) == 0
        assert json.loads((files / "out.json").read_text()) == {
            "id": "adults-germany",
            "name": "Adults, Germany!",
            "audience": "shop",
            "kind": "batch",
            "description": "grown up",
            "rule": {"and": [IS_DE, IS_ADULT]},
        }
        assert capsys.readouterr().err == ""

    def test_pointers_lead_into_the_segment(self, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = {"name": "X", "rule": rule(value("agee", op("Equal", rightValue=1)))}
        assert self.run(files, source, "--report", str(files / "report.json")) == 1
        assert not (files / "out.json").exists()
        error = capsys.readouterr().err
        assert "cannot be carried: /rule/conditions/0/conditions/0/leftValue/name" in error
        assert "did you mean 'age'?" in error
        report = json.loads((files / "report.json").read_text())
        assert [problem["code"] for problem in report["problems"]] == ["unknown-attribute"]
        assert report["notes"] == []

    def test_differences_are_told(self, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert (
            self.run(files, rule(value("age", no("Less", rightValue=1))), "--id", "old", "--name", "Old") == 0
        )
        assert (
            "differs: /conditions/0/conditions/0/operator: people whose value is missing"
            in capsys.readouterr().err
        )
        assert json.loads((files / "out.json").read_text())["id"] == "old"

    def test_files_that_cannot_be_read_are_named(
        self, files: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(files, []) == 2
        (files / "audience.json").write_text("{")
        assert self.run(files, rule(DE)) == 2
        assert "cannot start" in capsys.readouterr().err
