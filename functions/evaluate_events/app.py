"""Kinesis: real-time segments of the visitors in a batch."""

import os
from functools import cache
from typing import Any

from segmentation.domain.stream import StreamRecord
from segmentation.runtime.composition.evaluate_events import compose
from segmentation.runtime.observability import measure, observed
from segmentation.runtime.streams import failures, kinesis_records
from segmentation.usecases.evaluate_events import EvaluateEvents


@cache
def application() -> EvaluateEvents:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Evaluate one batch; what failed is delivered again."""
    records = [StreamRecord(sequence, data) for sequence, data in kinesis_records(event)]
    result = application()(records)
    measure(
        EventsEvaluated=result.events,
        VisitorsEvaluated=result.visitors,
        MembershipChanges=result.changes,
        LostRaces=result.races,
        PoisonRecords=result.poison,
        KeysJoined=result.joined,
        IdentityConflicts=result.conflicts,
        CappedVisitors=result.capped,
        VisitorsForgettingIds=result.forgetful,
        RulesFailed=result.rules_failed,
        RecordsFailed=len(result.failed),
    )
    return failures(record.sequence for record in records if record.sequence in result.failed)
