"""SQS: joiners and leavers to a destination."""

import os
from functools import cache
from typing import Any

from segmentation.runtime.composition.deliver_activations import compose
from segmentation.runtime.observability import measure, observed
from segmentation.runtime.streams import failures
from segmentation.usecases.deliver_activations import DeliverActivations, QueueMessage


@cache
def application() -> DeliverActivations:
    """The use case, composed at cold start."""
    return compose(os.environ)


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Deliver each message; those that failed come back."""
    messages = [QueueMessage(one["messageId"], one["receiptHandle"], one["body"]) for one in event["Records"]]
    result = application()(messages)
    measure(Delivered=result.delivered, Dropped=result.dropped, DeliveriesFailed=len(result.failed))
    return failures(result.failed)
