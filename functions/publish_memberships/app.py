"""SQS: publish a committed run."""

import json
import os
from functools import cache
from typing import Any

from segmentation.domain.errors import SegmentationError
from segmentation.runtime.composition.publish_memberships import compose
from segmentation.runtime.observability import logger, measure, observed
from segmentation.runtime.streams import failures
from segmentation.usecases.publish_memberships import PublishMemberships


@cache
def application() -> PublishMemberships:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Publish the run of each message; one that fails comes back, and in the end is a dead letter."""
    failed = []
    for record in event["Records"]:
        try:
            message = json.loads(record["body"])
            done = application()(message["audience"], message["run"])
        except (SegmentationError, ValueError, KeyError, TypeError) as error:
            logger().error("message %s: %s: %s", record["messageId"], type(error).__name__, error)
            failed.append(record["messageId"])
            continue
        measure(
            RunsPublished=len(done),
            ProfilesPublished=sum(one.profiles for one in done),
            DeliveriesQueued=sum(one.messages for one in done),
        )
    return failures(failed)
