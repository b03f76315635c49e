"""Puts fill_segments together."""

from collections.abc import Mapping

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.kinesis import KinesisEventLog
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sqs import SqsQueue
from segmentation.domain.programs import Programs
from segmentation.runtime.settings import FillSettings, load
from segmentation.usecases.fill_segments import FillSegments
from segmentation.usecases.update_visitors import UpdateVisitors

from .clients import client


def compose(environ: Mapping[str, str]) -> FillSegments:
    """The use case on AWS."""
    settings = load(FillSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    clock, programs = SystemClock(), Programs()
    profiles = DynamoProfiles(client("dynamodb"), settings.profiles_table, LakeNumberings(lake))
    return FillSegments(
        log=KinesisEventLog(client("kinesis"), settings.event_stream),
        lake=lake,
        tables=ParquetTables(lake),
        lake_catalog=GlueLakeCatalog(client("glue"), settings.glue_database, settings.lake_bucket),
        warehouse=AthenaWarehouse(
            client("athena"), client("glue"), settings.athena_workgroup, settings.glue_database
        ),
        profiles=profiles,
        rule_sets=S3RuleSets(lake),
        programs=programs,
        update=UpdateVisitors(
            profiles=profiles,
            activations=SqsQueue(client("sqs"), settings.activations_queue_url),
            programs=programs,
            clock=clock,
        ),
        clock=clock,
    )
