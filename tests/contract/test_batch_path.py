"""The batch path from raw Parquet to published memberships, on the embedded Athena."""

import datetime as dt
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.published import Published
from segmentation.language import RuleError
from segmentation.usecases.build_audience import BuildAudience
from segmentation.usecases.materialize_segments import MaterializeSegments
from segmentation.usecases.publish_memberships import PublishMemberships

from tests.contract.conftest import Cloud
from tests.fakes import FixedClock, MemoryProfiles, MemoryQueue, StaticRuleSets
from tests.fakes.documents import documents, published

NOW = 1_704_085_200  # 2024-01-01T05:00:00Z
GLUE = {
    pa.int64(): "bigint",
    pa.string(): "string",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp",
    pa.bool_(): "boolean",
    pa.list_(pa.string()): "array<string>",
}


@dataclass
class Batch:
    """The batch path over a warehouse of its own."""

    cloud: Cloud
    database: str
    rules: Published
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    profiles: MemoryProfiles = field(default_factory=MemoryProfiles)
    publications: MemoryQueue = field(default_factory=MemoryQueue)
    activations: MemoryQueue = field(default_factory=MemoryQueue)
    suffix: int = 0

    def __post_init__(self) -> None:
        self.lake = S3Lake(self.cloud.client("s3"), "lake")
        self.warehouse = AthenaWarehouse(
            self.cloud.client("athena"), self.cloud.client("glue"), "batch", self.database
        )

    def put(self, name: str, columns: dict[str, tuple[pa.DataType, list[Any]]]) -> None:
        table = pa.table({key: pa.array(values, type=type_) for key, (type_, values) in columns.items()})
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        self.lake.put(f"{self.database}/raw/{name}/part.parquet", buffer.getvalue())
        glue = self.cloud.client("glue")
        if glue.get_tables(DatabaseName=self.database, Expression=name)["TableList"]:
            glue.delete_table(DatabaseName=self.database, Name=name)
        glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "StorageDescriptor": {
                    "Columns": [{"Name": key, "Type": GLUE[type_]} for key, (type_, _) in columns.items()],
                    "Location": f"s3://lake/{self.database}/raw/{name}/",
                    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                    "SerdeInfo": {
                        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                    },
                },
            },
        )

    def next_suffix(self) -> str:
        self.suffix += 1
        return f"{self.suffix:04x}"

    def build(self) -> dict[str, Any]:
        use_case = BuildAudience(
            self.warehouse,
            self.lake,
            StaticRuleSets({"shop": self.rules}),
            self.clock,
            self.next_suffix,
            GlueLakeCatalog(self.cloud.client("glue"), self.database, "lake"),
        )
        return use_case("shop")[0]

    def materialize(self, now: int | None = None) -> Any:
        use_case = MaterializeSegments(
            self.warehouse,
            self.lake,
            StaticRuleSets({"shop": self.rules}),
            self.publications,
            self.clock,
            self.next_suffix,
            NOW,
        )
        return use_case("shop", now)[0]

    def publish(self) -> None:
        use_case = PublishMemberships(
            ParquetTables(self.lake),
            self.lake,
            self.profiles,
            StaticRuleSets({"shop": self.rules}),
            self.activations,
        )
        for message in self.publications.messages:
            use_case(message["audience"], message["run"])
        self.publications.messages.clear()

    def segments(self, person: str) -> list[str]:
        return list(self.profiles.batch[f"shop#person_id:{person}"].segments)

    def rows(self, table: str) -> list[tuple[str | None, ...]]:
        return sorted(self.warehouse.rows("look", f"SELECT * FROM {table}")[1], key=str)


@pytest.fixture
def batch(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[Batch]:
    database = f"d{abs(hash(request.node.nodeid)) % 10**9}"
    cloud.client("glue").create_database(DatabaseInput={"Name": database})
    made = Batch(cloud, database, published())
    fill(made)
    yield made
    for prefix in ("audiences/", "memberships/", "syndication/"):
        made.lake.delete_prefix(prefix)


def fill(batch: Batch) -> None:
    batch.put("people", {"person_id": (pa.int64(), [1, 2, 3, 3])})
    batch.put(
        "facts",
        {
            "person_id": (pa.int64(), [1, 2, 2, 9]),
            "country": (pa.string(), ["DE", "FR", "US", "XX"]),
            "age": (pa.float64(), [30.0, 17.0, float("nan"), 99.0]),
            "income": (pa.string(), ["high", "low", "low", None]),
            "born": (pa.date32(), [dt.date(1994, 1, 2), None, None, None]),
            "tags": (pa.list_(pa.string()), [["a", None], [], None, None]),
            "iban": (pa.string(), ["secret"] * 4),
        },
    )
    times = [
        dt.datetime.fromisoformat("2023-12-31T12:00:00.5"),
        dt.datetime.fromisoformat("2023-12-31T13:00:00"),
        None,
    ]
    batch.put(
        "sales",
        {
            "person_id": (pa.int64(), [1, 1, 2, 1, 2]),
            "sold_at": (pa.timestamp("us"), [times[0], times[0], times[2], times[1], times[1]]),
            "basket": (pa.int64(), [10, 10, 11, None, 12]),
            "item": (pa.int64(), [7, 7, 7, 8, 404]),
            "amount": (pa.float64(), [1.5, 1.5, 2.0, float("inf"), 3.0]),
        },
    )
    batch.put(
        "items",
        {"item": (pa.int64(), [7, 8, 8]), "department": (pa.string(), ["FOOD", "OLD", "TOYS"])},
    )
    batch.put(
        "mail",
        {
            "person_id": (pa.int64(), [1, 2]),
            "sent_on": (pa.date32(), [dt.date(2023, 7, 4), dt.date(2023, 12, 25)]),
            "name": (pa.string(), ["july", "xmas"]),
        },
    )


def test_an_audience_is_built_typed_and_deduplicated(batch: Batch) -> None:
    pointer = batch.build()
    assert pointer["rows"] == {"profiles": 3, "behavior_purchases": 3, "behavior_mailings": 2}
    tables = pointer["tables"]
    assert "iban" not in (batch.warehouse.columns(tables["profiles"]) or {})
    profiles = {row[0]: row[1:] for row in batch.rows(tables["profiles"])}
    assert profiles["1"] == ("DE", "30.0", "high", "1994-01-02", "[a, null]")
    assert profiles["2"] == ("US", None, "low", None, None)
    assert profiles["3"] == (None, None, None, None, None)
    noon = str(int(dt.datetime(2023, 12, 31, 12, tzinfo=dt.UTC).timestamp()))
    one = str(int(dt.datetime(2023, 12, 31, 13, tzinfo=dt.UTC).timestamp()))
    assert batch.rows(tables["behaviors"]["purchases"]) == sorted(
        [
            ("1", "10-7", noon, "1.5", "7", "FOOD"),
            ("1", None, one, None, "8", "TOYS"),
            ("2", "12-404", one, "3.0", "404", None),
        ],
        key=str,
    )
    july = str(int(dt.datetime(2023, 7, 4, 4, tzinfo=dt.UTC).timestamp()))
    xmas = str(int(dt.datetime(2023, 12, 25, 5, tzinfo=dt.UTC).timestamp()))
    mailings = [(row[0], row[-2], row[-1]) for row in batch.rows(tables["behaviors"]["mailings"])]
    assert mailings == [("1", july, "july"), ("2", xmas, "xmas")]
    types = batch.warehouse.columns(tables["behaviors"]["purchases"]) or {}
    assert types["time"] == "bigint"
    assert json.loads(batch.lake.get("audiences/shop/current.json").data)["version"] == pointer["version"]  # type: ignore[union-attr]


def test_text_sources_are_parsed_strictly(batch: Batch) -> None:
    document = documents()
    document["audience"]["attributes"][0]["columns"] = {
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "d": {"type": "date"},
        "t": {"type": "timestamp"},
    }
    document["segments"] = []
    document["access"]["tokens"] = document["access"]["partners"] = []
    document["destinations"] = []
    batch.rules = published(**document)
    cases = {
        "1": ("1.5", "true", "2024-02-29", "2024-01-01T00:00:00Z"),
        "2": (" 1", "TRUE", "2023-02-29", "2024-01-01 00:00:00.5"),
        "3": ("NaN", "yes", "2024-1-1", "2024-07-01T00:00:00+02:00"),
        "4": ("-1e3", "false", "2024-01-01x", "2024-07-01"),
        "5": ("1e999", "", "", "2024-07-01T00:00:00-0530"),
        "6": ("0x10", "1", "x", "1704067200"),
        "7": ("", "False", "2024-01-01", "2024-01-01T25:00:00Z"),
        "8": ("1d", "t", "9999-12-31", "2024-11-03T01:30:00"),
        "9": (".5", "f", "0001-01-01", "2024-03-10 02:30"),
    }
    batch.put("people", {"person_id": (pa.string(), list(cases))})
    batch.put(
        "facts",
        {
            "person_id": (pa.string(), list(cases)),
            **{
                name: (pa.string(), [row[position] for row in cases.values()])
                for position, name in enumerate("nbdt")
            },
        },
    )
    rows = {row[0]: row[1:] for row in batch.rows(batch.build()["tables"]["profiles"])}
    assert [rows[key][0] for key in cases] == ["1.5", None, None, "-1000.0", None, None, None, None, "0.5"]
    assert [rows[key][1] for key in cases] == ["true", "true", None, "false", None, None, "false", None, None]
    days = ["2024-02-29", None, None, None, None, None, "2024-01-01", "9999-12-31", "0001-01-01"]
    assert [rows[key][2] for key in cases] == days

    def second(text: str) -> str:
        return str(int(dt.datetime.fromisoformat(text).timestamp()))

    assert [rows[key][3] for key in cases] == [
        second("2024-01-01T00:00:00+00:00"),
        second("2024-01-01T00:00:00-05:00"),
        second("2024-07-01T00:00:00+02:00"),
        second("2024-07-01T00:00:00-04:00"),
        second("2024-07-01T00:00:00-05:30"),
        "1704067200",
        None,
        second("2024-11-03T01:30:00-04:00"),  # occurs twice: the first
        second("2024-03-10T02:30:00-05:00"),  # is skipped: read with the offset before
    ]


def test_raw_tables_that_do_not_fit_are_all_named_and_the_old_version_stays(batch: Batch) -> None:
    first = batch.build()
    batch.put("people", {"person": (pa.int64(), [1])})
    batch.put(
        "mail", {"person_id": (pa.int64(), [1]), "sent_on": (pa.bool_(), [True]), "name": (pa.string(), [""])}
    )
    with pytest.raises(RuleError) as caught:
        batch.build()
    assert [(one.pointer, one.code) for one in caught.value.problems] == [
        ("/master/key", "no-column"),
        ("/behaviors/mailings/time", "source-type"),
    ]
    stored = batch.lake.get("audiences/shop/current.json")
    assert stored is not None
    assert json.loads(stored.data)["version"] == first["version"]


def test_runs_are_committed_compared_and_published(batch: Batch) -> None:
    batch.build()
    first = batch.materialize()
    assert {one.id: (one.size, one.joined, one.left) for one in first.segments} == {
        "adults": (1, 1, 0),
        "buyers": (2, 2, 0),
    }
    assert (first.profiles, first.now, first.previous) == (3, NOW, None)
    assert all(query.id for query in first.queries)
    batch.publish()
    assert batch.segments("1") == ["adults", "buyers"]
    assert dict(batch.profiles.batch["shop#person_id:1"].attributes) == {"age": 30.0, "country": "DE"}
    assert batch.segments("3") == []
    assert [(one["segment"], one["joined"], one["left"]) for one in batch.activations.messages] == [
        ("adults", ["person_id:1"], [])
    ]

    batch.put(
        "facts",
        {
            "person_id": (pa.int64(), [1, 2]),
            "country": (pa.string(), ["DE", "US"]),
            "age": (pa.float64(), [3.0, 18.0]),
            "income": (pa.string(), ["high", "low"]),
            "born": (pa.date32(), [None, None]),
            "tags": (pa.list_(pa.string()), [None, None]),
            "iban": (pa.string(), ["secret"] * 2),
        },
    )
    batch.clock.time += 60
    batch.activations.messages.clear()
    batch.build()
    second = batch.materialize()
    assert second.previous == first.run
    assert {one.id: (one.size, one.joined, one.left) for one in second.segments} == {
        "adults": (1, 1, 1),
        "buyers": (2, 0, 0),
    }
    batch.publish()
    assert batch.segments("1") == ["buyers"]
    assert batch.segments("2") == ["adults", "buyers"]
    assert batch.profiles.batch["shop#person_id:3"].run == first.run  # unchanged, so not written
    (told,) = batch.activations.messages
    assert (told["joined"], told["left"]) == (["person_id:2"], ["person_id:1"])
    index = batch.lake.get("syndication/shop/index.json")
    assert index is not None
    assert json.loads(index.data) == {"runs": [first.run, second.run]}


def test_a_profile_that_vanishes_leaves_its_segments(batch: Batch) -> None:
    batch.build()
    batch.materialize()
    batch.publish()
    batch.put("people", {"person_id": (pa.int64(), [2, 3])})
    batch.clock.time += 60
    batch.build()
    record = batch.materialize()
    assert {one.id: one.left for one in record.segments} == {"adults": 1, "buyers": 1}
    batch.publish()
    assert batch.segments("1") == []
    assert batch.profiles.batch["shop#person_id:1"].attributes == {}


def test_a_newly_exposed_attribute_is_published_for_all_who_have_it(batch: Batch) -> None:
    batch.build()
    batch.materialize()
    batch.publish()
    document = documents()
    document["access"]["tokens"][0]["attributes"] = ["country", "born"]
    batch.rules = published(**document)
    batch.clock.time += 60
    batch.materialize()
    batch.publish()
    assert batch.profiles.batch["shop#person_id:1"].attributes["born"] == "1994-01-02"
