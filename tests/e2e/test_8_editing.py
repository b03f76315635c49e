"""A real-time segment that is new looks back: filled from the archive by the functions themselves."""

import time
from datetime import timedelta

import pytest
from segmentation.adapters.s3 import S3Lake
from segmentation.domain.fill import fill_path

from infra.demo.stage import AUDIENCE

from .conftest import NEW_SEGMENT, Path
from .support import post, wait_until

pytestmark = pytest.mark.usefixtures("edit")


def a_minute_passes(path: Path) -> None:
    """The functions of each minute run, and what they wait for on the stream is archived at once."""
    time.sleep(1)  # they look at the machine's own clock, which nobody can turn
    path.clock.turn(timedelta(minutes=1))
    path.stage.settle()


def test_a_new_segment_answers_with_what_happened_before_it_was_there(path: Path) -> None:
    stage, lake = path.stage, S3Lake(path.stage.cloud.client("s3"), path.stage.bucket)

    def is_live() -> bool:
        a_minute_passes(path)
        return NEW_SEGMENT in stage.ask("before").segments

    wait_until(is_live, 240, "the new segment answers")
    assert NEW_SEGMENT not in stage.ask("beside").segments
    for number in range(2):
        post(stage, {"household_id": "beside", "sales_value": number})
    wait_until(lambda: NEW_SEGMENT in stage.ask("beside").segments, 30, "events on both sides are counted")

    def is_over() -> bool:
        a_minute_passes(path)
        return lake.get(fill_path(AUDIENCE)) is None

    wait_until(is_over, 120, "nothing is left of the fill")
