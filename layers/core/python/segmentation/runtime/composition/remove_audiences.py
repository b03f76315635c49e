"""Puts remove_audiences together."""

from collections.abc import Mapping

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.runs import DynamoRuns
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sizes import DynamoSizes
from segmentation.runtime.settings import RemoveSettings, load
from segmentation.usecases.remove_audiences import RemoveAudiences

from .clients import client


def compose(environ: Mapping[str, str]) -> RemoveAudiences:
    """The use case on AWS."""
    settings = load(RemoveSettings, environ)
    lake = S3Lake(client("s3"), settings.lake_bucket)
    return RemoveAudiences(
        lake=lake,
        warehouse=AthenaWarehouse(
            client("athena"), client("glue"), settings.athena_workgroup, settings.glue_database
        ),
        runs=DynamoRuns(client("dynamodb"), settings.runs_table),
        profiles=DynamoProfiles(client("dynamodb"), settings.profiles_table, LakeNumberings(lake)),
        sizes=DynamoSizes(client("dynamodb"), settings.runs_table),
        rule_sets=S3RuleSets(lake),
        clock=SystemClock(),
    )
