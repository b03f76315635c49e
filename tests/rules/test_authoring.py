"""Segments written in Python: what is committed is what is emitted, and all that is wrong is told with file and line."""

import json
import textwrap
from pathlib import Path

import pytest

from infra.author import AuthoringErrors, emit, load
from infra.author.__main__ import main
from infra.layout import pretty

RULES = Path(__file__).parents[2] / "rules"


def test_the_committed_documents_are_what_the_python_files_emit() -> None:
    emitted = emit(RULES / "authoring", RULES / "audiences", RULES / "segments")
    assert len(emitted) >= 2
    for name, text in emitted.items():
        assert (RULES / "segments" / name).read_text(encoding="utf-8") == text, (
            f"run: python -m infra.author ({name})"
        )


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


class Folder:
    """A folder of rules with one audience."""

    def __init__(self, path: Path) -> None:
        self.authoring, self.segments, self.audiences = (
            path / name for name in ("authoring", "segments", "audiences")
        )
        for folder in (self.authoring, self.segments, self.audiences):
            folder.mkdir()
        audience = json.loads((RULES / "audiences" / "complete-journey.json").read_text(encoding="utf-8"))
        (self.audiences / "shop.json").write_text(json.dumps({**audience, "id": "shop"}))

    def write(self, name: str, *segments: tuple[str, str]) -> None:
        lines = ["from infra.author import *", "from jsonlogic import Variable"]
        for identifier, rule in segments:
            lines.append(
                f'{identifier.upper()} = define("{identifier}", "X", audience="shop", kind="batch", '
                f'description="", rule={rule})'
            )
        (self.authoring / name).write_text("\n".join(lines) + "\n")

    def run(self, *options: str) -> int:
        return main([str(self.authoring), str(self.segments), *options])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_command_writes_and_checks(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.write("a.py", ("young", 'attribute.age == "19-24"'))
    assert folder.run("--check") == 1
    assert list(folder.segments.iterdir()) == []
    assert folder.run() == 0
    assert folder.run("--check") == 0
    assert "unchanged" in capsys.readouterr().out
    assert json.loads((folder.segments / "young.json").read_text())["rule"] == {
        "==": [{"var": "attributes.age"}, "19-24"]
    }


def test_the_command_reports_everything_at_once_and_writes_nothing(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.write("a.py", ("fine", 'attribute.age == "19-24"'), ("none", 'Variable("attributes.age") == None'))
    folder.write("b.py", ("chained", "1 < attribute.age < 3"))
    (folder.authoring / "c.py").write_text("X = 1\n")
    (folder.authoring / "d.py").write_text("import no_such_module\n")
    (folder.authoring / "e.py").write_text("X = (\n")
    folder.write("f.py", ("uncalled", "behavior.purchases.count >= 3"))
    assert folder.run() == 1
    errors = capsys.readouterr().err
    for expected in (
        "a.py:4: UserWarning: cannot deduce type of None",
        "b.py:3: Python would decide this now",
        "c.py: no segments; assign define(...) to a name",
        "d.py:1: ModuleNotFoundError",
        "e.py:1: SyntaxError",
        "f.py:3: TypeError: '>=' not supported between instances of 'method' and 'int'; call it: .count()",
    ):
        assert expected in errors
    assert list(folder.segments.iterdir()) == []


def test_what_the_language_refuses_is_told_with_file_segment_and_pointer(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.write("a.py", ("first", "attribute.agee == 1"), ("second", "attribute.age > 3"))
    folder.write("b.py", ("third", 'segment("fourth")'), ("first", 'attribute.age == "1"'))
    assert folder.run() == 1
    errors = capsys.readouterr().err
    assert "b.py:4: FIRST: the id 'first' is taken by" in errors
    folder.write("b.py", ("third", 'segment("fourth") & segment("second")'))
    assert folder.run() == 1
    errors = capsys.readouterr().err
    assert "a.py:3: FIRST/rule/==/0/var: the audience has no attribute 'agee'; did you mean 'age'?" in errors
    assert "a.py:4: SECOND/rule/>/1: " in errors
    assert "b.py:3: THIRD/rule/and/0/in/0: the audience has no segment 'fourth'" in errors


def test_written_segments_may_refer_to_documents_beside_them(folder: Folder) -> None:
    folder.write("a.py", ("young", '~segment("old")'))
    document = {"id": "old", "name": "Old", "audience": "shop", "kind": "list"}
    (folder.segments / "old.json").write_text(json.dumps(document))
    assert folder.run() == 0


def test_an_unknown_audience_is_named(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.audiences / "shop.json").rename(folder.audiences / "store.json")
    folder.write("a.py", ("young", 'attribute.age == "19-24"'))
    assert folder.run() == 1
    assert "a.py:3: YOUNG: no audience 'shop'" in capsys.readouterr().err


def test_limits_and_lists_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        textwrap.dedent(
            """
            from infra.author import attribute, behavior, define
            TOP = define("top", "Top", audience="shop", kind="batch", description="", rule=attribute.age == "1",
                         limit={"count": 5, "by": behavior.purchases.sum("sales_value")}, schedule="rate(6 hours)")
            STAFF = define("staff", "Staff", audience="shop", kind="list", description="")
            AGAIN = STAFF
            """
        )
    )
    (_, top), (_, staff) = load(tmp_path / "a.py")
    assert top["limit"] == {"count": 5, "by": {"sum": [{"var": "behaviors.purchases"}, "sales_value"]}}
    assert top["schedule"] == "rate(6 hours)"
    assert staff == {"id": "staff", "name": "Staff", "audience": "shop", "kind": "list", "description": ""}
    (tmp_path / "b.py").write_text("")
    with pytest.raises(AuthoringErrors, match="no segments"):
        load(tmp_path / "b.py")


def test_a_segment_made_by_a_function_is_found_at_the_line_of_its_file(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.authoring / "a.py").write_text(
        textwrap.dedent(
            """
            from infra.author import attribute, define

            def band(name, age):
                return define(name, name, audience="shop", kind="batch", description="", rule=attribute.age == age)

            YOUNG = band("young", "19-24")
            OLD = band("old", 65)
            """
        )
    )
    assert folder.run() == 1
    assert "a.py:8: OLD/rule/==/1: a string is compared with a number" in capsys.readouterr().err
