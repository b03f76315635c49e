"""Kinesis: accepted events into the lake, as Parquet."""

import os
from functools import cache
from typing import Any

from segmentation.domain.stream import StreamRecord
from segmentation.runtime.composition.archive_events import compose
from segmentation.runtime.observability import measure, observed
from segmentation.runtime.streams import failures, kinesis_records, shard_of
from segmentation.usecases.archive_events import ArchiveEvents


@cache
def application() -> ArchiveEvents:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Archive one batch; what failed is delivered again."""
    records = [StreamRecord(sequence, data) for sequence, data in kinesis_records(event)]
    result = application()(shard_of(event), records)
    measure(EventsArchived=result.events, ObjectsWritten=result.objects, RecordsFailed=len(result.failed))
    return failures(record.sequence for record in records if record.sequence in result.failed)
