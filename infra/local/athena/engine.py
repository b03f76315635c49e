"""Runs one statement: a DuckDB of its own, which reads S3 under the query's id and so has its bytes counted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
from sqlglot import exp

from infra.local.athena.catalog import Catalog, literal
from infra.local.athena.definitions import create_external, drop, repair, show_tables
from infra.local.athena.errors import from_duckdb
from infra.local.athena.job import Job
from infra.local.athena.results import ResultSet
from infra.local.athena.session import Session, load_extensions
from infra.local.athena.statements import (
    CreateExternal,
    CreateTableAs,
    DropTable,
    Insert,
    RepairTable,
    Select,
    ShowTables,
    Statement,
    Unload,
)
from infra.local.athena.trino import locate
from infra.local.athena.writing import create_table_as, insert, unload


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
            load_extensions(connection)

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
                return create_external(self.catalog, statement, job)
            case DropTable():
                return drop(self.catalog, statement, job)
            case RepairTable():
                return repair(self.catalog, statement, job)
            case ShowTables():
                return show_tables(self.catalog, statement, job)
        connection = self._connect(job, scratch)
        session = Session(self.catalog, connection, job, scratch)
        try:
            match statement:
                case Select():
                    return session.select(session.prepare(statement.query))
                case CreateTableAs():
                    return create_table_as(session, statement)
                case Unload():
                    return unload(session, statement)
                case Insert():
                    return insert(session, statement)
        finally:
            job.connection = None
            connection.close()

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
        load_extensions(connection)
        connection.execute(
            "SET TimeZone = 'UTC'; SET enable_external_file_cache = false; SET parquet_metadata_cache = true;"
            f"CREATE SECRET (TYPE s3, KEY_ID {literal(job.id)}, SECRET 'athena', REGION {literal(self._region)}, "
            f"ENDPOINT {literal(self._endpoint.netloc)}, URL_STYLE 'path', "
            f"USE_SSL {'true' if self._endpoint.scheme == 'https' else 'false'})"
        )
        job.connection = connection
        job.check()
        return connection
