"""DynamoDB stream of the profiles: who joined and left real-time segments, and which keys were joined, into the lake."""

import os
from functools import cache
from typing import Any

from segmentation.domain.stored_membership import Numberings
from segmentation.runtime.composition.archive_changes import compose
from segmentation.runtime.observability import measure, observed
from segmentation.runtime.streams import failures, writes
from segmentation.usecases.archive_changes import ArchiveChanges


@cache
def application() -> tuple[ArchiveChanges, Numberings]:
    """The use case and what its records are read with, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Archive one batch, up to the first record that cannot be read."""
    archive, numberings = application()
    readable, bad = writes(event, numberings)
    result = archive(readable)
    measure(
        ChangesArchived=result.changes,
        LinksArchived=result.links,
        ObjectsWritten=result.objects,
        RecordsFailed=len(bad),
    )
    return failures(bad)
