"""1, 10, 100 and 1,000 segments in one run, beside one query a segment and beside SQL written by hand.

    .venv/bin/python -m tests.bench.batch_segments [--profiles 20000]

Times are the engine's (`engine.py`), in seconds of all processors together, medians of rounds in which all queries take
turns; bytes are what the embedded Athena read of S3 for the same queries over a part of the profiles. Everything is written
as Parquet, as in a run. Results are compared before they are timed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.language import RuleSet
from segmentation.language.sql import members_queries, members_query

from infra.local.cloud import Cloud

from . import batch_one_query
from .engine import Audience, Engine, generate, laid_out
from .realistic_segments import DRAWS, HOUSEHOLDS, MADE_UP, Choices, by_hand, rules, ten, ten_that_read_all
from .results import machine, table

COUNTS = (1, 10, 100, 1_000)
EVENTS_EACH = 100
SAID = "\n**Against the goals.**"
ALL_READ = "10 that read all"
LOCAL = "DuckDB through the embedded Athena's translation"


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
        audience.now,
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
            audience.now,
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


def of_demo(engine: Engine) -> Audience:
    """The grocery chain's year."""
    data = batch_one_query.demo()
    return laid_out(engine, data.schema, data.now, data.profiles, data.purchases)


class World:
    """Segments by the hundred over one audience."""

    def __init__(self, choices: Choices, make: Callable[[Engine], Audience]) -> None:
        self.make = make
        many = {f"{count:,}": rules(count, choices=choices) for count in COUNTS}
        all_read, self.drawn = ten_that_read_all(many["1,000"], choices)
        self.sets = {"1": many["1"], "10": many["10"], ALL_READ: all_read, "100": many["100"]}
        self.sets["1,000"] = many["1,000"]
        self.any_length = {
            f"{count:,}": rules(count, any_window=True, choices=choices) for count in COUNTS[1:]
        }

    def times(self) -> str:
        """What runs take, as a table below what they run over."""
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(Path(folder))
            audience = self.make(engine)
            queries = {name: sql_of(one, audience) for name, one in self.sets.items()}
            ready = {name: [engine.translated(one) for one in texts] for name, texts in queries.items()}
            times = timed(engine, ready)
            members = {name: memberships(engine, texts) for name, texts in ready.items()}
            single = [engine.translated(one) for one in alone(self.sets["10"], audience)]
            apart = timed(engine, {"10": single}, rounds=1)
            wild = {
                name: [engine.translated(one) for one in sql_of(set_, audience)]
                for name, set_ in self.any_length.items()
            }
            any_length = timed(engine, wild, rounds=1)
        rows = [
            [
                name,
                str(len(queries[name])),
                f"{members[name]:,}",
                f"{times[name]:.2f} s",
                f"{times[name] / times['10']:.1f}",
                f"{times[name] / times[ALL_READ]:.1f}",
                f"{apart[name]:.1f} s" if name in apart else "",
                f"{any_length[name]:.2f} s" if name in any_length else "",
            ]
            for name in self.sets
        ]
        titles = ["segments", "queries", "memberships", "time", "of ten's", "of all's"]
        titles += ["a query each", "windows of any length"]
        said = f"{audience.size:,} profiles, {audience.events:,} purchases of a year:"
        return f"{said}\n\n{table(titles, rows)}"

    def bytes(self, cloud: Cloud) -> str:
        """What runs read, as a table below what they run over."""
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(Path(folder))
            audience = self.make(engine)
            scanned = Scanned(cloud, engine, audience)
            read = {name: scanned.of(sql_of(one, audience)) for name, one in self.sets.items()}
            apart = {"10": scanned.of(alone(self.sets["10"], audience))}
        rows = [
            [
                name,
                f"{read[name]:,}",
                f"{read[name] / read['10']:.2f}",
                f"{read[name] / read[ALL_READ]:.2f}",
                f"{apart[name]:,}" if name in apart else "",
            ]
            for name in self.sets
        ]
        titles = ["segments", "bytes read", "of ten's", "of all's", "a query each"]
        said = f"{audience.size:,} profiles, {audience.events:,} purchases; {self.drawn} of {DRAWS} draws of ten read all:"
        return f"{said}\n\n{table(titles, rows)}"


def memberships(engine: Engine, queries: Sequence[str]) -> int:
    """How many people are found, in all segments together."""
    return sum(int(engine.rows(f"SELECT sum(len(segments)) FROM ({one}) m")[0][0] or 0) for one in queries)


def run(profiles: int) -> str:
    """All figures, as Markdown."""
    small = max(profiles // 5, 4_000)
    worlds = [
        World(HOUSEHOLDS, of_demo),
        World(MADE_UP, lambda engine: generate(engine, profiles, EVENTS_EACH)),
    ]
    times = [world.times() for world in worlds]
    worlds[1].make = lambda engine: generate(engine, small, EVENTS_EACH)
    read = []
    for world in worlds:
        with Cloud(api_port=0, aws_port=0, log=lambda *_: None) as cloud:
            read.append(world.bytes(cloud))
    by_two = []
    for size in (profiles, small):
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(Path(folder))
            by_two.append(compared(engine, generate(engine, size, EVENTS_EACH)))
    busy = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return "\n\n".join(
        (
            f"# Many segments in one run\n\nMeasured on: {machine()}, load {busy}, {LOCAL}.",
            f"The first ten read fewer columns and shorter windows than a hundred do. {ALL_READ!r} is the first draw of ten, of the same "
            "kind of rules, that reads every column and the longest window that the thousand read.",
            "## Time\n\nSeconds of all processors together. A query each: one after the other. First the demo data, then made-up data.",
            *times,
            "## Bytes\n\nThrough the embedded Athena.",
            *read,
            f"## By hand\n\nTen segments that a person also wrote as DuckDB SQL, with the same result: {'; '.join(by_two)}.",
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
