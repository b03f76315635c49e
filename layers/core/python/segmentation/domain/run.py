"""Run ids, where a run's things stand, and the record that a batch run leaves."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = ("batch", "list")
"""The kinds of segments that a run computes, so that they have members to list."""


def stamp(now: int) -> str:
    """A moment as a part of names: `20180101t050000`."""
    return dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y%m%dt%H%M%S")


def stamped(identifier: str) -> int:
    """The moment in the name of a run or a built version."""
    moment = dt.datetime.strptime(identifier[:15] + "+0000", "%Y%m%dt%H%M%S%z")
    return int(moment.timestamp())


def run_id(started: int, suffix: str) -> str:
    """A run's id: sorts by time and is a legal part of a table's name."""
    return f"{stamp(started)}z_{suffix}"


def instant(now: int) -> str:
    """A moment as ISO 8601 in UTC."""
    return dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(text: str) -> int:
    """The moment that `instant` wrote."""
    return int(dt.datetime.fromisoformat(text).timestamp())


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


def version_path(audience: str, version: str, name: str) -> str:
    """Something of a built version."""
    return f"audiences/{audience}/{version}/{name}"


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
    now: int | None = None
    """The logical time of the run that computed it, which is an earlier one where it was carried over."""
    computed: int = 0
    """When that run began."""
    audience_version: str = ""
    """What it was computed over."""
    failed: str | None = None
    """Why it could not be computed again, where it was tried."""
    failures: int = 0
    """How often in a row."""
    failed_at: int = 0
    list_version: str = ""
    """Of a list: the uploads that it was made of."""
    lacking: str = ""
    """The built version that lacks what it reads, where that is why it failed: it is due with the next one."""


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
    backfill: bool = False
    """It is of a past moment: it is kept as history, and never became the current run."""
    members: str = "members"
    """The folder below the run, and the end of the table's name, of its members."""
    changes: str = "changes"
    bytes_scanned: int = 0
    dollars: float = 0.0
    identities: bool = False
    """Its members have identity keys beside the profile key."""
    types: Mapping[str, str] = field(default_factory=dict)
    """The types that the attributes had, where that is known."""

    def comparable(self, types: Mapping[str, str]) -> tuple[str, ...]:
        """The attributes whose values can be compared with those of other types: the types are the same, or not known."""
        same = (
            name
            for name in self.attributes
            if name not in types or types[name] == self.types.get(name, types[name])
        )
        return tuple(same)

    def members_table(self) -> str:
        """The table of its members."""
        return table_name(self.audience, self.run, self.members)

    def segment(self, identifier: str) -> SegmentCount | None:
        """A segment of the run."""
        return next((one for one in self.segments if one.id == identifier), None)

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
