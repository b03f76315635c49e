"""Puts compact_events together."""

from collections.abc import Mapping

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.runtime.settings import CompactSettings, load
from segmentation.usecases.compact_events import CompactEvents

from .clients import client


def compose(environ: Mapping[str, str]) -> CompactEvents:
    """The use case on AWS."""
    settings = load(CompactSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    return CompactEvents(
        lake=lake,
        tables=ParquetTables(lake),
        lake_catalog=GlueLakeCatalog(client("glue"), settings.glue_database, settings.lake_bucket),
        rule_sets=S3RuleSets(lake),
        clock=SystemClock(),
    )
