"""1, 10, 100 and 1,000 segments in one run, beside one query a segment and beside SQL written by hand.

    .venv/bin/python -m tests.bench.batch_segments [--profiles 20000]

Times are the engine's (`engine.py`), in seconds of all processors together, medians of rounds in which all queries take
turns; bytes are what the embedded Athena read of S3 for the same queries over a part of the profiles. Everything is written
as Parquet, as in a run. Results are compared before they are timed.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.language import RuleSet, load_rule_set
from segmentation.language.sql import members_queries, members_query
from segmentation.language.tree import Aggregate

from infra.local.cloud import Cloud

from .engine import DEPARTMENTS, NOW, SCHEMA, Audience, Engine, generate
from .results import machine, table

COUNTS = (1, 10, 100, 1_000)
SEED = 7
DRAWS = 200
"""Draws of ten segments that are looked at for one that reads what a thousand read."""
DAYS = (1, 3, 7, 14, 30, 60, 90, 180)
P: dict[str, Any] = {"var": "behaviors.purchases"}
EVENTS_EACH = 100
SAID = "\n**Against the goals.**"
ALL_READ = "10 that read all"
LOCAL = "DuckDB through the embedded Athena's translation"


def rules(count: int, *, any_window: bool = False, seed: int = SEED) -> RuleSet:
    """Realistic rules: one to three conditions on what was bought when, and on attributes.

    Windows are those that people choose, or (`any_window`) of any length, so that hardly two are alike.
    """
    draw = random.Random(seed)

    def condition() -> dict[str, Any]:
        days = f"{draw.randint(1, 180) if any_window else draw.choice(DAYS)}d"
        bought = {"filter": [P, {"==": [{"var": "department"}, draw.choice(DEPARTMENTS)]}]}
        match draw.randrange(8):
            case 0 | 1 | 2:
                return {">=": [{"count": [{"within": [bought, days]}]}, draw.randint(1, 6)]}
            case 3:
                return {">": [{"sum": [{"within": [P, days]}, "sales_value"]}, draw.randint(10, 500)]}
            case 4:
                return {"==": [{"count": [{"within": [P, days]}]}, 0]}
            case 5:
                return {">=": [{"var": "attributes.age"}, draw.randint(20, 60)]}
            case 6:
                return {"in": [{"var": "attributes.country"}, draw.sample(["US", "DE", "FR", "GB", "IT"], 2)]}
            case _:
                return {"==": [{"var": "attributes.plan"}, draw.choice(["free", "pro", "team"])]}

    documents = [
        {
            "id": f"s{number:04}",
            "name": "x",
            "audience": "bench",
            "kind": "batch",
            "rule": {draw.choice(["and", "and", "or"]): [condition() for _ in range(draw.randint(2, 3))]},
        }
        for number in range(count)
    ]
    return load_rule_set(documents, SCHEMA, "bench")


def what_is_read(rules_: RuleSet) -> tuple[frozenset[str], int]:
    """The columns that segments read, and how far back in seconds."""
    columns, reach = set(), 0
    for node in (node for segment in rules_ for node in segment.nodes()):
        columns |= {str(node.value)} if node.op in ("attribute", "column") else set()
        if isinstance(node.value, Aggregate):
            columns |= {node.value.column} if node.value.column else set()
            reach = max([reach, *(window.reach or 0 for window in node.value.events.windows)])
    return frozenset(columns), reach


def ten_that_read_all() -> tuple[RuleSet, int]:
    """The first draw of ten segments that read the columns and the window that a thousand read; how many draws do."""
    whole = what_is_read(rules(max(COUNTS)))
    found = [one for one in (rules(10, seed=seed) for seed in range(DRAWS)) if what_is_read(one) == whole]
    return found[0], len(found)


TEN = [
    ("count", "GROCERY", 30, 3),
    ("count", "MEAT", 90, 2),
    ("count", "FUEL", 7, 1),
    ("count", "DELI", 180, 5),
    ("count", "PRODUCE", 14, 2),
    ("sum", None, 30, 100),
    ("sum", None, 90, 300),
    ("sum", "GROCERY", 60, 50),
    ("none", None, 14, 0),
    ("none", None, 60, 0),
]
"""Ten segments that a person has also written as DuckDB SQL: what, department, days, threshold."""


def ten() -> RuleSet:
    """The ten, as rules; each of people of 30 and more."""
    documents = []
    for number, (what, department, days, least) in enumerate(TEN):
        events: dict[str, Any] = (
            P if department is None else {"filter": [P, {"==": [{"var": "department"}, department]}]}
        )
        window = {"within": [events, f"{days}d"]}
        figure = {
            "count": {">=": [{"count": [window]}, least]},
            "sum": {">": [{"sum": [window, "sales_value"]}, least]},
            "none": {"==": [{"count": [window]}, 0]},
        }[what]
        rule = {"and": [figure, {">=": [{"var": "attributes.age"}, 30]}]}
        documents.append(
            {"id": f"t{number}", "name": "x", "audience": "bench", "kind": "batch", "rule": rule}
        )
    return load_rule_set(documents, SCHEMA, "bench")


def by_hand() -> str:
    """The same ten segments as somebody who knows DuckDB writes them."""

    def figure(what: str, department: str | None, days: int) -> str:
        when = f"time > {NOW - days * 86_400}" + (f" AND department = '{department}'" if department else "")
        # Sums must not depend on the order of events, so they are of decimals for anybody who wants the same answer twice.
        return (
            f"sum(sales_value::decimal(18, 6)) FILTER ({when})"
            if what == "sum"
            else f"count(*) FILTER ({when})"
        )

    figures = ",\n".join(
        f"{figure(what, department, days)} AS f{n}" for n, (what, department, days, _) in enumerate(TEN)
    )
    tests = [
        {"count": f"f{n} >= {least}", "sum": f"f{n} > {least}", "none": f"coalesce(f{n}, 0) = 0"}[what]
        for n, (what, _, _, least) in enumerate(TEN)
    ]
    marks = ",\n".join(f"CASE WHEN age >= 30 AND {test} THEN 't{n}' END" for n, test in enumerate(tests))
    longest = max(days for _, _, days, _ in TEN)
    return f"""
        WITH e AS (SELECT profile_key, {figures} FROM lake.purchases
            WHERE period >= DATE '{_month(NOW - longest * 86_400)}' AND time > {NOW - longest * 86_400} AND time <= {NOW} GROUP BY profile_key)
        SELECT p.profile_key, list_filter([{marks}], x -> x IS NOT NULL) AS segments
        FROM lake.profiles p LEFT JOIN e ON e.profile_key = p.profile_key"""


def _month(time: int) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-01")


def timed(engine: Engine, queries: Mapping[str, Sequence[str]], rounds: int = 5) -> dict[str, float]:
    """Medians of rounds in which all take turns, in seconds of processor time, of DuckDB SQL; a list runs one by one."""
    found: dict[str, list[float]] = {name: [] for name in queries}
    for number in range(rounds):
        for name, texts in queries.items():
            found[name].append(sum(engine.write("timed", one, trino=False).cpu for one in texts))
            print(f"round {number + 1}, {name}: {found[name][-1]:.2f} s", file=sys.stderr, flush=True)
    return {name: statistics.median(one) for name, one in found.items()}


def sql_of(rules_: RuleSet, audience: Audience) -> list[str]:
    """A run's queries."""
    made = members_queries(
        rules_,
        audience.profiles,
        audience.behaviors,
        NOW,
        partitions=audience.partitions,
        events_a_profile=audience.events_a_profile,
    )
    return [one.sql for one in made]


def alone(rules_: RuleSet, audience: Audience) -> list[str]:
    """A query for each segment."""
    return [
        members_query(
            RuleSet(rules_.audience, rules_.schema, (one,)),
            audience.profiles,
            audience.behaviors,
            NOW,
            partitions=audience.partitions,
            events_a_profile=audience.events_a_profile,
        )
        for one in rules_
    ]


def same(engine: Engine, audience: Audience) -> None:
    """The two ways to ten segments find the same people."""
    engine.write("ours", sql_of(ten(), audience)[0])
    engine.write("by_hand", by_hand(), trino=False)
    differing = engine.rows(
        f"""SELECT count(*) FROM read_parquet('{engine.folder / "ours.parquet"}') a
            FULL JOIN read_parquet('{engine.folder / "by_hand.parquet"}') b USING (profile_key)
            WHERE a.segments IS DISTINCT FROM b.segments"""
    )
    if differing != [(0,)]:
        raise AssertionError(f"{differing} profiles differ")


class Scanned:
    """Bytes that the embedded Athena reads."""

    def __init__(self, cloud: Cloud, engine: Engine, audience: Audience) -> None:
        self._outputs = cloud.outputs
        self._athena = AthenaWarehouse(
            cloud.client("athena"),
            cloud.client("glue"),
            cloud.outputs["AthenaWorkGroupName"],
            cloud.outputs["GlueDatabaseName"],
        )
        s3, glue, bucket = cloud.client("s3"), cloud.client("glue"), cloud.outputs["LakeBucketName"]
        types = {"VARCHAR": "string", "DOUBLE": "double", "BIGINT": "bigint", "DATE": "date"}
        for name in ("profiles", "purchases"):
            root = engine.folder
            paths = (
                [root / "profiles.parquet"]
                if name == "profiles"
                else sorted((root / name).rglob("*.parquet"))
            )
            for path in paths:
                below = path.name if name == "profiles" else f"{path.parent.name}/{path.name}"
                s3.upload_file(str(path), bucket, f"bench/{name}/{below}")
            columns = [(row[0], types[row[1]]) for row in engine.rows(f"DESCRIBE lake.{name}")]
            storage = {
                "Columns": [{"Name": column, "Type": kind} for column, kind in columns if column != "period"],
                "Location": f"s3://{bucket}/bench/{name}/",
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                },
            }
            keys = [{"Name": "period", "Type": "date"}] if name == "purchases" else []
            database = cloud.outputs["GlueDatabaseName"]
            glue.create_table(
                DatabaseName=database,
                TableInput={
                    "Name": name,
                    "TableType": "EXTERNAL_TABLE",
                    "StorageDescriptor": storage,
                    "PartitionKeys": keys,
                },
            )
            for folder in sorted({path.parent.name for path in paths}) if keys else []:
                place = {**storage, "Location": f"s3://{bucket}/bench/{name}/{folder}/"}
                glue.create_partition(
                    DatabaseName=database,
                    TableName=name,
                    PartitionInput={"Values": [folder.split("=")[1]], "StorageDescriptor": place},
                )

    def of(self, queries: Sequence[str]) -> int:
        """Of all of these together."""
        return sum(
            self._athena.rows("bench", f"SELECT count(*), sum(cardinality(segments)) FROM ({one}) m")[
                0
            ].bytes_scanned
            for one in queries
        )


def compared(engine: Engine, audience: Audience) -> str:
    """The ten that a person also wrote, by the compiler and by hand, over one audience."""
    same(engine, audience)
    ours = [engine.translated(one) for one in sql_of(ten(), audience)]
    found = timed(engine, {"ours": ours, "hand": [by_hand()]}, rounds=7)
    return (
        f"over {audience.events:,} purchases {found['ours']:.3f} s by the compiler, {found['hand']:.3f} s by hand, "
        f"{found['ours'] / found['hand']:.2f} times as long"
    )


def run(profiles: int) -> str:
    """All figures, as Markdown."""
    all_read, drawn = ten_that_read_all()
    sets = {f"{count:,}": rules(count) for count in COUNTS}
    sets = {"1": sets["1"], "10": sets["10"], ALL_READ: all_read, "100": sets["100"], "1,000": sets["1,000"]}
    wild = {f"{count:,}": rules(count, any_window=True) for count in COUNTS[1:]}
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        audience = generate(engine, profiles, EVENTS_EACH)

        def ready(queries: Sequence[str]) -> list[str]:
            return [engine.translated(one) for one in queries]

        times = timed(engine, {name: ready(sql_of(one, audience)) for name, one in sets.items()})
        single = timed(engine, {"10": ready(alone(sets["10"], audience))}, rounds=1)
        any_length = timed(
            engine, {name: ready(sql_of(one, audience)) for name, one in wild.items()}, rounds=1
        )
        by_two = [compared(engine, audience)]
        queries = {name: len(sql_of(one, audience)) for name, one in sets.items()}
    with tempfile.TemporaryDirectory() as folder, Cloud(api_port=0, aws_port=0, log=lambda *_: None) as cloud:
        engine = Engine(Path(folder))
        few = generate(engine, max(profiles // 5, 4_000), EVENTS_EACH)
        by_two.append(compared(engine, few))
        scanned = Scanned(cloud, engine, few)
        read = {name: scanned.of(sql_of(one, few)) for name, one in sets.items()}
        apart = {"10": scanned.of(alone(sets["10"], few))}
    busy = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    rows = [
        [
            name,
            str(queries[name]),
            f"{read[name]:,}",
            f"{read[name] / read['10']:.2f}",
            f"{read[name] / read[ALL_READ]:.2f}",
            f"{times[name]:.2f} s",
            f"{times[name] / times['10']:.1f}",
            f"{times[name] / times[ALL_READ]:.1f}",
            f"{apart[name]:,}" if name in apart else "",
            f"{single[name]:.1f} s" if name in single else "",
            f"{any_length[name]:.2f} s" if name in any_length else "",
        ]
        for name in sets
    ]
    titles = ["segments", "queries", "bytes read", "of ten's", "of all's", "time", "of ten's", "of all's"]
    titles += ["a query each: bytes", "time", "windows of any length: time"]
    return "\n\n".join(
        (
            f"# Many segments in one run\n\nMeasured on: {machine()}, load {busy}, {LOCAL}.",
            f"{profiles:,} profiles, {profiles * EVENTS_EACH:,} purchases of a year; bytes: of {few.size:,} profiles, through the embedded "
            "Athena. Times are seconds of all processors together. A query a segment: one after the other.",
            f"The ten of the second row read fewer columns and a shorter window than a hundred do. {ALL_READ!r} is the first draw of ten, of the same kind of "
            f"rules, that reads every column and the longest window that the thousand read: {drawn} of {DRAWS} draws do.",
            table(titles, rows),
            f"Ten segments that a person also wrote as DuckDB SQL, with the same result: {'; '.join(by_two)}.",
        )
    )


def main() -> None:
    """Parse the command line, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profiles", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "RESULTS-batch-segments.md")
    given = parser.parse_args()
    text = run(given.profiles)
    print(text)
    kept = given.out.read_text(encoding="utf-8") if given.out.exists() else ""
    said = kept.partition(SAID)[2]  # what people wrote about the figures stays
    given.out.write_text(f"{text}\n{SAID}{said}" if said else f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
