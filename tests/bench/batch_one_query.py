"""100 segments in one query against 100 queries: bytes scanned and time, through the embedded Athena.

    .venv/bin/python -m tests.bench.batch_one_query             the demo data
    .venv/bin/python -m tests.bench.batch_one_query --profiles 5000000

Both sides write what they find as tables, as a run does. The time is Athena's own of each statement; the
hundred queries run one after the other.
"""

import argparse
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table
from segmentation.adapters.athena import AthenaWarehouse
from segmentation.domain.run import QueryRecord
from segmentation.language import RuleSet, Schema, Type, load_rule_set
from segmentation.language.sql import members_query

from infra.demo import data
from infra.demo.receiver import Receiver
from infra.demo.stage import AUDIENCE, Stage
from infra.local.cloud import Cloud

SEGMENTS = 100
EVENTS_A_PROFILE = 5

P: dict[str, Any] = {"var": "behaviors.purchases"}
SYNTHETIC = Schema(
    {"country": Type.STRING, "age": Type.NUMBER, "plan": Type.STRING, "joined": Type.TIMESTAMP},
    {"purchases": {"department": Type.STRING, "sales_value": Type.NUMBER}},
    "UTC",
)
DEPARTMENTS = ("GROCERY", "PRODUCE", "MEAT", "DRUG GM", "FUEL", "DELI")


@dataclass(frozen=True)
class Tables:
    """What the segments are run over."""

    rules: RuleSet
    everything: RuleSet
    profiles: str
    behaviors: dict[str, str]
    what: str


def rule(draw: random.Random, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """One realistic rule: one to three conditions on behaviors and attributes."""

    def condition() -> dict[str, Any]:
        days = f"{draw.randint(3, 180)}d"
        bought = {"==": [{"var": "department"}, draw.choice(DEPARTMENTS)]}
        match draw.randrange(4):
            case 0:
                return {">=": [{"count": [{"within": [{"filter": [P, bought]}, days]}]}, draw.randint(1, 6)]}
            case 1:
                return {">": [{"sum": [{"within": [P, days]}, "sales_value"]}, draw.randint(10, 500)]}
            case 2:
                return {"==": [{"count": [{"within": [P, days]}]}, 0]}
            case _:
                return draw.choice(attributes)

    return {draw.choice(["and", "and", "or"]): [condition() for _ in range(draw.randint(1, 3))]}


def rule_sets(schema: Schema, audience: str, attributes: list[dict[str, Any]]) -> tuple[RuleSet, RuleSet]:
    """A hundred segments, and one that alone reads every column that they read."""
    draw = random.Random(7)
    rules = [rule(draw, attributes) for _ in range(SEGMENTS)]
    widest = {
        "or": [
            *attributes,
            {">": [{"sum": [{"filter": [P, {"==": [{"var": "department"}, "MEAT"]}]}, "sales_value"]}, 1]},
        ]
    }

    def load(rules: list[dict[str, Any]]) -> RuleSet:
        documents = [
            {"id": f"s{number:03}", "name": "x", "audience": audience, "kind": "batch", "rule": one}
            for number, one in enumerate(rules)
        ]
        return load_rule_set(documents, schema, audience)

    return load(rules), load([widest])


def demo(stage: Stage) -> Tables:
    """The complete-journey audience, built as ever."""
    for _ in stage.load_tables():
        pass
    published = stage.publish()
    tables = stage.build()["tables"]
    attributes = [
        {"==": [{"var": "attributes.age"}, "45-54"]},
        {"in": [{"var": "attributes.income"}, ["100-124K", "125-149K"]]},
    ]
    schema = published.audience.schema()
    rows = "2,469 profiles, 1,469,307 purchases"
    return Tables(*rule_sets(schema, AUDIENCE, attributes), tables["profiles"], tables["behaviors"], rows)


def synthetic(cloud: Cloud, profiles: int) -> Tables:
    """Made-up profiles and purchases, laid out as an audience is."""
    bucket, database = cloud.outputs["LakeBucketName"], cloud.outputs["GlueDatabaseName"]
    departments = ", ".join(f"'{name}'" for name in DEPARTMENTS)
    queries = {
        "profiles": f"""SELECT CAST(i AS varchar) AS profile_key,
            (['US','DE','FR','GB','IT','ES','PL','NL'])[1 + (hash(i) % 8)::int] AS country,
            CASE WHEN hash(i, 1) % 10 > 0 THEN (18 + hash(i, 2) % 70)::double END AS age,
            (['free','pro','team'])[1 + (hash(i, 3) % 3)::int] AS plan,
            ({data.NOW} - hash(i, 4) % 100000000)::bigint AS joined FROM range({profiles}) t(i)""",
        "purchases": f"""SELECT CAST(hash(i) % {profiles} AS varchar) AS profile_key, CAST(i AS varchar) AS event_id,
            ({data.NOW} - hash(i, 5) % 31536000)::bigint AS "time",
            ([{departments}])[1 + (hash(i, 6) % {len(DEPARTMENTS)})::int] AS department,
            (hash(i, 7) % 10000)::double / 100 AS sales_value FROM range({profiles * EVENTS_A_PROFILE}) t(i)""",
    }
    glue = cloud.client("glue")
    types = {"VARCHAR": "string", "DOUBLE": "double", "BIGINT": "bigint"}
    with tempfile.TemporaryDirectory() as folder:
        for name, query in queries.items():
            path = Path(folder) / f"{name}.parquet"
            duckdb.sql(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
            cloud.client("s3").upload_file(str(path), bucket, f"bench/{name}/data.parquet")
            described = duckdb.sql(f"DESCRIBE {query}").fetchall()
            glue.create_table(
                DatabaseName=database,
                TableInput={
                    "Name": f"bench_{name}",
                    "TableType": "EXTERNAL_TABLE",
                    "StorageDescriptor": {
                        "Columns": [{"Name": column[0], "Type": types[column[1]]} for column in described],
                        "Location": f"s3://{bucket}/bench/{name}/",
                        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                        "SerdeInfo": {
                            "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                        },
                    },
                },
            )
    attributes = [
        {"in": [{"var": "attributes.country"}, ["US", "DE"]]},
        {">=": [{"var": "attributes.age"}, 40]},
        {"==": [{"var": "attributes.plan"}, "pro"]},
        {"within": [{"var": "attributes.joined"}, "365d"]},
    ]
    rules, everything = rule_sets(SYNTHETIC, "bench", attributes)
    rows = f"{profiles:,} profiles, {profiles * EVENTS_A_PROFILE:,} purchases"
    return Tables(rules, everything, "bench_profiles", {"purchases": "bench_purchases"}, rows)


def run(cloud: Cloud, tables: Tables) -> None:
    """Both ways, and the table of figures."""
    warehouse = AthenaWarehouse(
        cloud.client("athena"),
        cloud.client("glue"),
        cloud.outputs["AthenaWorkGroupName"],
        cloud.outputs["GlueDatabaseName"],
    )
    location = f"s3://{cloud.outputs['LakeBucketName']}/bench/results"

    def write(name: str, rules: RuleSet) -> QueryRecord:
        query = members_query(rules, tables.profiles, tables.behaviors, data.NOW)
        properties = f"format = 'PARQUET', external_location = '{location}/{name}/'"
        return warehouse.run(name, f"CREATE TABLE bench_{name} WITH ({properties}) AS {query}")

    together = write("together", tables.rules)
    widest = write("widest", tables.everything)
    single = [
        write(segment.id, RuleSet(tables.rules.audience, tables.rules.schema, (segment,)))
        for segment in tables.rules
    ]
    every, most = sum(one.bytes_scanned for one in single), max(one.bytes_scanned for one in single)
    table = Table(title=f"{SEGMENTS} segments over {tables.what}")
    for heading in ("", "bytes scanned", "of the one query", "seconds", "of the one query"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, scanned, ms in (
        ("one query for all", together.bytes_scanned, together.ms),
        ("one segment that reads every column", widest.bytes_scanned, widest.ms),
        ("the widest of the hundred, alone", most, max(single, key=lambda one: one.bytes_scanned).ms),
        ("a hundred queries", every, sum(one.ms for one in single)),
    ):
        ratios = f"{scanned / together.bytes_scanned:.2f}", f"{ms / together.ms:.2f}"
        table.add_row(name, f"{scanned:,}", ratios[0], f"{ms / 1000:.2f}", ratios[1])
    Console(width=110).print(table)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profiles", type=int, default=0, help="made-up profiles in place of the demo data")
    count = parser.parse_args().profiles
    with Cloud(api_port=0, aws_port=0, log=lambda *_: None) as cloud:
        run(cloud, synthetic(cloud, count) if count else demo(Stage(cloud, Receiver())))


if __name__ == "__main__":
    main()
