"""Puts import_lists together."""

from collections.abc import Mapping

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sqs import SqsQueue
from segmentation.runtime.settings import ImportSettings, load
from segmentation.usecases.import_lists import ImportLists

from .clients import client


def compose(environ: Mapping[str, str]) -> ImportLists:
    """The use case on AWS."""
    settings = load(ImportSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    return ImportLists(
        lake=lake,
        tables=ParquetTables(lake),
        warehouse=AthenaWarehouse(
            client("athena"), client("glue"), settings.athena_workgroup, settings.glue_database
        ),
        lake_catalog=GlueLakeCatalog(client("glue"), settings.glue_database, settings.lake_bucket),
        rule_sets=S3RuleSets(lake, fresh=0),  # a list may have been made a moment before its first upload
        clock=SystemClock(),
        imports=SqsQueue(client("sqs"), settings.lists_queue_url),
        kept_seconds=int(settings.kept_days) * 86_400,
    )
