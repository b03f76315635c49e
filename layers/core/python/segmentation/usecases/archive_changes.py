"""Keep who joined and left real-time segments in the lake, for history and analysis."""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from segmentation.domain.event_lake import CHANGES, changes_folder, position
from segmentation.domain.history import Change, Written, changes_of
from segmentation.domain.run import instant
from segmentation.ports import Tables

logger = logging.getLogger("segmentation.archive_changes")


@dataclass(slots=True)
class Archived:
    """What came of a batch."""

    changes: int = 0
    objects: int = 0


@dataclass(frozen=True, slots=True)
class ArchiveChanges:
    """The archive of membership changes."""

    tables: Tables

    def __call__(self, writes: Iterable[Written]) -> Archived:
        """Write a batch. Objects are named by sequence numbers and by what they hold: a redelivery overwrites itself."""
        result = Archived()
        groups: dict[tuple[str, str], list[tuple[str, Change]]] = {}
        for written in writes:
            for change in changes_of(written):
                key = (change.audience, instant(change.moment)[:10])
                groups.setdefault(key, []).append((written.sequence, change))
        for (audience, day), found in groups.items():
            # Sequence numbers are of one shard of the store's stream, and records do not say which.
            mark = hashlib.sha256("\n".join(change.id for _, change in found).encode()).hexdigest()[:12]
            name = f"{position([sequence for sequence, _ in found])}-{mark}.parquet"
            rows = [_row(change) for _, change in found]
            self.tables.write(f"{changes_folder(audience)}date={day}/{name}", CHANGES, rows)
            result.changes += len(rows)
            result.objects += 1
        return result


def _row(change: Change) -> dict[str, object]:
    row = asdict(change)
    return {"change_id": row.pop("id"), **{name: row[name] for name in CHANGES if name != "change_id"}}
