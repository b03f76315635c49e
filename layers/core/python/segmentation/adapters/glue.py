"""The lake's own tables in the Glue catalog."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from segmentation.domain.errors import Unavailable
from segmentation.domain.event_lake import BY_DATE, LakeTable, LakeView

from .aws_errors import code_of, reason

_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}
_PRESTO = {"string": "varchar"}
"""Catalog types that the engine calls otherwise."""


@contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(f"table {name} cannot be registered: {reason(error)}") from error


class GlueLakeCatalog:
    """Registers tables whose partitions are projected: a new day is there without being told to the catalog."""

    def __init__(self, glue: Any, database: str, bucket: str) -> None:
        self._client = glue
        self._database = database
        self._bucket = bucket

    def register(
        self, tables: Sequence[LakeTable], earliest: Mapping[str, str], views: Sequence[LakeView] = ()
    ) -> None:
        """Let each table exist with at least its columns; columns that are no longer declared stay. Then the views."""
        for table in tables:
            with _telling(table.name):
                self._register(table, earliest.get(table.name))
        for view in views:
            with _telling(view.name):
                self._register_view(view)

    def _register_view(self, view: LakeView) -> None:
        """As Athena's own CREATE VIEW leaves it in the catalog."""
        columns = [{"name": name, "type": _PRESTO.get(kind, kind)} for name, kind in view.columns.items()]
        told = {
            "originalSql": view.sql,
            "catalog": "awsdatacatalog",
            "schema": self._database,
            "columns": columns,
        }
        text = base64.b64encode(json.dumps(told).encode()).decode()
        wanted = {
            "Name": view.name,
            "TableType": "VIRTUAL_VIEW",
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": f"/* Presto View: {text} */",
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {
                "Columns": [{"Name": name, "Type": kind} for name, kind in view.columns.items()],
                "Location": "",
                "SerdeInfo": {},
            },
        }
        found = self._find(view.name)
        if found is None and self._create(wanted):
            return
        if found is None or found.get("ViewOriginalText") != wanted["ViewOriginalText"]:
            self._client.update_table(DatabaseName=self._database, TableInput=wanted)

    def _register(self, table: LakeTable, earliest: str | None) -> None:
        found = self._find(table.name)
        if found is None:
            wanted = self._input(table, table.columns, earliest)
            if self._create(wanted):
                return
            found = self._find(table.name) or wanted  # another one was quicker
        known = {one["Name"]: one["Type"] for one in found["StorageDescriptor"]["Columns"]}
        wanted = self._input(table, {**known, **table.columns}, earliest)
        same = found["StorageDescriptor"]["Columns"] == wanted["StorageDescriptor"]["Columns"]
        kept = {name: found.get("Parameters", {}).get(name) for name in wanted["Parameters"]}
        if not same or kept != wanted["Parameters"]:
            self._client.update_table(DatabaseName=self._database, TableInput=wanted)

    def _create(self, wanted: dict[str, Any]) -> bool:
        """Whether the table was made; else another one was quicker."""
        try:
            self._client.create_table(DatabaseName=self._database, TableInput=wanted)
        except ClientError as error:
            if code_of(error) == "AlreadyExistsException":
                return False
            raise
        return True

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
