"""SQS, when an upload is complete; EventBridge, when an Athena query has ended; every five minutes: take uploads in."""

import json
import os
from functools import cache
from typing import Any

from segmentation.domain.errors import SegmentationError
from segmentation.runtime.composition.import_lists import compose
from segmentation.runtime.observability import logger, measure, observed
from segmentation.runtime.streams import failures
from segmentation.usecases.import_lists import Imported, ImportLists


@cache
def application() -> ImportLists:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Go on with the uploads of messages, with those that wait for a query, or with all that were lost."""

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    if "Records" not in event:
        query = event.get("detail", {}).get("queryExecutionId")
        lists = application()
        _measured(lists.query_ended(query, seconds_left) if query else lists.sweep(seconds_left))
        return {}
    failed = []
    for record in event["Records"]:
        try:
            one = json.loads(record["body"])
            _measured(application()(one["audience"], one["segment"], one["upload"], seconds_left))
        except (SegmentationError, ValueError, KeyError, TypeError) as error:
            logger().error("message %s: %s: %s", record["messageId"], type(error).__name__, error)
            failed.append(record["messageId"])
    return failures(failed)


def _measured(done: Imported) -> None:
    if done.committed or done.failed or done.removed:
        measure(
            UploadsCommitted=len(done.committed),
            UploadsFailed=len(done.failed),
            MembersListed=sum(one.report.rows for one in done.committed),
            UploadsRemoved=done.removed,
        )
