"""Run ids and the record that a batch run leaves."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


def stamp(now: int) -> str:
    """A moment as a part of names: `20180101t050000`."""
    return dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y%m%dt%H%M%S")


def run_id(started: int, suffix: str) -> str:
    """A run's id: sorts by time and is a legal part of a table's name."""
    return f"{stamp(started)}z_{suffix}"


def instant(now: int) -> str:
    """A moment as ISO 8601 in UTC."""
    return dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def table_name(*parts: str) -> str:
    """A table's name of ids: `-` is no legal character in one."""
    return "_".join(parts).replace("-", "_").lower()


def pointer_path(audience: str) -> str:
    """Where the pointer to an audience's current version stands."""
    return f"audiences/{audience}/current.json"


def run_pointer_path(audience: str) -> str:
    """Where the pointer to the last committed run stands: that run's record."""
    return f"memberships/{audience}/current.json"


def run_path(audience: str, run: str, name: str) -> str:
    """Something of a run."""
    return f"memberships/{audience}/{run}/{name}"


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """One batch segment in one run."""

    id: str
    name: str
    kind: str
    size: int
    joined: int
    left: int
    version: str


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """A query that succeeded, and what it cost."""

    id: str
    bytes_scanned: int
    ms: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What `run.json` says of a committed run. `attributes` are the published ones, in order."""

    run: str
    audience: str
    now: int
    started: int
    finished: int
    audience_version: str
    rules_version: str
    profiles: int
    segments: tuple[SegmentCount, ...]
    queries: tuple[QueryRecord, ...]
    attributes: tuple[str, ...] = field(default_factory=tuple)
    previous: str | None = None

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "RunRecord":
        """From JSON that `to_document` made."""
        return cls(
            **{
                **document,
                "segments": tuple(SegmentCount(**one) for one in document["segments"]),
                "queries": tuple(QueryRecord(**one) for one in document["queries"]),
                "attributes": tuple(document["attributes"]),
            }
        )
