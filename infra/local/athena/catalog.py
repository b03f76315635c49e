"""Tables of the Glue catalog as DuckDB relations over what lies in S3."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import duckdb
from botocore.config import Config
from botocore.exceptions import ClientError
from sqlglot import exp

from infra.local.athena.errors import NotProven, QueryFailed
from infra.local.athena.injected import named_values
from infra.local.athena.names import TableName
from infra.local.athena.types import from_glue


@dataclass(frozen=True, slots=True)
class Table:
    """What Glue says of a table."""

    name: TableName
    location: str
    columns: Mapping[str, str]
    partition_keys: Mapping[str, str]
    serde: str = ""
    serde_parameters: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    buckets: tuple[str, ...] = ()
    view: str = ""
    """Of a view: its query."""

    @property
    def all_columns(self) -> dict[str, str]:
        """Columns, then partition keys, with their catalog types."""
        return {**self.columns, **self.partition_keys}


class Catalog:
    """Reads and writes the emulated Glue and S3."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        session = boto3.session.Session()
        options: dict[str, Any] = {
            "endpoint_url": endpoint_url,
            "region_name": region,
            "aws_access_key_id": "athena",
            "aws_secret_access_key": "athena",
            "config": Config(max_pool_connections=16, s3={"addressing_style": "path"}),
        }
        self.glue = session.client("glue", **options)
        self.s3 = session.client("s3", **options)

    def close(self) -> None:
        """Give the connections back."""
        self.glue.close()
        self.s3.close()

    # Glue ---------------------------------------------------------------------------------------------------

    def find(self, name: TableName) -> Table | None:
        """The table, or None where there is none."""
        try:
            raw = self.glue.get_table(DatabaseName=name.database, Name=name.table)["Table"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None
        storage = raw.get("StorageDescriptor", {})
        serde = storage.get("SerdeInfo", {})
        return Table(
            name=name,
            location=storage.get("Location", "").rstrip("/") + "/",
            columns={column["Name"].lower(): column["Type"] for column in storage.get("Columns", [])},
            partition_keys={key["Name"].lower(): key["Type"] for key in raw.get("PartitionKeys", [])},
            serde=serde.get("SerializationLibrary", ""),
            serde_parameters=serde.get("Parameters", {}),
            parameters=raw.get("Parameters", {}),
            buckets=tuple(storage.get("BucketColumns") or ()),
            view=_view_of(raw),
        )

    def table(self, name: TableName) -> Table:
        """The table; a missing one fails the query as in Athena."""
        found = self.find(name)
        if found is None:
            self.require_database(name)
            raise QueryFailed(
                "TABLE_NOT_FOUND",
                f"{name.where}Table 'awsdatacatalog.{name.database}.{name.table}' does not exist",
            )
        return found

    def require_database(self, name: TableName) -> None:
        """Fail the query if the database does not exist."""
        try:
            self.glue.get_database(Name=name.database)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            raise QueryFailed(
                "SCHEMA_NOT_FOUND", f"{name.where}Schema '{name.database}' does not exist"
            ) from None

    # S3 -----------------------------------------------------------------------------------------------------

    def files(self, location: str) -> Iterator[str]:
        """The data files under a prefix; Hive hides names that begin with _ or a dot."""
        bucket, prefix = split_location(location)
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            for page in pages:
                for item in page.get("Contents", []):
                    below = item["Key"][len(prefix) :]
                    hidden = any(part.startswith(("_", ".")) for part in below.split("/"))
                    if not hidden and item["Size"] > 0 and not item["Key"].endswith("/"):
                        yield f"s3://{bucket}/{item['Key']}"
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchBucket":
                raise QueryFailed(
                    "HIVE_METASTORE_ERROR", f"Amazon S3 bucket not found: {bucket}", error_type=1306
                ) from None
            raise

    def _partitioned_files(self, table: Table, query: exp.Query) -> list[str]:
        """The files of the registered partitions, or of the projected ones."""
        if table.parameters.get("projection.enabled", "").lower() == "true":
            if injected := _injected_key(table):
                folders = [
                    f"{table.location}{injected}={value}/" for value in sorted(named_values(query, injected))
                ]
                return [path for folder in folders for path in self.files(folder)]
            projection = Projection.of(table)
            return [path for path in self.files(table.location) if projection.covers(_keys_of(path, table))]
        pages = self.glue.get_paginator("get_partitions").paginate(
            DatabaseName=table.name.database, TableName=table.name.table
        )
        partitions = [one for page in pages for one in page["Partitions"]]
        # They mostly lie below the table: one listing instead of one a partition.
        below = sorted(self.files(table.location)) if partitions else []
        found: list[str] = []
        for partition in partitions:
            location = partition["StorageDescriptor"]["Location"].rstrip("/") + "/"
            keys = _keys_of(location, table)
            if keys is None or list(keys.values()) != partition["Values"]:
                raise NotProven(f"a partition whose location does not spell its values ({location})")
            if location.startswith(table.location):
                found.extend(
                    below[bisect_left(below, location) : bisect_left(below, location + "\U0010ffff")]
                )
            else:
                found.extend(self.files(location))
        return found

    def relation(self, table: Table, connection: duckdb.DuckDBPyConnection, query: exp.Query) -> str:
        """DuckDB SQL for the table: its columns, in order, with their declared types, as a query needs it."""
        files = (
            self._partitioned_files(table, query)
            if table.partition_keys
            else list(self.files(table.location))
        )
        types = {name: from_glue(kind) for name, kind in table.all_columns.items()}
        if not files:
            empty = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in types.items())
            return f"SELECT {empty} WHERE false"
        reader = _reader(table, files, types)
        described = connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()
        present = {row[0].lower(): str(row[1]) for row in described}
        checked = table.columns if table.serde.endswith("ParquetHiveSerDe") else {}
        outputs = ", ".join(
            _bad_data(name, present[name], kind, checked[name], table)
            if name in present and name in checked and not _readable(present[name], kind)
            else f"CAST({quoted(name) if name in present else 'NULL'} AS {kind}) AS {quoted(name)}"
            for name, kind in types.items()
        )
        return f"SELECT {outputs} FROM {reader}"


def _view_of(raw: Mapping[str, Any]) -> str:
    """The query of a view, as Athena keeps it: JSON in base64 in a comment."""
    if raw.get("TableType") != "VIRTUAL_VIEW":
        return ""
    text = re.fullmatch(r"/\* Presto View: (\S+) \*/", raw.get("ViewOriginalText", ""))
    if text is None or raw.get("Parameters", {}).get("presto_view") != "true":
        raise NotProven(f"the view {raw['Name']}, which is not Athena's")
    return str(json.loads(base64.b64decode(text[1]))["originalSql"])


@dataclass(frozen=True, slots=True)
class Projection:
    """Partitions that are computed from the table's properties, not looked up: days, from one to another."""

    key: str
    first: dt.date
    last: dt.date

    @classmethod
    def of(cls, table: Table) -> Projection:
        """Read the properties; what else Athena could project is refused."""
        given = {name: value for name, value in table.parameters.items() if name.startswith("projection.")}
        if len(table.partition_keys) != 1:
            raise NotProven("partition projection over several keys")
        (key,) = table.partition_keys
        prefix = f"projection.{key}."
        expected = {
            "projection.enabled": given["projection.enabled"],
            f"{prefix}type": "date",
            f"{prefix}format": "yyyy-MM-dd",
            f"{prefix}interval": "1",
            f"{prefix}interval.unit": "DAYS",
            f"{prefix}range": given.get(f"{prefix}range", ""),
        }
        template = table.parameters.get("storage.location.template")
        if template not in (None, f"{table.location}{key}=${{{key}}}/"):
            raise NotProven(f"storage.location.template {template}")
        if other := {name: value for name, value in given.items() if expected.get(name) != value}:
            raise NotProven(f"partition projection by {other}")
        bounds = [_bound(text) for text in expected[f"{prefix}range"].split(",")]
        if len(bounds) != 2:
            raise QueryFailed("INVALID_TABLE_PROPERTY", f"the range of {key} must have two bounds")
        return cls(key, *bounds)

    def covers(self, keys: Mapping[str, str] | None) -> bool:
        """Whether a partition is in the range."""
        if keys is None:
            return False
        try:
            return self.first <= dt.date.fromisoformat(keys[self.key]) <= self.last
        except ValueError:
            return False


def _injected_key(table: Table) -> str | None:
    """The one partition key whose values queries name; such a table may say nothing else of its projection."""
    if len(table.partition_keys) != 1:
        return None
    (key,) = table.partition_keys
    given = {name: value for name, value in table.parameters.items() if name.startswith("projection.")}
    injected = {"projection.enabled": given["projection.enabled"], f"projection.{key}.type": "injected"}
    template = table.parameters.get("storage.location.template")
    fits = given == injected and template in (None, f"{table.location}{key}=${{{key}}}/")
    return key if fits else None


def _bound(text: str) -> dt.date:
    """A day, or today and so many days."""
    relative = re.fullmatch(r"NOW(?:([+-]\d+)DAYS?)?", text.strip())
    if relative:
        return dt.datetime.now(dt.UTC).date() + dt.timedelta(days=int(relative[1] or 0))
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise NotProven(f"the projection bound {text}") from None


_FAMILIES: Mapping[str, frozenset[str]] = {
    family: frozenset(members.split())
    for family, members in {
        "integer": "TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER",
        "real": "FLOAT DOUBLE",
        "text": "VARCHAR BLOB",
        "timestamp": "TIMESTAMP TIMESTAMP_MS TIMESTAMP_NS TIMESTAMP_S TIMESTAMPTZ",
    }.items()
}
_CANONICAL = {"INT": "INTEGER", "TEXT": "VARCHAR", "REAL": "FLOAT", "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}


def _readable(in_file: str, declared: str) -> bool:
    """Whether Athena reads a Parquet column of this type as the declared one (both as DuckDB names them)."""
    if in_file.endswith("[]") or declared.endswith("[]"):
        both = in_file.endswith("[]") and declared.endswith("[]")
        return both and _readable(in_file.removesuffix("[]"), declared.removesuffix("[]"))

    def family(name: str) -> str:
        name = name.split("(")[0]
        name = _CANONICAL.get(name, name)
        return next((one for one, members in _FAMILIES.items() if name in members), name)

    # A column of nothing but NULLs has no type of its own.
    return family(in_file) == family(declared) or in_file.strip('"') == "NULL"


def _bad_data(name: str, in_file: str, kind: str, declared: str, table: Table) -> str:
    """A column that fails as soon as a row of it is read, as Athena's does."""
    said = f"Field {name}'s type {in_file} in parquet file {table.location} is incompatible with type {declared} defined in table schema"
    message = literal(f"«HIVE_BAD_DATA: {said}»")
    raised = f"CAST(CASE WHEN {quoted(name)} IS NULL THEN {message} ELSE {message} END AS INTEGER)"
    return f"CASE WHEN {raised} IS NULL THEN CAST(NULL AS {kind}) END AS {quoted(name)}"


def _reader(table: Table, files: Sequence[str], types: Mapping[str, str]) -> str:
    paths = "[" + ", ".join(literal(path) for path in files) + "]"
    options = "union_by_name = true"
    if table.partition_keys:
        kinds = ", ".join(f"{literal(name)}: {types[name]}" for name in table.partition_keys)
        options += f", hive_partitioning = true, hive_types = {{{kinds}}}"
    else:
        options += ", hive_partitioning = false"
    serde = table.serde.rsplit(".", 1)[-1]
    columns = "{" + ", ".join(f"{literal(name)}: {literal(types[name])}" for name in table.columns) + "}"
    if serde == "ParquetHiveSerDe":
        return f"read_parquet({paths}, {options})"
    if serde in ("JsonSerDe", "HiveJsonSerDe"):
        return f"read_json({paths}, format = 'newline_delimited', columns = {columns}, {options})"
    if serde in ("OpenCSVSerde", "LazySimpleSerDe"):
        given = table.serde_parameters
        delimiter = (
            given.get("separatorChar")
            or given.get("field.delim")
            or ("," if serde == "OpenCSVSerde" else "\x01")
        )
        quote = given.get("quoteChar", '"') if serde == "OpenCSVSerde" else ""
        header = "true" if table.parameters.get("skip.header.line.count", "0") == "1" else "false"
        # OpenCSVSerde knows no NULL: an empty field is an empty text, and no number at all.
        missing = "'\x01\x01'" if serde == "OpenCSVSerde" else "'\\N'"
        # A line with too few fields lacks the last ones, what is too much is nothing.
        options = options.removeprefix(
            "union_by_name = true, "
        )  # it would look for itself what the columns are
        options += ", auto_detect = false, null_padding = true, strict_mode = false, parallel = false"
        return (
            f"read_csv({paths}, delim = {literal(delimiter)}, quote = {literal(quote)}, header = {header}, "
            f"nullstr = {missing}, columns = {columns}, {options})"
        )
    raise NotProven(f"tables with the serde {table.serde or '(none)'}")


def _keys_of(path: str, table: Table) -> dict[str, str] | None:
    """Partition values that a path spells as key=value, in the order of the table's keys."""
    spelled = dict(part.split("=", 1) for part in path[len(table.location) :].split("/") if "=" in part)
    if not path.startswith(table.location) or set(table.partition_keys) - set(spelled):
        return None
    return {key: unquote(spelled[key]) for key in table.partition_keys}


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key prefix of an s3:// address."""
    parts = urlsplit(location)
    if parts.scheme != "s3" or not parts.netloc:
        raise QueryFailed("INVALID_TABLE_PROPERTY", f"'{location}' is not an s3:// location")
    return parts.netloc, parts.path.lstrip("/")


def quoted(name: str) -> str:
    """An identifier for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text for DuckDB."""
    return "'" + text.replace("'", "''") + "'"
