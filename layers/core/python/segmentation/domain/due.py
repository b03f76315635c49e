"""What has fallen due by itself: pure, of the clock, the schedules and the last results."""

from collections.abc import Mapping, Sequence

from segmentation.language.document import Segment
from segmentation.language.schedule import Schedule

from .pipeline import Lock, retry_at
from .run import RunRecord, SegmentCount


def is_due(schedule: Schedule, last: int, now: int) -> bool:
    """Whether a moment of a schedule has come since it was last followed."""
    if last > now:  # the clock was set back: nobody knows, so once more
        return True
    following = schedule.next(last)
    return following is not None and following <= now


def is_overdue(schedule: Schedule | None, last: int | None, by: int) -> bool:
    """Whether a moment of a schedule had come by then that has not been followed yet. What never was is not yet late:
    nobody knows since when it was wanted; nor is what follows builds: those have schedules of their own."""
    if schedule is None or schedule.after_build or last is None or last > by:
        return False
    return is_due(schedule, last, by)


def may_start(lock: Lock, now: int) -> bool:
    """Nobody runs, and the last failure is long enough ago."""
    if lock.holder is not None:
        return False
    return not lock.failures or lock.failed > now or retry_at(lock.failures, lock.failed) <= now


def due_build(schedule: Schedule | None, lock: Lock, built: int | None, now: int) -> bool:
    """Whether an audience is to be built. `built`: when it last was."""
    if not may_start(lock, now):
        return False
    if schedule is None:
        return lock.pending
    return built is None or is_due(schedule, built, now)


def due_segments(
    segments: Sequence[Segment],
    lock: Lock,
    record: RunRecord | None,
    audience_version: str,
    now: int,
    lists: Mapping[str, str],
) -> list[str] | None:
    """The segments to compute now; `None`: no run is due. `lists`: the versions of those that have members.

    A segment that was removed makes a run due too, if only to let its members go.
    """
    if not may_start(lock, now):
        return None
    known = {one.id: one for one in record.segments} if record else {}
    due = [
        one.id
        for one in segments
        if _due(one, known.get(one.id), lock.pending, audience_version, now)
        or _is_new_list(one, known.get(one.id), lists.get(one.id, ""))
    ]
    removed = known.keys() - {one.id for one in segments}
    return due if due or removed else None


def _is_new_list(segment: Segment, last: SegmentCount | None, version: str) -> bool:
    """Whether members were uploaded that no run has seen; nobody shall wait for the night for them."""
    if segment.kind != "list" or (last is not None and last.failed is not None):
        return False
    return version != (last.list_version if last is not None else "")


def _due(segment: Segment, last: SegmentCount | None, pending: bool, version: str, now: int) -> bool:
    if last is not None and last.failed is not None:
        built_since = last.lacking not in ("", version)
        return built_since or last.failed_at > now or retry_at(last.failures, last.failed_at) <= now
    if segment.schedule is None:
        return pending
    if last is None:
        return True
    if segment.schedule.after_build:
        return last.audience_version != version
    return is_due(segment.schedule, last.computed, now)
