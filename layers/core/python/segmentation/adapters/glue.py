"""The lake's own tables in the Glue catalog."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable
from segmentation.domain.event_lake import BY_DATE, LakeTable

from .aws_errors import code_of

_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


class GlueLakeCatalog:
    """Registers tables whose partitions are projected: a new day is there without being told to the catalog."""

    def __init__(self, glue: Any, database: str, bucket: str) -> None:
        self._client = glue
        self._database = database
        self._bucket = bucket

    def register(self, tables: Sequence[LakeTable], earliest: Mapping[str, str]) -> None:
        """Let each table exist with at least its columns; columns that are no longer declared stay."""
        for table in tables:
            try:
                self._register(table, earliest.get(table.name))
            except (ClientError, BotoCoreError) as error:
                code = code_of(error) if isinstance(error, ClientError) else type(error).__name__
                raise Unavailable(f"table {table.name} cannot be registered: {code}") from error

    def _register(self, table: LakeTable, earliest: str | None) -> None:
        found = self._find(table.name)
        if found is None:
            wanted = self._input(table, table.columns, earliest)
            try:
                self._client.create_table(DatabaseName=self._database, TableInput=wanted)
                return
            except ClientError as error:
                if code_of(error) != "AlreadyExistsException":
                    raise
            found = self._find(table.name) or wanted  # another one was quicker
        known = {one["Name"]: one["Type"] for one in found["StorageDescriptor"]["Columns"]}
        wanted = self._input(table, {**known, **table.columns}, earliest)
        same = found["StorageDescriptor"]["Columns"] == wanted["StorageDescriptor"]["Columns"]
        kept = {name: found.get("Parameters", {}).get(name) for name in wanted["Parameters"]}
        if not same or kept != wanted["Parameters"]:
            self._client.update_table(DatabaseName=self._database, TableInput=wanted)

    def _find(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.get_table(DatabaseName=self._database, Name=name)["Table"]
        except ClientError as error:
            if code_of(error) == "EntityNotFoundException":
                return None
            raise
        return found

    def _input(self, table: LakeTable, columns: Mapping[str, str], earliest: str | None) -> dict[str, Any]:
        location = f"s3://{self._bucket}/{table.folder}"
        return {
            "Name": table.name,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": table.partition, "Type": "string"}],
            "Parameters": {
                "EXTERNAL": "TRUE",
                "classification": "parquet",
                "projection.enabled": "true",
                **_projection(table.partition, earliest),
                "storage.location.template": f"{location}{table.partition}=${{{table.partition}}}/",
            },
            "StorageDescriptor": {
                "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
                "Location": location,
                **_PARQUET,
            },
        }


def _projection(key: str, earliest: str | None) -> dict[str, str]:
    """How a table's partitions are known: days by their range, others by the queries that name them."""
    if key != BY_DATE:
        return {f"projection.{key}.type": "injected"}
    return {
        "projection.date.type": "date",
        "projection.date.format": "yyyy-MM-dd",
        # Events of later days do not exist for rules until their time comes.
        "projection.date.range": f"{earliest or 'NOW'},NOW+1DAYS",
        "projection.date.interval": "1",
        "projection.date.interval.unit": "DAYS",
    }
