"""SQS: publish a committed run, or one of its parts."""

import json
import os
from functools import cache
from typing import Any

from segmentation.domain.errors import SegmentationError
from segmentation.domain.publication import Task
from segmentation.runtime.composition.publish_memberships import compose
from segmentation.runtime.observability import logger, measure, observed
from segmentation.runtime.streams import failures
from segmentation.usecases.publish_memberships import PublishMemberships

SPARE_MS = 45_000
"""What is left of the function's time when a part is handed on: longer than one batch of writes takes, throttled."""


@cache
def application() -> PublishMemberships:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do the task of each message; one that fails comes back, and in the end is a dead letter."""
    failed = []
    for record in event["Records"]:
        try:
            task = Task.from_document(json.loads(record["body"]))
            done = application()(task, lambda: context.get_remaining_time_in_millis() > SPARE_MS)
        except (SegmentationError, ValueError) as error:
            logger().error("message %s: %s: %s", record["messageId"], type(error).__name__, error)
            failed.append(record["messageId"])
            continue
        measure(
            RunsPublished=len(done.runs),
            ProfilesPublished=done.profiles,
            DeliveriesQueued=done.messages,
            PublicationsHeld=int(done.held),
        )
    return failures(failed)
