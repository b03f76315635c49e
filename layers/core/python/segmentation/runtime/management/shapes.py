"""What the management API takes and answers: the shapes that requests are read into and the OpenAPI document shows."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Json = dict[str, Any]
Text = Annotated[str, Meta(max_length=1_000)]
Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Kind = Literal["audience", "segments", "write_keys", "tokens", "partners", "destinations"]


class Stamp(Struct):
    """When something was done and by whom; `at` is ISO 8601, empty where it is not known."""

    at: str
    by: str


class Document(Struct):
    """A document in its current version. `etag` is what If-Match names; `what` was done to make this version.

    `deleted`: it no longer stands; only the list of all documents shows such.
    """

    kind: Kind
    id: str
    version: int
    etag: str
    folder: str
    archived: bool
    deleted: bool
    created: Stamp
    updated: Stamp
    what: str
    note: str
    document: Json


class DocumentPage(Struct):
    """Some documents, and the cursor of the next ones."""

    items: list[Document]
    next: str | None


class NewDocument(Struct, forbid_unknown_fields=True):
    """A document to create. `note` says why, for the history."""

    document: Json
    folder: Text = ""
    note: Text = ""


class ChangedDocument(Struct, forbid_unknown_fields=True):
    """What a document is to say from now on. Without `folder` it stays where it is."""

    document: Json
    folder: Text | None = None
    note: Text = ""


class Amendment(Struct, forbid_unknown_fields=True):
    """What changes beside the document: its folder, or whether it is archived."""

    folder: Text | None = None
    archived: bool | None = None
    note: Text = ""


class Rollback(Struct, forbid_unknown_fields=True):
    """The version whose content becomes a new version."""

    version: Annotated[int, Meta(ge=1)]
    note: Text = ""


class Secret(Struct):
    """A created or rotated key. `secret` is shown this once; it is null when the same request had made it before."""

    document: Document
    secret: str | None


class Version(Struct):
    """One version of a document. A version that deleted it has an empty document."""

    version: int
    what: str
    at: str
    by: str
    note: str
    folder: str
    archived: bool
    deleted: bool
    current: bool
    document: Json


class VersionPage(Struct):
    """Versions, latest first."""

    items: list[Version]
    next: str | None


class Reference(Struct):
    """A document by name."""

    kind: Kind
    id: str
    name: str


class Dependents(Struct):
    """Who names a segment, and so holds it."""

    items: list[Reference]


class Folder(Struct):
    """A folder and how many documents stand in it, without those of folders below."""

    path: str
    documents: int


class Folders(Struct):
    """The folders of an audience."""

    items: list[Folder]


class FolderMove(Struct, forbid_unknown_fields=True):
    """A folder, with all below it, and what it is called from now on."""

    source: Annotated[str, Meta(min_length=1, max_length=200)]
    target: Annotated[str, Meta(max_length=200)]


class Problem(Struct, omit_defaults=True):
    """One thing to mend. `pointer` is a JSON Pointer into the request's body, or into `document` where that is named."""

    code: str
    message: str
    pointer: str | None = None
    parameter: str | None = None
    document: str | None = None


class ProblemDetails(Struct, omit_defaults=True):
    """An error (RFC 9457). `problems` holds all that is wrong; `documents` those that somebody else changed."""

    type: str
    title: str
    status: int
    detail: str
    problems: list[Problem] = []
    documents: list[str] = []


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


class EditedDocument(Struct, forbid_unknown_fields=True):
    """One edit of several. `expected` is the etag of what it was made of, "" for nothing; absent: whatever stands."""

    action: Literal["put", "delete"]
    kind: Kind
    id: Identifier
    document: Json | None = None
    folder: Text | None = None
    archived: bool | None = None
    expected: str | None = None


class Changes(Struct, forbid_unknown_fields=True):
    """Edits that are made together, all or none. `dry_run` only checks them; `from_files`: files under version control
    say the same, so that a later publication of the files is no surprise."""

    edits: Annotated[list[EditedDocument], Meta(min_length=1, max_length=10_000)]
    note: Text = ""
    dry_run: bool = False
    from_files: bool = False


class Changed(Struct):
    """What became of edits: the documents that have a new version now."""

    version: str
    documents: list[Document]
    deleted: list[Reference]


class Me(Struct):
    """The caller, as the API knows it."""

    id: str
    role: Literal["viewer", "editor", "admin"]


class Size(Struct):
    """A segment in one run. Moments are ISO 8601; `carried`: it was not computed anew in that run."""

    run: str
    at: str
    size: int
    joined: int
    left: int
    carried: bool


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


class SizePage(Struct):
    """Sizes, latest run first."""

    segment: str
    items: list[Size]
    next: str | None


class Run(Struct):
    """A batch run. `failures` says why segments could not be computed; their last good membership stays."""

    id: str
    audience: str
    job: Literal["build", "materialize"]
    state: Literal["running", "committed", "failed", "skipped"]
    step: str
    requested: str
    started: str
    ended: str | None
    now: str | None
    rows: int
    segments: int
    bytes_scanned: int
    dollars: float
    error: str | None
    failures: list[str]


class RunPage(Struct):
    """Runs, latest first."""

    items: list[Run]
    next: str | None


class NewRun(Struct, forbid_unknown_fields=True):
    """A run to start. `segments`: only these; `now`: an ISO 8601 moment that stands for the clock."""

    job: Literal["build", "materialize"]
    segments: list[Identifier] | None = None
    now: Text | None = None


class Freshness(Struct):
    """How fresh a segment is.

    `fresh`: as of the last run. `edited`: its rule was changed since. `failed`: the last run could not compute it,
    `error` says why. `waiting`: no run has computed it. `realtime`: computed when it is read.
    """

    segment: str
    kind: Literal["batch", "realtime", "list"]
    status: Literal["fresh", "edited", "failed", "waiting", "realtime"]
    computed: str | None
    lag_seconds: int | None
    size: int | None
    error: str | None
    failures: int


class State(Struct):
    """The state of an audience."""

    audience: str
    rules_version: str
    rules_published: str
    built: str | None
    last_run: str | None
    last_run_at: str | None
    running: list[str]
    segments: list[Freshness]


class MemberPage(Struct):
    """Keys of members, all pages of one run."""

    run: str
    now: str
    members: list[str]
    next: str | None


class NewExport(Struct, forbid_unknown_fields=True):
    """An export to start. Keys that a spreadsheet would take for a formula get an apostrophe in front, unless `exact`."""

    exact: bool = False


class Export(Struct):
    """All members as one file. `url` is there when it is done and can be fetched without signing in until `expires`."""

    id: str
    state: Literal["running", "done", "failed"]
    url: str | None
    expires: str | None
    error: str | None


class Profile(Struct, forbid_unknown_fields=True):
    """A profile by one of its keys. It stands in the body, so that it stands in no log of addresses."""

    key: Annotated[str, Meta(min_length=1, max_length=1_000)]
    column: Annotated[str, Meta(max_length=128)] = ""


class Why(Struct):
    """Why a profile is in a segment, or is not: the truth of each condition, and the values behind it."""

    segment: str
    holds: bool
    as_of: str
    explanation: Json
    text: list[str]


class Uploading(Struct, forbid_unknown_fields=True):
    """An upload to begin, by the identity `identity` (the master key, unless said), which the files call `column`.

    `hashed`: values are SHA-256 already. `files`: how many there will be, each of at most 5 GB.
    """

    identity: Identifier | None = None
    column: Identifier | None = None
    format: Literal["csv", "ndjson", "parquet"] = "csv"
    mode: Literal["replace", "append"] = "replace"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    hashed: bool = False
    files: Annotated[int, Meta(ge=1, le=1_000)] = 1


class MalformedRow(Struct):
    """A row that could not be taken, by its place (counted from 1)."""

    file: int
    line: int
    reason: str


class Upload(Struct):
    """An upload. Of the `rows` that were taken, `keys` are different, and `matched` of these are somebody's."""

    id: str
    state: Literal["waiting", "reading", "matching", "committed", "failed", "cancelled"]
    identity: str
    column: str
    format: Literal["csv", "ndjson", "parquet"]
    mode: Literal["replace", "append"]
    created: str
    updated: str
    rows: int
    malformed: int
    reasons: dict[str, int]
    examples: list[MalformedRow]
    keys: int | None
    matched: int | None
    error: str


class Uploads(Struct):
    """Uploads, latest first."""

    items: list[Upload]


class NewUpload(Struct):
    """An upload that was begun, and the addresses that its files are put to (HTTPS PUT) within so many seconds."""

    upload: Upload
    urls: list[str]
    seconds: int
