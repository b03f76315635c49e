"""Puts evaluate_events together."""

from collections.abc import Mapping

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.failures import S3Failures
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sqs import SqsQueue
from segmentation.domain.programs import Programs
from segmentation.runtime.collecting import collect_rarely
from segmentation.runtime.settings import EvaluateSettings, load
from segmentation.usecases.evaluate_events import EvaluateEvents
from segmentation.usecases.update_visitors import UpdateVisitors

from .clients import client


def compose(environ: Mapping[str, str]) -> EvaluateEvents:
    """The use case on AWS."""
    settings = load(EvaluateSettings, environ)
    collect_rarely()
    lake = S3Lake(client("s3"), settings.lake_bucket)
    profiles = DynamoProfiles(client("dynamodb"), settings.profiles_table, LakeNumberings(lake))
    activations = SqsQueue(client("sqs"), settings.activations_queue_url)
    return EvaluateEvents(
        update=UpdateVisitors(profiles, activations, Programs(), SystemClock()),
        rule_sets=S3RuleSets(lake, compiled=True),
        failures=S3Failures(client("s3"), settings.failures_bucket),
        clock=SystemClock(),
    )
