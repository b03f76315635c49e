"""Uploaded lists on the embedded S3 and Athena: by any identity, in the one query, refreshed when they change."""

import gzip
import http.client
import io
import itertools
import time
import urllib.request
from collections.abc import Iterator
from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Uploads
from segmentation.domain.errors import QueryFailed
from segmentation.domain.list_upload import Upload, UploadState
from segmentation.domain.lists import MERGED_FROM
from segmentation.domain.pipeline import Job
from segmentation.domain.visitor import BatchView, Program, Visitor, evaluate
from segmentation.usecases.import_lists import ImportLists
from segmentation.usecases.list_changes import ListChanges
from segmentation.usecases.list_members import ListMembers
from segmentation.usecases.upload_list import UploadList

from tests.contract.batch import NOW, Batch, fill
from tests.contract.conftest import Cloud
from tests.fakes import MemoryQueue, StaticRuleSets
from tests.fakes.documents import documents, published, sha

NUMBERS = count(1)
EMAIL = {"name": "email", "table": "contacts", "column": "mail", "normalize": "email", "visibility": "pii"}


def segment(identifier: str, rule: Any = None, kind: str = "list") -> dict[str, Any]:
    document = {"id": identifier, "name": identifier, "audience": "shop", "kind": kind}
    return document if rule is None else {**document, "rule": rule}


def rules() -> dict[str, Any]:
    document = documents()
    document["audience"]["identities"] = ["person_id", EMAIL]
    for place in (*document["access"]["tokens"], *document["access"]["partners"], *document["destinations"]):
        place["segments"].append("vip")
    document["segments"] += [
        segment("vip"),
        segment("never-uploaded"),
        segment(
            "plain-adults",
            {"and": [{"in": ["adults", {"var": "segments"}]}, {"!": [{"in": ["vip", {"var": "segments"}]}]}]},
            "batch",
        ),
        segment("nobody", {"in": ["never-uploaded", {"var": "segments"}]}, "batch"),
        segment("vip-now", {"in": ["vip", {"var": "segments"}]}, "realtime"),
    ]
    return document


class World(Batch):
    """The batch path with lists."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.queue = MemoryQueue()
        sets = StaticRuleSets(self.rig.sets)
        numbers = itertools.count(1)
        uploads = S3Uploads(self.cloud.client("s3"), "lake")
        self.uploads = UploadList(
            self.lake, uploads, sets, self.clock, self.queue, lambda: f"{next(numbers):04x}"
        )
        self.jobs = ImportLists(
            self.lake,
            ParquetTables(self.lake),
            self.warehouse,
            GlueLakeCatalog(self.cloud.client("glue"), self.database, "lake"),
            sets,
            self.clock,
            self.queue,
            kept_seconds=60,
        )

    def taken(self, data: bytes, **options: Any) -> Upload:
        """Upload through the presigned address, and take it in."""
        started = self.uploads.start("shop", "vip", **options)
        kind = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(started.urls[0], data=data, headers=kind, method="PUT")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == http.client.OK
        upload = self.uploads.complete("shop", "vip", started.upload.id)
        deadline = time.monotonic() + 30
        while not upload.is_over:
            assert time.monotonic() < deadline
            if self.queue.messages:
                one = self.queue.messages.pop()
                self.jobs(one["audience"], one["segment"], one["upload"], lambda: 900.0)
            for query in self.uploads.status("shop", "vip", upload.id).queries.values():
                self.jobs.query_ended(query, lambda: 900.0)
            upload = self.uploads.status("shop", "vip", upload.id)
        self.clock.time += 1
        return upload

    def unmatched(self, upload: Upload) -> list[str]:
        """The lines that matched nobody, from the addresses that are given out."""
        found: list[str] = []
        for address in self.uploads.rejected("shop", "vip", upload.id).unmatched:
            with urllib.request.urlopen(address, timeout=30) as answer:
                found += gzip.decompress(answer.read()).decode().splitlines()
        return sorted(found)

    def members(self) -> dict[str, list[str]]:
        """Segments by person, after a run of all."""
        self.clock.time += 1
        record = self.materialize()
        rows = self.shop.rows(f"SELECT profile_key, array_join(segments, ' ') FROM {record.members_table()}")
        return {str(key): str(names).split() for key, names in rows}


@pytest.fixture
def world(cloud: Cloud) -> Iterator[World]:
    made = World(cloud, f"lists{next(NUMBERS)}", published(**rules()))
    fill(made)
    made.put(
        "contacts",
        {
            "person_id": (pa.int64(), [1, 2, 3]),
            "mail": (pa.string(), ["Ann@x.org", "bo@x.org ", None]),
        },
    )
    yield made
    made.remove()
    for prefix in ("lists/", "listed/", "lists_open/"):
        made.lake.delete_prefix(prefix)


def test_a_list_by_the_master_key(world: World) -> None:
    world.build()
    assert world.members()["1"] == ["adults", "buyers", "plain-adults"]
    upload = world.taken(b"person_id\n1\n77\n1\n3\n")
    report = upload.report
    assert (upload.state, report.rows, report.keys, report.matched) == (UploadState.COMMITTED, 4, 3, 2)
    assert (report.duplicates, report.unmatched) == (1, 1)
    assert world.unmatched(upload) == ["3,77"]
    # Who is on the list is no plain adult; an empty list has nobody in it.
    assert world.members() == {"1": ["adults", "buyers", "vip"], "2": ["buyers"], "3": ["vip"]}


def test_a_list_by_e_mail_keeps_its_people(world: World) -> None:
    world.build()
    upload = world.taken(b"e\nANN@x.org\nzoe@x.org\n", identity="email", column="e")
    assert (upload.report.keys, upload.report.matched) == (2, 1)
    assert world.unmatched(upload) == [f"3,email:{sha('zoe@x.org')}"]
    assert [key for key, names in world.members().items() if "vip" in names] == ["1"]
    # Zoe comes, and Ann's address becomes Bo's: the list follows.
    world.put("people", {"person_id": (pa.int64(), [1, 2, 3, 4])})
    world.put(
        "contacts",
        {"person_id": (pa.int64(), [2, 4]), "mail": (pa.string(), ["ann@x.org", "Zoe@x.org"])},
    )
    world.build()
    assert [key for key, names in world.members().items() if "vip" in names] == ["2", "4"]


def test_a_mixed_list_of_parquet_and_csv(world: World) -> None:
    world.build()
    buffer = io.BytesIO()
    pq.write_table(pa.table({"person_id": pa.array([2, None, 99])}), buffer)
    first = world.taken(buffer.getvalue(), format="parquet")
    assert first.report.reasons == {"empty": 1}
    world.taken(b"email\nann@x.org\n", identity="email", mode="append")
    assert sorted(key for key, names in world.members().items() if "vip" in names) == ["1", "2"]


def test_a_changed_list_is_computed_without_waiting_for_the_night(world: World) -> None:
    world.build()
    world.members()
    run = world.json("memberships/shop/current.json")["run"]
    world.clock.time += 60
    assert world.rig.advance.sweep().runs == []
    world.taken(b"person_id\n2\n")
    world.clock.time += 60
    world.rig.advance.sweep()
    deadline = time.monotonic() + 30
    while world.rig.runs.held():
        assert time.monotonic() < deadline
        world.rig.advance.sweep()
    record = world.json("memberships/shop/current.json")
    assert record["run"] > run
    latest = world.rig.runs.recent("shop", Job.MATERIALIZE)[0]
    assert latest.asked == ("vip",)
    sizes = {one["id"]: one["size"] for one in record["segments"]}
    assert sizes == {"adults": 1, "buyers": 2, "never-uploaded": 0, "nobody": 0, "plain-adults": 1, "vip": 1}
    world.clock.time += 60
    assert world.rig.advance.sweep().runs == []  # and once only


def test_a_run_that_was_planned_reads_the_lists_as_they_were(world: World) -> None:
    world.build()
    world.taken(b"person_id\n1\n")
    first = world.materialize()
    world.taken(b"person_id\n2\n")
    plan = world.json(f"memberships/shop/{first.run}/plan.json")
    assert [one["rows"] for one in plan["lists"]["vip"]["uploads"]] == [1]
    assert world.json("listed/shop.json")["vip"]["uploads"] != plan["lists"]["vip"]["uploads"]
    for seconds in (30, 61):  # kept for a minute
        world.clock.time += seconds
        world.jobs.sweep(lambda: 900.0)
    folders = {path.split("/")[2] for path in world.lake.list("listed/shop/")}
    assert len(folders) == 1


def test_many_appended_uploads_become_one_with_the_same_members(world: World) -> None:
    world.build()
    for number in range(MERGED_FROM):
        world.taken(f"person_id\n{number % 2 + 1}\n".encode(), mode="append")
    before = world.members()
    assert {key for key, names in before.items() if "vip" in names} == {"1", "2"}
    deadline = time.monotonic() + 30
    while len(world.json("listed/shop.json")["vip"]["uploads"]) > 1:
        assert time.monotonic() < deadline
        world.jobs.sweep(lambda: 900.0)
    (one,) = world.json("listed/shop.json")["vip"]["uploads"]
    _, rows = world.warehouse.rows(
        "all", f"SELECT segment, key, line FROM shop_listed WHERE version = 'vip.{one['id']}' ORDER BY key"
    )
    assert rows == [("vip", "1", "2"), ("vip", "2", "2")]  # each key once
    assert world.members() == before


def test_lists_are_published_and_seen_by_real_time_rules(world: World) -> None:
    world.build()
    world.taken(b"person_id\n1\n")
    world.materialize()
    world.publish()
    assert world.segments("1") == ["adults", "buyers", "vip"]
    part = world.profiles.batch["shop#person_id:1"]
    program = Program(world.rules.rules)
    seen = evaluate(program, "1", Visitor(), BatchView(frozenset(part.segments), part.attributes), [], NOW)
    assert "vip-now" in seen.visitor.members
    alone = evaluate(program, "2", Visitor(), BatchView(frozenset(), {}), [], NOW)
    assert "vip-now" not in alone.visitor.members


def test_a_list_goes_to_partners_and_destinations_like_any_batch_segment(world: World) -> None:
    world.build()
    world.taken(b"person_id\n1\n3\n")
    world.materialize()
    world.publish()
    world.taken(b"person_id\n2\n3\n")
    last = world.materialize()
    world.publish()
    sets = StaticRuleSets({"shop": world.rules})
    page = ListMembers(world.lake, sets)("partner-token", "shop", "vip")
    assert (page["members"], page["run"]) == (["2", "3"], last.run)
    changes = ListChanges(world.lake, sets)("partner-token", "shop", "vip", last.previous)["changes"]
    assert [(one["profile"], one["change"]) for one in changes] == [("1", "left"), ("2", "joined")]
    told = [one for one in world.activations.messages if one["segment"] == "vip"]
    assert [(one["joined"], one["left"]) for one in told] == [
        (["person_id:1", "person_id:3"], []),
        (["person_id:2"], ["person_id:1"]),
    ]
    shown = {key: part.segments for key, part in world.profiles.batch.items() if "vip" in part.segments}
    assert shown.keys() == {"shop#person_id:2", "shop#person_id:3"}


def test_partitions_of_lists_must_be_named(world: World) -> None:
    """As Athena has it of injected partitions."""
    world.build()
    world.taken(b"person_id\n1\n")
    with pytest.raises(QueryFailed, match="injected projected partition column version"):
        world.warehouse.rows("all", "SELECT count(*) FROM shop_listed")
    _, rows = world.warehouse.rows("none", "SELECT count(*) FROM shop_listed WHERE version = 'vip.x'")
    assert rows == [("0",)]
