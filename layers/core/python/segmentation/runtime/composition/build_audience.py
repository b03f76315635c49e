"""Puts build_audience together."""

import secrets
from collections.abc import Mapping

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.runs import DynamoRuns
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.runtime.settings import BuildSettings, load, logical_now
from segmentation.usecases.build_audience import BuildAudience, BuildSteps
from segmentation.usecases.run_engine import RunEngine

from .clients import client


def compose(environ: Mapping[str, str]) -> BuildAudience:
    """The use case on AWS."""
    settings = load(BuildSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    rule_sets = S3RuleSets(lake, fresh=0)  # a run is of the rules of its moment
    warehouse = AthenaWarehouse(
        client("athena"), client("glue"), settings.athena_workgroup, settings.glue_database
    )
    return BuildAudience(
        engine=RunEngine(
            warehouse=warehouse,
            runs=DynamoRuns(client("dynamodb"), settings.runs_table),
            clock=SystemClock(),
            new_suffix=lambda: secrets.token_hex(2),
        ),
        steps=BuildSteps(
            warehouse=warehouse,
            lake=lake,
            rule_sets=rule_sets,
            lake_catalog=GlueLakeCatalog(client("glue"), settings.glue_database, settings.lake_bucket),
            logical_now=logical_now(settings.logical_now),
        ),
        rule_sets=rule_sets,
    )
