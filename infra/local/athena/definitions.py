"""Statements about tables, and the entries that they leave in the Glue catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from infra.local.athena.catalog import Catalog
from infra.local.athena.errors import NotProven, QueryFailed
from infra.local.athena.job import Job
from infra.local.athena.layout import Layout, storage
from infra.local.athena.names import TableName
from infra.local.athena.results import ResultSet
from infra.local.athena.statements import CreateExternal, DropTable, Name, RepairTable, ShowTables
from infra.local.athena.types import ColumnType, from_glue


def create_external(catalog: Catalog, statement: CreateExternal, job: Job) -> ResultSet:
    name = table_name(statement.name, job.database)
    catalog.require_database(name)
    if catalog.find(name) is not None:
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
    catalog.glue.create_table(
        DatabaseName=name.database,
        TableInput={
            "Name": name.table,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": dict(statement.parameters),
            "PartitionKeys": [{"Name": key, "Type": kind} for key, kind in statement.partition_keys.items()],
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


def drop(catalog: Catalog, statement: DropTable, job: Job) -> ResultSet:
    name = table_name(statement.name, job.database)
    if catalog.find(name) is None:
        if statement.if_exists:
            return ResultSet(header=False)
        raise QueryFailed(
            "SemanticException",
            f"FAILED: SemanticException [Error 10001]: Table not found {name.table}",
            error_type=1100,
        )
    catalog.glue.delete_table(DatabaseName=name.database, Name=name.table)
    return ResultSet(header=False)


def repair(catalog: Catalog, statement: RepairTable, job: Job) -> ResultSet:
    name = table_name(statement.name, job.database)
    table = catalog.table(name)
    folders = {
        tuple(part for part in path[len(table.location) :].split("/")[:-1])
        for path in catalog.files(table.location)
    }
    fitting = sorted(
        found
        for found in folders
        if [part.split("=", 1)[0].lower() for part in found if "=" in part] == list(table.partition_keys)
    )
    add_partitions(catalog, name, table.location, Layout(location=table.location), fitting, table.columns)
    return ResultSet(header=False)


def show_tables(catalog: Catalog, statement: ShowTables, job: Job) -> ResultSet:
    database = TableName(statement.database or job.database, "")
    catalog.require_database(database)
    pages = catalog.glue.get_paginator("get_tables").paginate(DatabaseName=database.database)
    names = sorted(table["Name"] for page in pages for table in page["TableList"])
    return ResultSet(
        (("tab_name", ColumnType.of("VARCHAR")),), tuple((name,) for name in names), header=False
    )


def register(
    catalog: Catalog, name: TableName, layout: Layout, columns: Mapping[str, str], keys: Mapping[str, str]
) -> None:
    catalog.glue.create_table(
        DatabaseName=name.database,
        TableInput={
            "Name": name.table,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "has_encrypted_data": "false", "transactional": "false"},
            "PartitionKeys": [{"Name": key, "Type": kind} for key, kind in keys.items()],
            "StorageDescriptor": storage(layout, layout.location, columns),
        },
    )


def add_partitions(
    catalog: Catalog,
    name: TableName,
    location: str,
    layout: Layout,
    partitions: Sequence[tuple[str, ...]],
    columns: Mapping[str, str],
) -> None:
    entries = [
        {
            "Values": [unquote(folder.split("=", 1)[1]) for folder in folders],
            "StorageDescriptor": storage(layout, location.rstrip("/") + "/" + "/".join(folders), columns),
        }
        for folders in partitions
    ]
    for start in range(0, len(entries), 100):
        # Those that are there already are reported in the answer, which is as it should be.
        catalog.glue.batch_create_partition(
            DatabaseName=name.database,
            TableName=name.table,
            PartitionInputList=entries[start : start + 100],
        )


def table_name(name: Name, database: str) -> TableName:
    if len(name) > 1:
        return TableName(name[-2], name[-1])
    if not database:
        raise QueryFailed(
            "MISSING_SCHEMA_NAME", "line 1:1: Schema must be specified when session schema is not set"
        )
    return TableName(database.lower(), name[0])
