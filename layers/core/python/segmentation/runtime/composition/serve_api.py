"""Puts serve_api together."""

from collections.abc import Mapping
from dataclasses import dataclass

from segmentation.adapters.clock import SystemClock
from segmentation.adapters.dynamodb import DynamoProfiles
from segmentation.adapters.limits import DynamoLimits
from segmentation.adapters.numberings import LakeNumberings
from segmentation.adapters.s3 import S3Lake, S3RuleSets
from segmentation.adapters.secrets import SigningKeys
from segmentation.domain.programs import Programs
from segmentation.runtime.settings import ServeSettings, load
from segmentation.usecases.list_changes import ListChanges
from segmentation.usecases.list_members import ListMembers
from segmentation.usecases.personalize import Personalize
from segmentation.usecases.read_profiles import ReadProfiles
from segmentation.usecases.show_profile import ShowProfile
from segmentation.usecases.tokens import Tokens

from .clients import SHORT, client


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes call."""

    personalize: Personalize
    show_profile: ShowProfile
    list_members: ListMembers
    list_changes: ListChanges


def compose(environ: Mapping[str, str]) -> Api:
    """The use cases on AWS."""
    settings = load(ServeSettings, environ)
    lake = S3Lake(client("s3", SHORT), settings.lake_bucket)
    rule_sets = S3RuleSets(lake, compiled=True)
    profiles = DynamoProfiles(client("dynamodb", SHORT), settings.profiles_table, LakeNumberings(lake))
    limits = DynamoLimits(client("dynamodb", SHORT), settings.limits_table)
    secrets = SigningKeys(client("secretsmanager", SHORT), settings.signing_secret_arn)
    tokens = Tokens(rule_sets, limits, secrets)
    read = ReadProfiles(profiles, Programs())
    return Api(
        Personalize(tokens, read, SystemClock()),
        ShowProfile(tokens, read, SystemClock()),
        ListMembers(lake, rule_sets),
        ListChanges(lake, rule_sets),
    )
