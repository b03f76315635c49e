"""Puts manage_api together."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from segmentation.adapters.athena import AthenaWarehouse
from segmentation.adapters.clock import SystemClock
from segmentation.adapters.cloudwatch import LambdaMetrics
from segmentation.adapters.downloads import AthenaDownloads
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.functions import LambdaFunction
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.runs import DynamoRuns
from segmentation.adapters.s3 import S3Lake, S3RuleSets, S3Uploads
from segmentation.adapters.secrets import SigningKeys
from segmentation.adapters.sizes import DynamoSizes
from segmentation.adapters.sqs import SqsQueue
from segmentation.ports import Clock
from segmentation.runtime.settings import ManageSettings, load, logical_now
from segmentation.usecases.ask_removal import AskRemoval
from segmentation.usecases.explain_profile import ExplainProfile
from segmentation.usecases.export_members import ExportMembers
from segmentation.usecases.inspect_segments import InspectSegments
from segmentation.usecases.lift_erasure import LiftErasure
from segmentation.usecases.manage_documents import ManageDocuments
from segmentation.usecases.manage_runs import ManageRuns
from segmentation.usecases.preview_segment import PreviewSegment
from segmentation.usecases.segment_history import SegmentHistory
from segmentation.usecases.show_sql import ShowSql
from segmentation.usecases.show_state import ShowState
from segmentation.usecases.upload_list import UploadList

from .clients import PATIENT, SHORT, client


@dataclass(frozen=True, slots=True)
class ManageApi:
    """What the operations call."""

    documents: ManageDocuments
    segments: InspectSegments
    state: ShowState
    runs: ManageRuns
    previews: PreviewSegment
    show_sql: ShowSql
    history: SegmentHistory
    members: ExportMembers
    explain: ExplainProfile
    lists: UploadList
    removal: AskRemoval
    lift: LiftErasure
    clock: Clock
    roles_claim: str
    issuer: str
    audience: str


def compose(environ: Mapping[str, str]) -> ManageApi:
    """The use cases on AWS."""
    settings = load(ManageSettings, environ)
    clock = SystemClock()
    lake = S3Lake(client("s3", SHORT), settings.lake_bucket)
    runs = DynamoRuns(client("dynamodb", SHORT), settings.runs_table)
    # Always as of now: who has just saved a segment asks about that one.
    rule_sets = S3RuleSets(lake, fresh=0)
    warehouse = AthenaWarehouse(
        client("athena", SHORT), client("glue", SHORT), settings.athena_workgroup, settings.glue_database
    )
    moment = logical_now(settings.logical_now)
    signing = SigningKeys(client("secretsmanager", SHORT), settings.signing_secret_arn)
    profiles = DynamoProfiles(client("dynamodb", SHORT), settings.profiles_table, LakeNumberings(lake))
    documents = ManageDocuments(lake, clock, lambda: secrets.token_urlsafe(32), signing)
    metrics = LambdaMetrics(client("cloudwatch", SHORT), settings.evaluate_function)
    return ManageApi(
        documents=documents,
        segments=InspectSegments(documents, lake, runs),
        state=ShowState(documents, lake, runs, metrics, moment),
        runs=ManageRuns(
            runs,
            build=LambdaFunction(client("lambda", PATIENT), settings.build_function),
            materialize=LambdaFunction(client("lambda", PATIENT), settings.materialize_function),
        ),
        previews=PreviewSegment(warehouse, lake, rule_sets, clock, lambda: secrets.token_hex(32), moment),
        show_sql=ShowSql(lake, rule_sets, clock, moment),
        history=SegmentHistory(DynamoSizes(client("dynamodb", SHORT), settings.runs_table)),
        members=ExportMembers(
            warehouse,
            AthenaDownloads(client("athena", SHORT), client("s3", SHORT), settings.athena_workgroup),
            lake,
            rule_sets,
            clock,
            lambda: secrets.token_hex(32),
        ),
        lists=UploadList(
            lake,
            S3Uploads(client("s3", SHORT), settings.lake_bucket),
            rule_sets,
            clock,
            imports=SqsQueue(client("sqs", SHORT), settings.lists_queue_url),
            new_suffix=lambda: secrets.token_hex(2),
        ),
        explain=ExplainProfile(
            profiles,
            warehouse,
            lake,
            rule_sets,
            clock,
            lambda: secrets.token_hex(32),
            moment,
        ),
        lift=LiftErasure(profiles, lake, rule_sets, clock),
        removal=AskRemoval(
            documents,
            rule_sets,
            lake,
            runs,
            clock,
            remover=LambdaFunction(client("lambda", SHORT), settings.remove_function),
        ),
        clock=clock,
        roles_claim=settings.roles_claim,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )
