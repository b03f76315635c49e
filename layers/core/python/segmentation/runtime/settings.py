"""What a function is told by its environment: read once, at cold start, all that is missing at once.

Structs, since a dataclass takes 0.4 ms to be made, and each function imports those of all.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import fields
from segmentation.domain.errors import MissingSettings

S = TypeVar("S", bound=Struct)


class CollectSettings(Struct, frozen=True):
    """For collect_events."""

    lake_bucket: str
    event_stream: str
    profiles_table: str
    limits_table: str
    signing_secret_arn: str


class CallSettings(Struct, frozen=True):
    """For collect_calls."""

    lake_bucket: str
    event_stream: str
    limits_table: str
    signing_secret_arn: str


class EvaluateSettings(Struct, frozen=True):
    """For evaluate_events."""

    lake_bucket: str
    profiles_table: str
    activations_queue_url: str
    failures_bucket: str


class SweepSettings(Struct, frozen=True):
    """For sweep_memberships."""

    lake_bucket: str
    profiles_table: str
    activations_queue_url: str


class ArchiveSettings(Struct, frozen=True):
    """For archive_events."""

    lake_bucket: str


class CompactSettings(Struct, frozen=True):
    """For compact_events."""

    lake_bucket: str
    glue_database: str


class BuildSettings(Struct, frozen=True):
    """For build_audience."""

    lake_bucket: str
    runs_table: str
    glue_database: str
    athena_workgroup: str
    logical_now: str = ""


class MaterializeSettings(Struct, frozen=True):
    """For materialize_segments."""

    lake_bucket: str
    runs_table: str
    glue_database: str
    athena_workgroup: str
    publications_queue_url: str
    logical_now: str = ""


class AdvanceSettings(Struct, frozen=True):
    """For advance_runs."""

    lake_bucket: str
    runs_table: str
    glue_database: str
    athena_workgroup: str
    publications_queue_url: str
    kept_days: str
    logical_now: str = ""


class ImportSettings(Struct, frozen=True):
    """For import_lists."""

    lake_bucket: str
    glue_database: str
    athena_workgroup: str
    lists_queue_url: str
    kept_days: str


class PublishSettings(Struct, frozen=True):
    """For publish_memberships."""

    lake_bucket: str
    profiles_table: str
    publications_queue_url: str
    activations_queue_url: str


class FillSettings(Struct, frozen=True):
    """For fill_segments."""

    lake_bucket: str
    event_stream: str
    profiles_table: str
    glue_database: str
    athena_workgroup: str
    activations_queue_url: str


class EraseSettings(Struct, frozen=True):
    """For erase_profiles."""

    lake_bucket: str
    profiles_table: str
    activations_queue_url: str
    failures_bucket: str


class RemoveSettings(Struct, frozen=True):
    """For remove_audiences."""

    lake_bucket: str
    profiles_table: str
    runs_table: str
    glue_database: str
    athena_workgroup: str


class DeliverSettings(Struct, frozen=True):
    """For deliver_activations."""

    lake_bucket: str
    activations_queue_url: str
    webhook_secret_arn: str
    webhook_allow_private: str = "false"


class ServeSettings(Struct, frozen=True):
    """For serve_api."""

    lake_bucket: str
    profiles_table: str
    limits_table: str
    signing_secret_arn: str


class ManageSettings(Struct, frozen=True):
    """For manage_api.

    `roles_claim` is the claim of a JWT that names the caller's roles. `jwt_issuer` and `jwt_audience` are told to who
    wants to sign in; API Gateway verifies tokens.
    """

    lake_bucket: str
    profiles_table: str
    runs_table: str
    lists_queue_url: str
    glue_database: str
    athena_workgroup: str
    build_function: str
    materialize_function: str
    evaluate_function: str
    signing_secret_arn: str
    remove_function: str
    roles_claim: str
    jwt_issuer: str
    jwt_audience: str
    logical_now: str = ""


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """Settings of the variables that bear the fields' names in capitals."""
    values: dict[str, Any] = {}
    missing: list[str] = []
    for one in fields(kind):
        name = one.name.upper()
        if environ.get(name):
            values[one.name] = environ[name]
        elif one.required:
            missing.append(name)
    if missing:
        raise MissingSettings(missing)
    return kind(**values)


def logical_now(text: str) -> int | None:
    """The instant that stands for the clock; nothing for an empty text."""
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an ISO 8601 instant such as 2018-01-01T05:00:00Z") from error
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write 2018-01-01T05:00:00Z or ...-05:00")
    return int(moment.timestamp())
