"""How long building an audience takes: 5 million profiles through the local engine, and the demo through the embedded cloud.

    .venv/bin/python -m tests.bench.build_audience [--profiles 5000000] [--no-demo]

The statements are those of a build (`domain/build_plan.py`): profiles with a winning row of two, e-mail addresses that
several people claim, events with a lookup and duplicates, a sample of both.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from segmentation.domain.audience_document import parse_audience
from segmentation.domain.build_plan import SAMPLED, build_tables
from segmentation.domain.run_sql import sample_query

from infra.demo.receiver import Receiver
from infra.demo.stage import Stage
from infra.local.cloud import Cloud

from .engine import NOW, YEAR, Engine
from .results import Steps, machine

EVENTS_EACH = 4
AUDIENCE: dict[str, Any] = {
    "id": "bench",
    "name": "Bench",
    "database": "bench_db",
    "time_zone": "Europe/Berlin",
    "master": {"table": "people", "key": "id"},
    "identities": [
        "id",
        {
            "name": "email",
            "table": "people",
            "column": "mail",
            "normalize": "email",
            "visibility": "pii",
            "latest": "changed",
        },
    ],
    "attributes": [
        {
            "table": "facts",
            "key": "id",
            "latest": "changed",
            "columns": {
                "country": {"type": "string"},
                "age": {"type": "number"},
                "since": {"type": "timestamp", "column": "joined"},
            },
        }
    ],
    "behaviors": {
        "purchases": {
            "table": "sales",
            "key": "id",
            "time": "sold",
            "id": ["nr"],
            "lookups": [{"table": "items", "key": "item"}],
            "columns": {"amount": {"type": "number"}, "department": {"type": "string", "from": "items"}},
        }
    },
}
CATALOG: dict[str, dict[str, str] | None] = {
    "people": {"id": "bigint", "mail": "string", "changed": "bigint"},
    "facts": {"id": "bigint", "changed": "bigint", "country": "string", "age": "double", "joined": "bigint"},
    "sales": {"id": "bigint", "sold": "bigint", "nr": "bigint", "item": "bigint", "amount": "double"},
    "items": {"item": "bigint", "department": "string"},
}


def raw(engine: Engine, profiles: int) -> None:
    """The raw tables; of twenty sales one stands twice, of two rows of facts the later one counts."""
    folder = engine.folder
    queries = {
        "people": f"SELECT i AS id, 'P' || (hash(i, 3) % {profiles}) || '@Example.com' AS mail, i AS changed FROM range({profiles}) t(i)",
        "facts": f"""SELECT i % {profiles} AS id, i AS changed, (['US','DE','FR'])[1 + (hash(i) % 3)::int] AS country,
            (18 + hash(i, 2) % 70)::double AS age, ({NOW} - hash(i, 4) % 100000000)::bigint AS joined FROM range({2 * profiles}) t(i)""",
        "sales": f"""SELECT (hash(n) % {profiles})::bigint AS id, ({NOW} - hash(n, 5) % {YEAR})::bigint AS sold, n AS nr,
            (hash(n, 6) % 5000)::bigint AS item, (hash(n, 7) % 10000)::double / 100 AS amount
            FROM (SELECT i - i // 20 AS n FROM range({profiles * EVENTS_EACH}) t(i))""",
        "items": "SELECT i AS item, 'D' || (i % 30) AS department FROM range(5000) t(i)",
    }
    for name, query in queries.items():
        engine.connection.execute(
            f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
        engine.table(name, str(folder / f"{name}.parquet"))


def five_million(profiles: int, steps: Steps) -> None:
    """Each statement of a build."""
    with tempfile.TemporaryDirectory(prefix="build-") as folder:
        engine = Engine(Path(folder))
        started = time.perf_counter()
        raw(engine, profiles)
        steps.add("(raw tables, made for it)", "", f"{time.perf_counter() - started:.1f} s", "")
        clock = busy = 0.0
        for name, one in build_tables(parse_audience(AUDIENCE), CATALOG, NOW, {"profiles": profiles}).items():
            done = engine.write(f"built_{name}", one.query)
            engine.table(f"built_{name}", str(engine.folder / f"built_{name}.parquet"))
            clock, busy = clock + done.seconds, busy + done.cpu
            steps.add(name, f"{done.rows:,}", f"{done.seconds:.1f} s", f"{done.cpu:.1f} s")
            few = engine.write(f"sample_{name}", sample_query(f"built_{name}", profiles, SAMPLED))
            clock, busy = clock + few.seconds, busy + few.cpu
            steps.add(f"sample of {name}", f"{few.rows:,}", f"{few.seconds:.1f} s", f"{few.cpu:.1f} s")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        steps.add("all", f"{memory:.1f} GB at most", f"{clock:.1f} s", f"{busy:.1f} s")


def demo() -> float:
    """Seconds from the request to the commit, through functions, Athena and S3 of the embedded cloud."""
    with Cloud(api_port=0, aws_port=0, log=lambda *_: None) as cloud:
        stage = Stage(cloud, Receiver())
        for _ in stage.load_tables():
            pass
        stage.publish()
        started = time.perf_counter()
        stage.build()
        return time.perf_counter() - started


def main() -> None:
    """Parse the command line, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profiles", type=int, default=5_000_000)
    parser.add_argument("--no-demo", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "RESULTS-build.md")
    given = parser.parse_args()
    head = (
        f"# Building an audience\n\nMeasured on: {machine()}. {given.profiles:,} profiles, {given.profiles * EVENTS_EACH:,} raw "
        "events, local engine."
    )
    steps = Steps(given.out, head, ["table", "rows", "time", "of all processors"])
    five_million(given.profiles, steps)
    if given.no_demo:
        steps.end()
        return
    steps.end(
        "The demo's audience (2,469 profiles, 1,469,307 purchases) through the embedded cloud, from the request to the "
        f"commit: {demo():.1f} s."
    )


if __name__ == "__main__":
    main()
