"""Archived membership changes as readers see them: each once, however often and in whatever batches they came."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, pairwise

import pytest
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.parquet import ParquetTables
from segmentation.domain.changes_sql import changes_view
from segmentation.domain.errors import QueryFailed
from segmentation.domain.event_lake import MERGED_CHANGES, changes_folder, changes_table
from segmentation.domain.history import Standing, Written
from segmentation.domain.membership import Change
from segmentation.usecases.archive_changes import ArchiveChanges
from segmentation.usecases.register_lake import register_lake

from tests.contract.batch import NOW, Batch
from tests.contract.conftest import Cloud
from tests.fakes.documents import published

NUMBERS = count(1)


@pytest.fixture
def batch(cloud: Cloud) -> Iterator[Batch]:
    made = Batch(cloud, f"changes{next(NUMBERS)}", published())
    yield made
    made.remove()


def writes(number: int) -> list[Written]:
    """So many visitors who join a segment, one a write; some the day before."""
    found = []
    for n in range(number):
        change = Change("buying-now", True, NOW - 50_000 * (n % 3), f"e{n}")
        after = Standing(("buying-now",), (change,), NOW, "r1", 1)
        found.append(Written(f"{n:021}", f"shop#person_id:{n}", None, after, NOW))
    return found


def archived(batch: Batch, *batches: list[Written]) -> None:
    for one in batches:
        ArchiveChanges(ParquetTables(batch.lake))(one)
    catalog = GlueLakeCatalog(batch.cloud.client("glue"), batch.database, "lake")
    register_lake(batch.lake, catalog, batch.rules.audience)


def rows(batch: Batch, name: str, where: str = "") -> list[tuple[str | None, ...]]:
    query = f'SELECT profile, segment, joined, moment, "date" FROM {name} {where} ORDER BY profile, moment'
    return batch.warehouse.rows("changes", query)[1]


def test_a_redelivery_in_batches_with_other_ends_is_seen_once(batch: Batch) -> None:
    view, table = changes_view(batch.rules.audience).name, changes_table(batch.rules.audience).name
    assert (view, table) == ("shop_segment_changes", "shop_segment_changes_archived")
    all_of_them = writes(7)
    archived(batch, all_of_them)
    once = rows(batch, view)
    assert len(once) == 7
    assert rows(batch, table) == once
    # The batch was written and not acknowledged: Lambda halves it, and sends the halves.
    archived(batch, *(all_of_them[low:high] for low, high in pairwise((0, 3, 4, 7))))
    assert len(rows(batch, table)) == 14
    assert rows(batch, view) == once
    # Merged, and not yet removed what was merged.
    for day in {str(row[4]) for row in once}:
        folder = f"{changes_folder('shop')}date={day}/"
        sources = list(batch.lake.list(folder))
        ParquetTables(batch.lake).merge(sources, f"{folder}merged-x.parquet", MERGED_CHANGES)
    assert rows(batch, view) == once


def test_a_day_of_the_view_reads_that_day_alone(batch: Batch) -> None:
    archived(batch, writes(9))
    view = changes_view(batch.rules.audience).name
    days = sorted({str(row[4]) for row in rows(batch, view)})
    assert len(days) == 2
    first = rows(batch, view, f"WHERE \"date\" = '{days[0]}'")
    assert {row[4] for row in first} == {days[0]}
    counted = batch.warehouse.rows(
        "joined",
        f'SELECT v."date", count(*) FROM {view} v JOIN {view} w ON v.change_id = w.change_id GROUP BY v."date"',
    )[1]
    assert sum(int(str(number)) for _, number in counted) == 9


def test_the_view_stands_in_the_catalog_as_athena_makes_one_and_is_put_once(batch: Batch) -> None:
    glue = batch.cloud.client("glue")
    catalog = GlueLakeCatalog(glue, batch.database, "lake")
    view = changes_view(batch.rules.audience)
    archived(batch, writes(1))
    made = glue.get_table(DatabaseName=batch.database, Name=view.name)["Table"]
    assert (made["TableType"], made["Parameters"]["presto_view"]) == ("VIRTUAL_VIEW", "true")
    assert made["ViewOriginalText"].startswith("/* Presto View: ")
    assert batch.warehouse.columns(view.name) == dict(view.columns)
    catalog.register([], {}, [view])
    assert glue.get_table(DatabaseName=batch.database, Name=view.name)["Table"] == made
    other = replace(view, sql=view.sql + " AND joined")
    catalog.register([], {}, [other])
    assert len(rows(batch, view.name)) == 1
    assert glue.get_table(DatabaseName=batch.database, Name=view.name)["Table"] != made


def test_a_view_over_what_is_gone_fails_like_its_table(batch: Batch) -> None:
    archived(batch, writes(1))
    batch.warehouse.drop(changes_table(batch.rules.audience).name)
    with pytest.raises(QueryFailed, match="shop_segment_changes_archived"):
        rows(batch, changes_view(batch.rules.audience).name)
