"""Segments that fail are found by halves: a members query that fails for good is split until they stand alone.

They keep their last good membership, the others go on.
"""

from dataclasses import replace

from .run import FailedSegments, Run
from .statement import Progress, Statement

MOST_FAILED_GROUPS = 64
"""Failing queries that are split; groups that fail beyond these are given up whole."""


def members_name(number: int) -> str:
    """The name of a run's members query, the first of which is the plain one."""
    return "members" if number == 0 else f"members_part_{number}"


def isolated(run: Run, now: int) -> Run:
    """Split the members queries that failed; what fails alone is noted and given up."""
    while True:
        known = {(one.first, one.last) for one in run.failed}
        broken = [
            one
            for one in run.of_step("members")
            if one.progress is Progress.FAILED
            and (one.first, one.last) not in known
            and not _is_split(run, one)
        ]
        if not broken:
            return run
        one = broken[0]
        splits = sum(1 for other in run.of_step("members") if other.progress is Progress.FAILED)
        if one.last - one.first == 1 or splits > MOST_FAILED_GROUPS:
            run = replace(
                run, failed=(*run.failed, FailedSegments(one.first, one.last, one.reason)), merge=True
            )
            continue
        middle = (one.first + one.last) // 2
        halves = (
            Statement(members_name(run.names), "members", one.first, middle, due=now),
            Statement(members_name(run.names + 1), "members", middle, one.last, due=now),
        )
        run = replace(run, statements=(*run.statements, *halves), names=run.names + 2, merge=True)


def _is_split(run: Run, one: Statement) -> bool:
    """Two smaller queries stand for it."""
    middle = (one.first + one.last) // 2
    return one.last - one.first > 1 and any(
        other.first == one.first and other.last == middle for other in run.of_step("members")
    )
