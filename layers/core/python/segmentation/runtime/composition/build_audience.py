"""Puts build_audience together."""

import secrets
from collections.abc import Mapping

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.runtime.settings import BuildSettings, load
from segmentation.usecases.build_audience import BuildAudience

from .clients import client


def compose(environ: Mapping[str, str]) -> BuildAudience:
    """The use case on AWS."""
    settings = load(BuildSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    return BuildAudience(
        warehouse=AthenaWarehouse(
            client("athena"), client("glue"), settings.athena_workgroup, settings.glue_database
        ),
        lake=lake,
        rule_sets=S3RuleSets(lake),
        clock=SystemClock(),
        new_suffix=lambda: secrets.token_hex(2),
        lake_catalog=GlueLakeCatalog(client("glue"), settings.glue_database, settings.lake_bucket),
    )
