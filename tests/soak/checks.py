"""What must be true once the stream has ended and everything is well again."""

import io
import json
import os
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from infra.demo.receiver import Receiver
from infra.local.cloud import Cloud

from .rules import AUDIENCE, CAPPED, LATELY, TOKEN, TOLD, Oracle
from .site import BOT, Site

MOST_MEMORY = 400
"""MB of one function's process. The largest has Parquet in it."""
MOST_GROWTH = 60
"""MB by which a process may have grown since it was warm, while the stream went on."""
PATIENCE = 900.0
"""Seconds for everything to come to rest: nothing is measured by it."""
MOST_KEPT = 1_000


class Failed(AssertionError):
    """Something is not as it must be."""


def check(true: bool, what: str) -> None:
    """Raise `Failed` with what was found."""
    if not true:
        raise Failed(what)


def at_rest(cloud: Cloud) -> None:
    """Let all that waits be done, and time that has passed be told of."""
    deadline = time.monotonic() + PATIENCE
    time.sleep(LATELY + 2)
    while True:
        cloud.idle(PATIENCE)
        cloud.invoke("SweepMemberships")
        cloud.idle(PATIENCE)
        if not any("untold" in one or _is_due(one) for one in _parts(cloud)):
            return
        check(time.monotonic() < deadline, "changes are still untold, or visitors still due")
        time.sleep(2)


def _is_due(item: Any) -> bool:
    return "sweep_at" in item and int(item["sweep_at"]["N"]) <= time.time()


def _parts(cloud: Cloud) -> Iterator[Any]:
    pages = cloud.client("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=cloud.outputs["ProfilesTableName"], ConsistentRead=True):
        yield from (one for one in page["Items"] if one["part"]["S"] == "realtime")


def memberships(cloud: Cloud, site: Site, oracle: Oracle) -> int:
    """Every person is answered what the oracle says at that very second; how many were asked."""
    for who, records in site.accepted.items():
        before = int(time.time())
        answered = _answer(cloud, who)
        moments = range(before, int(time.time()) + 1)
        left_out = CAPPED if who == BOT and len(records) > MOST_KEPT else frozenset()
        expected = [oracle(who, records, moment) - left_out for moment in moments]
        check(
            answered - left_out in expected,
            f"{who} with {len(records)} events is in {sorted(answered)}, not in {sorted(expected[-1])}",
        )
    return len(site.accepted)


def _answer(cloud: Cloud, who: str) -> frozenset[str]:
    path = f"/cdp/lookup/collect/segments?version=2&token={TOKEN}&key.person_id={who}"
    with urllib.request.urlopen(cloud.api_url.rstrip("/") + path, timeout=60) as answer:
        found = json.load(answer)
    return frozenset(found[0]["values"]) if found else frozenset()


def partners(receiver: Receiver, site: Site, oracle: Oracle) -> int:
    """What partners were told, each message once, adds up to who is in what; how many messages."""
    sums: Counter[tuple[str, str]] = Counter()
    for segment in TOLD:
        for delivery in receiver.of(segment):
            sums.update((segment, name) for name in delivery.payload["joined"])
            sums.subtract((segment, name) for name in delivery.payload["left"])
    check(receiver.refused == 0, f"{receiver.refused} deliveries were not signed as they must be")
    now = int(time.time())
    expected = {
        (segment, f"person_id:{who}")
        for who, records in site.accepted.items()
        for segment in oracle(who, records, now) & TOLD
    }
    capped = {f"person_id:{BOT}"} if len(site.accepted.get(BOT, ())) > MOST_KEPT else set()
    wrong = {
        key: count
        for key, count in sums.items()
        if count != (key in expected) and not (key[1] in capped and key[0] in CAPPED)
    }
    missing = {key for key in expected - sums.keys() if key[1] not in capped}
    check(not wrong, f"of {len(wrong)} people and segments partners were told something else: {_some(wrong)}")
    check(not missing, f"partners were not told of {len(missing)}: {_some(missing)}")
    return len(receiver.deliveries)


def lake(cloud: Cloud, site: Site) -> int:
    """Every accepted event is in the archive; how many rows there are."""
    s3, bucket = cloud.client("s3"), cloud.outputs["LakeBucketName"]
    found: set[str] = set()
    rows = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"events/{AUDIENCE}/"):
        for one in page.get("Contents", ()):
            if one["Key"].endswith(".parquet"):
                data = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
                ids = pq.read_table(io.BytesIO(data), columns=["event_id"]).column(0).to_pylist()
                found.update(ids)
                rows += len(ids)
    accepted: set[str] = {one["basket"] for records in site.accepted.values() for one in records}
    check(accepted <= found, f"{len(accepted - found)} accepted events are not in the lake")
    check(found <= accepted, f"{len(found - accepted)} events are in the lake that nobody sent")
    return rows


def queues(cloud: Cloud) -> int:
    """All queues are empty, dead letters too, and nothing was put aside; how many queues."""
    sqs, s3 = cloud.client("sqs"), cloud.client("s3")
    urls = sqs.list_queues().get("QueueUrls", [])
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for url in urls:
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        check(not any(int(counts[name]) for name in names), f"{url.rpartition('/')[2]} holds {counts}")
    aside = s3.list_objects_v2(Bucket=cloud.outputs["FailuresBucketName"]).get("Contents", [])
    check(not aside, f"put aside: {[one['Key'] for one in aside]}")
    return len(urls)


def memory() -> dict[int, tuple[str, float]]:
    """The processes of functions that this one started, each with its function's name and its resident memory in MB."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environ, status = (place / "environ").read_bytes(), (place / "status").read_text()
        except OSError:  # it is gone, or another user's
            continue
        name = re.search(rb"AWS_LAMBDA_FUNCTION_NAME=([^\0]+)", environ)
        size = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        parent = re.search(r"^PPid:\s+(\d+)", status, re.MULTILINE)
        if name and size and parent and int(parent[1]) == os.getpid():
            found[int(place.name)] = (name[1].decode(), int(size[1]) / 1024)
    return found


def grown(warm: dict[int, tuple[str, float]]) -> float:
    """No process is too large, nor has grown too much since; the largest, in MB."""
    now = memory()
    for pid, (name, size) in now.items():
        check(size <= MOST_MEMORY, f"a process of {name} has {size:.0f} MB")
        before = warm.get(pid, (name, size))[1]
        check(
            size - before <= MOST_GROWTH, f"a process of {name} has grown from {before:.0f} to {size:.0f} MB"
        )
    return max((size for _, size in now.values()), default=0.0)


def _some(found: Any) -> list[Any]:
    return sorted(found)[:5]
