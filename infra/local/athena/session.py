"""One statement's DuckDB: queries with views for their tables, and their columns and rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import duckdb_extension_icu
from sqlglot import exp

from infra.local.athena import functions
from infra.local.athena.catalog import Catalog, Table, literal, quoted
from infra.local.athena.job import Job
from infra.local.athena.names import UNNAMED, TableName
from infra.local.athena.results import ResultSet, Row, text_of
from infra.local.athena.translate import translate
from infra.local.athena.trino import parse_query
from infra.local.athena.types import ColumnType

_EXTENSIONS = [
    next(Path(module.__path__[0]).glob("extensions/*/*.duckdb_extension"))
    for module in (duckdb_extension_httpfs, duckdb_extension_icu)
]


@dataclass(frozen=True, slots=True)
class Session:
    """What a statement works with; `scratch` is a folder of its own, which goes with it."""

    catalog: Catalog
    connection: duckdb.DuckDBPyConnection
    job: Job
    scratch: Path

    def prepare(self, query: exp.Query) -> str:
        """The query in DuckDB's SQL, with views standing for its tables."""
        tables: dict[tuple[str, str], Table] = {}

        def columns_of(name: TableName) -> Sequence[str]:
            key = (name.database, name.table)
            if key not in tables:
                tables[key] = self.catalog.table(name)
            return list(tables[key].all_columns)

        def relation_of(name: TableName) -> str:
            table = tables[(name.database, name.table)]
            if not table.view:
                return self.catalog.relation(table, self.connection, query)
            listed = ", ".join(quoted(column) for column in table.all_columns)
            return f"SELECT {listed} FROM ({made(parse_query(table.view))})"

        def made(query: exp.Query) -> str:
            translation = translate(query, self.job.database, columns_of)
            # A view may call what the query calls too.
            macros = functions.macros_for(translation.sql)
            self.connection.execute(macros.replace("CREATE MACRO", "CREATE OR REPLACE MACRO"))
            for name in translation.tables:
                if (name.database, name.table) in done:
                    continue
                done.add((name.database, name.table))
                relation = relation_of(name)
                self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name.database)}")
                self.connection.execute(
                    f"CREATE VIEW {quoted(name.database)}.{quoted(name.table)} AS {relation}"
                )
                self.job.check()
            return translation.sql

        done: set[tuple[str, str]] = set()
        sql = made(query)
        # Athena knows of the catalog what columns there are: files that are only opened for that are not scanned.
        self.job.scanned = 0
        return sql

    def columns(self, sql: str) -> list[tuple[str, ColumnType]]:
        described = self.connection.execute(f"DESCRIBE {sql}").fetchall()
        return [
            (f"_col{index}" if row[0].startswith(UNNAMED) else row[0], ColumnType.of(row[1]))
            for index, row in enumerate(described)
        ]

    def select(self, sql: str) -> ResultSet:
        columns = self.columns(sql)
        if any(kind.has_zone for _, kind in columns):
            sql = recast(sql, [(name, "TIMESTAMP" if kind.has_zone else None) for name, kind in columns])
        cursor = self.connection.execute(sql)
        rows: list[Row] = []
        while batch := cursor.fetchmany(10_000):
            self.job.check()
            rows.extend(tuple(text_of(value) for value in row) for row in batch)
        zoned = [index for index, (_, kind) in enumerate(columns) if kind.has_zone]
        if zoned:
            rows = [
                tuple(f"{v} UTC" if i in zoned and v is not None else v for i, v in enumerate(row))
                for row in rows
            ]
        self.job.check()
        return ResultSet(tuple(columns), tuple(rows))


def load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """S3 and time zones, from the packages that carry them."""
    for path in _EXTENSIONS:
        connection.execute(f"LOAD {literal(str(path))}")


def recast(sql: str, outputs: Sequence[tuple[str, str | None]]) -> str:
    """The query with its outputs renamed and, where a type is given, cast."""
    aliases = [f"c{index}" for index in range(len(outputs))]
    listed = ", ".join(
        f"{f'CAST({alias} AS {kind})' if kind else alias} AS {quoted(name)}"
        for alias, (name, kind) in zip(aliases, outputs, strict=True)
    )
    return f"SELECT {listed} FROM ({sql}) AS made({', '.join(aliases)})"
