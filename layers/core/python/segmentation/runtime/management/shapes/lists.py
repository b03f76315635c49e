"""Uploads to list segments."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .common import Identifier


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
    """An upload. Of the `rows` that were taken, `duplicates` repeat another; of the `keys` that are different `matched` are
    somebody's in the audience as it was built then, `unmatched` nobody's yet."""

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
    duplicates: int | None
    matched: int | None
    unmatched: int | None
    error: str


class Rejected(Struct):
    """Addresses of files (HTTPS GET) within so many seconds: of `malformed` rows as `file,line,reason`, of `unmatched` ones as
    `line,key` without a header, compressed with gzip."""

    malformed: list[str]
    unmatched: list[str]
    seconds: int


class Uploads(Struct):
    """Uploads, latest first."""

    items: list[Upload]


class NewUpload(Struct):
    """An upload that was begun, and the addresses that its files are put to (HTTPS PUT) within so many seconds."""

    upload: Upload
    urls: list[str]
    seconds: int
