"""Raw tables in a database of their own, and audiences built of them, on the embedded Athena."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.audience import Audience
from segmentation.domain.audience_document import parse_audience
from segmentation.domain.build_plan import BEHAVIOR, BuildTable, build_tables, layout_document
from segmentation.domain.raw_tables import check_sources, raw_tables
from segmentation.domain.run_sql import create_table

from tests.contract.conftest import Cloud

GLUE = {
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.string(): "string",
    pa.float64(): "double",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp",
    pa.bool_(): "boolean",
    pa.list_(pa.string()): "array<string>",
}
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
JSON = "org.openx.data.jsonserde.JsonSerDe"
Rows = list[tuple[str | None, ...]]


@dataclass
class Workshop:
    """Where raw tables are put and audiences are built."""

    cloud: Cloud
    database: str
    tables: dict[str, str] = field(default_factory=dict)
    made: dict[str, BuildTable] = field(default_factory=dict)
    builds: int = 0

    def __post_init__(self) -> None:
        self.glue = self.cloud.client("glue")
        self.glue.create_database(DatabaseInput={"Name": self.database})
        self.lake = S3Lake(self.cloud.client("s3"), "lake")
        self.warehouse = AthenaWarehouse(self.cloud.client("athena"), self.glue, "batch", self.database)

    def parquet(self, name: str, columns: Mapping[str, tuple[pa.DataType, Sequence[Any]]]) -> None:
        """A table of one Parquet file."""
        self.empty(name)
        self.file(name, {key: pa.array(values, type=type_) for key, (type_, values) in columns.items()})
        self.register(name, {key: GLUE[type_] for key, (type_, _) in columns.items()})

    def file(self, name: str, columns: Mapping[str, pa.Array], part: str = "part") -> None:
        """One Parquet file of a table, whatever the catalog says."""
        buffer = io.BytesIO()
        pq.write_table(pa.table(dict(columns)), buffer)
        self.put(name, part, buffer.getvalue())

    def csv(self, name: str, text: str) -> None:
        """A table of one CSV file with a header; all columns are text."""
        self.empty(name)
        self.put(name, "part.csv", text.encode())
        columns = dict.fromkeys(text.splitlines()[0].split(","), "string")
        self.register(name, columns, CSV, {"skip.header.line.count": "1"})

    def json(self, name: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
        """A table of one file of JSON lines."""
        self.empty(name)
        self.put(name, "part.json", "\n".join(json.dumps(row) for row in rows).encode())
        self.register(name, columns, JSON)

    def empty(self, name: str) -> None:
        """Remove a table's files."""
        self.lake.delete_prefix(f"{self.database}/raw/{name}/")

    def put(self, name: str, part: str, data: bytes) -> None:
        """Put a raw file."""
        self.lake.put(f"{self.database}/raw/{name}/{part}", data)

    def register(
        self,
        name: str,
        columns: Mapping[str, str],
        serde: str = PARQUET,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """Tell the catalog of a table, or tell it anew."""
        if self.warehouse.columns(name) is not None:
            self.glue.delete_table(DatabaseName=self.database, Name=name)
        self.glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": dict(parameters or {}),
                "StorageDescriptor": {
                    "Columns": [{"Name": key, "Type": type_} for key, type_ in columns.items()],
                    "Location": f"s3://lake/{self.database}/raw/{name}/",
                    "SerdeInfo": {"SerializationLibrary": serde, "Parameters": {}},
                },
            },
        )

    def build(
        self, document: Mapping[str, Any], now: int, rows: Mapping[str, int] | None = None
    ) -> dict[str, str]:
        """Check and build an audience as the build does; its tables by folder. The pointer is in `pointer`."""
        audience: Audience = parse_audience(document)
        catalog = {table: self.warehouse.columns(table) for table in raw_tables(audience)}
        check_sources(audience, catalog)
        self.builds += 1
        self.made = build_tables(audience, catalog, now, rows or {})
        self.tables = {}
        for folder, table in self.made.items():
            name = f"v{self.builds}_{folder}"
            location = self.lake.uri(f"{self.database}/built/{self.builds}/{folder}/")
            self.warehouse.run(name, create_table(name, location, table.query, **table.properties))
            self.tables[folder] = name
        self.pointer = {
            "tables": {
                "profiles": self.tables["profiles"],
                "behaviors": {
                    folder.removeprefix(BEHAVIOR): table
                    for folder, table in self.tables.items()
                    if folder != "profiles"
                },
            },
            "layout": layout_document(audience, self.made),
        }
        return self.tables

    def rows(self, sql: str) -> Rows:
        """The rows of a query, sorted."""
        return sorted(self.warehouse.rows("look", sql)[1], key=str)

    def files(self, folder: str) -> list[str]:
        """The files of a table of the last build, below its folder."""
        prefix = f"{self.database}/built/{self.builds}/{folder}/"
        return [path.removeprefix(prefix) for path in self.lake.list(prefix)]
