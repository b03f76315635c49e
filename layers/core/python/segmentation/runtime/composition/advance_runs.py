"""Puts advance_runs together."""

import secrets
from collections.abc import Mapping

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.glue import GlueLakeCatalog
from segmentation.adapters.runs import DynamoRuns
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sizes import DynamoSizes
from segmentation.adapters.sqs import SqsQueue
from segmentation.runtime.settings import AdvanceSettings, load, logical_now
from segmentation.usecases.advance_runs import AdvanceRuns
from segmentation.usecases.build_audience import BuildSteps
from segmentation.usecases.clean_runs import CleanRuns
from segmentation.usecases.materialize_segments import MaterializeSteps
from segmentation.usecases.run_engine import RunEngine

from .clients import client


def compose(environ: Mapping[str, str]) -> AdvanceRuns:
    """The use case on AWS."""
    settings = load(AdvanceSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    rule_sets = S3RuleSets(lake, fresh=0)  # a run is of the rules of its moment
    clock = SystemClock()
    warehouse = AthenaWarehouse(
        client("athena"), client("glue"), settings.athena_workgroup, settings.glue_database
    )
    runs = DynamoRuns(client("dynamodb"), settings.runs_table)
    return AdvanceRuns(
        engine=RunEngine(
            warehouse=warehouse, runs=runs, clock=clock, new_suffix=lambda: secrets.token_hex(2)
        ),
        build=BuildSteps(
            warehouse=warehouse,
            lake=lake,
            rule_sets=rule_sets,
            lake_catalog=GlueLakeCatalog(client("glue"), settings.glue_database, settings.lake_bucket),
            logical_now=logical_now(settings.logical_now),
        ),
        materialize=MaterializeSteps(
            warehouse=warehouse,
            lake=lake,
            runs=runs,
            rule_sets=rule_sets,
            publications=SqsQueue(client("sqs"), settings.publications_queue_url),
            sizes=DynamoSizes(client("dynamodb"), settings.runs_table),
            logical_now=logical_now(settings.logical_now),
        ),
        clean=CleanRuns(warehouse, lake, runs, int(settings.kept_days) * 86_400),
        lake=lake,
        runs=runs,
        rule_sets=rule_sets,
        clock=clock,
    )
