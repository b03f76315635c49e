"""Keep in the lake what is written of visitors: who joined and left real-time segments, and which keys were joined."""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from segmentation.domain.event_lake import (
    CHANGES,
    LINKS,
    Kind,
    changes_folder,
    links_folder,
    padded,
    position,
)
from segmentation.domain.history import Change, Link, Written, changes_of, link_of
from segmentation.domain.run import instant
from segmentation.ports import Tables

logger = logging.getLogger("segmentation.archive_changes")


@dataclass(slots=True)
class Archived:
    """What came of a batch."""

    changes: int = 0
    links: int = 0
    objects: int = 0


@dataclass(slots=True)
class _File:
    """Rows of one day of one folder, each with what it is known by."""

    columns: Mapping[str, Kind]
    sequences: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, sequence: str, name: str, row: dict[str, Any]) -> None:
        self.sequences.append(sequence)
        self.names.append(name)
        self.rows.append(row)


@dataclass(frozen=True, slots=True)
class ArchiveChanges:
    """The archive of membership changes and joined keys."""

    tables: Tables

    def __call__(self, writes: Iterable[Written]) -> Archived:
        """Write a batch. Objects are named by sequence numbers and by what they hold: a redelivery overwrites itself."""
        result = Archived()
        files: dict[str, _File] = {}
        for written in writes:
            for change in changes_of(written):
                path = f"{changes_folder(change.audience)}date={instant(change.moment)[:10]}/"
                files.setdefault(path, _File(CHANGES)).add(written.sequence, change.id, _change(change))
                result.changes += 1
            link = link_of(written)
            if link is not None:
                path = f"{links_folder(link.audience)}date={instant(link.moment)[:10]}/"
                files.setdefault(path, _File(LINKS)).add(written.sequence, link.profile, _link(link))
                result.links += 1
        for path, file in files.items():
            # Sequence numbers are of one shard of the store's stream, and records do not say which.
            mark = hashlib.sha256("\n".join(file.names).encode("utf-8", "surrogatepass")).hexdigest()[:12]
            self.tables.write(f"{path}{position(file.sequences)}-{mark}.parquet", file.columns, file.rows)
            result.objects += 1
        return result


def _change(change: Change) -> dict[str, Any]:
    row = asdict(change)
    return {"change_id": row.pop("id"), **{name: row[name] for name in CHANGES if name != "change_id"}}


def _link(link: Link) -> dict[str, Any]:
    row = asdict(link) | {"sequence": padded(link.sequence)}
    return {name: row[name] for name in LINKS}
