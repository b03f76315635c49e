"""Puts collect_events together."""

from collections.abc import Mapping

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.kinesis import KinesisEventLog
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.runtime.settings import CollectSettings, load
from segmentation.usecases.collect_events import CollectEvents

from .clients import SHORT, client


def compose(environ: Mapping[str, str]) -> CollectEvents:
    """The use case on AWS."""
    settings = load(CollectSettings, environ)
    return CollectEvents(
        log=KinesisEventLog(client("kinesis", SHORT), settings.event_stream),
        rule_sets=S3RuleSets(S3Lake(client("s3", SHORT), settings.lake_bucket)),
        clock=SystemClock(),
    )
