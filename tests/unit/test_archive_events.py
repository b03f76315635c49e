import datetime as dt
import json
from typing import Any

import pytest
from segmentation.domain.event import Event
from segmentation.domain.stream import StreamRecord
from segmentation.usecases.archive_events import ArchiveEvents

from tests.fakes import MemoryTables, StaticRuleSets
from tests.fakes.documents import published

NOON = int(dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC).timestamp())


@pytest.fixture
def tables() -> MemoryTables:
    return MemoryTables()


@pytest.fixture
def archive(tables: MemoryTables) -> ArchiveEvents:
    return ArchiveEvents(tables, StaticRuleSets({"shop": published()}))


def record(sequence: str, behavior: str = "purchases", time: int = NOON, **columns: Any) -> StreamRecord:
    event = Event(f"e{sequence}", "shop", behavior, "person_id:1", time, NOON, columns)
    return StreamRecord(sequence, event.to_json())


def test_events_are_kept_typed_and_as_they_were_sent(archive: ArchiveEvents, tables: MemoryTables) -> None:
    result = archive("shard-1", [record("10", amount=1.5, item="x"), record("11", amount="much", other=[1])])
    assert (result.events, result.objects, result.failed) == (2, 1, set())
    ((path, rows),) = tables.objects.items()
    assert path == "events/shop/purchases/date=2024-01-01/shard-1-10-11.parquet"
    assert [(row["event_id"], row["amount"], row["item"]) for row in rows] == [
        ("e10", 1.5, "x"),
        ("e11", None, None),
    ]
    assert json.loads(rows[1]["_raw"]) == {"amount": "much", "other": [1]}


def test_days_and_behaviors_are_apart(archive: ArchiveEvents, tables: MemoryTables) -> None:
    archive("s", [record("1"), record("2", "mailings"), record("3", time=NOON - 86_400), record("4")])
    assert sorted(tables.objects) == [
        "events/shop/mailings/date=2024-01-01/s-2-2.parquet",
        "events/shop/purchases/date=2023-12-31/s-3-3.parquet",
        "events/shop/purchases/date=2024-01-01/s-1-4.parquet",
    ]


def test_a_redelivery_overwrites_itself(archive: ArchiveEvents, tables: MemoryTables) -> None:
    archive("s", [record("1"), record("2")])
    before = dict(tables.objects)
    archive("s", [record("1"), record("2")])
    assert tables.objects == before


def test_poison_fails_alone(archive: ArchiveEvents, tables: MemoryTables) -> None:
    result = archive("s", [record("1"), StreamRecord("2", b"{"), record("3", "nothing"), record("4")])
    assert result.failed == {"2", "3"}
    assert [len(rows) for rows in tables.objects.values()] == [2]
