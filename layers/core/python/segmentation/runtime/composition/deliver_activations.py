"""Puts deliver_activations together."""

from collections.abc import Mapping

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.http import HttpWebhooks
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.secrets import SecretsManager
from segmentation.adapters.sqs import SqsQueue
from segmentation.runtime.settings import DeliverSettings, load
from segmentation.usecases.deliver_activations import DeliverActivations

from .clients import client


def compose(environ: Mapping[str, str]) -> DeliverActivations:
    """The use case on AWS."""
    settings = load(DeliverSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    return DeliverActivations(
        webhooks=HttpWebhooks(allow_private=settings.webhook_allow_private == "true"),
        rule_sets=S3RuleSets(lake),
        secrets=SecretsManager(client("secretsmanager"), settings.webhook_secret_arn),
        queue=SqsQueue(client("sqs"), settings.activations_queue_url),
        lake=lake,
        clock=SystemClock(),
    )
