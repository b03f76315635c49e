import datetime as dt
from typing import Any

import pytest
from segmentation.domain.event import Event
from segmentation.domain.event_lake import event_row
from segmentation.domain.fill import mark_path
from segmentation.domain.stream import Mark, StreamRecord
from segmentation.language.types import Type
from segmentation.usecases.archive_events import ArchiveEvents

from tests.fakes import MemoryLake, MemoryTables, StaticRuleSets
from tests.fakes.documents import published

NOON = int(dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC).timestamp())


@pytest.fixture
def tables() -> MemoryTables:
    return MemoryTables()


@pytest.fixture
def archive(tables: MemoryTables) -> ArchiveEvents:
    return ArchiveEvents(tables, MemoryLake(), StaticRuleSets({"shop": published()}))


def record(sequence: str, behavior: str = "purchases", time: int = NOON, **columns: Any) -> StreamRecord:
    event = Event(f"e{sequence}", "shop", behavior, "person_id:1", time, NOON, columns)
    return StreamRecord(sequence, event.to_json())


def test_events_are_kept_typed_with_all_that_they_said(archive: ArchiveEvents, tables: MemoryTables) -> None:
    odd = {
        "amount": "much",
        "other": [1],
        "Flag": True,
        "none": None,
        "n": 1e22,
        "department": 5,
        "é": {"a": 1},
    }
    result = archive("shard-1", [record("10", amount=1.5, item="x"), record("11", **odd)])
    assert (result.events, result.objects, result.failed) == (2, 1, set())
    ((path, rows),) = tables.objects.items()
    assert path == "events/shop/purchases/date=2024-01-01/shard-1-10-11.parquet"
    assert [(row["event_id"], row["amount__number"], row["item__string"]) for row in rows] == [
        ("e10", 1.5, "x"),
        ("e11", None, None),
    ]
    assert [row["sequence"] for row in rows] == ["10".zfill(56), "11".zfill(56)]
    assert rows[0]["extra"] == []
    assert dict(rows[1]["extra"]) == {
        "amount__string": "much",
        "other__json": "[1]",
        "Flag__boolean": "true",
        "n__number": "1e+22",
        "department__number": "5",
        "é__json": '{"a":1}',
    }


def test_what_a_type_cannot_hold_is_kept_beside_it() -> None:
    event = Event(
        "e", "shop", "b", "person_id:1", NOON, NOON, {"n": 2**60 + 1, "tags": ["a", 1], "t": ["a", None]}
    )
    row = event_row(event, "1", {"n": Type.NUMBER, "tags": Type.STRINGS, "t": Type.STRINGS})
    assert (row["n__number"], row["tags__strings"], row["t__strings"]) == (2.0**60, ("a", None), ("a", None))
    assert row["extra"] == {"n__number": str(2**60 + 1), "tags__json": '["a",1]'}


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


def test_nothing_beyond_poison_is_written(archive: ArchiveEvents, tables: MemoryTables) -> None:
    """The stream delivers from there on again: what was written before would be written under another name."""
    batch = [record("1"), StreamRecord("2", b"{"), record("3", "nothing"), record("4")]
    assert archive("s", batch).failed == {"2"}
    assert archive("s", batch[1:]).failed == {"2"}
    assert archive("s", batch[2:]).failed == {"3"}
    assert archive("s", batch[3:]).failed == set()
    assert sorted(path.rpartition("/")[2] for path in tables.objects) == ["s-1-1.parquet", "s-4-4.parquet"]


def test_a_crash_between_put_and_acknowledgement_doubles_nothing(
    archive: ArchiveEvents, tables: MemoryTables
) -> None:
    """Whatever part of the batch was written before: the redelivery writes the same objects."""
    batch = [record(str(n), time=NOON - n * 40_000) for n in range(1, 7)]
    archive("s", batch)
    whole = dict(tables.objects)
    for path in list(whole)[1:]:
        del tables.objects[path]
    archive("s", batch)
    assert tables.objects == whole
    assert sum(map(len, whole.values())) == 6


def test_a_mark_is_noted_once_all_before_it_is_written(tables: MemoryTables) -> None:
    lake = MemoryLake()
    archive = ArchiveEvents(tables, lake, StaticRuleSets({"shop": published()}))
    mark = StreamRecord("3", Mark("fill-1", "shard-7").to_json())
    # Behind what cannot be read, nothing is there yet.
    assert archive("s", [record("1"), StreamRecord("2", b"{"), mark]).failed == {"2"}
    assert lake.objects == {}
    result = archive("s", [record("1"), mark, record("4")])
    assert (result.events, result.failed) == (2, set())
    assert list(lake.objects) == [mark_path("fill-1", "shard-7")]
