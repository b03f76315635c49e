"""Puts materialize_segments together."""

import secrets
from collections.abc import Mapping

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.runs import DynamoRuns
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sizes import DynamoSizes
from segmentation.adapters.sqs import SqsQueue
from segmentation.runtime.settings import MaterializeSettings, load, logical_now
from segmentation.usecases.materialize_segments import MaterializeSegments, MaterializeSteps
from segmentation.usecases.run_engine import RunEngine

from .clients import client


def compose(environ: Mapping[str, str]) -> MaterializeSegments:
    """The use case on AWS."""
    settings = load(MaterializeSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    rule_sets = S3RuleSets(lake, fresh=0)  # a run is of the rules of its moment
    warehouse = AthenaWarehouse(
        client("athena"), client("glue"), settings.athena_workgroup, settings.glue_database
    )
    runs = DynamoRuns(client("dynamodb"), settings.runs_table)
    return MaterializeSegments(
        engine=RunEngine(
            warehouse=warehouse, runs=runs, clock=SystemClock(), new_suffix=lambda: secrets.token_hex(2)
        ),
        steps=MaterializeSteps(
            warehouse=warehouse,
            lake=lake,
            runs=runs,
            rule_sets=rule_sets,
            publications=SqsQueue(client("sqs"), settings.publications_queue_url),
            sizes=DynamoSizes(client("dynamodb"), settings.runs_table),
            logical_now=logical_now(settings.logical_now),
        ),
        rule_sets=rule_sets,
    )
