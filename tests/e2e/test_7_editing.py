"""A real-time segment that is new looks back: filled from the archive by the functions themselves."""

import time
from datetime import timedelta
from typing import Any

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.fill import fill_path
from segmentation.domain.rulebook import Edit, Rulebook
from segmentation.usecases.edit_rules import Author, EditRules

from infra.demo.stage import AUDIENCE

from .conftest import Path
from .support import post, wait_until

RULE = {">=": [{"count": [{"within": [{"var": "behaviors.purchases"}, "30d"]}]}, 3]}
SEGMENT = {
    "id": "three-lately",
    "name": "Three lately",
    "audience": AUDIENCE,
    "kind": "realtime",
    "rule": RULE,
}


def test_a_new_segment_answers_with_what_happened_before_it_was_there(path: Path) -> None:
    stage, lake = path.stage, S3Lake(path.stage.cloud.client("s3"), path.stage.bucket)
    for number in range(3):
        post(stage, {"household_id": "before", "sales_value": number})
    wait_until(lambda: "bought-in-the-last-hour" in stage.ask("before").segments, 30, "the first events")

    def edits(book: Rulebook) -> list[Edit]:
        token: Any = book.get("tokens", "demo-site")
        shown = {**token.document, "segments": [*token.document["segments"], SEGMENT["id"]]}
        return [
            Edit("segments", "three-lately", "created", SEGMENT),
            Edit("tokens", "demo-site", "edited", shown),
        ]

    edited = EditRules(lake, SystemClock())(AUDIENCE, edits, Author("test"))
    assert dict(edited.published.standing) == {"three-lately": None}
    post(stage, {"household_id": "beside", "sales_value": 1})

    def is_live() -> bool:
        time.sleep(2)
        path.clock.turn(timedelta(minutes=1))
        return "three-lately" in stage.ask("before").segments

    wait_until(is_live, 240, "the new segment answers")
    assert "three-lately" not in stage.ask("beside").segments
    for number in range(2):
        post(stage, {"household_id": "beside", "sales_value": number})
    wait_until(lambda: "three-lately" in stage.ask("beside").segments, 30, "events on both sides are counted")

    def is_over() -> bool:
        time.sleep(2)
        path.clock.turn(timedelta(minutes=1))
        return lake.get(fill_path(AUDIENCE)) is None

    wait_until(is_over, 120, "nothing is left of the fill")
