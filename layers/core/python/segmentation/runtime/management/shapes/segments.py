"""What a segment says and how large it is; drafts and their previews."""

from typing import Literal

from msgspec import Struct

from .common import Identifier, Json, Kind, Problem, Reference


class Candidate(Struct, forbid_unknown_fields=True):
    """A document to check without saving it."""

    document: Json
    kind: Kind = "segments"


class Validation(Struct):
    """What checking found. `sentence` and `outline` say a rule in words; `uses` the segments that it names."""

    valid: bool
    problems: list[Problem]
    sentence: str | None
    outline: list[str]
    uses: list[str]


class Words(Struct):
    """A segment in words: as one sentence, and as lines."""

    segment: str
    version: int
    sentence: str | None
    outline: list[str]


class Sql(Struct):
    """The SQL that finds the members of a segment, laid out for a person, over the audience as it is built now."""

    segment: str
    now: str
    audience_version: str
    sql: str


class Draft(Struct, forbid_unknown_fields=True):
    """A segment that need not be saved. `exact`: ask all profiles, not a sample; `attributes`: to show of members."""

    document: Json
    exact: bool = False
    attributes: list[Identifier] | None = None


class ShownMember(Struct):
    """A member, for instance: its key, and attributes that are neither PII nor blocked."""

    profile_key: str
    attributes: Json


class Preview(Struct):
    """How many would be in a draft. When it is `done`, `count` lies between `low` and `high` with a probability of
    `confidence` (1: it is exact). `approximate`: it refers to a segment with a limit, which a sample only imitates."""

    id: str
    state: Literal["running", "done", "failed", "cancelled"]
    population: int
    now: str
    asked: int
    count: int | None
    low: int | None
    high: int | None
    confidence: float | None
    approximate: bool
    members: list[ShownMember]
    reason: str
    bytes_scanned: int
    dollars: float
    ms: int


class Dependents(Struct):
    """Who names a segment, and so holds it."""

    items: list[Reference]


class Size(Struct):
    """A segment in one run. Moments are ISO 8601; `carried`: it was not computed anew in that run."""

    run: str
    at: str
    size: int
    joined: int
    left: int
    carried: bool


class SizePage(Struct):
    """Sizes, latest run first."""

    segment: str
    items: list[Size]
    next: str | None


class Day(Struct):
    """A segment on one day: its size at the day's last run, who joined and left in all of its `runs`. `backfilled`: computed later, for a
    day without a run of its own."""

    date: str
    size: int
    joined: int
    left: int
    runs: int
    backfilled: bool


class Days(Struct):
    """Days with a run, oldest first, in the audience's time zone."""

    segment: str
    time_zone: str
    items: list[Day]
