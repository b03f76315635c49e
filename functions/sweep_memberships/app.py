"""Schedule: membership that changes by itself, each minute."""

import os
from functools import cache
from typing import Any

from segmentation.domain.profile import SHARDS
from segmentation.runtime.composition.sweep_memberships import compose
from segmentation.runtime.observability import measure, observed
from segmentation.usecases.sweep_memberships import SweepMemberships

RESERVE_MS = 15_000
"""A run stops so long before its time is over."""


@cache
def application() -> SweepMemberships:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Sweep for as long as there is time: one part of so many, or all."""
    shards = range(event.get("part", 0), SHARDS, event.get("of", 1))
    result = application()(lambda: context.get_remaining_time_in_millis() > RESERVE_MS, shards)
    measure(
        VisitorsSwept=result.visitors,
        VisitorsUpdated=result.written,
        MembershipChanges=result.changes,
        SweepsFailed=result.failed,
        RulesFailed=result.rules_failed,
        SweepsLeft=int(result.left),
    )
    return {
        "visitors": result.visitors,
        "changes": result.changes,
        "failed": result.failed,
        "left": result.left,
    }
