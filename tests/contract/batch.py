"""The batch path from raw tables to published memberships, on the embedded Athena."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pyarrow as pa
from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.pipeline import Job
from segmentation.domain.programs import Programs
from segmentation.domain.publication import Task
from segmentation.domain.published import Published
from segmentation.domain.run import RunRecord, run_path
from segmentation.usecases.publish_memberships import PublishMemberships
from segmentation.usecases.publish_part import PublishPart
from segmentation.usecases.update_visitors import UpdateVisitors

from tests.contract.conftest import Cloud
from tests.contract.workshop import Workshop
from tests.fakes import FixedClock, MemoryProfiles, MemoryQueue, MemoryRuns, StaticRuleSets
from tests.fakes.batch import Rig, the_run

NOW = 1_704_085_200  # 2024-01-01T05:00:00Z
SUFFIXES = count(1)


@dataclass
class Batch:
    """The batch path over a warehouse of its own. Runs are kept in memory; their store has its own contract suite."""

    cloud: Cloud
    database: str
    rules: Published
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    profiles: MemoryProfiles = field(default_factory=MemoryProfiles)
    publications: MemoryQueue = field(default_factory=MemoryQueue)
    activations: MemoryQueue = field(default_factory=MemoryQueue)

    def __post_init__(self) -> None:
        self.shop = Workshop(self.cloud, self.database)
        self.lake: S3Lake = self.shop.lake
        self.warehouse: AthenaWarehouse = self.shop.warehouse
        self.rig = Rig(
            {"shop": self.rules},
            warehouse=self.warehouse,
            lake=self.lake,
            runs=MemoryRuns(),
            queue=self.publications,
            clock=self.clock,
            lake_catalog=GlueLakeCatalog(self.cloud.client("glue"), self.database, "lake"),
            logical_now=NOW,
            pause=0.02,
            numbers=SUFFIXES,
        )

    def put(self, name: str, columns: Mapping[str, tuple[pa.DataType, Sequence[Any]]]) -> None:
        """A raw table of one Parquet file, in place of what was there."""
        self.shop.parquet(name, columns)

    def follow(self, rules: Published) -> None:
        """Go by other rules from now on."""
        self.rules = self.rig.sets["shop"] = rules

    def build(self) -> dict[str, Any]:
        """Build; the pointer to the new version."""
        run = self.rig.finish(the_run(self.rig.build("shop")))
        pointer = self.json("audiences/shop/current.json")
        assert pointer["version"] == run.id
        return pointer

    def materialize(self, now: int | None = None) -> RunRecord:
        """Materialize all batch segments; the run's record."""
        run = self.rig.finish(the_run(self.rig.materialize("shop", now)))
        return RunRecord.from_document(self.json(run_path("shop", run.id, "run.json")))

    def publish(self) -> None:
        """Publish what was handed on, to the end."""
        tables = ParquetTables(self.lake)
        update = UpdateVisitors(self.profiles, self.activations, Programs(), self.clock)
        use_case = PublishMemberships(
            tables,
            self.lake,
            PublishPart(tables, self.lake, self.profiles, update),
            StaticRuleSets({"shop": self.rules}),
            self.publications,
            self.activations,
        )
        while self.publications.messages:
            use_case(Task.from_document(self.publications.messages.pop(0)))

    def segments(self, person: str) -> list[str]:
        """The batch segments that the profiles store has of a person."""
        return list(self.profiles.batch[f"shop#person_id:{person}"].segments)

    def rows(self, table: str) -> list[tuple[str | None, ...]]:
        """The rows of a table, sorted."""
        return self.shop.rows(f"SELECT * FROM {table}")

    def statements(self, step: str) -> list[str]:
        """The texts of the statements of a step of all materializations, as Athena has them, earliest first."""
        runs = self.rig.runs.recent("shop", Job.MATERIALIZE)[::-1]
        queries = [one.query for run in runs for one in run.of_step(step) if one.query is not None]
        athena = self.cloud.client("athena")
        return [
            athena.get_query_execution(QueryExecutionId=one)["QueryExecution"]["Query"] for one in queries
        ]

    def json(self, path: str) -> Any:
        """An object's document."""
        stored = self.lake.get(path)
        assert stored is not None, path
        return json.loads(stored.data)

    def remove(self) -> None:
        """Remove all that lies in the lake."""
        for prefix in (
            "audiences/",
            "memberships/",
            "syndication/",
            "events/",
            "changes/",
            f"{self.database}/",
        ):
            self.lake.delete_prefix(prefix)


def fill(batch: Batch) -> None:
    """The raw tables of `tests/fakes/documents.py`."""
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
