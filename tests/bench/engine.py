"""What Athena would run, on one machine: generated audiences as Parquet, Trino SQL translated for DuckDB.

The translation is the embedded Athena's own. Left out, so that times are the engine's, are the way over HTTP and S3, and the
guards with which comparisons are as Trino's beside texts and NaN: Trino needs none, nor has SQL by hand.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
from segmentation.language import Schema, Type
from segmentation.language.partitions import Partitions, borders

from infra.local.athena import rendering
from infra.local.athena.functions import macros_for
from infra.local.athena.translate import translate
from infra.local.athena.trino import parse_query

NOW = 1_767_225_600  # 2026-01-01T00:00:00Z
DEPARTMENTS = ("GROCERY", "PRODUCE", "MEAT", "DRUG GM", "FUEL", "DELI", "BAKERY", "SEAFOOD")
SCHEMA = Schema(
    {"country": Type.STRING, "age": Type.NUMBER, "plan": Type.STRING, "joined": Type.TIMESTAMP},
    {"purchases": {"department": Type.STRING, "sales_value": Type.NUMBER}},
    "UTC",
)
YEAR = 31_536_000


@dataclass(frozen=True)
class Figures:
    """What a query took: seconds on the clock, and of all processors together (which other work does not lengthen)."""

    seconds: float
    cpu: float
    rows: int


class Engine:
    """DuckDB over Parquet in a folder, asked in Trino SQL."""

    def __init__(self, folder: Path, memory: str = "4GB", threads: int = 2) -> None:
        self.folder = folder
        self.connection = duckdb.connect()
        self.connection.execute(f"SET memory_limit = '{memory}'")
        self.connection.execute(f"SET threads = {threads}")
        self.connection.execute(f"SET temp_directory = '{folder / 'spill'}'")
        self.connection.execute("SET preserve_insertion_order = false")
        self.connection.execute('CREATE SCHEMA "lake"')
        self._made: set[str] = set()

    def table(self, name: str, files: str, *, partitioned: bool = False) -> str:
        """A table over files."""
        hive = ", hive_partitioning = true, hive_types = {'period': DATE}" if partitioned else ""
        self.connection.execute(
            f"CREATE OR REPLACE VIEW lake.{name} AS SELECT * FROM read_parquet('{files}'{hive})"
        )
        return name

    def translated(self, sql: str) -> str:
        """Trino SQL as DuckDB runs it here."""
        with patch.object(rendering, "_guarded", lambda comparison, *_: comparison):
            translation = translate(parse_query(sql), "lake", lambda table: self._columns(table.table))
        for macro in macros_for(translation.sql).split("CREATE MACRO "):
            if macro.strip() and macro.split("(")[0].strip() not in self._made:
                self._made.add(macro.split("(")[0].strip())
                self.connection.execute("CREATE MACRO " + macro)
        return translation.sql

    def write(self, name: str, sql: str, *, trino: bool = True) -> Figures:
        """Write a query's rows as Parquet, as a run does."""
        text = self.translated(sql) if trino else sql
        target = self.folder / f"{name}.parquet"
        target.unlink(missing_ok=True)
        started, busy = time.perf_counter(), time.process_time()
        done = self.connection.execute(
            f"COPY ({text}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone()
        rows = 0 if done is None else int(done[0])
        return Figures(time.perf_counter() - started, time.process_time() - busy, rows)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of DuckDB SQL."""
        return list(self.connection.execute(sql).fetchall())

    def _columns(self, table: str) -> list[str]:
        return [row[0] for row in self.rows(f"DESCRIBE lake.{table}")]


@dataclass(frozen=True)
class Audience:
    """A generated audience."""

    schema: Schema
    now: int
    profiles: str
    behaviors: Mapping[str, str]
    partitions: Mapping[str, Partitions]
    size: int
    events: int
    bytes: int
    seconds: float

    @property
    def events_a_profile(self) -> dict[str, float]:
        """How many events a profile has on average, by behavior."""
        return dict.fromkeys(self.behaviors, self.events / self.size)


def generate(engine: Engine, profiles: int, events_each: int, chunk: int = 10_000_000) -> Audience:
    """Profiles and purchases of the last year, straight to Parquet; a month's events lie together, as a build lays them.

    A profile's events are many or few (a long tail): half of all events are of a tenth of the profiles.
    """
    started = time.perf_counter()
    folder, parts = engine.folder, Partitions(borders("month", NOW))
    engine.connection.execute(
        f"""COPY (SELECT CAST(i AS varchar) AS profile_key,
            (['US','DE','FR','GB','IT','ES','PL','NL'])[1 + (hash(i) % 8)::int] AS country,
            CASE WHEN hash(i, 1) % 10 > 0 THEN (18 + hash(i, 2) % 70)::double END AS age,
            (['free','pro','team'])[1 + (hash(i, 3) % 3)::int] AS plan,
            ({NOW} - hash(i, 4) % 100000000)::bigint AS joined FROM range({profiles}) t(i))
            TO '{folder / "profiles.parquet"}' (FORMAT parquet, COMPRESSION zstd)"""
    )
    total = profiles * events_each
    departments = ", ".join(f"'{name}'" for name in DEPARTMENTS)
    (folder / "purchases").mkdir(exist_ok=True)
    for number, first in enumerate(range(0, total, chunk)):
        last = min(first + chunk, total)
        # Of a chunk the time is one slice of the year, so that few partitions are open at once.
        low, high = NOW - YEAR + YEAR * first // total, NOW - YEAR + YEAR * last // total
        engine.connection.execute(
            f"""COPY (SELECT *, {parts.sql('"time"')} AS period FROM (
                SELECT CAST(CASE WHEN hash(i, 9) % 2 = 0 THEN hash(i) % {profiles} ELSE hash(i) % {max(profiles // 10, 1)} END AS varchar) AS profile_key,
                    CAST(i AS varchar) AS event_id, ({low} + 1 + hash(i, 5) % {max(high - low, 1)})::bigint AS "time",
                    ([{departments}])[1 + (hash(i, 6) % {len(DEPARTMENTS)})::int] AS department,
                    (hash(i, 7) % 10000)::double / 100 AS sales_value FROM range({first}, {last}) t(i)) e)
                TO '{folder / "purchases"}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (period), OVERWRITE_OR_IGNORE,
                    FILENAME_PATTERN 'part{number}_{{i}}')"""
        )
    return _audience(engine, SCHEMA, NOW, parts, time.perf_counter() - started)


def laid_out(engine: Engine, schema: Schema, now: int, profiles: str, purchases: str) -> Audience:
    """An audience of queries for its profiles and purchases, laid out in the same way."""
    started = time.perf_counter()
    folder, parts = engine.folder, Partitions(borders("month", now))
    engine.connection.execute(
        f"COPY ({profiles}) TO '{folder / 'profiles.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
    )
    engine.connection.execute(
        f"""COPY (SELECT *, {parts.sql('"time"')} AS period FROM ({purchases}) e) TO '{folder / "purchases"}'
            (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (period))"""
    )
    return _audience(engine, schema, now, parts, time.perf_counter() - started)


def _audience(engine: Engine, schema: Schema, now: int, parts: Partitions, seconds: float) -> Audience:
    folder = engine.folder
    profiles = engine.table("profiles", str(folder / "profiles.parquet"))
    purchases = engine.table("purchases", str(folder / "purchases/*/*.parquet"), partitioned=True)
    sizes = [engine.rows(f"SELECT count(*) FROM lake.{name}")[0][0] for name in (profiles, purchases)]
    stored = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    return Audience(
        schema, now, profiles, {"purchases": purchases}, {"purchases": parts}, *sizes, stored, seconds
    )
