"""A rule and a source table are edited and the batch runs again, while the function that carries runs on is killed over and over."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.demo.data import NOW, RawTable, raw_tables
from infra.demo.stage import AUDIENCE, Stage

from .conftest import Path
from .counts import RAW
from .support import get, wait_until

SEGMENT = "coupon-lovers"
LEAST = 3
"""Redemptions that the edited rule asks for."""


def redemptions() -> pa.Table:
    (found,) = [one.table for one in raw_tables() if one.name == "coupon_redemptions"]
    return found


def lovers(table: pa.Table, least: int) -> set[str]:
    """Who redeemed so many, by the rows themselves: within 365 days of the year's end, all days of 2017 but its first."""
    recent = table.filter(
        pc.greater(table["redemption_date"], pa.scalar(1_483_246_800_000, pa.timestamp("ms")))
    )
    counted = recent.group_by("household_id").aggregate([("coupon_upc", "count")]).to_pylist()
    return {str(one["household_id"]) for one in counted if one["coupon_upc_count"] >= least}


def edited(table: pa.Table) -> pa.Table:
    """Two coupon lovers never redeemed anything, and two who never did redeemed three each."""
    gone = sorted(int(one) for one in lovers(table, 5))[:2]
    known = set(table["household_id"].to_pylist())
    everybody = pq.read_table(RAW / "demographics.parquet")["household_id"].to_pylist()
    new = sorted(one for one in everybody if one not in known)[:2]
    kept = table.filter(pc.invert(pc.is_in(table["household_id"], pa.array(gone))))
    model = kept.slice(0, 3)
    added = [model.set_column(0, "household_id", pa.array([one] * 3, pa.int64())) for one in new]
    return pa.concat_tables([kept, *added])


def put(stage: Stage, table: pa.Table) -> None:
    raw = RawTable("coupon_redemptions", table)
    key = "raw/coupon_redemptions/coupon_redemptions.parquet"
    stage.cloud.client("s3").put_object(Bucket=stage.bucket, Key=key, Body=raw.parquet())


def run_again(stage: Stage, least: int) -> dict[str, Any]:
    """Publish the rules, with so many redemptions asked for; build; run; publish."""
    rules = stage.rules()
    for _, segment in rules.segments:
        if segment["id"] == SEGMENT:
            segment["rule"][">="][1] = least
    stage.publish(rules)
    stage.build()
    record = stage.materialize(NOW)
    stage.wait_until_published(record["run"], 240)
    return record


@contextmanager
def killing(path: Path, function: str, most: int = 6) -> Iterator[None]:
    """Meanwhile a function is killed each time that it has begun to work; and the minutes pass."""
    over = threading.Event()

    def kill() -> None:
        seen, kills, turned = len(path.log.lines), 0, time.monotonic()
        path.stage.cloud.kill(function)
        while not over.wait(0.01):
            lines = path.log.lines[seen:]
            seen += len(lines)
            began = any(source == function and text.startswith("started in") for source, text in lines)
            if began and kills < most:
                # Each time a little later in what it does.
                time.sleep(0.03 * kills)
                kills += path.stage.cloud.kill(function)
            if time.monotonic() - turned > 1:
                path.clock.turn(timedelta(minutes=1))
                turned = time.monotonic()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def figures(record: dict[str, Any]) -> tuple[int, int, int]:
    (one,) = [one for one in record["segments"] if one["id"] == SEGMENT]
    return one["size"], one["joined"], one["left"]


def test_exact_joiners_and_leavers_though_each_step_is_killed(path: Path) -> None:
    stage, log = path.stage, len(path.log.lines)
    before = set(stage.members(SEGMENT))
    source = redemptions()
    assert before == lovers(source, 5)
    changed = edited(source)
    expected = lovers(changed, LEAST)
    joined, left = expected - before, before - expected
    assert len(joined) > 2
    assert len(left) == 2
    try:
        put(stage, changed)
        with killing(path, "AdvanceRuns"):
            record = run_again(stage, LEAST)
        assert "AdvanceRuns: its process ended in the middle of an invocation" in path.log.since(log)
        assert figures(record) == (len(expected), len(joined), len(left))
        assert set(stage.members(SEGMENT)) == expected
        for household in sorted(joined)[:5]:
            assert SEGMENT in stage.ask(household).segments
        for household in sorted(left):
            assert SEGMENT not in stage.ask(household).segments
        told = _changes(stage, record)
        assert {one["profile"] for one in told if one["change"] == "joined"} == joined
        assert {one["profile"] for one in told if one["change"] == "left"} == left
        wait_until(lambda: _delivered(stage, record) == (joined, left), 60, "the webhook heard of all")
    finally:
        put(stage, source)
        back = run_again(stage, 5)
    assert figures(back) == (len(before), len(left), len(joined))
    assert set(stage.members(SEGMENT)) == before


def _changes(stage: Stage, record: dict[str, Any]) -> list[dict[str, Any]]:
    """What a partner is told of who read all up to the run before."""
    path = f"/v1/audiences/{AUDIENCE}/segments/{SEGMENT}/changes?since={record['previous']}"
    status, answer = get(stage, path, {"Authorization": f"Bearer {stage.partner_token}"})
    assert status == 200
    return list(answer["changes"])


def _delivered(stage: Stage, record: dict[str, Any]) -> tuple[set[str], set[str]]:
    payloads = [one.payload for one in stage.receiver.of(SEGMENT) if one.payload.get("run") == record["run"]]
    sides = ({key for one in payloads for key in one[side]} for side in ("joined", "left"))
    found = tuple({key.removeprefix("household_id:") for key in side} for side in sides)
    return found[0], found[1]
