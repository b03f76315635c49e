"""Visitor events through the collector, the stream and the evaluator to the personalization API."""

import gzip
import io
import json
import time
from typing import Any

import pytest

from infra.demo.screen import Screen
from infra.demo.show import ask_and_show, replay_purchases
from infra.demo.stage import AUDIENCE, SITE_TOKEN, WRITE_KEY, Stage

from .conftest import Path
from .support import get, post, wait_until

LOOKUP = f"/cdp/lookup/collect/segments?version=2&token={SITE_TOKEN}"


def test_an_event_by_hand_changes_a_realtime_membership_within_two_seconds(stage: Stage) -> None:
    household = stage.members("lapsed-high-spenders")[0]
    post(stage, {"household_id": "warm-up", "sales_value": 1})  # cold starts are not what is measured
    wait_until(lambda: "bought-in-the-last-hour" in stage.ask("warm-up").segments, 20, "a first event")
    before = stage.ask(household).segments
    assert "lapsed-high-spenders" in before
    assert "welcome-back" not in before
    status, answer = post(stage, {"household_id": household, "department": "PRODUCE", "sales_value": 80})
    assert (status, answer) == (200, {"receipts": [{"success": True}]})
    wait_until(lambda: "welcome-back" in stage.ask(household).segments, 2, "welcome-back")
    after = set(stage.ask(household).segments)
    assert after - set(before) >= {"welcome-back", "bought-in-the-last-hour", "big-spenders-today"}
    assert after >= set(before)


def test_the_realtime_change_reaches_the_webhook_signed(stage: Stage) -> None:
    household = stage.members("lapsed-high-spenders")[1]
    post(stage, {"household_id": household, "department": "PRODUCE", "sales_value": 80})
    wait_until(lambda: "welcome-back" in stage.ask(household).segments, 20, "welcome-back")
    stage.settle()
    key = f"household_id:{household}"
    told = [
        one.payload
        for one in stage.receiver.of("welcome-back")
        if key in one.payload["joined"] + one.payload["left"]
    ]
    assert [(one["joined"], one["left"], one["audience"]) for one in told] == [([key], [], AUDIENCE)]
    assert stage.receiver.refused == 0


def test_a_personalization_answer_has_both_kinds_and_the_exposed_attributes(path: Path) -> None:
    stage = path.stage
    household = stage.members("big-families")[0]
    post(stage, {"household_id": household, "sales_value": 10})
    wait_until(lambda: "families-shopping-today" in stage.ask(household).segments, 5, "an event of a family")
    status, answer = get(stage, f"{LOOKUP}&key.household_id={household}")
    assert status == 200
    (entry,) = answer
    assert entry["audienceId"] == AUDIENCE
    assert entry["key"] == {"household_id": household}
    assert {"big-families", "families-shopping-today"} <= set(entry["values"])
    assert entry["attributes"].keys() == {"age", "household_size", "kids_count"}
    kinds = {segment.id: segment.kind for segment in path.published.rules.segments}
    assert {kinds[one] for one in entry["values"]} == {"batch", "realtime"}


def test_somebody_unknown_is_nobody(stage: Stage) -> None:
    assert get(stage, f"{LOOKUP}&key.household_id=nobody") == (200, [])


@pytest.mark.parametrize(
    ("wrap", "headers"),
    [
        (lambda record: {"events": [record]}, {}),
        (lambda record: {"records": [record]}, {}),
        (lambda record: record, {"Content-Type": "application/vnd.treasuredata.v1.single+json"}),
        (lambda record: gzip.compress(json.dumps(record).encode()), {"Content-Encoding": "gzip"}),
    ],
    ids=["events", "records", "single", "gzip"],
)
def test_all_shapes_of_a_request_are_taken(stage: Stage, wrap: Any, headers: dict[str, str]) -> None:
    assert post(stage, wrap({"household_id": "shapes"}), headers=headers) == (
        200,
        {"receipts": [{"success": True}]},
    )


BIG = {"household_id": "1", "note": "x" * 1_000_001}


@pytest.mark.parametrize(
    ("body", "url", "key", "status", "words"),
    [
        ({"household_id": "1"}, "/complete_journey/purchases", "wrong", 401, "unknown write key"),
        ({"household_id": "1"}, "/complete_journey/purchases", None, 401, "Authorization: TD1"),
        ({"household_id": "1"}, "/complete_journey/purchase", WRITE_KEY, 404, "unknown table 'purchase'"),
        ({"household_id": "1"}, "/complete_journy/purchases", WRITE_KEY, 404, "unknown database"),
        (b'{"household_id": ', "/complete_journey/purchases", WRITE_KEY, 400, "not JSON"),
        ([1], "/complete_journey/purchases", WRITE_KEY, 400, "records"),
        ({"events": [{"household_id": "1"}, 7]}, "/complete_journey/purchases", WRITE_KEY, 400, "record 1"),
        ({"sales_value": 1}, "/complete_journey/purchases", WRITE_KEY, 400, "household_id"),
        ({"household_id": "1", "time": "soon"}, "/complete_journey/purchases", WRITE_KEY, 400, "time"),
        (BIG, "/complete_journey/purchases", WRITE_KEY, 413, "record 0"),
        ({"events": [{"household_id": "1"}] * 501}, "/complete_journey/purchases", WRITE_KEY, 413, "500"),
        ({"events": [BIG] * 5}, "/complete_journey/purchases", WRITE_KEY, 413, "5000000"),
    ],
    ids=[
        "unknown-key",
        "no-key",
        "unknown-table",
        "unknown-database",
        "malformed",
        "no-object",
        "bad-record",
        "nobody",
        "bad-time",
        "oversized-record",
        "too-many",
        "oversized-request",
    ],
)
def test_bad_input_gets_a_clear_error(
    stage: Stage, body: Any, url: str, key: str | None, status: int, words: str
) -> None:
    got, answer = post(stage, body, url, key)
    assert got == status
    assert words in answer["message"]
    assert answer["status"] == status
    assert answer["error"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        (f"version=2&token={SITE_TOKEN}", 400, "key.household_id"),
        ("version=2&token=wrong&key.household_id=1", 401, "unknown"),
        ("version=2&key.household_id=1", 400, "token"),
    ],
)
def test_a_bad_lookup_gets_a_clear_error(stage: Stage, query: str, status: int, words: str) -> None:
    got, answer = get(stage, f"/cdp/lookup/collect/segments?{query}")
    assert got == status
    assert words in answer["message"]


def test_one_bad_record_of_a_request_is_named_and_the_others_are_kept(stage: Stage) -> None:
    records = [{"household_id": "half-accepted"}, {"no": "one"}]
    status, answer = post(stage, {"records": records})
    assert status == 200
    good, bad = answer["receipts"]
    assert good == {"success": True}
    assert bad["success"] is False
    assert "household_id" in json.dumps(bad)
    stage.settle()
    assert "bought-in-the-last-hour" in stage.ask("half-accepted").segments


def test_accepted_events_stand_in_the_lake_as_parquet(stage: Stage) -> None:
    import pyarrow.parquet as pq

    post(stage, {"household_id": "archived", "basket_id": "archived", "product_id": "1", "sales_value": 2.5})
    stage.settle()
    s3 = stage.cloud.client("s3")
    listed = s3.list_objects_v2(Bucket=stage.bucket, Prefix=f"events/{AUDIENCE}/purchases/")["Contents"]
    rows: list[dict[str, Any]] = []
    for one in listed:
        data = s3.get_object(Bucket=stage.bucket, Key=one["Key"])["Body"].read()
        rows += pq.read_table(io.BytesIO(data)).to_pylist()
    mine = [row for row in rows if row["event_id"] == "archived-1"]
    assert len(mine) == 1
    assert mine[0]["sales_value__number"] == 2.5


def test_the_demo_replays_real_purchases_and_shows_what_came_of_it(path: Path) -> None:
    printed = io.StringIO()
    screen = Screen(file=printed)
    purchases, _ = replay_purchases(path.stage, screen, hours=1)
    assert len(purchases.records) > 50
    measured = ask_and_show(path.stage, screen, path.published, path.record, purchases.visitors)
    text = printed.getvalue()
    for segment in path.published.rules.segments:
        assert segment.id in text
    assert "Visitors, as the personalization API answers" in text
    assert "every signature was right" in text
    assert any(line.startswith("personalization over HTTP") for line in measured)
    # Thirteen households bought something in the data's last hour.
    (row,) = [line for line in text.splitlines() if line.strip().startswith("bought-in-the-last-hour")]
    assert row.split()[2] == "13"
    assert time.strftime("%Y") not in row  # real-time memberships are as of now, batch ones as of 2018
