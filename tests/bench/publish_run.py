"""Publishing 1% churn of a million profiles: what is written to DynamoDB, how fast, and in how much memory.

    .venv/bin/python -m tests.bench.publish_run [--profiles 1000000]

The changes are found by the run's own query over two runs' members (`engine.py`). They are then published by the use
case and the real adapters, in a process of its own, as a function would be; DynamoDB alone is a client that counts and answers after
some milliseconds. The lake is a folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.parquet import ParquetTables
from segmentation.domain.profile import BatchPart
from segmentation.domain.programs import Programs
from segmentation.domain.publication import Task
from segmentation.domain.published import document_of, parse_published
from segmentation.domain.run import RunRecord, SegmentCount, run_path, run_pointer_path
from segmentation.domain.run_sql import BY_KEY, changes_query
from segmentation.ports import Entry, Stored
from segmentation.usecases.publish_memberships import PublishMemberships
from segmentation.usecases.publish_part import PublishPart
from segmentation.usecases.update_visitors import UpdateVisitors

from .results import machine, table

SEGMENTS = 100
CHURN = 100
"""One profile of so many changes."""
MILLISECONDS = 4
RUN = "20260101t000000z_0001"


class FolderLake:
    """Objects as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, path: str) -> Stored | None:
        """An object, or nothing."""
        place = self._folder / path
        if not place.is_file():
            return None
        data = place.read_bytes()
        return Stored(data, hashlib.md5(data, usedforsecurity=False).hexdigest())

    def range(self, path: str, first: int, size: int) -> bytes:
        """Some of an object's bytes."""
        with (self._folder / path).open("rb") as file:
            file.seek(first)
            return file.read(size)

    def put(self, path: str, data: bytes, *, expected: str | None = None) -> bool:
        """Put an object whole."""
        stored = self.get(path) if expected is not None else None
        if expected is not None and (stored.tag if stored else "") != expected:
            return False
        place = self._folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return True

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The objects below a prefix, sorted by path."""
        root = self._folder / prefix
        found = [root] if root.is_file() else [one for one in root.rglob("*") if one.is_file()]
        for place in sorted(found):
            yield Entry(str(place.relative_to(self._folder)), place.stat().st_size, 0)

    def list(self, prefix: str) -> Iterator[str]:
        """Paths below a prefix, sorted."""
        return (one.path for one in self.entries(prefix))

    def delete(self, paths: Collection[str]) -> None:
        """Remove objects."""
        for path in paths:
            (self._folder / path).unlink(missing_ok=True)

    def delete_prefix(self, prefix: str) -> None:
        """Remove everything below a prefix."""
        self.delete(list(self.list(prefix)))

    def uri(self, path: str) -> str:
        """How the warehouse names a path."""
        return str(self._folder / path)


@dataclass
class CountingDynamo:
    """Answers every request after some milliseconds, and counts."""

    requests: int = 0
    items: set[str] = field(default_factory=set)
    units: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put_item(self, **request: Any) -> dict[str, Any]:
        """One write; a unit a kilobyte."""
        time.sleep(MILLISECONDS / 1_000)
        item = request["Item"]
        with self.lock:
            self.requests += 1
            self.items.add(item["profile"]["S"])
            self.units += -(-len(json.dumps(item)) // 1_024)
        return {}


@dataclass
class Messages:
    """A queue in memory."""

    waiting: list[dict[str, Any]] = field(default_factory=list)
    sent: int = 0

    def send(self, messages: Any, after: int = 0) -> None:
        """Send all."""
        self.waiting += [json.loads(json.dumps(one)) for one in messages]
        self.sent += len(messages)

    def delay(self, receipt: str, seconds: int) -> None:
        """Not needed here."""


class OneSet:
    """The rule set of the bench."""

    def __init__(self) -> None:
        audience = {
            "id": "bench",
            "name": "Bench",
            "database": "bench_db",
            "time_zone": "UTC",
            "master": {"table": "people", "key": "id"},
            "identities": ["id"],
            "attributes": [{"table": "people", "key": "id", "columns": {"country": {"type": "string"}}}],
            "behaviors": {},
        }
        rule = {"==": [{"var": "attributes.country"}, "DE"]}
        segments = [
            {"id": f"s{n:03}", "name": "x", "audience": "bench", "kind": "batch", "rule": rule}
            for n in range(SEGMENTS)
        ]
        partner = {"id": "ads", "sha256": "0" * 64, "segments": [one["id"] for one in segments[:10]]}
        document = document_of(audience, segments, {"partners": [partner]}, [], "2026-01-01T00:00:00Z")
        self._all = {"bench": parse_published(document)}

    def all(self) -> Mapping[str, Any]:
        """By audience."""
        return self._all


def prepare(folder: Path, profiles: int) -> int:
    """Two runs' members and their changes, as Parquet; how many profiles changed."""
    from .engine import Engine

    engine = Engine(folder / "engine_files")
    members = folder / run_path("bench", RUN, "members")
    changes = folder / run_path("bench", RUN, "changes")
    for place in (members, changes, engine.folder):
        place.mkdir(parents=True, exist_ok=True)

    def lists(changed: str) -> str:
        inside = f"hash(i, s) % 10 = 0 OR (s = hash(i, 7) % {SEGMENTS} AND {changed})"
        made = f"list_sort(list_transform(list_filter(range({SEGMENTS}), s -> {inside}), s -> format('s{{:03}}', s)))"
        return f"SELECT CAST(i AS varchar) AS profile_key, {made} AS segments, (['DE','FR'])[1 + (i % 2)::int] AS country FROM range({profiles}) t(i)"

    # Who is flipped is in one segment more than by chance, so it is a change for nearly all of them.
    engine.connection.execute(
        f"COPY ({lists('false')}) TO '{engine.folder / 'old.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
    )
    flipped = f"hash(i, 8) % {CHURN} = 0"
    engine.connection.execute(
        f"COPY ({lists(flipped)}) TO '{members / 'part.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
    )
    engine.table("old", str(engine.folder / "old.parquet"))
    engine.table("new", str(members / "part.parquet"))
    engine.write("changes", changes_query("new", "old", ("country",), ("country",)) + BY_KEY)
    (engine.folder / "changes.parquet").rename(changes / "part.parquet")
    ((count,),) = engine.rows(f"SELECT count(*) FROM read_parquet('{changes / 'part.parquet'}')")
    segments = tuple(SegmentCount(f"s{n:03}", "x", "batch", 0, 0, 0, "v") for n in range(SEGMENTS))
    record = RunRecord(
        run=RUN,
        audience="bench",
        now=0,
        started=0,
        finished=0,
        audience_version="v",
        rules_version="v",
        profiles=profiles,
        segments=segments,
        queries=(),
        attributes=("country",),
        members="members",
        changes="changes",
    )
    lake = FolderLake(folder)
    data = json.dumps(record.to_document()).encode()
    lake.put(run_path("bench", RUN, "run.json"), data)
    lake.put(run_pointer_path("bench"), data)
    return int(count)


def publish(folder: Path) -> dict[str, Any]:
    """All tasks of the publication, one after the other; what came of it."""
    lake, dynamo, queue = FolderLake(folder), CountingDynamo(), Messages()
    tables, profiles = ParquetTables(lake), DynamoProfiles(dynamo, "profiles", LakeNumberings(lake))
    update = UpdateVisitors(profiles, queue, Programs(), SystemClock())  # type: ignore[arg-type]
    use_case = PublishMemberships(
        tables,
        lake,
        PublishPart(tables, lake, profiles, update),
        OneSet(),
        queue,
        Messages(),  # type: ignore[arg-type]
    )
    queue.send([Task("bench", RUN).to_document()])
    started, busy, tasks, longest = time.perf_counter(), time.process_time(), 0, 0.0
    runs: list[str] = []
    writing = writing_cpu = 0.0
    while queue.waiting:
        began, cpu, before = time.perf_counter(), time.process_time(), dynamo.requests
        runs += use_case(Task.from_document(queue.waiting.pop(0))).runs
        longest, tasks = max(longest, time.perf_counter() - began), tasks + 1
        if dynamo.requests > before:
            writing += time.perf_counter() - began
            writing_cpu += time.process_time() - cpu
    if runs != [RUN]:
        raise AssertionError(runs)
    return {
        "requests": dynamo.requests,
        "items": len(dynamo.items),
        "units": dynamo.units,
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - busy,
        "writing": writing,
        "writing_cpu": writing_cpu,
        "tasks": tasks,
        "longest": longest,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000,
        "botocore": of_botocore(),
    }


def of_botocore(requests: int = 1_000) -> float:
    """Milliseconds of processor time that botocore takes for one such write: everything but the network."""
    from botocore.awsrequest import AWSResponse
    from botocore.session import Session

    client = Session().create_client(
        "dynamodb",
        "eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
        endpoint_url="http://127.0.0.1",
    )

    class Raw:
        def stream(self) -> Iterator[bytes]:
            yield b"{}"

    def answer(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, Raw())

    client.meta.events.register("before-send.dynamodb.PutItem", answer)
    profiles = DynamoProfiles(client, "profiles", LakeNumberings(FolderLake(Path("/nowhere"))))
    segments = tuple(f"s{n:03}" for n in range(SEGMENTS // 10))
    parts = [(f"bench#id:{n}", BatchPart(RUN, 0, segments, {"country": "DE"})) for n in range(requests)]
    profiles.publish(parts[:50])
    began = time.process_time()
    profiles.publish(parts)
    return (time.process_time() - began) / requests * 1e3


def run(profiles: int) -> str:
    """All figures, as Markdown."""
    with tempfile.TemporaryDirectory(prefix="publish-") as name:
        folder = Path(name)
        changed = prepare(folder, profiles)
        command = [sys.executable, "-m", "tests.bench.publish_run", "--publish", name]
        done = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    rows = [
        ["profiles that changed", f"{changed:,}", f"of {profiles:,}"],
        [
            "requests to DynamoDB",
            f"{done['requests']:,}",
            f"{done['requests'] / changed - 1:+.2%} of the changed",
        ],
        ["items written", f"{done['items']:,}", f"{done['units']:,} write units"],
        [
            "time",
            f"{done['seconds']:.1f} s",
            "members' pages of ten segments for a partner included",
        ],
        ["processor time", f"{done['cpu']:.1f} s", "the same"],
        [
            "writing profiles alone",
            f"{done['writing']:.1f} s",
            f"{changed / done['writing']:,.0f} profiles a second in one function, {MILLISECONDS} ms a request",
        ],
        [
            "processor time of that",
            f"{done['writing_cpu']:.1f} s",
            f"{done['writing_cpu'] / changed * 1e3:.2f} ms a profile; botocore, which is not in it, takes {done['botocore']:.2f} ms more",
        ],
        ["tasks", f"{done['tasks']}", f"the longest {done['longest']:.1f} s; on AWS they run side by side"],
        ["most memory", f"{done['peak']:,.0f} MB", "of the process"],
    ]
    return (
        f"# Publishing a run\n\nMeasured on: {machine()}. {SEGMENTS} segments.\n\n"
        + table(["", "", ""], rows)
        + "\n"
    )


def main() -> None:
    """Parse the command line, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profiles", type=int, default=1_000_000)
    parser.add_argument("--publish", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "RESULTS-publish.md")
    given = parser.parse_args()
    if given.publish is not None:
        print(json.dumps(publish(given.publish)))
        return
    text = run(given.profiles)
    print(text)
    given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
