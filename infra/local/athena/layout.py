"""Where and how rows are written, and which columns fit there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from infra.local.athena.catalog import literal
from infra.local.athena.errors import NotProven, QueryFailed
from infra.local.athena.statements import PARQUET_SERDE, Properties
from infra.local.athena.types import ColumnType

_COMPRESSIONS = {"GZIP", "SNAPPY", "ZSTD", "NONE"}
_SERDES = {
    "PARQUET": (
        PARQUET_SERDE,
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    ),
    "JSON": (
        "org.openx.data.jsonserde.JsonSerDe",
        "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    "TEXTFILE": (
        "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
}
CTAS_PROPERTIES = {
    "format",
    "external_location",
    "write_compression",
    "parquet_compression",
    "partitioned_by",
    "bucketed_by",
    "bucket_count",
    "field_delimiter",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where and how rows are written."""

    location: str
    format: str = "PARQUET"
    compression: str = "GZIP"
    partitioned_by: tuple[str, ...] = ()
    bucketed_by: tuple[str, ...] = ()
    bucket_count: int = 0
    delimiter: str = "\x01"

    @classmethod
    def of(cls, properties: Properties, location: str, known: set[str]) -> Layout:
        for key in properties:
            if key not in known:
                raise NotProven(f"the table property {key}")
        kind = str(properties.get("format", "PARQUET")).upper()
        if kind not in _SERDES:
            raise NotProven(f"format {kind}")
        compression = "GZIP"
        for key in ("compression", "write_compression", "parquet_compression"):
            compression = str(properties.get(key, compression)).upper()
        if compression not in _COMPRESSIONS or (kind != "PARQUET" and compression == "SNAPPY"):
            raise NotProven(f"compression {compression} of {kind}")
        buckets = properties.get("bucket_count", 0)
        if bool(properties.get("bucketed_by")) != bool(buckets):
            raise QueryFailed("INVALID_TABLE_PROPERTY", "bucketed_by and bucket_count must be given together")
        return cls(
            location=location.rstrip("/") + "/",
            format=kind,
            compression=compression,
            partitioned_by=tuple(map(str.lower, _texts(properties, "partitioned_by"))),
            bucketed_by=tuple(map(str.lower, _texts(properties, "bucketed_by"))),
            bucket_count=int(str(buckets)),
            delimiter=str(properties.get("field_delimiter", "\x01")),
        )

    @property
    def suffix(self) -> str:
        """Athena gives Parquet files no suffix; text files need theirs to be read back."""
        return "" if self.format == "PARQUET" else {"GZIP": ".gz", "ZSTD": ".zst"}.get(self.compression, "")

    def copy_options(self) -> str:
        """Options of DuckDB's COPY."""
        compression = "UNCOMPRESSED" if self.compression == "NONE" else self.compression
        if self.format == "PARQUET":
            return f"FORMAT parquet, COMPRESSION {compression}"
        compression = self.compression.lower()
        if self.format == "JSON":
            return f"FORMAT json, COMPRESSION {compression}"
        return (
            f"FORMAT csv, HEADER false, DELIMITER {literal(self.delimiter)}, QUOTE '', ESCAPE '', NULLSTR '\\N', "
            f"COMPRESSION {compression}"
        )


def _texts(properties: Properties, key: str) -> list[str]:
    value = properties.get(key, [])
    if not isinstance(value, list):
        raise QueryFailed("INVALID_TABLE_PROPERTY", f"{key} must be an ARRAY of texts")
    return value


def storage(layout: Layout, location: str, columns: Mapping[str, str]) -> dict[str, Any]:
    serde, reads, writes = _SERDES[layout.format]
    parameters = (
        {"field.delim": layout.delimiter} if layout.format == "TEXTFILE" else {"serialization.format": "1"}
    )
    return {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
        "Location": location,
        "InputFormat": reads,
        "OutputFormat": writes,
        "NumberOfBuckets": layout.bucket_count or -1,
        "BucketColumns": list(layout.bucketed_by),
        "SerdeInfo": {"SerializationLibrary": serde, "Parameters": parameters},
    }


def check_outputs(columns: Sequence[tuple[str, ColumnType]], layout: Layout) -> None:
    names = [name.lower() for name, _ in columns]
    for name in names:
        if names.count(name) > 1:
            raise QueryFailed(
                "DUPLICATE_COLUMN_NAME", f"line 1:1: Column name '{name}' specified more than once"
            )
    keys = list(layout.partitioned_by)
    if keys and names[-len(keys) :] != keys:
        raise QueryFailed(
            "HIVE_COLUMN_ORDER_MISMATCH",
            "Partition keys must be the last columns in the table and in the same order as the table properties: "
            f"{keys}",
        )
    for name in layout.bucketed_by:
        if name not in names:
            raise QueryFailed("INVALID_TABLE_PROPERTY", f"bucketed_by names an unknown column: {name}")


def check_insertable(column: str, declared: str, given: ColumnType) -> None:
    """Trino widens integers and nothing else when it inserts."""
    wide = {"tinyint": 1, "smallint": 2, "int": 3, "integer": 3, "bigint": 4}
    kind = given.glue()
    declared_base = declared.split("(")[0].lower().replace("varchar", "string").replace("char", "string")
    if (
        kind == declared_base
        or declared == kind
        or given.duckdb.this in (exp.DataType.Type.NULL, exp.DataType.Type.UNKNOWN)
    ):
        return
    if kind in wide and (
        wide.get(declared_base, 0) >= wide[kind] or declared_base in ("double", "float", "decimal")
    ):
        return
    if kind.startswith("decimal") and declared_base in ("decimal", "double"):
        return
    if kind == "date" and declared_base == "timestamp":
        return
    raise QueryFailed(
        "TYPE_MISMATCH",
        f"line 1:1: Insert query has mismatched column types: column {column} is {declared}, query gives {kind}",
    )
