"""Segments written in Python: what is committed is what is emitted, and it is clean."""

import json
import textwrap
from pathlib import Path

import pytest

from infra.author import AuthoringError, emit, load, normalize, pretty
from infra.author.__main__ import main

RULES = Path(__file__).parents[2] / "rules"


def test_the_committed_documents_are_what_the_python_files_emit() -> None:
    emitted = emit(RULES / "authoring")
    assert len(emitted) >= 2
    for name, text in emitted.items():
        assert (RULES / "segments" / name).read_text(encoding="utf-8") == text, (
            f"run: python -m infra.author ({name})"
        )


def test_emitting_twice_gives_the_same_bytes() -> None:
    assert emit(RULES / "authoring") == emit(RULES / "authoring")


def test_what_the_package_writes_is_put_in_the_words_of_the_language() -> None:
    written = {"and": [{"and": [{"not": [{"==": [{"var": "a"}, 1]}]}, {"var": "b"}]}, {"or": [{"var": "c"}]}]}
    assert normalize(written) == {
        "and": [{"!": [{"==": [{"var": "a"}, 1]}]}, {"var": "b"}, {"or": [{"var": "c"}]}]
    }


def test_all_documents_under_rules_are_laid_out_alike() -> None:
    paths = [
        path
        for folder in ("segments", "audiences", "access", "destinations")
        for path in (RULES / folder).glob("*")
    ]
    assert len(paths) > 20
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert text == pretty(json.loads(text)), path.name


def test_a_comparison_with_none_is_refused(tmp_path: Path) -> None:
    """The package would write the string "None"."""
    (tmp_path / "bad.py").write_text(
        textwrap.dedent(
            """
            from infra.author import attribute, segment
            X = segment("x", "X", audience="a", kind="batch", description="", rule=attribute("age") == None)
            """
        )
    )
    with pytest.raises(AuthoringError, match=r"bad\.py.*cannot deduce type"):
        load(tmp_path / "bad.py")


def test_the_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(RULES / "authoring")
    assert main([source, str(tmp_path), "--check"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert main([source, str(tmp_path)]) == 0
    assert main([source, str(tmp_path), "--check"]) == 0
    assert "unchanged" in capsys.readouterr().out


def test_a_file_without_segments_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.py").write_text("X = 1\n")
    assert main([str(tmp_path), str(tmp_path)]) == 1
    assert "empty.py: no segments" in capsys.readouterr().err
