"""Puts archive_events together."""

from collections.abc import Mapping

from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.runtime.settings import ArchiveSettings, load
from segmentation.usecases.archive_events import ArchiveEvents

from .clients import client


def compose(environ: Mapping[str, str]) -> ArchiveEvents:
    """The use case on AWS."""
    lake = S3Lake(client("s3"), load(ArchiveSettings, environ).lake_bucket)
    return ArchiveEvents(tables=ParquetTables(lake), lake=lake, rule_sets=S3RuleSets(lake))
