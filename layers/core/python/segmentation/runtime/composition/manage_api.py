"""Puts manage_api together."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.functions import LambdaFunctions
from segmentation.adapters.runs import DynamoRuns
from segmentation.adapters.s3 import S3Lake
from segmentation.ports import Clock
from segmentation.runtime.settings import ManageSettings, load
from segmentation.usecases.inspect_segments import InspectSegments
from segmentation.usecases.manage_documents import ManageDocuments
from segmentation.usecases.manage_runs import ManageRuns

from .clients import PATIENT, SHORT, client


@dataclass(frozen=True, slots=True)
class ManageApi:
    """What the operations call."""

    documents: ManageDocuments
    segments: InspectSegments
    runs: ManageRuns
    clock: Clock
    roles_claim: str


def compose(environ: Mapping[str, str]) -> ManageApi:
    """The use cases on AWS."""
    settings = load(ManageSettings, environ)
    clock = SystemClock()
    lake = S3Lake(client("s3", SHORT), settings.lake_bucket)
    runs = DynamoRuns(client("dynamodb", SHORT), settings.runs_table)
    functions = LambdaFunctions(
        client("lambda", PATIENT),
        {"build": settings.build_function, "materialize": settings.materialize_function},
    )
    documents = ManageDocuments(lake, clock, new_secret=lambda: secrets.token_urlsafe(32))
    return ManageApi(
        documents=documents,
        segments=InspectSegments(documents, lake, runs, clock),
        runs=ManageRuns(runs, functions),
        clock=clock,
        roles_claim=settings.roles_claim,
    )
