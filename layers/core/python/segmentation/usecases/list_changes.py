"""Give a partner who joined and left a batch segment since a run."""

import json
from dataclasses import dataclass
from typing import Any

from segmentation.domain.errors import Gone
from segmentation.domain.publication import page_count
from segmentation.domain.syndication import ChangesCursor, contents_path
from segmentation.ports import Lake, RuleSets

from .list_members import grant, page_of, published_runs

MOST_RUNS_A_REQUEST = 50
"""Runs without a change of this segment that one request looks through."""


@dataclass(frozen=True, slots=True)
class ListChanges:
    """Changes of a segment, in the order of runs."""

    lake: Lake
    rule_sets: RuleSets

    def __call__(
        self, bearer: str | None, audience: str, segment: str, since: str | None = None
    ) -> dict[str, Any]:
        """At most a page; `next` is where to go on, now or after the next run.

        Everything was read when `next` comes back as it was sent.
        """
        grant(self.rule_sets, bearer, audience, segment)
        at = ChangesCursor.parse(since) if since else None
        changes: list[dict[str, Any]] = []
        for run, number in _to_read(published_runs(self.lake, audience), at)[:MOST_RUNS_A_REQUEST]:
            stored = self.lake.get(contents_path(audience, run, segment))
            contents = json.loads(stored.data) if stored else {"now": None, "changes": []}
            pages = contents["changes"]
            at = ChangesCursor(run, number + 1 if number + 1 < page_count(pages) else None)
            for profile, kind in page_of(self.lake, audience, run, segment, "changes", pages, number):
                changes.append({"profile": profile, "change": kind, "run": run, "now": contents["now"]})
            if changes:
                break
        return {"changes": changes, "next": str(at) if at else None}


def _to_read(runs: list[str], at: ChangesCursor | None) -> list[tuple[str, int]]:
    """The runs still to read, each with the page to begin with."""
    if at is None:
        return [(run, 0) for run in runs]
    if at.run not in runs:
        raise Gone("this cursor's run is no longer kept; list the members again and go on from their run")
    begun = [] if at.page is None else [(at.run, at.page)]
    return begun + [(run, 0) for run in runs[runs.index(at.run) + 1 :]]
