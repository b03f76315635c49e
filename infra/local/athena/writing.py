"""Statements that write rows: UNLOAD, CREATE TABLE AS and INSERT."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.athena.catalog import literal, quoted, split_location
from infra.local.athena.definitions import add_partitions, register, table_name
from infra.local.athena.errors import NotProven, QueryFailed
from infra.local.athena.layout import CTAS_PROPERTIES, Layout, check_insertable, check_outputs
from infra.local.athena.results import ResultSet
from infra.local.athena.session import Session, recast
from infra.local.athena.statements import CreateTableAs, Insert, Unload
from infra.local.athena.types import ColumnType, from_glue

WRITERS = 100
"""Combinations of partition and bucket that one statement writes."""


def unload(session: Session, statement: Unload) -> ResultSet:
    layout = Layout.of(
        statement.properties,
        statement.location,
        {"format", "compression", "partitioned_by", "field_delimiter"},
    )
    if "format" not in statement.properties:
        raise QueryFailed("INVALID_PROCEDURE_ARGUMENT", "UNLOAD needs WITH (format = ...)")
    sql = session.prepare(statement.query)
    columns = session.columns(sql)
    check_outputs(columns, layout)
    _require_empty(session, layout.location)
    written = _write(session, sql, columns, layout)
    return ResultSet(header=False, updated=written.rows)


def create_table_as(session: Session, statement: CreateTableAs) -> ResultSet:
    name = table_name(statement.name, session.job.database)
    session.catalog.require_database(name)
    if session.catalog.find(name) is not None:
        if statement.if_not_exists:
            return ResultSet(header=False)
        raise QueryFailed(
            "TABLE_ALREADY_EXISTS",
            f"line 1:1: Table 'awsdatacatalog.{name.database}.{name.table}' already exists",
        )
    location = statement.properties.get("external_location", session.job.output + "/")
    layout = Layout.of(statement.properties, str(location), CTAS_PROPERTIES)
    sql = session.prepare(statement.query)
    given = session.columns(sql)
    for index, (column, _) in enumerate(given):
        if column == f"_col{index}":
            raise QueryFailed(
                "MISSING_COLUMN_NAME", f"line 1:1: Column name not specified at position {index + 1}"
            )
    columns = [(column.lower(), kind) for column, kind in given]
    check_outputs(columns, layout)
    _require_empty(session, layout.location)
    types = {column: kind.glue() for column, kind in columns}
    if not statement.with_data:
        sql = f"SELECT * FROM ({sql}) WHERE false"
    written = _write(session, sql, columns, layout)
    table = {column: kind for column, kind in types.items() if column not in layout.partitioned_by}
    register(session.catalog, name, layout, table, {key: types[key] for key in layout.partitioned_by})
    add_partitions(session.catalog, name, layout.location, layout, written.partitions, table)
    return ResultSet(header=False, updated=written.rows)


def insert(session: Session, statement: Insert) -> ResultSet:
    name = table_name(statement.name, session.job.database)
    table = session.catalog.table(name)
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
    sql = session.prepare(statement.query)
    given = session.columns(sql)
    if len(given) != len(targets):
        raise QueryFailed(
            "TYPE_MISMATCH",
            f"line 1:1: Insert query has mismatched column types: Table has {len(targets)} columns, "
            f"query has {len(given)}",
        )
    for target, (_, kind) in zip(targets, given, strict=True):
        check_insertable(target, table.all_columns[target], kind)
    positions = {column: f"c{index}" for index, column in enumerate(targets)}
    listed = ", ".join(
        f"CAST({positions.get(column, 'NULL')} AS {from_glue(kind)}) AS {quoted(column)}"
        for column, kind in table.all_columns.items()
    )
    aliases = ", ".join(positions.values())
    sql = f"SELECT {listed} FROM ({sql}) AS given({aliases})"
    layout = Layout(location=table.location, partitioned_by=tuple(table.partition_keys))
    written = _write(session, sql, session.columns(sql), layout)
    add_partitions(session.catalog, name, table.location, layout, written.partitions, table.columns)
    return ResultSet(header=False, updated=written.rows)


@dataclass(frozen=True, slots=True)
class Written:
    rows: int
    partitions: list[tuple[str, ...]]


def _write(
    session: Session,
    sql: str,
    columns: Sequence[tuple[str, ColumnType]],
    layout: Layout,
) -> Written:
    """Write the rows below the location; nothing stands there until all of it has been made."""
    outputs = [(name, kind.storage()) for name, kind in columns]
    source = recast(sql, outputs)
    keys = [*layout.partitioned_by]
    if layout.bucketed_by:
        hashed = ", ".join(quoted(name) for name in layout.bucketed_by)
        source = f"SELECT *, hash({hashed}) % {layout.bucket_count} AS __bucket FROM ({source})"
        keys.append("__bucket")
    target = session.scratch / "out"
    options = layout.copy_options()
    if keys:
        listed = ", ".join(quoted(name) for name in keys)
        options += f", PARTITION_BY ({listed}), FILENAME_PATTERN 'part_{{uuid}}'"
        target.mkdir()
    rows = session.connection.execute(f"COPY ({source}) TO {literal(str(target))} ({options})").fetchone()
    count = int(rows[0]) if rows else 0
    session.job.check()
    return _upload(session, target, count, layout)


def _upload(session: Session, target: Path, count: int, layout: Layout) -> Written:
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
        folders = [part for part in path.relative_to(target).parts[:-1] if not part.startswith("__bucket=")]
        bucket_of = [part for part in path.parts if part.startswith("__bucket=")]
        end = f"_bucket-{int(bucket_of[0].split('=')[1]):05d}" if bucket_of else ""
        name = f"{stamp}_{index:05d}_{session.job.id[:5]}_{uuid.uuid4()}{end}{layout.suffix}"
        key = "/".join([prefix.rstrip("/"), *folders, name]).lstrip("/")
        session.catalog.s3.upload_file(str(path), bucket, key)
        files.append(f"s3://{bucket}/{key}")
        if folders:
            partitions.add(tuple(folders))
    manifest_bucket, manifest_key = split_location(session.job.output + "-manifest.csv")
    session.catalog.s3.put_object(
        Bucket=manifest_bucket, Key=manifest_key, Body="".join(f"{name}\n" for name in files).encode()
    )
    session.job.manifest = session.job.output + "-manifest.csv"
    return Written(count, sorted(partitions))


def _require_empty(session: Session, location: str) -> None:
    bucket, prefix = split_location(location)
    if session.catalog.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"):
        raise QueryFailed(
            "HIVE_PATH_ALREADY_EXISTS", f"Target directory for table already exists: {location}"
        )
