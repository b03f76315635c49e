"""Show and give out the members of a segment: page by page, or all in one file."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from segmentation.domain.errors import Conflict, Gone, NotFound
from segmentation.domain.export_sql import export_query
from segmentation.domain.pipeline import Outcome
from segmentation.ports import Clock, Downloads, Lake, RuleSets, Warehouse

from .kept_documents import current_run
from .list_members import members_page
from .published_rules import published_one, segment_of

URL_SECONDS = 900
"""How long the address of a file can be fetched."""
_ID = re.compile(r"[A-Za-z0-9-]{1,128}")


@dataclass(frozen=True, slots=True)
class Exported:
    """An export. `state`: `running`, `done` (then `url` can be fetched until `expires`, Unix seconds) or `failed`."""

    id: str
    state: str
    url: str | None = None
    expires: int | None = None
    error: str | None = None


def export_path(audience: str, segment: str, export: str) -> str:
    """Where it stands that a query is an export of a segment."""
    return f"exports/{audience}/{segment}/{export}.json"


@dataclass(frozen=True, slots=True)
class ExportMembers:
    """Members as of the last run. Who asks has been allowed to see people."""

    warehouse: Warehouse
    downloads: Downloads
    lake: Lake
    rule_sets: RuleSets
    clock: Clock
    new_token: Callable[[], str]

    def page(self, audience: str, segment: str, cursor: str | None) -> dict[str, Any]:
        """See `members_page`."""
        self._computed(audience, segment)
        return members_page(self.lake, audience, segment, cursor)

    def start(self, audience: str, segment: str, *, exact: bool) -> Exported:
        """Start writing all members into one CSV file.

        A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula. Such keys get an apostrophe in
        front, unless they are wanted `exact`.
        """
        self._computed(audience, segment)
        record = current_run(self.lake, audience)
        if record is None or record.segment(segment) is None:
            raise NotFound(f"segment {segment!r} was in no run yet")
        query = self.warehouse.start(
            "export", export_query(record.members_table(), segment, exact), self.new_token()
        )
        self.lake.put(export_path(audience, segment, query), json.dumps({"run": record.run}).encode())
        return Exported(query, "running")

    def poll(self, audience: str, segment: str, export: str) -> Exported:
        """How an export stands."""
        known = _ID.fullmatch(export) and self.lake.get(export_path(audience, segment, export))
        if not known:
            raise NotFound(f"segment {segment!r} has no export {export[:100]!r}")
        status = self.warehouse.statuses([export]).get(export)
        if status is None:
            raise Gone("this export is no longer kept; start it again")
        match status.outcome:
            case Outcome.ACTIVE:
                return Exported(export, "running")
            case Outcome.SUCCEEDED:
                url = self.downloads.url(export, URL_SECONDS, f"{segment}.csv")
                return Exported(export, "done", url, self.clock.now() + URL_SECONDS)
        return Exported(export, "failed", error=status.reason)

    def _computed(self, audience: str, segment: str) -> None:
        if segment_of(published_one(self.rule_sets, audience).rules, segment).kind == "realtime":
            raise Conflict(
                f"{segment!r} is computed when it is read, so nobody has a list of its members; "
                "make a batch segment that refers to it, and list that"
            )
