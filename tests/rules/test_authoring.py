"""Segments written in Python: what is committed is what is emitted, it is clean, and mistakes are explained."""

import datetime as dt
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonlogic import Variable
from segmentation.language import Schema, Type, check_segment
from segmentation.language.sentence import sentence

from infra.author import (
    AuthoringError,
    AuthoringErrors,
    all_of,
    any_of,
    attribute,
    behavior,
    bucket,
    emit,
    load,
    normalize,
    pretty,
    segment,
)
from infra.author.__main__ import main
from infra.author.documents import as_rule

RULES = Path(__file__).parents[2] / "rules"
SCHEMA = Schema(
    attributes={
        "age": Type.NUMBER,
        "income": Type.NUMBER,
        "country": Type.STRING,
        "email": Type.STRING,
        "subscribed": Type.BOOLEAN,
        "signed_up": Type.TIMESTAMP,
        "birthday": Type.DATE,
        "tags": Type.STRINGS,
        "scores": Type.NUMBERS,
    },
    behaviors={
        "purchases": {"department": Type.STRING, "price": Type.NUMBER, "brand": Type.STRING},
        "page_views": {"path": Type.STRING},
    },
)


def var(path: str) -> dict[str, str]:
    return {"var": path}


AGE, PURCHASES = var("attributes.age"), var("behaviors.purchases")
GROCERY = {"==": [var("department"), "GROCERY"]}
NEW_YEAR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

WORDS: list[tuple[Any, Any]] = [
    (attribute.age >= 18, {">=": [AGE, 18]}),
    (attribute["age"] < 65.5, {"<": [AGE, 65.5]}),
    (attribute.age >= 18, {">=": [AGE, 18]}),
    (attribute.age.between(18, 65), {"<=": [18, AGE, 65]}),
    (attribute.age.is_missing(), {"==": [AGE, None]}),
    (attribute.age.is_present(), {"!=": [AGE, None]}),
    (attribute.country == "None", {"==": [var("attributes.country"), "None"]}),
    (attribute.country.in_("US", "CA"), {"in": [var("attributes.country"), ["US", "CA"]]}),
    (attribute.country.in_({"US", "CA"}), {"in": [var("attributes.country"), ["CA", "US"]]}),
    (attribute.age.in_([1, 2]), {"in": [AGE, [1, 2]]}),
    (attribute.email.contains("@"), {"in": ["@", var("attributes.email")]}),
    (
        attribute.email.lower().ends_with(".de"),
        {"ends_with": [{"lower": [var("attributes.email")]}, ".de"]},
    ),
    (attribute.email.starts_with("a"), {"starts_with": [var("attributes.email"), "a"]}),
    (attribute.email.matches("^a+$"), {"matches": [var("attributes.email"), "^a+$"]}),
    (attribute.country.upper() != "US", {"!=": [{"upper": [var("attributes.country")]}, "US"]}),
    (attribute.signed_up.within("30d"), {"within": [var("attributes.signed_up"), "30d"]}),
    (attribute.signed_up.within("14d", "7d"), {"within": [var("attributes.signed_up"), "14d", "7d"]}),
    (attribute.signed_up.older_than("1h"), {"older_than": [var("attributes.signed_up"), "1h"]}),
    (attribute.signed_up > NEW_YEAR, {">": [var("attributes.signed_up"), "2026-01-01T00:00:00+00:00"]}),
    (attribute.birthday.within_next("7d"), {"within_next": [var("attributes.birthday"), "7d"]}),
    (attribute.birthday.during("next month"), {"during": [var("attributes.birthday"), "next month"]}),
    (attribute.birthday == dt.date(2000, 2, 29), {"==": [var("attributes.birthday"), "2000-02-29"]}),
    (attribute.tags.contains("vip"), {"in": ["vip", var("attributes.tags")]}),
    (attribute.tags.some(lambda x: x == "vip"), {"some": [var("attributes.tags"), {"==": [var(""), "vip"]}]}),
    (attribute.scores.all(lambda x: x > 3), {"all": [var("attributes.scores"), {">": [var(""), 3]}]}),
    (attribute.scores.none(lambda x: x > 3), {"none": [var("attributes.scores"), {">": [var(""), 3]}]}),
    (attribute.tags.count() >= 2, {">=": [{"count": [var("attributes.tags")]}, 2]}),
    (
        attribute.scores.count(lambda x: x > 3) == 1,
        {"==": [{"count": [{"filter": [var("attributes.scores"), {">": [var(""), 3]}]}]}, 1]},
    ),
    (attribute.subscribed & (attribute.age > 1), {"and": [var("attributes.subscribed"), {">": [AGE, 1]}]}),
    (~attribute.subscribed, {"!": [var("attributes.subscribed")]}),
    (
        1 - attribute.age * 2 > -attribute.income,
        {">": [{"-": [1, {"*": [AGE, 2]}]}, {"-": [var("attributes.income")]}]},
    ),
    (100 / attribute.age % 7 + 1 < 5, {"<": [{"+": [{"%": [{"/": [100, AGE]}, 7]}, 1]}, 5]}),
    (
        behavior.purchases.within("30d").count() >= 3,
        {">=": [{"count": [{"within": [PURCHASES, "30d"]}]}, 3]},
    ),
    (
        behavior.purchases.filter(lambda e: e.department == "GROCERY").sum("price") > 100,
        {">": [{"sum": [{"filter": [PURCHASES, GROCERY]}, "price"]}, 100]},
    ),
    (
        behavior.purchases.where(department="GROCERY", brand=["A", "B"]).during("last month").avg("price")
        < 3,
        {
            "<": [
                {
                    "avg": [
                        {
                            "during": [
                                {
                                    "filter": [
                                        PURCHASES,
                                        {"and": [GROCERY, {"in": [var("brand"), ["A", "B"]]}]},
                                    ]
                                },
                                "last month",
                            ]
                        },
                        "price",
                    ]
                },
                3,
            ]
        },
    ),
    (
        behavior.purchases.where(lambda e: (e.price > 5) & e.time.older_than("1d")).count() == 0,
        {
            "==": [
                {
                    "count": [
                        {
                            "filter": [
                                PURCHASES,
                                {"and": [{">": [var("price"), 5]}, {"older_than": [var("time"), "1d"]}]},
                            ]
                        }
                    ]
                },
                0,
            ]
        },
    ),
    (behavior.purchases.last("brand") == "A", {"==": [{"last": [PURCHASES, "brand"]}, "A"]}),
    (
        behavior.purchases.first("time").older_than("1d"),
        {"older_than": [{"first": [PURCHASES, "time"]}, "1d"]},
    ),
    (
        behavior.purchases.max("price") > behavior.purchases.min("price"),
        {">": [{"max": [PURCHASES, "price"]}, {"min": [PURCHASES, "price"]}]},
    ),
    (
        behavior.purchases.older_than("90d").count_distinct("brand") > 2,
        {">": [{"count_distinct": [{"older_than": [PURCHASES, "90d"]}, "brand"]}, 2]},
    ),
    (
        behavior.page_views.followed_by(behavior.purchases, "3d").within("7d").count() >= 1,
        {
            ">=": [
                {
                    "count": [
                        {"within": [{"followed_by": [var("behaviors.page_views"), PURCHASES, "3d"]}, "7d"]}
                    ]
                },
                1,
            ]
        },
    ),
    (
        behavior.page_views.not_followed_by(behavior.purchases, within="1h").within("7d").count() >= 1,
        {
            ">=": [
                {
                    "count": [
                        {
                            "within": [
                                {"not_followed_by": [var("behaviors.page_views"), PURCHASES, "1h"]},
                                "7d",
                            ]
                        }
                    ]
                },
                1,
            ]
        },
    ),
    (segment("vip"), {"in": ["vip", var("segments")]}),
    (~segment("vip"), {"!": [{"in": ["vip", var("segments")]}]}),
    (bucket("spring-test") < 10, {"<": [{"bucket": ["spring-test"]}, 10]}),
    (
        (attribute.age > 1) & (attribute.age < 9) & segment("vip"),
        {"and": [{">": [AGE, 1]}, {"<": [AGE, 9]}, {"in": ["vip", var("segments")]}]},
    ),
    (
        (attribute.age > 1) | segment("vip") | segment("x"),
        {"or": [{">": [AGE, 1]}, {"in": ["vip", var("segments")]}, {"in": ["x", var("segments")]}]},
    ),
    (all_of(attribute.age > n for n in (1, 2)), {"and": [{">": [AGE, 1]}, {">": [AGE, 2]}]}),
    (
        any_of(segment("x"), segment("vip")),
        {"or": [{"in": ["x", var("segments")]}, {"in": ["vip", var("segments")]}]},
    ),
    # The package's own expressions mix with these.
    (
        (Variable("attributes.age") >= 18) & segment("x"),
        {"and": [{">=": [AGE, 18]}, {"in": ["x", var("segments")]}]},
    ),
]


@pytest.mark.parametrize(("expression", "rule"), WORDS, ids=[json.dumps(rule)[:60] for _, rule in WORDS])
def test_an_expression_makes_the_rule_that_it_reads_like(expression: Any, rule: Any) -> None:
    written = as_rule(expression)
    # Boolean columns write `var` with its path in a list or without, which is the same.
    assert json.dumps(written) == json.dumps(rule)
    document = {"id": "y", "name": "Y", "audience": "a", "kind": "batch", "rule": written}
    tree = check_segment(document, SCHEMA, "a", {"vip": "batch", "x": "batch"}).rule
    assert tree is not None
    assert sentence(tree)


MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (lambda: attribute.age == None, "None is no value; write .is_missing()"),  # noqa: E711
    (lambda: attribute.age != None, "None is no value"),  # noqa: E711
    (lambda: attribute.country.in_("US", None), "None is no value"),
    (lambda: attribute.age > 1 and attribute.age < 3, "join conditions with &"),
    (lambda: not attribute.age, "join conditions with &"),
    (lambda: 1 < attribute.age < 3, r"\.between\(a, b\)"),
    (lambda: "x" in attribute.tags, r"x\.contains\(y\)"),
    (lambda: list(attribute.tags), "cannot loop"),
    (lambda: (attribute.age > 1) == True, "put parentheses"),  # noqa: E712
    (lambda: attribute.age > 1 & attribute.age, "put parentheses around comparisons"),
    (lambda: behavior.purchases >= 3, r"events are no value.*\.count\(\)"),
    (lambda: segment("x") & behavior.purchases, "events are no condition"),
    (lambda: segment("x") & True, "Python decided a comparison by itself"),
    (lambda: segment("x") & "y", "'y' is no condition"),
    (lambda: attribute.age > float("nan"), "no number"),
    (lambda: attribute.age > object(), "cannot stand in a rule"),
    (lambda: attribute.signed_up > dt.datetime(2026, 1, 1), "no time zone"),  # noqa: DTZ001
    (lambda: attribute.country.in_(attribute.tags), "in_ takes constants"),
    (lambda: attribute.country.in_([attribute.age]), "a list holds constants"),
    (lambda: segment(attribute.age), "named by its id"),
    (lambda: behavior.purchases.where(), "where needs a condition"),
    (lambda: all_of([]), "an empty group says nothing"),
    (lambda: as_rule(True), "bool is no rule"),
]


@pytest.mark.parametrize(("write", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_explained(write: Callable[[], Any], message: str) -> None:
    with pytest.raises(AuthoringError, match=message):
        write()


def test_the_committed_documents_are_what_the_python_files_emit() -> None:
    emitted = emit(RULES / "authoring", RULES / "audiences", RULES / "segments")
    assert len(emitted) >= 2
    for name, text in emitted.items():
        assert (RULES / "segments" / name).read_text(encoding="utf-8") == text, (
            f"run: python -m infra.author ({name})"
        )


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
    assert folder.run() == 1
    errors = capsys.readouterr().err
    for expected in (
        "a.py:4: UserWarning: cannot deduce type of None",
        "b.py:3: join conditions with &",
        "c.py: no segments; assign define(...) to a name",
        "d.py:1: ModuleNotFoundError",
        "e.py:1: SyntaxError",
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
    assert "b.py: FIRST: the id 'first' is taken by" in errors
    folder.write("b.py", ("third", 'segment("fourth") & segment("second")'))
    assert folder.run() == 1
    errors = capsys.readouterr().err
    assert "a.py: FIRST/rule/==/0/var: the audience has no attribute 'agee'; did you mean 'age'?" in errors
    assert "a.py: SECOND/rule/>/1: " in errors
    assert "b.py: THIRD/rule/and/0/in/0: the audience has no segment 'fourth'" in errors


def test_written_segments_may_refer_to_documents_beside_them(folder: Folder) -> None:
    folder.write("a.py", ("young", '~segment("old")'))
    document = {"id": "old", "name": "Old", "audience": "shop", "kind": "list"}
    (folder.segments / "old.json").write_text(json.dumps(document))
    assert folder.run() == 0


def test_an_unknown_audience_is_named(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.audiences / "shop.json").rename(folder.audiences / "store.json")
    folder.write("a.py", ("young", 'attribute.age == "19-24"'))
    assert folder.run() == 1
    assert "a.py: YOUNG: no audience 'shop'" in capsys.readouterr().err


def test_limits_and_lists_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        textwrap.dedent(
            """
            from infra.author import attribute, behavior, define
            TOP = define("top", "Top", audience="shop", kind="batch", description="", rule=attribute.age == "1",
                         limit={"count": 5, "by": behavior.purchases.sum("sales_value")})
            STAFF = define("staff", "Staff", audience="shop", kind="list", description="")
            AGAIN = STAFF
            """
        )
    )
    (_, top), (_, staff) = load(tmp_path / "a.py")
    assert top["limit"] == {"count": 5, "by": {"sum": [{"var": "behaviors.purchases"}, "sales_value"]}}
    assert staff == {"id": "staff", "name": "Staff", "audience": "shop", "kind": "list", "description": ""}
    (tmp_path / "b.py").write_text("")
    with pytest.raises(AuthoringErrors, match="no segments"):
        load(tmp_path / "b.py")
