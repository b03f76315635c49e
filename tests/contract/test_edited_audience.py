"""Audience documents that are edited between a build and a run, on the embedded Athena: what is built goes on being computed."""

import copy
from collections.abc import Iterator
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from segmentation.domain.pipeline import Run

from tests.contract.batch import Batch, fill
from tests.contract.conftest import Cloud
from tests.fakes.documents import documents, published

NUMBERS = count(1)


@pytest.fixture
def batch(cloud: Cloud) -> Iterator[Batch]:
    made = Batch(cloud, f"edited{next(NUMBERS)}", published())
    fill(made)
    made.build()
    made.materialize()
    made.publish()
    made.clock.time += 60
    yield made
    made.remove()


def what_is_due(batch: Batch) -> list[Run]:
    """The runs that start by themselves, when they have ended."""
    batch.rig.advance.sweep()
    runs = [batch.rig.runs.read("shop", lock.job, lock.holder or "") for lock in batch.rig.runs.held()]
    return [batch.rig.finish(run) for run in runs if run is not None]


def segment(identifier: str, rule: Any) -> dict[str, Any]:
    return {"id": identifier, "name": identifier, "audience": "shop", "kind": "batch", "rule": rule}


def test_what_was_declared_since_the_build_comes_with_the_next_one(batch: Batch) -> None:
    """An exposed attribute, and segments that read a new attribute, a new behavior, a new column, by way of another segment."""
    document = documents()
    audience = document["audience"]
    audience["attributes"][0]["columns"]["home"] = {"type": "string", "column": "country"}
    audience["behaviors"]["letters"] = copy.deepcopy(audience["behaviors"]["mailings"])
    audience["behaviors"]["purchases"]["columns"]["price"] = {"type": "number", "column": "amount"}
    document["access"]["tokens"][0]["attributes"] = ["country", "home"]
    document["segments"] += [
        segment("at-home", {"==": [{"var": "attributes.home"}, "DE"]}),
        segment("written", {">=": [{"count": [{"var": "behaviors.letters"}]}, 1]}),
        segment("paid", {">=": [{"sum": [{"var": "behaviors.purchases"}, "price"]}, 1]}),
        segment("paid-adults", {"and": [{"in": [one, {"var": "segments"}]} for one in ("paid", "adults")]}),
    ]
    batch.follow(published(**document))
    record = batch.materialize()
    found = {one.id: one for one in record.segments}
    assert {name: one.size for name, one in found.items() if one.failed is None} == {"adults": 1, "buyers": 2}
    reasons = {name: one.failed for name, one in found.items() if one.failed is not None}
    assert reasons.keys() == {"at-home", "written", "paid", "paid-adults"}
    version = record.audience_version
    after = "; it is computed after the next build"
    lacks = f"the audience as it is built (version {version}) lacks "
    assert reasons["at-home"] == f"{lacks}attribute 'home'{after}"
    assert reasons["written"] == f"{lacks}behavior 'letters'{after}"
    assert (
        reasons["paid"] == reasons["paid-adults"] == f"{lacks}column 'price' of behavior 'purchases'{after}"
    )
    assert [query.id for query in record.queries] != []
    batch.publish()
    assert batch.profiles.batch["shop#person_id:1"].attributes == {"age": 30.0, "country": "DE"}

    batch.clock.time += 60
    batch.build()
    # They are due at once, and need not wait for the night, nor for what failed to be tried again.
    assert [set(one.asked or ()) for one in what_is_due(batch)] == [reasons.keys()]
    sizes = {one["id"]: one["size"] for one in batch.json("memberships/shop/current.json")["segments"]}
    assert sizes == {"adults": 1, "buyers": 2, "at-home": 1, "written": 2, "paid": 2, "paid-adults": 1}
    batch.publish()
    assert batch.profiles.batch["shop#person_id:1"].attributes == {"age": 30.0, "country": "DE", "home": "DE"}


def test_a_column_that_is_declared_otherwise_is_read_as_such_from_the_next_build_on(batch: Batch) -> None:
    """Not even compared: two types are no two values. The published attribute goes with its type."""
    document = documents()
    document["audience"]["attributes"][0]["columns"]["age"] = {"type": "string"}
    document["segments"] = [
        one for one in document["segments"] if one["id"] not in ("adults", "adults-buying")
    ]
    document["segments"].append(segment("thirty", {"==": [{"var": "attributes.age"}, "30"]}))
    for place in (*document["access"]["tokens"], *document["access"]["partners"], *document["destinations"]):
        place["segments"] = [one for one in place["segments"] if one != "adults"]
    batch.follow(published(**document))
    record = batch.materialize()
    (thirty,) = [one for one in record.segments if one.id == "thirty"]
    assert "lacks attribute 'age' as a string (it was built as a number);" in (thirty.failed or "")
    facts: dict[str, tuple[pa.DataType, list[Any]]] = {
        "person_id": (pa.int64(), [1, 2]),
        "country": (pa.string(), ["DE", "US"]),
        "age": (pa.string(), ["30", "old"]),
        "income": (pa.string(), ["high", "low"]),
        "born": (pa.date32(), [None, None]),
        "tags": (pa.list_(pa.string()), [None, None]),
        "iban": (pa.string(), ["secret"] * 2),
    }
    batch.put("facts", facts)
    batch.clock.time += 60
    batch.build()
    assert len(what_is_due(batch)) == 1
    batch.clock.time += 60
    record = batch.materialize()
    assert {one.id: (one.size, one.failed) for one in record.segments} == {
        "buyers": (2, None),
        "thirty": (1, None),
    }
    first, second, _ = batch.statements("changes")[-3:]
    assert 'n."age" IS DISTINCT FROM p."age"' in first
    # Athena refuses to compare a number with a text; who has the attribute now is published.
    assert 'n."age" IS NOT NULL' in second
    assert 'p."age" IS NOT NULL' in second
    assert 'DISTINCT FROM p."age"' not in second
    batch.publish()
    assert batch.profiles.batch["shop#person_id:1"].attributes == {"age": "30", "country": "DE"}


def test_a_column_that_is_no_longer_declared_is_no_longer_read(batch: Batch) -> None:
    document = documents()
    del document["audience"]["attributes"][0]["columns"]["tags"]
    del document["audience"]["behaviors"]["mailings"]
    batch.follow(published(**document))
    before = {one.id: one.size for one in batch.materialize().segments}
    batch.clock.time += 60
    pointer = batch.build()
    assert set(pointer["tables"]["behaviors"]) == {"purchases"}
    batch.clock.time += 60
    assert {one.id: one.size for one in batch.materialize().segments} == before


def test_a_document_edited_while_a_build_runs_is_of_the_next_build(batch: Batch) -> None:
    run = batch.rig.build("shop")[0]
    document = documents()
    document["audience"]["attributes"][0]["columns"]["home"] = {"type": "string", "column": "country"}
    document["access"]["tokens"][0]["attributes"] = ["country", "home"]
    batch.follow(published(**document))
    batch.rig.finish(run)
    pointer = batch.json("audiences/shop/current.json")
    assert "home" not in pointer["layout"]["columns"]["attributes"]
    batch.clock.time += 60
    assert {one.id: one.failed for one in batch.materialize().segments} == {"adults": None, "buyers": None}
