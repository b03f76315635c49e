"""The OpenAPI document: true to the code, valid, and shown on a page that runs nothing."""

import json
import re
from html.parser import HTMLParser

from jsonschema import Draft202012Validator
from segmentation.runtime.management.openapi import document, page
from segmentation.runtime.management.problems import TITLES, TYPES
from segmentation.runtime.management.serve import OPERATIONS
from segmentation.runtime.management.shapes.documents import EditedDocument

from infra.openapi import TARGET, main


def test_the_committed_copy_is_what_the_code_makes() -> None:
    assert main(["--check"]) == 0, "run: python -m infra.openapi"
    assert json.loads(TARGET.read_text(encoding="utf-8")) == json.loads(json.dumps(document(OPERATIONS)))


def test_drift_is_noticed(monkeypatch, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    changed = tmp_path / "management.openapi.json"
    changed.write_text(TARGET.read_text(encoding="utf-8").replace("get_me", "get_you"), encoding="utf-8")
    monkeypatch.setattr("infra.openapi.TARGET", changed)
    assert main(["--check"]) == 1
    assert "differs" in capsys.readouterr().out


def test_every_schema_and_every_reference_is_sound() -> None:
    told = document(OPERATIONS)
    for schema in told["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(told)):
        place = told
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_operations_have_names_and_roles_of_their_own() -> None:
    names = [one.id for one in OPERATIONS]
    assert len(names) == len(set(names))
    told = document(OPERATIONS)
    for one in OPERATIONS:
        operation = told["paths"][one.path][one.method.lower()]
        assert operation["x-role"] == one.role.name.lower()
        assert {"401", "403", "503"} <= operation["responses"].keys()
        if one.changes:
            assert {"412", "428"} <= operation["responses"].keys()


def test_every_status_has_a_title_and_a_name() -> None:
    assert TITLES.keys() == TYPES.keys()


def test_what_is_sent_has_no_unknown_fields() -> None:
    bodies = {one.body for one in OPERATIONS if one.body} | {EditedDocument}
    assert all(body.__struct_config__.forbid_unknown_fields for body in bodies)


class Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: set[str] = set()
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        told = dict(attrs)
        self.links |= {str(told["href"])} if "href" in told else set()
        self.ids |= {str(told["id"])} if "id" in told else set()
        assert not {name for name in told if name.startswith("on") or name == "src"}


def test_the_page_shows_every_operation_and_loads_nothing() -> None:
    shown = Collector()
    text = page(OPERATIONS)
    shown.feed(text)
    assert not {"script", "img", "link", "iframe"} & set(shown.tags)
    assert {one.removeprefix("#") for one in shown.links if one.startswith("#")} <= shown.ids
    assert {one for one in shown.links if not one.startswith("#")} == {"/v1/openapi.json"}
    for one in OPERATIONS:
        assert f"<code>{one.path}</code>" in text
