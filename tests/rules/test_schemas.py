"""The JSON Schemas that editors read accept our documents and refuse what the service refuses."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

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
        ("audiences", "complete-journey", ["identities"], []),
        ("audiences", "complete-journey", ["attributes", 0, "columns", "age", "type"], "text"),
        ("audiences", "complete-journey", ["behaviors", "purchases", "when"], "now"),
        ("access", "complete-journey", ["write_keys", 0, "key"], "demo-write-key"),
        ("access", "complete-journey", ["tokens", 0, "sha256"], "demo-site-token"),
        ("access", "complete-journey", ["tokens", 0, "origins"], ["shop.example/path"]),
        ("destinations", "demo-webhook", ["url"], "ftp://example.com"),
        ("destinations", "demo-webhook", ["type"], "pigeon"),
    ],
)
def test_a_broken_document_is_refused(folder: str, name: str, where: list[Any], value: Any) -> None:
    assert list(validator(FOLDERS[folder]).iter_errors(broken(folder, name, where, value)))


def test_the_schema_knows_every_operator_of_the_language() -> None:
    from segmentation.language.operators import READERS

    schema = read(RULES / "schema" / "segment.schema.json")
    # The language also takes `not`, as jsonlogic-py writes it; by hand one writes `!`.
    assert {*schema["$defs"]["expression"]["properties"], "not"} == set(READERS)
