"""Partners and destinations: members and changes by pages, and signed webhooks after a second run."""

import pytest

from infra.demo import data
from infra.demo.stage import AUDIENCE, Stage

from .conftest import Path
from .support import get

DAY = 86_400


def bearer(stage: Stage) -> dict[str, str]:
    return {"Authorization": f"Bearer {stage.partner_token}"}


def segment_path(segment: str, what: str) -> str:
    return f"/v1/audiences/{AUDIENCE}/segments/{segment}/{what}"


def test_members_come_in_pages_of_one_run(path: Path) -> None:
    stage = path.stage
    status, first = get(stage, segment_path("mailed", "members"), bearer(stage))
    assert status == 200
    assert len(first["members"]) == 1_000
    assert first["run"] == stage.read(f"memberships/{AUDIENCE}/current.json")["run"]
    _, second = get(stage, segment_path("mailed", "members") + f"?cursor={first['next']}", bearer(stage))
    assert len(second["members"]) == 558
    assert second["next"] is None
    assert second["run"] == first["run"]
    assert not set(first["members"]) & set(second["members"])


@pytest.mark.parametrize(
    ("segment", "headers", "status", "words"),
    [
        ("mailed", {}, 401, "Authorization: Bearer"),
        ("mailed", {"Authorization": "Bearer wrong"}, 401, "unknown partner token"),
        ("welcome-back", None, 403, "welcome-back"),
    ],
)
def test_a_stranger_learns_nothing(
    stage: Stage, segment: str, headers: dict[str, str] | None, status: int, words: str
) -> None:
    got, answer = get(stage, segment_path(segment, "members"), bearer(stage) if headers is None else headers)
    assert got == status
    assert words in answer["message"]


def test_a_second_run_tells_partners_and_destinations_who_joined_and_left(path: Path) -> None:
    stage, segment = path.stage, "lapsed-high-spenders"
    _, start = get(stage, segment_path(segment, "changes"), bearer(stage))
    before = set(stage.members(segment))
    assert {one["profile"] for one in start["changes"]} == before
    assert {one["change"] for one in start["changes"]} == {"joined"}

    later = stage.materialize(now=data.NOW + 21 * DAY)
    stage.wait_until_published(later["run"])
    after = set(stage.members(segment))
    joined, left = after - before, before - after
    assert joined
    assert left
    counted = next(one for one in later["segments"] if one["id"] == segment)
    assert (counted["size"], counted["joined"], counted["left"]) == (len(after), len(joined), len(left))

    _, news = get(stage, segment_path(segment, "changes") + f"?since={start['next']}", bearer(stage))
    assert {one["profile"] for one in news["changes"] if one["change"] == "joined"} == joined
    assert {one["profile"] for one in news["changes"] if one["change"] == "left"} == left
    assert {one["run"] for one in news["changes"]} == {later["run"]}

    stage.settle()
    payloads = [one.payload for one in stage.receiver.of(segment) if one.payload.get("run") == later["run"]]
    assert {one for payload in payloads for one in payload["joined"]} == {
        f"household_id:{one}" for one in joined
    }
    assert {one for payload in payloads for one in payload["left"]} == {f"household_id:{one}" for one in left}
    assert stage.receiver.refused == 0

    leaver, joiner = min(left), min(joined)
    assert segment not in stage.ask(leaver).segments
    assert segment in stage.ask(joiner).segments


def test_a_run_of_a_past_moment_is_kept_and_changes_nothing(path: Path) -> None:
    stage, segment = path.stage, "lapsed-high-spenders"
    current = stage.read(f"memberships/{AUDIENCE}/current.json")
    _, before = get(stage, segment_path(segment, "changes"), bearer(stage))
    past = stage.materialize(now=data.NOW)
    assert past["backfill"]
    assert past["run"] != current["run"]
    first = {one["id"]: one["size"] for one in path.record["segments"]}
    assert {one["id"]: one["size"] for one in past["segments"]} == first
    stage.settle()
    assert stage.read(f"memberships/{AUDIENCE}/current.json") == current
    assert get(stage, segment_path(segment, "changes"), bearer(stage))[1] == before
