"""How fresh everything of an audience is, what runs, what fails: so that nobody has to guess whether membership is stale."""

import logging
from dataclasses import dataclass

from segmentation.domain.errors import Unavailable
from segmentation.domain.fill import Fill, Step, fill_path
from segmentation.domain.pipeline import Job
from segmentation.domain.published import Published
from segmentation.domain.run import RunRecord, SegmentCount
from segmentation.domain.stream import Evaluation
from segmentation.language import Segment
from segmentation.ports import Lake, Runs, StreamMetrics

from .kept_documents import current_pointer, current_run, read_json
from .manage_documents import ManageDocuments

LOOKED_BACK = 900
"""Seconds of the stream's metrics that are looked at."""
LATE = 60
"""Seconds behind the stream from which on membership is late; the alarm has the same border."""

logger = logging.getLogger("segmentation.show_state")


@dataclass(frozen=True, slots=True)
class Fresh:
    """How fresh a segment is.

    `status`: `fresh`, `edited`, `failed` or `waiting` of a batch segment or list; of a real-time one `realtime`, or `filling`
    while its visitors get the events of before. `error` says what failed. `count`: in the last run.
    """

    segment: Segment
    status: str
    count: SegmentCount | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StreamState:
    """How far real-time membership is behind what visitors do.

    `status`: `current`, `late` (more than a minute), `idle` (no events lately), `unknown` (nobody can say now).
    """

    status: str
    evaluation: Evaluation | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of an audience: its rules, what was built and run last, which runs are under way, the stream, each segment.

    `as_of` is the moment that ages of batch results count from.
    """

    published: Published
    built: str | None
    last: RunRecord | None
    running: tuple[str, ...]
    stream: StreamState
    segments: tuple[Fresh, ...]
    as_of: int


@dataclass(frozen=True, slots=True)
class ShowState:
    """Reads what the functions leave behind; asks none of them. `logical_now` stands for the clock on old data."""

    documents: ManageDocuments
    lake: Lake
    runs: Runs
    metrics: StreamMetrics
    logical_now: int | None = None

    def __call__(self, audience: str, now: int) -> Standing:
        """The state as of `now`. Raises `NotFound`."""
        _, published = self.documents.published(audience)
        pointer, last = current_pointer(self.lake, audience), current_run(self.lake, audience)
        locks = (self.runs.lock(audience, job) for job in Job)
        return Standing(
            published,
            str(pointer["version"]) if pointer else None,
            last,
            tuple(f"{lock.job}/{lock.holder}" for lock in locks if lock.holder),
            self._stream(now),
            tuple(self._segments(published, last)),
            now if self.logical_now is None else self.logical_now,
        )

    def _stream(self, now: int) -> StreamState:
        try:
            evaluation = self.metrics.evaluation(now - LOOKED_BACK, now)
        except Unavailable as error:
            # The rest is worth showing all the same.
            logger.warning("the state of the stream is not known: %s", error)
            return StreamState("unknown", None)
        if evaluation.lag is None:
            return StreamState("idle" if not evaluation.errors else "late", evaluation)
        return StreamState("late" if evaluation.lag > LATE else "current", evaluation)

    def _segments(self, published: Published, last: RunRecord | None) -> list[Fresh]:
        pending = set(published.standing)
        failed = self._failed_fill(published.audience.id) if pending else None
        return [
            (Fresh(one, "filling", error=failed) if one.id in pending else Fresh(one, "realtime"))
            if one.kind == "realtime"
            else _fresh(one, last)
            for one in sorted(published.rules, key=lambda one: one.id)
        ]

    def _failed_fill(self, audience: str) -> str | None:
        document = read_json(self.lake, fill_path(audience))
        fill = Fill.from_document(document) if document is not None else None
        return fill.reason if fill is not None and fill.step is Step.FAILED else None


def _fresh(segment: Segment, last: RunRecord | None) -> Fresh:
    count = last.segment(segment.id) if last else None
    if count is None:
        return Fresh(segment, "waiting")
    if count.failed is not None:
        return Fresh(segment, "failed", count, count.failed)
    return Fresh(segment, "fresh" if count.version == segment.version else "edited", count)
