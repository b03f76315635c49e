"""The JSON Schemas that editors read accept our documents and refuse what the service refuses."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from segmentation.language.operators import FORMS, READERS

from infra.layout import pretty
from infra.rule_schema import definitions, segment_schema
from tests.conformance.suite import segment, suites

RULES = Path(__file__).parents[2] / "rules"
FOLDERS = {"audiences": "audience", "segments": "segment", "access": "access", "destinations": "destination"}
PATHS = [
    (schema, path) for folder, schema in FOLDERS.items() for path in sorted((RULES / folder).glob("*.json"))
]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def validator(schema: str) -> Draft202012Validator:
    document = read(RULES / "schema" / f"{schema}.schema.json")
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@pytest.mark.parametrize(("schema", "path"), PATHS, ids=[path.stem for _, path in PATHS])
def test_our_documents_are_valid(schema: str, path: Path) -> None:
    assert [error.message for error in validator(schema).iter_errors(read(path))] == []


def broken(folder: str, name: str, where: list[Any], value: Any) -> Any:
    document = copy.deepcopy(read(RULES / folder / f"{name}.json"))
    at = document
    for step in where[:-1]:
        at = at[step]
    at[where[-1]] = value
    return document


@pytest.mark.parametrize(
    ("folder", "name", "where", "value"),
    [
        ("segments", "mailed", ["colour"], "blue"),
        ("segments", "mailed", ["kind"], "hourly"),
        ("segments", "mailed", ["id"], "Mailed"),
        ("segments", "mailed", ["rule"], {"sometimes": []}),
        ("segments", "mailed", ["rule"], {"and": []}),
        ("segments", "mailed", ["rule"], {"==": [1], "!=": [2]}),
        ("segments", "mailed", ["kind"], "list"),
        ("segments", "mailed", ["rule"], {"during": [{"var": "attributes.x"}, "last fortnight"]}),
        (
            "segments",
            "mailed",
            ["rule"],
            {">": [{"count": [{"within": [{"var": "behaviors.x"}, "30 days"]}]}, 1]},
        ),
        ("segments", "mailed", ["limit"], {"count": 5, "percent": 5, "by": {"var": "attributes.age"}}),
        ("segments", "mailed", ["limit"], {"count": 5, "by": 3}),
        ("segments", "mailed", ["schedule"], "hourly"),
        ("audiences", "complete-journey", ["identities"], []),
        ("audiences", "complete-journey", ["attributes", 0, "columns", "age", "type"], "text"),
        ("audiences", "complete-journey", ["behaviors", "purchases", "when"], "now"),
        ("audiences", "complete-journey", ["behaviors", "purchases", "source"], "events"),
        ("audiences", "complete-journey", ["behaviors", "purchases", "source"], "lake"),
        ("audiences", "complete-journey", ["behaviors", "purchases"], {"source": "both", "columns": {}}),
        ("access", "complete-journey", ["write_keys", 0, "key"], "demo-write-key"),
        ("access", "complete-journey", ["tokens", 0, "sha256"], "demo-site-token"),
        ("access", "complete-journey", ["tokens", 0, "origins"], ["shop.example/path"]),
        ("destinations", "demo-webhook", ["url"], "ftp://example.com"),
        ("destinations", "demo-webhook", ["type"], "pigeon"),
    ],
)
def test_a_broken_document_is_refused(folder: str, name: str, where: list[Any], value: Any) -> None:
    assert list(validator(FOLDERS[folder]).iter_errors(broken(folder, name, where, value)))


def test_the_committed_schema_is_the_one_that_the_operators_make() -> None:
    path = RULES / "schema" / "segment.schema.json"
    assert path.read_text(encoding="utf-8") == pretty(segment_schema()), "run: python -m infra.rule_schema"


def test_every_operator_says_how_it_is_written() -> None:
    assert FORMS.keys() == READERS.keys()
    known = definitions()
    for forms in FORMS.values():
        for form in forms:
            assert form.says.endswith(".")
            assert form.gives in ("condition", "value", "events", "elements")
            assert {kind.rstrip("?+") for kind in form.takes.split()} <= known.keys()


CASES = [(suite.name, case) for suite in suites() for case in suite.cases]


def test_every_accepted_conformance_rule_is_valid() -> None:
    validate = validator("segment")
    rules = [
        (name, case.name, rule)
        for name, case in CASES
        if case.problems is None
        for rule in (
            *([case.rule] if case.rule is not None else ()),
            *(case.equal or ()),
            *(case.different or ()),
        )
    ]
    assert len(rules) > 400
    refused = [(name, case) for name, case, rule in rules if not validate.is_valid(segment("x", rule))]
    assert refused == []


VISIBLE = {
    "bad-kind",
    "bad-path",
    "bad-period",
    "bad-seed",
    "condition-as-value",
    "empty-group",
    "empty-list",
    "events-as-value",
    "future-events",
    "missing-field",
    "not-a-value",
    "not-events",
    "null-literal",
    "one-operator",
    "operand-count",
    "rule-in-list",
    "unknown-field",
    "unknown-operator",
}
"""What is wrong with a shape, whatever the audience offers."""


def test_refused_shapes_are_refused_by_the_schema_too() -> None:
    validate = validator("segment")
    refused = [
        (name, case.name, documents)
        for name, case in CASES
        if case.problems is not None and {code for _, code in case.problems} & VISIBLE
        if (documents := case.documents or ((segment("x", case.rule),) if case.rule is not None else ()))
    ]
    assert len(refused) > 50
    accepted = [(name, case) for name, case, documents in refused if all(map(validate.is_valid, documents))]
    assert accepted == []
