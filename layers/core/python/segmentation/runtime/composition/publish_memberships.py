"""Puts publish_memberships together."""

from collections.abc import Mapping

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sqs import SqsQueue
from segmentation.domain.programs import Programs
from segmentation.runtime.settings import PublishSettings, load
from segmentation.usecases.publish_memberships import PublishMemberships
from segmentation.usecases.publish_part import PublishPart
from segmentation.usecases.update_visitors import UpdateVisitors

from .clients import client


def compose(environ: Mapping[str, str]) -> PublishMemberships:
    """The use case on AWS."""
    settings = load(PublishSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    tables = ParquetTables(lake)
    profiles = DynamoProfiles(client("dynamodb"), settings.profiles_table, LakeNumberings(lake))
    activations = SqsQueue(client("sqs"), settings.activations_queue_url)
    update = UpdateVisitors(profiles, activations, Programs(), SystemClock())
    return PublishMemberships(
        tables=tables,
        lake=lake,
        part=PublishPart(tables, lake, profiles, update),
        rule_sets=S3RuleSets(lake, fresh=0, compiled=True),  # none older than the run
        publications=SqsQueue(client("sqs"), settings.publications_queue_url),
        activations=activations,
    )
