"""What a function is told by its environment: read once, at cold start, all that is missing at once."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from segmentation.domain.errors import MissingSettings

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """For collect_events."""

    lake_bucket: str
    event_stream: str
    profiles_table: str
    limits_table: str
    signing_secret_arn: str


@dataclass(frozen=True, slots=True)
class CallSettings:
    """For collect_calls."""

    lake_bucket: str
    event_stream: str
    limits_table: str
    signing_secret_arn: str


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """For evaluate_events."""

    lake_bucket: str
    profiles_table: str
    activations_queue_url: str
    failures_bucket: str


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """For sweep_memberships."""

    lake_bucket: str
    profiles_table: str
    activations_queue_url: str


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """For archive_events."""

    lake_bucket: str


@dataclass(frozen=True, slots=True)
class CompactSettings:
    """For compact_events."""

    lake_bucket: str
    glue_database: str


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """For build_audience."""

    lake_bucket: str
    runs_table: str
    glue_database: str
    athena_workgroup: str
    logical_now: str = ""


@dataclass(frozen=True, slots=True)
class MaterializeSettings:
    """For materialize_segments."""

    lake_bucket: str
    runs_table: str
    glue_database: str
    athena_workgroup: str
    publications_queue_url: str
    logical_now: str = ""


@dataclass(frozen=True, slots=True)
class AdvanceSettings:
    """For advance_runs."""

    lake_bucket: str
    runs_table: str
    glue_database: str
    athena_workgroup: str
    publications_queue_url: str
    kept_days: str
    logical_now: str = ""


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """For import_lists."""

    lake_bucket: str
    glue_database: str
    athena_workgroup: str
    lists_queue_url: str
    kept_days: str


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """For publish_memberships."""

    lake_bucket: str
    profiles_table: str
    publications_queue_url: str
    activations_queue_url: str


@dataclass(frozen=True, slots=True)
class FillSettings:
    """For fill_segments."""

    lake_bucket: str
    event_stream: str
    profiles_table: str
    glue_database: str
    athena_workgroup: str
    activations_queue_url: str


@dataclass(frozen=True, slots=True)
class EraseSettings:
    """For erase_profiles."""

    lake_bucket: str
    profiles_table: str
    activations_queue_url: str


@dataclass(frozen=True, slots=True)
class RemoveSettings:
    """For remove_audiences."""

    lake_bucket: str
    profiles_table: str
    runs_table: str
    glue_database: str
    athena_workgroup: str


@dataclass(frozen=True, slots=True)
class DeliverSettings:
    """For deliver_activations."""

    lake_bucket: str
    activations_queue_url: str
    webhook_secret_arn: str
    webhook_allow_private: str = "false"


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """For serve_api."""

    lake_bucket: str
    profiles_table: str
    limits_table: str
    signing_secret_arn: str


@dataclass(frozen=True, slots=True)
class ManageSettings:
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
    roles_claim: str
    jwt_issuer: str
    jwt_audience: str
    logical_now: str = ""


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """Settings of the variables that bear the fields' names in capitals."""
    values: dict[str, Any] = {}
    missing: list[str] = []
    for one in fields(kind):  # type: ignore[arg-type]
        name = one.name.upper()
        required = isinstance(one.default, type(None)) or not isinstance(one.default, str)
        if environ.get(name):
            values[one.name] = environ[name]
        elif required:
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
