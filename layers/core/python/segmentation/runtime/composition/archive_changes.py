"""Puts archive_changes together."""

from collections.abc import Mapping

from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.parquet import ParquetTables
from segmentation.adapters.s3 import S3Lake
from segmentation.runtime.settings import ArchiveSettings, load
from segmentation.usecases.archive_changes import ArchiveChanges

from .clients import client


def compose(environ: Mapping[str, str]) -> tuple[ArchiveChanges, LakeNumberings]:
    """The use case on AWS, and what its records are read with."""
    lake = S3Lake(client("s3"), load(ArchiveSettings, environ).lake_bucket)
    return ArchiveChanges(tables=ParquetTables(lake)), LakeNumberings(lake)
