"""One upload to a list: what was asked for, how far it is, and what came of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from .lists import upload_path

MOST_EXAMPLES = 20
"""Malformed rows that a report names; all of them stand in files beside it."""
MOST_ATTEMPTS = 3
DELIMITERS = (",", ";", "\t", "|")
"""Of CSV."""


class Format(StrEnum):
    """What the files are."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class Mode(StrEnum):
    """What becomes of those who are on the list."""

    REPLACE = "replace"
    APPEND = "append"


class UploadState(StrEnum):
    """Where an upload stands. The last three are final."""

    WAITING = "waiting"
    """For its files."""
    READING = "reading"
    MATCHING = "matching"
    COMMITTED = "committed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = (UploadState.COMMITTED, UploadState.FAILED, UploadState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place that reading has come to: a file, and in it a byte and line (or a row group and row)."""

    file: int = 0
    offset: int = 0
    line: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an upload. `malformed` rows could not be taken; of the `rows` that were, `keys` are different, and
    `matched` of these are somebody's in the audience as it was built then (`None`: it was not built yet)."""

    rows: int = 0
    malformed: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[tuple[int, int, str], ...] = ()
    """`(file, line, reason)`, both counted from 1."""
    keys: int | None = None
    matched: int | None = None

    @property
    def duplicates(self) -> int | None:
        """Rows whose key another row has too, beside one of them."""
        return None if self.keys is None else self.rows - self.keys

    @property
    def unmatched(self) -> int | None:
        """Different keys that are nobody's; the lines they stand on are in the folder `unmatched` of the upload."""
        return None if self.keys is None or self.matched is None else self.keys - self.matched

    def noted(self, rows: int, malformed: list[tuple[int, int, str]]) -> "Report":
        """With further rows."""
        reasons = dict(self.reasons)
        for _, _, reason in malformed:
            reasons[reason] = reasons.get(reason, 0) + 1
        examples = (*self.examples, *malformed)[:MOST_EXAMPLES]
        return replace(
            self,
            rows=self.rows + rows,
            malformed=self.malformed + len(malformed),
            reasons=reasons,
            examples=examples,
        )


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload of members to a list, by the column `identity`, which the files call `column`."""

    id: str
    audience: str
    segment: str
    identity: str
    column: str
    format: Format = Format.CSV
    mode: Mode = Mode.REPLACE
    delimiter: str = ","
    hashed: bool = False
    """Values are SHA-256 in hexadecimal digits already."""
    state: UploadState = UploadState.WAITING
    created: int = 0
    updated: int = 0
    cursor: Cursor = field(default_factory=Cursor)
    parts: int = 0
    """Objects of members that are written."""
    attempt: int = 0
    queries: Mapping[str, str] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    error: str = ""

    @property
    def is_over(self) -> bool:
        """Nothing will happen to it any more."""
        return self.state in FINAL

    def path(self, name: str) -> str:
        """Something of the upload in the lake."""
        return upload_path(self.audience, self.segment, self.id, name)

    def failed(self, error: str) -> "Upload":
        """It ends here, and the list is as it was."""
        return replace(self, state=UploadState.FAILED, error=error)

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Upload":
        """From JSON that `to_document` made."""
        report = document["report"]
        examples = tuple((int(file), int(line), str(why)) for file, line, why in report["examples"])
        return cls(
            **{
                **document,
                "format": Format(document["format"]),
                "mode": Mode(document["mode"]),
                "state": UploadState(document["state"]),
                "cursor": Cursor(**document["cursor"]),
                "report": Report(**{**report, "examples": examples}),
            }
        )
