"""Drafts, words, SQL, sizes, freshness, runs."""

import json
from dataclasses import replace

import pytest
from segmentation.domain.fill import Fill, fill_path
from segmentation.domain.pipeline import Job, Run, State, Statement
from segmentation.domain.run import pointer_path
from segmentation.domain.sizes import SizePoint

from tests.fakes.documents import published
from tests.management.committed import counted
from tests.management.support import SHOP, Office

NOW = 1_700_000_000


def test_a_draft_is_checked_and_said_and_not_saved(office: Office) -> None:
    stood = dict(office.lake.objects)
    draft = {
        "id": "draft", "name": "D", "audience": "shop", "kind": "batch",
        "rule": {"and": [{">=": [{"var": "attributes.age"}, 18]}, {"in": ["adults", {"var": "segments"}]}]},
    }  # fmt: skip
    told = office.ask("POST", f"{SHOP}/validate", {"document": draft}, role="viewer").body
    assert (told["valid"], told["problems"], told["uses"]) == (True, [], ["adults"])
    assert "age is at least 18" in told["sentence"]
    assert told["outline"]
    draft["limit"] = {"count": 10, "by": {"var": "attributes.age"}}
    limited = office.ask("POST", f"{SHOP}/validate", {"document": draft}).body
    assert limited["outline"] == [*told["outline"], "of these only the 10 with the highest age"]
    assert limited["sentence"].endswith("; of these only the 10 with the highest age")
    draft["rule"] = {">=": [{"var": "attributes.agee"}, "18"]}
    told = office.ask("POST", f"{SHOP}/validate", {"document": draft}).body
    assert (told["valid"], told["sentence"]) == (False, None)
    assert told["problems"][0]["pointer"] == "/document/rule/>=/0/var"
    assert "did you mean 'age'" in told["problems"][0]["message"]
    token = {"id": "t", "key_column": "person", "segments": ["none"]}
    told = office.ask("POST", f"{SHOP}/validate", {"document": token, "kind": "tokens"}).body
    assert [one["pointer"] for one in told["problems"]] == ["/document/key_column", "/document/segments/0"]
    assert office.lake.objects == stood


def test_a_segment_is_said_in_words(office: Office) -> None:
    told = office.ask("GET", f"{SHOP}/segments/adults-buying/words", role="viewer").body
    assert told["sentence"]
    assert all(isinstance(line, str) for line in told["outline"])
    assert office.ask("GET", f"{SHOP}/segments/none/words").status == 404


def build(office: Office) -> None:
    tables = {"profiles": "shop_v_profiles", "behaviors": {"purchases": "shop_v_purchases", "mailings": "m"}}
    pointer = {"version": "v", "tables": tables, "rows": {"profiles": 50}}
    office.lake.put(pointer_path("shop"), json.dumps(pointer).encode())


DRAFT = {
    "id": "draft", "name": "D", "audience": "shop", "kind": "batch", "rule": {">=": [{"var": "attributes.age"}, 65]},
}  # fmt: skip


def test_the_sql_of_a_segment_is_shown_once_there_are_tables(office: Office) -> None:
    path = f"{SHOP}/segments/adults/sql"
    assert office.ask("GET", path).status == 409
    build(office)
    told = office.ask("GET", path, role="viewer").body
    assert told["audience_version"] == "v"
    assert "shop_v_profiles" in told["sql"]
    assert "65" in office.ask("POST", f"{SHOP}/sql", {"document": DRAFT}).body["sql"]
    assert office.ask("GET", f"{SHOP}/segments/none/sql").status == 404


def test_a_draft_is_counted_and_shown_to_those_who_may_see_people(office: Office) -> None:
    assert office.ask("POST", f"{SHOP}/previews", {"document": DRAFT}).status == 409
    build(office)
    begun = office.ask(
        "POST", f"{SHOP}/previews", {"document": DRAFT, "attributes": ["country"]}, role="viewer"
    )
    assert (begun.status, begun.body["state"], begun.body["population"]) == (202, "running", 50)
    office.warehouse.answers["preview"] = [("7", "50", "true", "p1", "DE"), ("7", "50", "true", "p2", None)]
    office.warehouse.finish(begun.body["id"])
    place = begun.headers["location"]
    done = office.ask("GET", place, role="editor").body
    assert (done["state"], done["count"], done["low"], done["high"]) == ("done", 7, 7, 7)
    assert done["members"][0] == {"profile_key": "p1", "attributes": {"country": "DE"}}
    assert office.ask("GET", place, role="viewer").body["members"] == []
    assert office.ask("GET", f"{SHOP}/previews/other").status == 404
    assert office.ask("POST", f"{place}/cancel").body["state"] == "done"


def test_a_draft_that_is_not_in_order_is_told_where(office: Office) -> None:
    build(office)
    bad = {**DRAFT, "rule": {">=": [{"var": "attributes.agee"}, 65]}}
    assert office.ask("POST", f"{SHOP}/previews", {"document": bad}).pointers == ["/document/rule/>=/0/var"]
    assert office.ask("POST", f"{SHOP}/sql", {"document": {"name": "x"}}).pointers == ["/document/id"]
    pii = office.ask("POST", f"{SHOP}/previews", {"document": DRAFT, "attributes": ["income"]})
    assert (pii.status, "cannot be shown" in pii.body["detail"]) == (400, True)
    circle = {**DRAFT, "id": "adults", "rule": {"in": ["adults-buying", {"var": "segments"}]}}
    assert "/document/rule" in office.ask("POST", f"{SHOP}/sql", {"document": circle}).pointers


def test_the_size_history_is_paged(office: Office) -> None:
    for day in range(5):
        counted(office, NOW + day * 86_400, {"adults": 10 * day})
    page = office.ask("GET", f"{SHOP}/segments/adults/sizes", query="limit=3", role="viewer").body
    assert [one["size"] for one in page["items"]] == [40, 30, 20]
    rest = office.ask("GET", f"{SHOP}/segments/adults/sizes", query=f"limit=3&cursor={page['next']}").body
    assert ([one["size"] for one in rest["items"]], rest["next"]) == ([10, 0], None)


def test_the_state_says_of_each_segment_how_fresh_it_is(office: Office) -> None:
    state = office.ask("GET", f"{SHOP}/state", role="viewer").body
    assert state["last_run"] is None
    assert {one["status"] for one in state["segments"]} == {"waiting", "realtime"}
    batch = [one.id for one in published().rules.of_kind("batch")]
    counted(office, NOW, dict.fromkeys(batch, 7), failed={"buyers": "DIVISION_BY_ZERO"})
    edited = {**office.ask("GET", f"{SHOP}/segments/adults").body["document"], "name": "only the name"}
    office.ask("PUT", f"{SHOP}/segments/adults", {"document": edited}, if_match="*")
    office.clock.time = NOW + 3_600
    found = {one["segment"]: one for one in office.ask("GET", f"{SHOP}/state").body["segments"]}
    assert (found["adults"]["status"], found["adults"]["lag_seconds"], found["adults"]["size"]) == (
        "fresh",
        3_600,
        7,
    )
    assert (found["buyers"]["status"], found["buyers"]["error"]) == ("failed", "DIVISION_BY_ZERO")
    # On old data a moment stands for the clock: results are as old as they are by that one.
    object.__setattr__(office.api.state, "logical_now", NOW + 60)
    found = {one["segment"]: one for one in office.ask("GET", f"{SHOP}/state").body["segments"]}
    assert found["adults"]["lag_seconds"] == 60
    edited["rule"] = {"<": [{"var": "attributes.age"}, 5]}
    office.ask("PUT", f"{SHOP}/segments/adults", {"document": edited}, if_match="*")
    found = {one["segment"]: one for one in office.ask("GET", f"{SHOP}/state").body["segments"]}
    assert found["adults"]["status"] == "edited"


@pytest.mark.parametrize(
    ("batches", "stream", "behind"),
    [
        ([], ("idle", None, 0), 0),
        ([(NOW - 1_000, 500.0, True)], ("idle", None, 0), 0),
        ([(NOW - 300, 500.0, False), (NOW - 120, 3.2, False)], ("current", 3, 0), 3),
        ([(NOW - 300, 3.0, True), (NOW - 60, 61.0, True)], ("late", 61, 2), 61),
    ],
)
def test_the_state_says_how_far_real_time_is_behind(
    office: Office, batches: list[tuple[int, float, bool]], stream: tuple[str, int | None, int], behind: int
) -> None:
    office.metrics.batches = batches
    told = office.ask("GET", f"{SHOP}/state", role="viewer").body
    assert (told["stream"]["status"], told["stream"]["lag_seconds"], told["stream"]["errors"]) == stream
    lags = {one["lag_seconds"] for one in told["segments"] if one["kind"] == "realtime"}
    assert lags == {behind}


def test_a_state_without_metrics_is_shown_without_them(office: Office) -> None:
    office.metrics.broken = True
    told = office.ask("GET", f"{SHOP}/state").body
    assert told["stream"] == {"status": "unknown", "lag_seconds": None, "at": None, "errors": None}
    assert {one["lag_seconds"] for one in told["segments"] if one["kind"] == "realtime"} == {None}


def test_a_real_time_segment_that_is_not_computed_yet_is_being_filled(office: Office) -> None:
    document = {
        "id": "new", "name": "New", "audience": "shop", "kind": "realtime",
        "rule": {">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "90d"]}]}, 50]},
    }  # fmt: skip
    assert office.ask("POST", f"{SHOP}/segments", {"document": document}).status == 201

    def new() -> tuple[str, str | None]:
        found = {one["segment"]: one for one in office.ask("GET", f"{SHOP}/state").body["segments"]}
        assert found["buying-now"]["status"] == "realtime"
        return found["new"]["status"], found["new"]["error"]

    assert new() == ("filling", None)
    fill = Fill("f1", "shop", NOW, {"new": "1"}, {"purchases": None}, updated=NOW)
    for one, error in ((fill, None), (fill.failed("HIVE_BAD_DATA", NOW), "HIVE_BAD_DATA")):
        office.lake.put(fill_path("shop"), json.dumps(one.to_document()).encode())
        assert new() == ("filling", error)


def test_a_run_is_started_and_seen(office: Office) -> None:
    answer = office.ask("POST", f"{SHOP}/runs", {"job": "materialize", "segments": ["adults"]}, role="editor")
    assert answer.status == 202
    assert office.materialize.calls == [{"audience": "shop", "segments": ["adults"]}]
    assert office.ask("GET", answer.headers["location"]).body == answer.body
    assert office.ask("GET", f"{SHOP}/runs", query="job=build").body["items"] == []
    run = office.runs.read("shop", Job.MATERIALIZE, answer.body["id"])
    assert run is not None
    done = (Statement("members", "members", query="q1"), Statement("sizes", "sizes"))
    office.runs.note(replace(run, statements=done))
    assert office.ask("GET", answer.headers["location"]).body["queries"] == ["q1"]
    assert len(office.ask("GET", f"{SHOP}/runs").body["items"]) == 1
    office.build.busy = "other"
    busy = office.ask("POST", f"{SHOP}/runs", {"job": "build"})
    assert (busy.status, busy.body["detail"]) == (409, "not started: run other is under way")


def test_what_cannot_be_run_is_said_at_once(office: Office) -> None:
    bad = {"job": "materialize", "segments": ["adults", "none"], "now": "yesterday"}
    assert office.ask("POST", f"{SHOP}/runs", bad).pointers == ["/segments/1", "/now"]
    realtime = office.ask("POST", f"{SHOP}/runs", {"job": "materialize", "segments": ["buying-now"]})
    assert "in real time" in realtime.body["problems"][0]["message"]
    assert office.ask("POST", f"{SHOP}/runs", {"job": "build", "now": "2018-01-01T00:00:00Z"}).status == 400
    assert office.materialize.calls == office.build.calls == []


@pytest.mark.parametrize("job", ["build", "materialize"])
def test_runs_are_paged_latest_first(office: Office, job: str) -> None:
    for number in range(5):
        run = Run("shop", Job(job), f"r{number}", "hand", NOW, State.FAILED, ended=NOW, error="x" * number)
        office.runs.note(replace(run, version=1))
    page = office.ask("GET", f"{SHOP}/runs", query=f"job={job}&limit=2").body
    assert [one["id"] for one in page["items"]] == ["r4", "r3"]
    page = office.ask("GET", f"{SHOP}/runs", query=f"job={job}&limit=9&cursor={page['next']}").body
    assert ([one["id"] for one in page["items"]], page["next"]) == (["r2", "r1", "r0"], None)


def test_a_segment_is_found_in_runs_however_many_there_were_since(office: Office) -> None:
    """Of other segments, that are computed every few minutes."""
    old = counted(office, NOW, {"adults": 5})
    for number in range(1_100):
        later = f"{old.run}z{number:04}"
        office.runs.note(Run("shop", Job.MATERIALIZE, later, "due", NOW, State.COMMITTED, now=NOW, ended=NOW))
    listed = office.ask("GET", f"{SHOP}/runs", query="limit=200").body
    for _ in range(5):
        listed = office.ask("GET", f"{SHOP}/runs", query=f"limit=200&cursor={listed['next']}").body
    assert (listed["items"][-1]["id"], len(listed["items"])) == (old.run, 101)
    sizes = office.ask("GET", f"{SHOP}/segments/adults/sizes").body
    assert [one["run"] for one in sizes["items"]] == [old.run]


def test_the_days_of_a_segment_are_listed_in_the_audiences_zone(office: Office) -> None:
    noon = 1_699_981_200  # 2023-11-14T17:00:00Z, noon in New York
    points = [SizePoint("adults", f"r{n}", noon + n * 43_200, 10 + n, 2, 1) for n in range(4)]
    office.sizes.add("shop", points, noon)
    path = f"{SHOP}/segments/adults/days"
    told = office.ask("GET", path, query="from=2023-11-15&to=2023-11-16", role="viewer").body
    assert told == {
        "segment": "adults",
        "time_zone": "America/New_York",
        "items": [
            {"date": "2023-11-15", "size": 12, "joined": 4, "left": 2, "runs": 2, "backfilled": False},
            {"date": "2023-11-16", "size": 13, "joined": 2, "left": 1, "runs": 1, "backfilled": False},
        ],
    }
    assert [one["date"] for one in office.ask("GET", path).body["items"]] == ["2023-11-14"]
    assert office.ask("GET", path, query="from=yesterday").status == 400
    assert office.ask("GET", f"{SHOP}/segments/none/days").status == 404
