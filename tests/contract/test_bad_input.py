"""Bad input on the batch path, each made to happen; afterwards the data is whole. Where each kind is tried:

| what | where |
|---|---|
| missing tables or columns | `builds/test_rows.py` (all named at once), `test_batch_path.py` (the old version stays), here (a built table) |
| changed types | `builds/test_rows.py` (in a file), here (in the catalog), `test_event_lake.py` (of an archived column) |
| duplicate master keys | `builds/test_rows.py` (one row wins), `test_validation.py` (counted before a build) |
| empty tables | `builds/test_rows.py`, `../unit/runs/test_the_good_way.py` (an empty version does not follow a full one) |
| nulls in keys | here, in every key that there is |
| a corrupt Parquet file | `builds/test_rows.py` (raw), `test_event_lake.py` (archived), here (built; of a run that is published) |
| Athena fails or throttles | `../unit/runs/test_failures.py` (each query, each start), `../e2e/test_3_failures.py` |
| killed between two writes | `../properties/test_runs_killed.py`, `../unit/publishing/test_parts.py`, `../unit/lists`, `../unit/test_removal.py`, `../e2e/test_5_batch_again.py` |
| two schedules at once | `../unit/runs/test_side_by_side.py`, `test_runs.py` (the store's transaction) |
| a clock that steps back | `../unit/runs/test_side_by_side.py` |
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from segmentation.domain.errors import CorruptObject
from segmentation.domain.run import run_path

from tests.contract.batch import NOW, Batch, fill
from tests.contract.conftest import Cloud
from tests.contract.raw_tables import audience, facts
from tests.contract.workshop import Workshop
from tests.fakes.batch import RunFailed
from tests.fakes.documents import published

NUMBERS = count(1)


@pytest.fixture
def batch(cloud: Cloud) -> Iterator[Batch]:
    made = Batch(cloud, f"bad{next(NUMBERS)}", published())
    fill(made)
    yield made
    made.remove()


@pytest.fixture
def shop(cloud: Cloud) -> Iterator[Workshop]:
    made = Workshop(cloud, f"badkeys{next(NUMBERS)}")
    yield made
    made.lake.delete_prefix(f"{made.database}/")


def sizes(batch: Batch) -> dict[str, int]:
    batch.clock.time += 1
    return {one.id: one.size for one in batch.materialize().segments}


def test_a_key_that_is_null_is_nobodys_and_meets_no_other_null(shop: Workshop) -> None:
    shop.parquet("people", {"id": (pa.int64(), [1, 2, None]), "firm": (pa.int64(), [10, None, None])})
    shop.parquet("firms", {"firm": (pa.int64(), [10, None]), "city": (pa.string(), ["Ulm", "nowhere"])})
    shop.parquet(
        "sales",
        {
            "id": (pa.int64(), [1, 1, None, 2, None, 2]),
            "at": (pa.int64(), [NOW - 10, NOW - 10, NOW - 20, NOW - 30, NOW - 30, None]),
            "nr": (pa.int64(), [7, None, 7, None, None, 7]),
            "item": (pa.int64(), [5, None, 5, None, 5, 5]),
        },
    )
    shop.parquet("items", {"item": (pa.int64(), [5, None]), "kind": (pa.string(), ["tea", "none"])})
    city = {**facts(), "table": "firms", "key": "firm", "on": "firm"}
    sales = {
        "table": "sales",
        "key": "id",
        "time": "at",
        "id": ["nr"],
        "lookups": [{"table": "items", "key": "item"}],
        "columns": {"kind": {"type": "string", "from": "items"}},
    }
    tables = shop.build(audience(attributes=[city], behaviors={"sales": sales}), NOW)
    assert shop.rows(f"SELECT profile_key, city FROM {tables['profiles']} ORDER BY 1") == [
        ("1", "Ulm"),
        ("2", None),
    ]
    events = shop.rows(f'SELECT profile_key, "time", kind FROM {tables["behavior_sales"]} ORDER BY 1, 2, 3')
    # Rows without a person or a time are no events; one without an id is one by itself.
    assert events == [("1", str(NOW - 10), "tea"), ("1", str(NOW - 10), None), ("2", str(NOW - 30), None)]


def test_a_column_whose_type_was_changed_in_the_catalog_fails_the_build_or_is_read_as_it_is(
    batch: Batch,
) -> None:
    first = batch.build()
    facts_of: dict[str, tuple[pa.DataType, list[Any]]] = {
        "person_id": (pa.int64(), [1, 2]),
        "country": (pa.string(), ["DE", "FR"]),
        "age": (pa.list_(pa.string()), [["30"], ["17"]]),
        "income": (pa.string(), ["high", "low"]),
        "born": (pa.date32(), [None, None]),
        "tags": (pa.list_(pa.string()), [None, None]),
        "iban": (pa.string(), ["secret"] * 2),
    }
    batch.put("facts", facts_of)
    batch.clock.time += 1
    with pytest.raises(RunFailed, match=r"columns/age: column facts\.age is texts"):
        batch.build()
    assert batch.json("audiences/shop/current.json") == first
    # As text it is read like any text: what is no number is missing.
    batch.put("facts", {**facts_of, "age": (pa.string(), ["30", "seventeen"])})
    batch.clock.time += 1
    batch.build()
    assert sizes(batch)["adults"] == 1


def test_a_corrupt_file_of_the_built_audience_fails_the_run_and_the_last_one_stands(batch: Batch) -> None:
    batch.build()
    before = sizes(batch)
    current = batch.json("memberships/shop/current.json")
    version = batch.json("audiences/shop/current.json")["version"]
    broken = f"audiences/shop/{version}/profiles/zz-broken"
    batch.lake.put(broken, b"PAR1 this is no Parquet, nor has it ever been one")
    batch.clock.time += 1
    with pytest.raises(RunFailed, match=r"every segment failed.*HIVE_BAD_DATA"):
        batch.materialize()
    assert batch.json("memberships/shop/current.json") == current
    batch.lake.delete([broken])
    assert sizes(batch) == before


def test_a_built_table_that_somebody_dropped_fails_the_run_and_a_build_makes_it_good(batch: Batch) -> None:
    pointer = batch.build()
    before = sizes(batch)
    current = batch.json("memberships/shop/current.json")
    batch.warehouse.drop(pointer["tables"]["profiles"])
    batch.clock.time += 1
    with pytest.raises(RunFailed, match="does not exist"):
        batch.materialize()
    assert batch.json("memberships/shop/current.json") == current
    batch.clock.time += 1
    batch.build()
    assert sizes(batch) == before


def test_a_corrupt_file_of_a_run_is_named_and_published_when_it_is_mended(batch: Batch) -> None:
    batch.build()
    record = batch.materialize()
    (path, *_) = [
        one for one in batch.lake.list(run_path("shop", record.run, record.changes)) if "/_" not in one
    ]
    stored = batch.lake.get(path)
    assert stored is not None
    batch.lake.put(path, b"PAR1 this is no Parquet, nor has it ever been one")
    task = dict(batch.publications.messages[0])
    with pytest.raises(CorruptObject) as caught:
        batch.publish()
    assert path in str(caught.value)
    assert batch.profiles.batch == {}
    assert batch.activations.messages == []
    # The message comes again, and in the end stands among the dead letters: somebody mends it and puts it back.
    batch.lake.put(path, stored.data)
    batch.publications.messages = [task]
    batch.publish()
    assert batch.segments("1") == ["adults", "buyers"]
