"""What a look at raw tables finds before anything is built, on the embedded Athena."""

import datetime as dt
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.validation import Validation
from segmentation.usecases.validate_audience import ValidateAudience

from infra import validate_audience
from tests.contract.conftest import Cloud
from tests.contract.workshop import Workshop
from tests.fakes import FixedClock

NOW = 1_704_085_200
NUMBERS = count(1)
EMAIL = {"name": "email", "table": "mails", "key": "id", "column": "address", "normalize": "email"}
FACTS = {
    "table": "facts",
    "key": "id",
    "columns": {
        "city": {"type": "string"},
        "age": {"type": "number"},
        "income": {"type": "number", "visibility": "pii"},
        "empty": {"type": "string"},
    },
}
SALES = {
    "table": "sales",
    "key": "id",
    "time": "at",
    "id": ["nr"],
    "lookups": [{"table": "items", "key": "item"}],
    "columns": {
        "amount": {"type": "number"},
        "item": {"type": "string"},
        "kind": {"type": "string", "from": "items"},
    },
}


def audience(**changes: Any) -> dict[str, Any]:
    return {
        "id": "shop",
        "name": "Shop",
        "database": "shop",
        "time_zone": "UTC",
        "master": {"table": "people", "key": "id"},
        "identities": ["id", EMAIL],
        "attributes": [FACTS],
        "behaviors": {"sales": SALES},
        **changes,
    }


@pytest.fixture
def shop(cloud: Cloud) -> Iterator[Workshop]:
    made = Workshop(cloud, f"look{next(NUMBERS)}")
    made.parquet("people", {"id": (pa.int64(), [1, 2, 3, 4, 4, None])})
    made.csv(
        "facts",
        "id,city,age,income,empty\n1,Ulm,30,100,\n2,Bonn,old,much,\n2,Kiel,31,1,\n9,Jena,5,5,\n,Trier,1,1,\n",
    )
    made.parquet(
        "mails", {"id": (pa.int64(), [1, 2, 9]), "address": (pa.string(), ["a@x.de", "A@x.de", "z@x.de"])}
    )
    moments = [dt.datetime.fromtimestamp(NOW - 60 * n, dt.UTC).replace(tzinfo=None) for n in (5, 5, 1, -9)]
    made.parquet(
        "sales",
        {
            "id": (pa.int64(), [1, 1, 2, 8, 1]),
            "at": (pa.timestamp("us"), [*moments, None]),
            "nr": (pa.int64(), [1, 1, 2, 3, 4]),
            "item": (pa.int64(), [7, 7, 8, 404, 7]),
            "amount": (pa.float64(), [1.0, 1.0, float("nan"), 2.0, None]),
        },
    )
    made.parquet("items", {"item": (pa.int64(), [7, 8]), "kind": (pa.string(), ["FOOD", "TOYS"])})
    yield made
    made.lake.delete_prefix(f"{made.database}/")


def look(shop: Workshop, document: dict[str, Any]) -> Validation:
    return ValidateAudience(shop.warehouse, FixedClock(NOW))(parse_audience(document))


def said(validation: Validation) -> set[tuple[str, str, str]]:
    return {(one.severity, one.pointer, one.message) for one in validation.findings}


def test_rows_keys_matches_missing_values_and_samples_are_reported(shop: Workshop) -> None:
    found = look(shop, audience())
    tables = {one.pointer: one for one in found.tables}
    assert dict(tables["/master"].figures) == {"rows": 6, "no_key": 1, "keys": 4}
    assert dict(tables["/identities/1"].figures) == {"keys": 2, "met": 1, "contested": 1}
    facts = tables["/attributes/0"]
    assert dict(facts.figures) == {"rows": 5, "no_key": 1, "keys": 3, "met_rows": 3, "met_keys": 2}
    assert (facts.columns["age"].missing, facts.columns["age"].unreadable) == (0, 1)
    assert facts.columns["age"].unreadable_share == 0.2
    assert dict(facts.samples[0]) == {"city": "Ulm", "age": "30", "empty": ""}
    sales = tables["/behaviors/sales"]
    assert dict(sales.figures) == {
        "rows": 5,
        "no_key": 0,
        "keys": 3,
        "met_rows": 4,
        "met_keys": 2,
        "looked_up:items": 4,
        "with_id": 5,
        "ids": 4,
        "earliest": NOW - 300,
        "latest": NOW + 540,
        "future": 1,
    }
    assert sales.columns["time"].missing == 1
    assert sales.columns["amount"].unreadable == 1  # NaN
    assert sales.columns["kind"].missing == 1
    assert {tuple(one) for one in sales.samples} == {("amount", "item")}
    assert found.sound
    assert found.queries == 6
    assert found.bytes_scanned > 0
    assert "100" not in str(facts.samples)
    assert found.to_document()["sound"] is True


def test_what_a_person_should_look_at_is_said(shop: Workshop) -> None:
    messages = {(severity, pointer): [] for severity, pointer, _ in said(look(shop, audience()))}
    for severity, pointer, message in sorted(said(look(shop, audience()))):
        messages[severity, pointer].append(message)
    assert set(messages) == {
        ("warning", "/master"),
        ("warning", "/identities/1"),
        ("warning", "/attributes/0"),
        ("warning", "/attributes/0/columns/age"),
        ("warning", "/attributes/0/columns/income"),
        ("warning", "/behaviors/sales"),
        ("warning", "/behaviors/sales/time"),
        ("warning", "/behaviors/sales/columns/amount"),
    }
    assert "the key is not unique: 1 rows of 'people'" in str(messages["warning", "/master"])
    assert "1 of 6 (16.7%) rows of 'people' have no key" in str(messages["warning", "/master"])
    assert "such as 'old'" in str(messages["warning", "/attributes/0/columns/age"])
    assert "much" not in str(messages)  # income is pii
    assert "1 of 5 (20.0%) rows of 'sales' find none in 'items'" in str(
        messages["warning", "/behaviors/sales"]
    )
    assert "1 of 2 (50.0%) keys are of several profiles" in str(messages["warning", "/identities/1"])


def test_an_audience_that_cannot_be_built_is_no_sound_one(shop: Workshop) -> None:
    shop.parquet("people", {"id": (pa.int64(), [])})
    assert ("error", "/master", "table 'people' is empty") in said(look(shop, audience()))
    shop.parquet("people", {"id": (pa.string(), ["A1", "A2"])})
    found = look(shop, audience())
    assert not found.sound
    assert {pointer for severity, pointer, _ in said(found) if severity == "error"} == {
        "/identities/1",
        "/attributes/0",
        "/behaviors/sales",
    }


def test_what_is_wrong_at_one_place_hides_no_other(shop: Workshop) -> None:
    shop.put("sales", "noise", b"PAR1 this is no Parquet, nor has it ever been one")
    facts = {**FACTS, "columns": {**FACTS["columns"], "shoe": {"type": "number"}}}
    found = look(shop, audience(attributes=[facts]))
    errors = {pointer: message for severity, pointer, message in said(found) if severity == "error"}
    assert set(errors) == {"/attributes/0/columns/shoe", "/behaviors/sales"}
    assert "table 'sales' cannot be read: HIVE_BAD_DATA" in errors["/behaviors/sales"]
    assert {one.pointer for one in found.tables} == {"/master", "/identities/1"}
    found = look(shop, audience(master={"table": "nobody", "key": "id"}))
    assert ("error", "/master/table") in {(one.severity, one.pointer) for one in found.findings}
    assert found.tables == ()


def test_a_filter_that_leaves_nobody_is_said(shop: Workshop) -> None:
    rule = {"==": [{"var": "attributes.city"}, "Ulm"]}
    found = look(shop, audience(master={"table": "people", "key": "id", "filter": rule}))
    assert [dict(one.figures) for one in found.tables if one.kind == "filter"] == [{"kept": 1}]
    rule = {"==": [{"var": "attributes.city"}, "Rome"]}
    found = look(shop, audience(master={"table": "people", "key": "id", "filter": rule}))
    assert ("error", "/master/filter", "the filter leaves no profile at all") in said(found)


def test_a_behavior_under_another_key_meets_those_of_its_identity(shop: Workshop) -> None:
    shop.json(
        "visits",
        {"mail": "string", "at": "bigint"},
        [{"mail": " A@x.de ", "at": 5}, {"mail": "b@x.de", "at": 6}],
    )
    visits = {"table": "visits", "key": "mail", "identity": "email", "time": "at", "columns": {}}
    found = look(shop, audience(behaviors={"visits": visits}))
    (table,) = [one for one in found.tables if one.kind == "behavior"]
    assert (table.figures["rows"], table.figures["met_rows"], table.figures["keys"]) == (2, 1, 2)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
def test_moments_of_a_wall_clock_are_those_that_the_build_has(shop: Workshop, zone: str) -> None:
    """An hour ago and in an hour, there; as text one of them with its offset."""
    ago, ahead = (dt.datetime.fromtimestamp(NOW + n, ZoneInfo(zone)) for n in (-3_600, 3_600))
    wall = {
        "id": (pa.int64(), [1, 1]),
        "at": (pa.timestamp("us"), [one.replace(tzinfo=None) for one in (ago, ahead)]),
    }
    shop.parquet("visits", wall)
    shop.csv("calls", f"id,at\n1,{ago.replace(tzinfo=None)}\n1,{ahead.isoformat()}\n")
    behaviors = {
        name: {"table": name, "key": "id", "time": "at", "time_zone": zone, "columns": {}}
        for name in ("visits", "calls")
    }
    found = look(shop, audience(behaviors=behaviors))
    for table in (one for one in found.tables if one.kind == "behavior"):
        figures = {name: table.figures[name] for name in ("earliest", "latest", "future")}
        assert figures == {"earliest": NOW - 3_600, "latest": NOW + 3_600, "future": 1}
        assert "missing" not in str(table.figures)


def test_the_command_prints_the_report(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", shop.cloud.endpoint)
    document = tmp_path / "shop.json"
    document.write_text(json.dumps(audience()), encoding="utf-8")
    command = [str(document), "--workgroup", "batch", "--database", shop.database]
    assert validate_audience.main(command) == 0
    told = capsys.readouterr().out
    assert "/attributes/0 (facts): rows 5, no_key 1, keys 3, met_rows 3, met_keys 2" in told
    assert "  age: 0.0% missing, 20.0% unreadable" in told
    assert "shop can be built: 0 errors, " in told
    assert validate_audience.main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"][0]["figures"] == {"rows": 6, "no_key": 1, "keys": 4}
    document.write_text(json.dumps(audience(master={"table": "nobody", "key": "id"})), encoding="utf-8")
    assert validate_audience.main(command) == 1
    assert "the database has no table 'nobody'" in capsys.readouterr().out
    document.write_text("{}", encoding="utf-8")
    assert validate_audience.main(command) == 1
    assert validate_audience.main([str(tmp_path / "none.json"), *command[1:]]) == 2
