"""A load test of what one machine holds: 5 million profiles and 100 million events through the local engine.

    make load                    about ten minutes and 6 GB of disk on two cores; removed afterwards
    .venv/bin/python -m tests.bench.load --profiles 1000000 --events 20

Profiles and events are generated straight to Parquet, laid out as a build lays them. A run of a hundred segments then
finds the members, the changes against a second run a day later, and the sizes; DuckDB may use no more memory than it is
given, and what the process used at most is measured beside it.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from segmentation.domain.run_sql import changes_query, sizes_query
from segmentation.language.sql import members_queries

from .engine import NOW, Engine, generate
from .realistic_segments import rules
from .results import Steps, machine

SEGMENTS = 100
DAY = 86_400


def run(profiles: int, events_each: int, memory: str, folder: Path, steps: Steps) -> None:
    """All figures, step by step."""
    engine = Engine(folder, memory)
    audience = generate(engine, profiles, events_each)
    steps.add(
        "generate and lay out", f"{audience.seconds:.1f} s", f"{audience.bytes / 1e9:.2f} GB of Parquet"
    )
    set_ = rules(SEGMENTS)
    runs = []
    for number, now in enumerate((NOW - DAY, NOW)):
        (query,) = members_queries(
            set_,
            audience.profiles,
            audience.behaviors,
            now,
            partitions=audience.partitions,
            events_a_profile=audience.events_a_profile,
        )
        done = engine.write(f"run{number}", query.sql)
        runs.append(engine.table(f"run{number}", str(folder / f"run{number}.parquet")))
        steps.add(
            f"members of {SEGMENTS} segments, run {number + 1}",
            f"{done.seconds:.1f} s",
            f"{done.rows:,} rows, {done.cpu:.0f} s of processors, {peak():.2f} GB at most so far",
        )
    done = engine.write("changes", changes_query(runs[1], runs[0], (), ()))
    engine.table("changes", str(folder / "changes.parquet"))
    steps.add("changes between the two", f"{done.seconds:.1f} s", f"{done.rows:,} profiles")
    started = time.perf_counter()
    counts = engine.rows(engine.translated(sizes_query(runs[1], "changes")))
    seconds = time.perf_counter() - started
    steps.add("sizes, joiners and leavers", f"{seconds:.1f} s", f"{len(counts)} figures")
    by_kind: dict[str, int] = {}
    for kind, _, number in counts:
        by_kind[kind] = by_kind.get(kind, 0) + int(number)
    # What the figures must add up to, counted another way.
    (memberships,) = engine.rows("SELECT sum(len(segments)) FROM lake.run1")[0]
    (before,) = engine.rows("SELECT sum(len(segments)) FROM lake.run0")[0]
    if by_kind["size"] != memberships or by_kind["joined"] - by_kind["left"] != memberships - before:
        raise AssertionError(f"{by_kind}, {memberships}, {before}")
    steps.add("most memory of the process", f"{peak():.2f} GB", f"DuckDB may use {memory}")
    steps.end(f"{memberships:,} memberships.")


def peak() -> float:
    """Gigabytes that the process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Parse the command line, run, write, clean up."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profiles", type=int, default=5_000_000)
    parser.add_argument("--events", type=int, default=20, help="events a profile")
    parser.add_argument("--memory", default="3GB", help="what DuckDB may use")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "RESULTS-load.md")
    given = parser.parse_args()
    head = (
        f"# Load test\n\n{machine()}. {given.profiles:,} profiles, {given.profiles * given.events:,} events of a year, "
        f"{SEGMENTS} segments."
    )
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        run(
            given.profiles,
            given.events,
            given.memory,
            Path(folder),
            Steps(given.out, head, ["step", "time", ""]),
        )


if __name__ == "__main__":
    main()
