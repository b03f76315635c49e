"""Accepted events on their way into batch segments: archived, registered, built, materialized."""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from msgspec import structs
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.domain.event import Event
from segmentation.domain.event_lake import events_table
from segmentation.domain.visitor import Program, Visitor, evaluate

from tests.contract.archived import COLUMNS, archive, built, rules
from tests.contract.batch import NOW, Batch, fill
from tests.contract.conftest import Cloud
from tests.fakes.documents import published

NUMBERS = count(1)


@pytest.fixture
def batch(cloud: Cloud) -> Iterator[Batch]:
    made = Batch(cloud, f"lake{next(NUMBERS)}", published(**rules()))
    fill(made)
    yield made
    made.remove()


def event(
    identifier: str, person: str = "1", time: int = NOW - 60, behavior: str = "visits", **columns: Any
) -> Event:
    return Event(identifier, "shop", behavior, f"person_id:{person}", time, NOW, columns)


def sizes(batch: Batch, now: int = NOW) -> dict[str, int]:
    return {one.id: one.size for one in batch.materialize(now).segments}


def test_web_events_are_counted_beside_the_raw_table_each_once(batch: Batch) -> None:
    """Person 1 has two rows in the table (10-7, and one without an id), person 2 has 12-404."""
    assert [row["event_id"] for row in built(batch, "purchases")] == ["10-7", "12-404", None]
    archive(
        batch,
        [
            event("10-7", behavior="purchases", amount=99),  # stands in the table too
            event("web-1", "2", behavior="purchases", amount=5, item="x", department="WEB"),
            event("web-1", "2", behavior="purchases", amount=6),  # sent twice by the client
            event("web-1", "3", behavior="purchases"),  # another visitor's, whatever its id
            event("later", "3", NOW + 60, behavior="purchases"),
        ],
    )
    rows = built(batch, "purchases")
    assert [(row["event_id"], row["profile_key"], row["amount"], row["streamed"]) for row in rows] == [
        ("10-7", "1", "1.5", "true"),
        ("12-404", "2", "3.0", "false"),
        ("later", "3", None, "true"),
        ("web-1", "2", "5.0", "true"),
        ("web-1", "3", None, "true"),
        (None, "1", None, "false"),
    ]
    assert sizes(batch) | {"visitors": 0} == sizes(batch)
    found = sizes(batch)
    assert (found["buyers"], found["twice"]) == (3, 2)


def test_a_redelivery_in_other_batches_doubles_nothing(batch: Batch) -> None:
    """After a crash between put and acknowledgement, the stream may deliver batches with other ends."""
    events = [event(f"e{n}", str(n % 3 + 1), NOW - n * 30_000) for n in range(9)]
    archive(batch, events)
    once = built(batch, "visits")
    archive(batch, events[:4])
    archive(batch, events[4:], first=5)
    assert built(batch, "visits") == once
    assert [row["event_id"] for row in once] == [f"e{n}" for n in range(9)]


def test_late_events_lie_in_their_own_day_and_are_found(batch: Batch) -> None:
    archive(batch, [event("today")])
    assert len(built(batch, "visits")) == 1
    long_ago = int(dt.datetime(2019, 2, 28, 23, 59, tzinfo=dt.UTC).timestamp())
    archive(batch, [event("late", time=long_ago), event("tomorrow", time=NOW + 86_400)], first=2)
    assert [path.split("/")[3] for path in batch.lake.list("events/shop/visits/")] == [
        "date=2019-02-28",
        "date=2024-01-01",
        "date=2024-01-02",
    ]
    assert [row["event_id"] for row in built(batch, "visits")] == ["late", "today", "tomorrow"]


def test_a_query_for_a_day_reads_that_day_alone(batch: Batch) -> None:
    noise = random.Random(1)
    pages = [noise.randbytes(40_000).hex() for _ in range(20)]
    archive(batch, [event(f"e{n}", time=NOW - n * 86_400, page=page) for n, page in enumerate(pages)])
    built(batch, "visits")
    table = events_table(batch.rules.audience, "visits").name
    whole, _ = batch.warehouse.rows("all", f"SELECT max(page__string) FROM {table}")
    day = f"SELECT max(page__string) FROM {table} WHERE \"date\" = '2023-12-31'"
    record, rows = batch.warehouse.rows("day", day)
    assert rows == [(pages[1],)]
    assert record.bytes_scanned * 5 < whole.bytes_scanned


def test_wrong_types_are_missing_and_unknown_columns_are_kept(batch: Batch) -> None:
    archive(
        batch,
        [
            event(
                "good",
                page="/",
                seconds=1.5,
                known=True,
                due="2024-01-01T00:00:00Z",
                day="2024-02-29",
                tags=["a"],
            ),
            event("bad", page=5, seconds="1.5", known="true", due="soon", day="2023-02-29", tags="a"),
            event("odd", page="", seconds=True, due=1e300, tags=[1, "b"], colour="blue", size=3),
        ],
    )
    rows = {str(row["event_id"]): row for row in built(batch, "visits")}
    told = ("page", "seconds", "known", "due", "day", "tags")
    assert [rows["good"][name] for name in told] == ["/", "1.5", "true", "1704067200", "2024-02-29", "[a]"]
    assert [rows["bad"][name] for name in told] == [None] * 6
    assert [rows["odd"][name] for name in told] == ["", None, None, None, None, "[null, b]"]
    table = events_table(batch.rules.audience, "visits").name
    query = f"SELECT event_id FROM {table} WHERE element_at(extra, 'colour__string') = 'blue'"
    assert batch.warehouse.rows("look", query)[1] == [("odd",)]


def test_columns_declared_later_have_their_history(batch: Batch) -> None:
    archive(
        batch,
        [
            event("1", colour="blue", size=3, gift=True, seen="2024-01-01T00:00:00+01:00", on="2024-01-02"),
            event("2", colour=3, size="3", gift="true", seen=1_704_067_200.7, on="no day"),
            event("3", seen="2024-01-01T00:00:00", size=1e22),
        ],
    )
    document = rules()
    document["audience"]["behaviors"]["visits"]["columns"] = {
        **COLUMNS,
        "colour": {"type": "string"},
        "size": {"type": "number"},
        "gift": {"type": "boolean"},
        "seen": {"type": "timestamp"},
        "on": {"type": "date"},
    }
    batch.follow(published(**document))
    archive(batch, [event("4", colour="red", size=4)], first=4)
    rows = [
        tuple(row[name] for name in ("colour", "size", "gift", "seen", "on"))
        for row in built(batch, "visits")
    ]
    assert rows == [
        ("blue", "3.0", "true", "1704063600", "2024-01-02"),
        (None, None, None, "1704067200", None),
        (None, "1.0E22", None, None, None),  # no offset: whose midnight it is nobody can say
        ("red", "4.0", None, None, None),
    ]


def test_a_column_may_change_its_type(batch: Batch) -> None:
    archive(batch, [event("1", page="/a", due=1_704_067_200, seconds=1_704_067_200)])
    assert built(batch, "visits")[0]["page"] == "/a"
    document = rules()
    document["audience"]["behaviors"]["visits"]["columns"] = {
        "page": {"type": "number"},
        "due": {"type": "string"},
        "seconds": {"type": "timestamp"},
    }
    batch.follow(published(**document))
    archive(batch, [event("2", page=7, due="x", seconds=1_704_067_201)], first=2)
    assert [(row["page"], row["due"], row["seconds"]) for row in built(batch, "visits")] == [
        (None, None, "1704067200"),
        ("7.0", "x", "1704067201"),
    ]


def test_a_corrupt_file_fails_the_build_and_the_last_version_stays(batch: Batch) -> None:
    archive(batch, [event("1")])
    built(batch, "visits")
    stored = batch.lake.get("audiences/shop/current.json")
    batch.lake.put("events/shop/visits/date=2024-01-01/broken.parquet", b"PAR1 is not enough PAR1")
    with pytest.raises(Exception, match="visits"):
        built(batch, "visits")
    assert batch.lake.get("audiences/shop/current.json") == stored


def test_tables_are_registered_once_and_grow(batch: Batch) -> None:
    glue = batch.cloud.client("glue")
    catalog = GlueLakeCatalog(glue, batch.database, "lake")
    table = events_table(batch.rules.audience, "visits")
    catalog.register([table], {table.name: "2023-12-01"})
    made = glue.get_table(DatabaseName=batch.database, Name=table.name)["Table"]
    assert made["Parameters"]["projection.date.range"] == "2023-12-01,NOW+1DAYS"
    catalog.register([table], {table.name: "2023-12-01"})
    again = glue.get_table(DatabaseName=batch.database, Name=table.name)["Table"]
    assert (again["VersionId"], again.get("UpdateTime")) == (made["VersionId"], made.get("UpdateTime"))
    narrower = replace(table, columns={"event_id": "string", "new__number": "double"})
    catalog.register([narrower], {table.name: "2023-11-30"})
    grown = glue.get_table(DatabaseName=batch.database, Name=table.name)["Table"]
    names = [one["Name"] for one in grown["StorageDescriptor"]["Columns"]]
    assert names == [*table.columns, "new__number"]
    assert grown["Parameters"]["projection.date.range"] == "2023-11-30,NOW+1DAYS"


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_rule_that_refers_to_a_real_time_one_sees_what_the_stream_saw(
    batch: Batch, seed: int
) -> None:
    """Late events, events sent twice, and a raw table that knows more than the stream."""
    chance = random.Random(seed)
    people = [str(n) for n in range(1, 40)]
    import pyarrow as pa

    batch.put("people", {"person_id": (pa.int64(), [int(one) for one in people])})
    batch.put(
        "sales",
        {
            "person_id": (pa.int64(), [int(chance.choice(people)) for _ in range(60)]),
            "sold_at": (
                pa.timestamp("us"),
                [
                    dt.datetime.fromtimestamp(NOW - chance.randrange(9_000), dt.UTC).replace(tzinfo=None)
                    for _ in range(60)
                ],
            ),
            "basket": (pa.int64(), list(range(60))),
            "item": (pa.int64(), [7] * 60),
            "amount": (pa.float64(), [50.0] * 60),
        },
    )
    events: list[Event] = []
    for n in range(150):
        sent = event(
            f"w{n}",
            chance.choice(people),
            NOW - chance.randrange(-600, 25_000),
            "purchases",
            item=chance.choice("ab"),
            amount=chance.choice([1, 4.25, 11, "much", None]),
        )
        events.append(sent)
        if chance.random() < 0.2:
            events.append(structs.replace(sent, columns={"item": "a", "amount": 1_000}))
    chance.shuffle(events)
    for start in range(0, len(events), 40):
        archive(batch, events[start : start + 40], first=start + 1)
    batch.build()
    batch.materialize()
    batch.publish()
    program = Program(batch.rules.rules)
    expected = {}
    for person in people:
        mine = [one for one in events if one.profile == f"person_id:{person}"]
        expected[person] = evaluate(program, person, Visitor.new(), None, mine, NOW).visitor.members
    found = {
        person: {one.removeprefix("was-") for one in batch.segments(person) if one.startswith("was-")}
        for person in people
    }
    assert found == {person: set(members) for person, members in expected.items()}
    for name in ("buying", "spending", "back-to-back"):
        assert 0 < sum(name in members for members in found.values()) < len(people)
