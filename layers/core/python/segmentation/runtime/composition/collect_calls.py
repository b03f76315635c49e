"""Puts collect_calls together."""

from collections.abc import Mapping

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.kinesis import KinesisEventLog
from segmentation.adapters.limits import DynamoLimits
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.secrets import SigningKeys
from segmentation.runtime.settings import CallSettings, load
from segmentation.usecases.collect_calls import CollectCalls
from segmentation.usecases.collect_events import Door

from .clients import SHORT, client


def compose(environ: Mapping[str, str]) -> CollectCalls:
    """The use case on AWS."""
    settings = load(CallSettings, environ)
    return CollectCalls(
        Door(
            log=KinesisEventLog(client("kinesis", SHORT), settings.event_stream),
            rule_sets=S3RuleSets(S3Lake(client("s3", SHORT), settings.lake_bucket), compiled=True),
            limits=DynamoLimits(client("dynamodb", SHORT), settings.limits_table),
            secrets=SigningKeys(client("secretsmanager", SHORT), settings.signing_secret_arn),
            clock=SystemClock(),
        )
    )
