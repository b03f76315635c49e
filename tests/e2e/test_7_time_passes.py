"""Three weeks later: who joined and left is told to partners and destinations; a run of a past moment changes nothing.

Runs of the year's end are past runs from here on. An edit has begun before, and waits meanwhile.
"""

import pytest

from infra.demo import data
from infra.demo.stage import AUDIENCE

from .conftest import Path
from .support import bearer, get, segment_path

pytestmark = pytest.mark.usefixtures("edit")

DAY = 86_400


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
