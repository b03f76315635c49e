"""Give a partner who joined and left a batch segment since a run."""

import json
from dataclasses import dataclass
from typing import Any

from segmentation.domain.errors import Gone
from segmentation.domain.syndication import PAGE, ChangesCursor, changes_path, flat_changes
from segmentation.ports import Lake, RuleSets

from .list_members import grant, published_runs


@dataclass(frozen=True, slots=True)
class ListChanges:
    """Changes of a segment, in the order of runs."""

    lake: Lake
    rule_sets: RuleSets

    def __call__(
        self, bearer: str | None, audience: str, segment: str, since: str | None = None
    ) -> dict[str, Any]:
        """At most a page; `next` is where to go on, now or after the next run. No changes: nothing is new."""
        grant(self.rule_sets, bearer, audience, segment)
        runs = published_runs(self.lake, audience)
        cursor = ChangesCursor.parse(since) if since else None
        changes: list[dict[str, Any]] = []
        at = cursor
        for run, offset in _to_read(runs, cursor):
            stored = self.lake.get(changes_path(audience, run, segment))
            document = json.loads(stored.data) if stored else {"now": None, "joined": [], "left": []}
            found = flat_changes(document)
            room = PAGE - len(changes)
            for profile, kind in found[offset : offset + room]:
                changes.append({"profile": profile, "change": kind, "run": run, "now": document["now"]})
            if offset + room < len(found):
                at = ChangesCursor(run, offset + room)
                break
            at = ChangesCursor(run)
        return {"changes": changes, "next": str(at) if at else None}


def _to_read(runs: list[str], cursor: ChangesCursor | None) -> list[tuple[str, int]]:
    """The runs still to read, each with where to begin in it."""
    if cursor is None:
        return [(run, 0) for run in runs]
    if cursor.run not in runs:
        raise Gone("this cursor's run is no longer kept; list the members again and go on from their run")
    position = runs.index(cursor.run)
    if cursor.offset is not None:
        return [(cursor.run, cursor.offset), *((run, 0) for run in runs[position + 1 :])]
    return [(run, 0) for run in runs[position + 1 :]]
