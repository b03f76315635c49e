"""Partners fetch members by pages, and strangers nothing."""

import pytest

from infra.demo.stage import AUDIENCE, Stage

from .conftest import Path
from .support import bearer, get, segment_path


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
