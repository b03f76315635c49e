"""Remove what was made of segments that were deleted: partners' pages, exports, sizes, archived changes of membership.

Members leave it with the next run, which falls due by itself; uploaded lists are cleaned up by whoever takes uploads;
built tables go with their runs. All of it may be cut off anywhere and be done again.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from segmentation.domain.errors import Conflict, CorruptObject, NotFound, Unavailable
from segmentation.domain.event_lake import changes_folder
from segmentation.domain.segment_removal import Deleted, SegmentRemovals, deleted_segments, removals_path
from segmentation.ports import Clock, Lake, RuleSets, Sizes, Tables

from .edit_rules import read_book, rule_set_path
from .list_members import published_runs

OBJECTS_A_NOTE = 50
"""Objects of the archive after which the place is written down."""

logger = logging.getLogger("segmentation.remove_segments")


@dataclass(slots=True)
class Cleaned:
    """What came of one invocation: objects removed, rows removed of others, and objects that nobody can read."""

    objects: int = 0
    rows: int = 0
    corrupt: int = 0


@dataclass(frozen=True, slots=True)
class RemoveSegments:
    """Removes what nobody wants any more of segments."""

    lake: Lake
    tables: Tables
    sizes: Sizes
    rule_sets: RuleSets
    clock: Clock

    def one(self, audience: str, segment: str) -> int:
        """Remove at once what was published of a segment that is in the rules no more; how many objects."""
        published = self.rule_sets.all().get(audience)
        if published is None:
            raise NotFound(f"there is no audience {audience!r}")
        if any(one.id == segment for one in published.rules):
            raise Conflict(
                f"segment {segment!r} is still in the rules of {audience!r}; delete it there first"
            )
        return self._published(audience, segment)

    def go_on(self, has_time: Callable[[], bool] = lambda: True) -> Cleaned:
        """Carry all removals on, as far as the time goes."""
        result = Cleaned()
        for audience in self.rule_sets.all():
            try:
                self._audience(audience, has_time, result)
            except Unavailable as error:
                logger.warning("deleted segments of %s are removed later: %s", audience, error)
        return result

    def _audience(self, audience: str, has_time: Callable[[], bool], result: Cleaned) -> None:
        stored = self.lake.get(rule_set_path(audience))
        deleted = deleted_segments(read_book(audience, stored.data)) if stored else {}
        kept = self.lake.get(removals_path(audience))
        stand = SegmentRemovals.from_document(json.loads(kept.data)) if kept else SegmentRemovals()
        for one in deleted.values():
            if stand.is_new(one) and has_time():
                result.objects += self._published(audience, one.id)
        if not stand.walk:
            due = tuple(sorted(one.id for one in deleted.values() if stand.is_due(one, self.clock.now())))
            if not due:
                return
            stand = stand.begun(due)
        self._walk(audience, stand, deleted, has_time, result)

    def _published(self, audience: str, segment: str) -> int:
        removed = 0
        folders = [f"syndication/{audience}/{run}/{segment}/" for run in published_runs(self.lake, audience)]
        asked = [f"{kind}/{audience}/{segment}/" for kind in ("exports", "explanations")]
        for folder in (*folders, *asked):
            paths = list(self.lake.list(folder))
            self.lake.delete(paths)
            removed += len(paths)
        self.sizes.forget(audience, segment)
        return removed

    def _walk(
        self,
        audience: str,
        stand: SegmentRemovals,
        deleted: Mapping[str, Deleted],
        has_time: Callable[[], bool],
        result: Cleaned,
    ) -> None:
        """Go through the archive from where it was left."""
        values = [one for one in stand.walk if one in deleted]  # one may have been made anew meanwhile
        paths = (one for one in self.lake.list(changes_folder(audience)) if one.endswith(".parquet"))
        for number, path in enumerate(one for one in paths if one > stand.after):
            if not has_time():
                self._keep(audience, stand)
                return
            rows = self._rows(path, values, result)
            result.rows += rows
            stand = replace(stand, after=path, found=stand.found + rows)
            if number % OBJECTS_A_NOTE == OBJECTS_A_NOTE - 1:
                self._keep(audience, stand)
        self._keep(audience, stand.ended(deleted, self.clock.now()))

    def _rows(self, path: str, values: list[str], result: Cleaned) -> int:
        try:
            return self.tables.remove(path, "segment", values)
        except CorruptObject as error:
            logger.error("left as it is: %s", error)
            result.corrupt += 1
            return 0
        except Unavailable:
            if self.lake.get(path) is None:  # merged into another one, which this walk or the next finds
                return 1
            raise

    def _keep(self, audience: str, stand: SegmentRemovals) -> None:
        self.lake.put(removals_path(audience), json.dumps(stand.to_document()).encode())
