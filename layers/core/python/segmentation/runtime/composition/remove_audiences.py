"""Puts remove_audiences together."""

from collections.abc import Mapping
from dataclasses import dataclass

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.runs import DynamoRuns
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.sizes import DynamoSizes
from segmentation.runtime.settings import RemoveSettings, load
from segmentation.usecases.remove_audiences import RemoveAudiences
from segmentation.usecases.remove_segments import RemoveSegments

from .clients import client


@dataclass(frozen=True, slots=True)
class Removals:
    """Of whole audiences, and of segments that were deleted."""

    audiences: RemoveAudiences
    segments: RemoveSegments


def compose(environ: Mapping[str, str]) -> Removals:
    """The use cases on AWS."""
    settings = load(RemoveSettings, environ)
    lake, clock = S3Lake(client("s3"), settings.lake_bucket), SystemClock()
    sizes, rule_sets = DynamoSizes(client("dynamodb"), settings.runs_table), S3RuleSets(lake)
    warehouse = AthenaWarehouse(
        client("athena"), client("glue"), settings.athena_workgroup, settings.glue_database
    )
    return Removals(
        RemoveAudiences(
            lake=lake,
            warehouse=warehouse,
            runs=DynamoRuns(client("dynamodb"), settings.runs_table),
            profiles=DynamoProfiles(client("dynamodb"), settings.profiles_table, LakeNumberings(lake)),
            sizes=sizes,
            rule_sets=rule_sets,
            clock=clock,
        ),
        RemoveSegments(lake, ParquetTables(lake), sizes, rule_sets, clock),
    )
