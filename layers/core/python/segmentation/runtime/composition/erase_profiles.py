"""Puts erase_profiles together."""

import uuid
from collections.abc import Mapping

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sqs import SqsQueue
from segmentation.runtime.settings import EraseSettings, load
from segmentation.usecases.erase_profiles import EraseProfiles
from segmentation.usecases.erase_visitor import EraseVisitor

from .clients import client


def compose(environ: Mapping[str, str]) -> EraseProfiles:
    """The use case on AWS."""
    settings = load(EraseSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    rule_sets, clock = S3RuleSets(lake), SystemClock()
    return EraseProfiles(
        store=EraseVisitor(
            profiles=DynamoProfiles(client("dynamodb"), settings.profiles_table, LakeNumberings(lake)),
            lake=lake,
            rule_sets=rule_sets,
            activations=SqsQueue(client("sqs"), settings.activations_queue_url),
            clock=clock,
            new_suffix=lambda: uuid.uuid4().hex[:8],
        ),
        lake=lake,
        tables=ParquetTables(lake),
        rule_sets=rule_sets,
        clock=clock,
        failures=S3Lake(client("s3"), settings.failures_bucket),
    )
