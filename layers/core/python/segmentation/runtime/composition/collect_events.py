"""Puts collect_events together."""

from collections.abc import Mapping
from dataclasses import dataclass

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.kinesis import KinesisEventLog
from segmentation.adapters.limits import DynamoLimits
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.secrets import SigningKeys
from segmentation.domain.programs import Programs
from segmentation.runtime.settings import CollectSettings, load
from segmentation.usecases.answer_event import AnswerEvent
from segmentation.usecases.collect_events import CollectEvents, Door
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.tokens import Tokens

from .clients import SHORT, client


@dataclass(frozen=True, slots=True)
class Collector:
    """What the routes call."""

    collect: CollectEvents
    answer: AnswerEvent


def compose(environ: Mapping[str, str]) -> Collector:
    """The use cases on AWS."""
    settings = load(CollectSettings, environ)
    lake = S3Lake(client("s3", SHORT), settings.lake_bucket)
    rule_sets = S3RuleSets(lake, compiled=True)
    limits = DynamoLimits(client("dynamodb", SHORT), settings.limits_table)
    secrets = SigningKeys(client("secretsmanager", SHORT), settings.signing_secret_arn)
    profiles = DynamoProfiles(client("dynamodb", SHORT), settings.profiles_table, LakeNumberings(lake))
    log = KinesisEventLog(client("kinesis", SHORT), settings.event_stream)
    collect = CollectEvents(Door(log, rule_sets, limits, secrets, SystemClock()))
    tokens = Tokens(rule_sets, limits, secrets)
    return Collector(collect, AnswerEvent(collect, tokens, ReadProfiles(profiles, Programs())))
