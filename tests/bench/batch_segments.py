"""1, 10, 100 and 1,000 segments in one run, beside one query a segment and beside SQL written by hand.

    .venv/bin/python -m tests.bench.batch_segments [--profiles 20000]

Times are the engine's (`engine.py`), in seconds of all processors together; bytes are what the embedded Athena read of S3 for the same queries over a
part of the profiles. Everything is written as Parquet, as in a run. Results are compared before they are timed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.language import RuleSet, load_rule_set
from segmentation.language.sql import members_queries, members_query

from infra.local.cloud import Cloud

from .engine import DEPARTMENTS, NOW, SCHEMA, Audience, Engine, generate
from .results import machine, table

COUNTS = (1, 10, 100, 1_000)
DAYS = (1, 3, 7, 14, 30, 60, 90, 180)
P: dict[str, Any] = {"var": "behaviors.purchases"}
EVENTS_EACH = 100
LOCAL = "DuckDB through the embedded Athena's translation"


def rules(count: int, *, any_window: bool = False) -> RuleSet:
    """Realistic rules: one to three conditions on what was bought when, and on attributes.

    Windows are those that people choose, or (`any_window`) of any length, so that hardly two are alike.
    """
    draw = random.Random(7)

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


def timed(engine: Engine, name: str, queries: Sequence[str], *, trino: bool = True, rounds: int = 3) -> float:
    """The median of several rounds, in seconds of processor time; several queries run one after the other."""
    texts = [engine.translated(one) if trino else one for one in queries]
    found = []
    for _ in range(rounds):
        found.append(sum(engine.write(name, one, trino=False).cpu for one in texts))
    return statistics.median(found)


def sql_of(rules_: RuleSet, audience: Audience) -> list[str]:
    """A run's queries."""
    made = members_queries(rules_, audience.profiles, audience.behaviors, NOW, partitions=audience.partitions)
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


def run(profiles: int) -> str:
    """All figures, as Markdown."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        audience = generate(engine, profiles, EVENTS_EACH)
        same(engine, audience)
        sets = {count: rules(count) for count in COUNTS}
        queries = {count: sql_of(one, audience) for count, one in sets.items()}
        times = {}
        for count, one in queries.items():
            times[count] = timed(engine, f"all{count}", one)
            print(f"{count} segments: {times[count]:.2f} s", file=sys.stderr, flush=True)
        single = timed(engine, "single", alone(sets[10], audience), rounds=1)
        hundred = timed(engine, "hundred", alone(sets[100], audience), rounds=1)
        ours, hand = (
            timed(engine, "ours", sql_of(ten(), audience)),
            timed(engine, "hand", [by_hand()], trino=False),
        )
        wild = {
            count: timed(engine, "wild", sql_of(rules(count, any_window=True), audience), rounds=1)
            for count in (10, 100, 1_000)
        }
    with tempfile.TemporaryDirectory() as folder, Cloud(api_port=0, aws_port=0, log=lambda *_: None) as cloud:
        engine = Engine(Path(folder))
        few = generate(engine, max(profiles // 10, 5_000), EVENTS_EACH)
        scanned = Scanned(cloud, engine, few)
        read = {count: scanned.of(sql_of(one, few)) for count, one in sets.items()}
        apart = {10: scanned.of(alone(sets[10], few))}
    lines.append(
        f"# Many segments in one run\n\nMeasured on: {machine()}, {LOCAL}.\n\n{profiles:,} profiles, {profiles * EVENTS_EACH:,} purchases of a year; bytes: of fewer, "
        "through the embedded Athena. Times are seconds of all processors together. A query a segment: one after the other."
    )
    each = {10: single, 100: hundred}
    rows = [
        [
            f"{count:,}",
            str(len(queries[count])),
            f"{read[count]:,}",
            f"{read[count] / read[10]:.2f}",
            f"{times[count]:.2f} s",
            f"{times[count] / times[10]:.1f}",
            f"{apart[count]:,}" if count in apart else "",
            f"{each[count]:.1f} s" if count in apart else "",
            f"{wild[count]:.2f} s" if count in wild else "",
        ]
        for count in COUNTS
    ]
    lines.append(
        table(
            [
                "segments",
                "queries",
                "bytes read",
                "of ten's",
                "time",
                "of ten's",
                "a query each: bytes",
                "time",
                "windows of any length: time",
            ],
            rows,
        )
    )
    lines.append(
        f"Ten segments that a person also wrote as DuckDB SQL, with the same result: {ours:.2f} s by the compiler, {hand:.2f} s by hand, "
        f"{ours / hand:.2f} times as long."
    )
    return "\n\n".join(lines) + "\n"


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
    given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
