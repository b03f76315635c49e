"""Runs one statement: a DuckDB of its own, which reads S3 under the query's id and so has its bytes counted."""

from __future__ import annotations

import datetime as dt
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb
import duckdb_extension_httpfs
import duckdb_extension_icu
from sqlglot import exp

from infra.local.athena import functions
from infra.local.athena.catalog import Catalog, Table, literal, quoted, split_location
from infra.local.athena.errors import NotProven, QueryFailed, from_duckdb
from infra.local.athena.names import UNNAMED, TableName
from infra.local.athena.results import ResultSet, Row, text_of
from infra.local.athena.statements import (
    PARQUET_SERDE,
    CreateExternal,
    CreateTableAs,
    DropTable,
    Insert,
    Name,
    Properties,
    RepairTable,
    Select,
    ShowTables,
    Statement,
    Unload,
)
from infra.local.athena.translate import translate
from infra.local.athena.trino import locate
from infra.local.athena.types import ColumnType, from_glue

_EXTENSIONS = [
    next(Path(module.__path__[0]).glob("extensions/*/*.duckdb_extension"))
    for module in (duckdb_extension_httpfs, duckdb_extension_icu)
]
WRITERS = 100
"""Combinations of partition and bucket that one statement writes."""
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


@dataclass(slots=True)
class Job:
    """A query on its way: what it may use, what it has read, and the handle to stop it."""

    id: str
    database: str
    output: str
    scanned: int = 0
    limit: int | None = None
    over_limit: bool = False
    stopped: bool = False
    manifest: str | None = None
    connection: duckdb.DuckDBPyConnection | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, bytes_: int) -> None:
        """Count what was read; over the limit, the query ends."""
        with self.lock:
            self.scanned += bytes_
            if self.limit is not None and self.scanned > self.limit:
                self.over_limit = True
        if self.over_limit:
            self.interrupt()

    def interrupt(self) -> None:
        """Make a running query raise."""
        if self.connection is not None:
            self.connection.interrupt()

    def check(self) -> None:
        """Raise if the query shall not go on."""
        if self.stopped or self.over_limit:
            raise Stopped


class Stopped(Exception):
    """The query was stopped, by hand or by its scan limit."""


class Engine:
    """Statements to results, by way of DuckDB."""

    def __init__(
        self, catalog: Catalog, endpoint_url: str, region: str, threads: int, memory_limit: str
    ) -> None:
        self.catalog = catalog
        self._endpoint = urlsplit(endpoint_url)
        self._region = region
        self._settings = {
            "threads": threads,
            "memory_limit": memory_limit,
            # Their signatures are checked here, once: it takes longer than many a query.
            "allow_unsigned_extensions": True,
        }
        with duckdb.connect() as connection:
            _load_extensions(connection)

    def run(self, statement: Statement, job: Job) -> ResultSet:
        """Run a statement to its end; failures are QueryFailed or Stopped."""
        try:
            with tempfile.TemporaryDirectory(prefix="athena-") as scratch:
                return self._run(statement, job, Path(scratch))
        except duckdb.Error as error:
            job.check()
            query = getattr(statement, "query", exp.Null())
            raise from_duckdb(error, lambda name: locate(query, name)) from error

    def _run(self, statement: Statement, job: Job, scratch: Path) -> ResultSet:
        match statement:
            case CreateExternal():
                return self._create_external(statement, job)
            case DropTable():
                return self._drop(statement, job)
            case RepairTable():
                return self._repair(statement, job)
            case ShowTables():
                return self._show_tables(statement, job)
        connection = self._connect(job, scratch)
        try:
            match statement:
                case Select():
                    return self._select(connection, self._prepare(connection, statement.query, job), job)
                case CreateTableAs():
                    return self._create_table_as(connection, statement, job, scratch)
                case Unload():
                    return self._unload(connection, statement, job, scratch)
                case Insert():
                    return self._insert(connection, statement, job, scratch)
        finally:
            job.connection = None
            connection.close()

    # DuckDB -------------------------------------------------------------------------------------------------

    def _connect(self, job: Job, scratch: Path) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(
            config={
                **self._settings,
                "temp_directory": str(scratch / "spill"),
                "default_null_order": "nulls_last",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        _load_extensions(connection)
        connection.execute(
            "SET TimeZone = 'UTC'; SET enable_external_file_cache = false; SET parquet_metadata_cache = true;"
            f"CREATE SECRET (TYPE s3, KEY_ID {literal(job.id)}, SECRET 'athena', REGION {literal(self._region)}, "
            f"ENDPOINT {literal(self._endpoint.netloc)}, URL_STYLE 'path', "
            f"USE_SSL {'true' if self._endpoint.scheme == 'https' else 'false'})"
        )
        job.connection = connection
        job.check()
        return connection

    def _prepare(self, connection: duckdb.DuckDBPyConnection, query: exp.Query, job: Job) -> str:
        """The query in DuckDB's SQL, with views standing for its tables."""
        tables: dict[tuple[str, str], Table] = {}

        def columns_of(name: TableName) -> Sequence[str]:
            key = (name.database, name.table)
            if key not in tables:
                tables[key] = self.catalog.table(name)
            return list(tables[key].all_columns)

        translation = translate(query, job.database, columns_of)
        for name in translation.tables:
            relation = self.catalog.relation(tables[(name.database, name.table)], connection, query)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name.database)}")
            connection.execute(f"CREATE VIEW {quoted(name.database)}.{quoted(name.table)} AS {relation}")
            job.check()
        connection.execute(functions.macros_for(translation.sql))
        # Athena knows of the catalog what columns there are: files that are only opened for that are not scanned.
        job.scanned = 0
        return translation.sql

    def _columns(self, connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, ColumnType]]:
        described = connection.execute(f"DESCRIBE {sql}").fetchall()
        return [
            (f"_col{index}" if row[0].startswith(UNNAMED) else row[0], ColumnType.of(row[1]))
            for index, row in enumerate(described)
        ]

    def _select(self, connection: duckdb.DuckDBPyConnection, sql: str, job: Job) -> ResultSet:
        columns = self._columns(connection, sql)
        if any(kind.has_zone for _, kind in columns):
            sql = _recast(sql, [(name, "TIMESTAMP" if kind.has_zone else None) for name, kind in columns])
        cursor = connection.execute(sql)
        rows: list[Row] = []
        while batch := cursor.fetchmany(10_000):
            job.check()
            rows.extend(tuple(text_of(value) for value in row) for row in batch)
        zoned = [index for index, (_, kind) in enumerate(columns) if kind.has_zone]
        if zoned:
            rows = [
                tuple(f"{v} UTC" if i in zoned and v is not None else v for i, v in enumerate(row))
                for row in rows
            ]
        job.check()
        return ResultSet(tuple(columns), tuple(rows))

    # Writing ------------------------------------------------------------------------------------------------

    def _write(
        self,
        connection: duckdb.DuckDBPyConnection,
        sql: str,
        columns: Sequence[tuple[str, ColumnType]],
        job: Job,
        scratch: Path,
        layout: _Layout,
    ) -> _Written:
        """Write the rows below the location; nothing stands there until all of it has been made."""
        outputs = [(name, kind.storage()) for name, kind in columns]
        source = _recast(sql, outputs)
        keys = [*layout.partitioned_by]
        if layout.bucketed_by:
            hashed = ", ".join(quoted(name) for name in layout.bucketed_by)
            source = f"SELECT *, hash({hashed}) % {layout.bucket_count} AS __bucket FROM ({source})"
            keys.append("__bucket")
        target = scratch / "out"
        options = layout.copy_options()
        if keys:
            listed = ", ".join(quoted(name) for name in keys)
            options += f", PARTITION_BY ({listed}), FILENAME_PATTERN 'part_{{uuid}}'"
            target.mkdir()
        rows = connection.execute(f"COPY ({source}) TO {literal(str(target))} ({options})").fetchone()
        count = int(rows[0]) if rows else 0
        job.check()
        return self._upload(target, count, job, layout)

    def _upload(self, target: Path, count: int, job: Job, layout: _Layout) -> _Written:
        bucket, prefix = split_location(layout.location)
        stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d_%H%M%S")
        files: list[str] = []
        partitions: set[tuple[str, ...]] = set()
        found = sorted(path for path in target.rglob("*") if path.is_file()) if target.is_dir() else [target]
        if len({path.parent for path in found}) > WRITERS:
            raise QueryFailed(
                "HIVE_TOO_MANY_OPEN_PARTITIONS",
                f"Exceeded limit of {WRITERS} open writers for partitions/buckets",
            )
        for index, path in enumerate(found if count else []):
            folders = [
                part for part in path.relative_to(target).parts[:-1] if not part.startswith("__bucket=")
            ]
            bucket_of = [part for part in path.parts if part.startswith("__bucket=")]
            end = f"_bucket-{int(bucket_of[0].split('=')[1]):05d}" if bucket_of else ""
            name = f"{stamp}_{index:05d}_{job.id[:5]}_{uuid.uuid4()}{end}{layout.suffix}"
            key = "/".join([prefix.rstrip("/"), *folders, name]).lstrip("/")
            self.catalog.s3.upload_file(str(path), bucket, key)
            files.append(f"s3://{bucket}/{key}")
            if folders:
                partitions.add(tuple(folders))
        manifest_bucket, manifest_key = split_location(job.output + "-manifest.csv")
        self.catalog.s3.put_object(
            Bucket=manifest_bucket, Key=manifest_key, Body="".join(f"{name}\n" for name in files).encode()
        )
        job.manifest = job.output + "-manifest.csv"
        return _Written(count, sorted(partitions))

    def _require_empty(self, location: str) -> None:
        bucket, prefix = split_location(location)
        if self.catalog.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"):
            raise QueryFailed(
                "HIVE_PATH_ALREADY_EXISTS", f"Target directory for table already exists: {location}"
            )

    def _unload(
        self, connection: duckdb.DuckDBPyConnection, statement: Unload, job: Job, scratch: Path
    ) -> ResultSet:
        layout = _Layout.of(
            statement.properties,
            statement.location,
            {"format", "compression", "partitioned_by", "field_delimiter"},
        )
        if "format" not in statement.properties:
            raise QueryFailed("INVALID_PROCEDURE_ARGUMENT", "UNLOAD needs WITH (format = ...)")
        sql = self._prepare(connection, statement.query, job)
        columns = self._columns(connection, sql)
        _check_outputs(columns, layout)
        self._require_empty(layout.location)
        written = self._write(connection, sql, columns, job, scratch, layout)
        return ResultSet(header=False, updated=written.rows)

    def _create_table_as(
        self, connection: duckdb.DuckDBPyConnection, statement: CreateTableAs, job: Job, scratch: Path
    ) -> ResultSet:
        name = _table_name(statement.name, job.database)
        self.catalog.require_database(name)
        if self.catalog.find(name) is not None:
            if statement.if_not_exists:
                return ResultSet(header=False)
            raise QueryFailed(
                "TABLE_ALREADY_EXISTS",
                f"line 1:1: Table 'awsdatacatalog.{name.database}.{name.table}' already exists",
            )
        location = statement.properties.get("external_location", job.output + "/")
        layout = _Layout.of(statement.properties, str(location), _CTAS_PROPERTIES)
        sql = self._prepare(connection, statement.query, job)
        columns = [(column.lower(), kind) for column, kind in self._columns(connection, sql)]
        for index, (column, _) in enumerate(self._columns(connection, sql)):
            if column == f"_col{index}":
                raise QueryFailed(
                    "MISSING_COLUMN_NAME", f"line 1:1: Column name not specified at position {index + 1}"
                )
        _check_outputs(columns, layout)
        self._require_empty(layout.location)
        types = {column: kind.glue() for column, kind in columns}
        if not statement.with_data:
            sql = f"SELECT * FROM ({sql}) WHERE false"
        written = self._write(connection, sql, columns, job, scratch, layout)
        table = {column: kind for column, kind in types.items() if column not in layout.partitioned_by}
        self._register(name, layout, table, {key: types[key] for key in layout.partitioned_by})
        self._add_partitions(name, layout.location, layout, written.partitions, table)
        return ResultSet(header=False, updated=written.rows)

    def _insert(
        self, connection: duckdb.DuckDBPyConnection, statement: Insert, job: Job, scratch: Path
    ) -> ResultSet:
        name = _table_name(statement.name, job.database)
        table = self.catalog.table(name)
        if not table.serde.endswith("ParquetHiveSerDe"):
            raise NotProven("INSERT INTO a table that is not Parquet")
        if table.buckets:
            raise QueryFailed(
                "NOT_SUPPORTED", f"Cannot insert into bucketed table '{name.database}.{name.table}'"
            )
        targets = statement.columns or tuple(table.all_columns)
        for column in targets:
            if column not in table.all_columns:
                raise QueryFailed(
                    "COLUMN_NOT_FOUND",
                    f"line 1:1: Insert column name does not exist in target table: {column}",
                )
        sql = self._prepare(connection, statement.query, job)
        given = self._columns(connection, sql)
        if len(given) != len(targets):
            raise QueryFailed(
                "TYPE_MISMATCH",
                f"line 1:1: Insert query has mismatched column types: Table has {len(targets)} columns, "
                f"query has {len(given)}",
            )
        for target, (_, kind) in zip(targets, given, strict=True):
            _check_insertable(target, table.all_columns[target], kind)
        positions = {column: f"c{index}" for index, column in enumerate(targets)}
        listed = ", ".join(
            f"CAST({positions.get(column, 'NULL')} AS {from_glue(kind)}) AS {quoted(column)}"
            for column, kind in table.all_columns.items()
        )
        aliases = ", ".join(positions.values())
        sql = f"SELECT {listed} FROM ({sql}) AS given({aliases})"
        layout = _Layout(location=table.location, partitioned_by=tuple(table.partition_keys))
        written = self._write(connection, sql, self._columns(connection, sql), job, scratch, layout)
        self._add_partitions(name, table.location, layout, written.partitions, table.columns)
        return ResultSet(header=False, updated=written.rows)

    # The catalog --------------------------------------------------------------------------------------------

    def _register(
        self, name: TableName, layout: _Layout, columns: Mapping[str, str], keys: Mapping[str, str]
    ) -> None:
        self.catalog.glue.create_table(
            DatabaseName=name.database,
            TableInput={
                "Name": name.table,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"EXTERNAL": "TRUE", "has_encrypted_data": "false", "transactional": "false"},
                "PartitionKeys": [{"Name": key, "Type": kind} for key, kind in keys.items()],
                "StorageDescriptor": _storage(layout, layout.location, columns),
            },
        )

    def _add_partitions(
        self,
        name: TableName,
        location: str,
        layout: _Layout,
        partitions: Sequence[tuple[str, ...]],
        columns: Mapping[str, str],
    ) -> None:
        entries = [
            {
                "Values": [unquote(folder.split("=", 1)[1]) for folder in folders],
                "StorageDescriptor": _storage(
                    layout, location.rstrip("/") + "/" + "/".join(folders), columns
                ),
            }
            for folders in partitions
        ]
        for start in range(0, len(entries), 100):
            # Those that are there already are reported in the answer, which is as it should be.
            self.catalog.glue.batch_create_partition(
                DatabaseName=name.database,
                TableName=name.table,
                PartitionInputList=entries[start : start + 100],
            )

    def _repair(self, statement: RepairTable, job: Job) -> ResultSet:
        name = _table_name(statement.name, job.database)
        table = self.catalog.table(name)
        folders = {
            tuple(part for part in path[len(table.location) :].split("/")[:-1])
            for path in self.catalog.files(table.location)
        }
        fitting = sorted(
            found
            for found in folders
            if [part.split("=", 1)[0].lower() for part in found if "=" in part] == list(table.partition_keys)
        )
        self._add_partitions(name, table.location, _Layout(location=table.location), fitting, table.columns)
        return ResultSet(header=False)

    def _show_tables(self, statement: ShowTables, job: Job) -> ResultSet:
        database = TableName(statement.database or job.database, "")
        self.catalog.require_database(database)
        pages = self.catalog.glue.get_paginator("get_tables").paginate(DatabaseName=database.database)
        names = sorted(table["Name"] for page in pages for table in page["TableList"])
        return ResultSet(
            (("tab_name", ColumnType.of("VARCHAR")),), tuple((name,) for name in names), header=False
        )

    def _create_external(self, statement: CreateExternal, job: Job) -> ResultSet:
        name = _table_name(statement.name, job.database)
        self.catalog.require_database(name)
        if self.catalog.find(name) is not None:
            if statement.if_not_exists:
                return ResultSet(header=False)
            raise QueryFailed(
                "AlreadyExistsException",
                f"FAILED: Execution Error: Table {name.database}.{name.table} already exists",
            )
        for column, kind in {**statement.columns, **statement.partition_keys}.items():
            try:
                from_glue(kind)
            except Exception:
                raise NotProven(f"column {column} of type {kind}") from None
        self.catalog.glue.create_table(
            DatabaseName=name.database,
            TableInput={
                "Name": name.table,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": dict(statement.parameters),
                "PartitionKeys": [
                    {"Name": key, "Type": kind} for key, kind in statement.partition_keys.items()
                ],
                "StorageDescriptor": {
                    "Columns": [{"Name": key, "Type": kind} for key, kind in statement.columns.items()],
                    "Location": statement.location,
                    "SerdeInfo": {
                        "SerializationLibrary": statement.serde,
                        "Parameters": dict(statement.serde_parameters),
                    },
                },
            },
        )
        return ResultSet(header=False)

    def _drop(self, statement: DropTable, job: Job) -> ResultSet:
        name = _table_name(statement.name, job.database)
        if self.catalog.find(name) is None:
            if statement.if_exists:
                return ResultSet(header=False)
            raise QueryFailed(
                "SemanticException",
                f"FAILED: SemanticException [Error 10001]: Table not found {name.table}",
                error_type=1100,
            )
        self.catalog.glue.delete_table(DatabaseName=name.database, Name=name.table)
        return ResultSet(header=False)


_CTAS_PROPERTIES = {
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
class _Written:
    rows: int
    partitions: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where and how rows are written."""

    location: str
    format: str = "PARQUET"
    compression: str = "GZIP"
    partitioned_by: tuple[str, ...] = ()
    bucketed_by: tuple[str, ...] = ()
    bucket_count: int = 0
    delimiter: str = "\x01"

    @classmethod
    def of(cls, properties: Properties, location: str, known: set[str]) -> _Layout:
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


def _storage(layout: _Layout, location: str, columns: Mapping[str, str]) -> dict[str, Any]:
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


def _load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    for path in _EXTENSIONS:
        connection.execute(f"LOAD {literal(str(path))}")


def _recast(sql: str, outputs: Sequence[tuple[str, str | None]]) -> str:
    """The query with its outputs renamed and, where a type is given, cast."""
    aliases = [f"c{index}" for index in range(len(outputs))]
    listed = ", ".join(
        f"{f'CAST({alias} AS {kind})' if kind else alias} AS {quoted(name)}"
        for alias, (name, kind) in zip(aliases, outputs, strict=True)
    )
    return f"SELECT {listed} FROM ({sql}) AS made({', '.join(aliases)})"


def _check_outputs(columns: Sequence[tuple[str, ColumnType]], layout: _Layout) -> None:
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


def _check_insertable(column: str, declared: str, given: ColumnType) -> None:
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


def _table_name(name: Name, database: str) -> TableName:
    if len(name) > 1:
        return TableName(name[-2], name[-1])
    if not database:
        raise QueryFailed(
            "MISSING_SCHEMA_NAME", "line 1:1: Schema must be specified when session schema is not set"
        )
    return TableName(database.lower(), name[0])
