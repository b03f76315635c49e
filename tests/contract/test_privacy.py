"""Erased people are left out of what is built of raw tables; and everything is found that is kept of somebody."""

from collections.abc import Iterator

import pytest
from segmentation.adapters.parquet import ParquetTables
from segmentation.usecases.erase_profiles import EraseProfiles
from segmentation.usecases.erase_visitor import EraseVisitor
from segmentation.usecases.export_visitor import ExportVisitor

from tests.contract.batch import Batch, fill
from tests.contract.conftest import Cloud
from tests.fakes import MemoryLake, StaticRuleSets
from tests.fakes.documents import published


@pytest.fixture
def batch(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[Batch]:
    made = Batch(cloud, f"p{abs(hash(request.node.nodeid)) % 10**9}", published())
    fill(made)
    yield made
    made.remove()
    made.lake.delete_prefix("erasures/")


def test_an_erased_person_is_in_no_later_version_and_leaves_what_they_were_in(batch: Batch) -> None:
    sets = StaticRuleSets({"shop": batch.rules})
    batch.build()
    batch.materialize()
    batch.publish()
    assert batch.segments("1") == ["adults", "buyers"]
    batch.activations.messages.clear()
    erase = EraseVisitor(batch.profiles, batch.lake, sets, batch.activations, batch.clock, lambda: "0000")
    nightly = EraseProfiles(erase, batch.lake, ParquetTables(batch.lake), sets, batch.clock, MemoryLake())
    export = ExportVisitor(
        batch.profiles, batch.lake, ParquetTables(batch.lake), batch.warehouse, sets, batch.clock
    )
    before = export("shop", "person_id", "1")["built"]
    assert (before["profiles"][0]["income"], len(before["purchases"])) == ("high", 2)
    erase("shop", "person_id", "1")
    assert [(one["segment"], one["left"]) for one in batch.activations.messages] == [
        ("adults", ["person_id:1"])
    ]
    batch.clock.time += 60
    nightly(lambda: 900)
    batch.clock.time += 60
    tables = batch.build()["tables"]
    assert sorted(row[0] or "" for row in batch.rows(tables["profiles"])) == ["2", "3"]
    assert {row[0] for row in batch.rows(tables["behaviors"]["purchases"])} == {"2"}
    record = batch.materialize()
    assert {one.id: (one.size, one.left) for one in record.segments} == {"adults": (0, 1), "buyers": (1, 1)}
    batch.publish()
    assert "shop#person_id:1" not in batch.profiles.batch
    after = export("shop", "person_id", "1")
    assert (after["profiles"], after["built"]["profiles"], after["built"]["purchases"]) == ([], [], [])
