"""Merge the small files of the lake, on a schedule, and remove what was merged."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from segmentation.domain import compaction
from segmentation.domain.compaction import File, Merge
from segmentation.domain.errors import CorruptObject, Unavailable
from segmentation.domain.event_lake import changes_folder, date_of, events_folder, links_folder, merging_of
from segmentation.domain.published import Published
from segmentation.domain.run import instant
from segmentation.ports import Clock, Entry, Lake, LakeCatalog, RuleSets, Tables

from .register_lake import register_lake

LONGEST_MERGE = 60.0
"""Seconds that are left for a merge to be begun."""

logger = logging.getLogger("segmentation.compact_events")


@dataclass(slots=True)
class Compacted:
    """What came of it. `finished`: nothing was left for want of time."""

    merged: int = 0
    rows: int = 0
    objects: int = 0
    removed: int = 0
    corrupt: int = 0
    failed: int = 0
    finished: bool = True


@dataclass(frozen=True, slots=True)
class CompactEvents:
    """The caretaker of the lake. One at a time is enough; two at once do no harm."""

    lake: Lake
    tables: Tables
    lake_catalog: LakeCatalog
    rule_sets: RuleSets
    clock: Clock

    def __call__(self, seconds_left: Callable[[], float]) -> Compacted:
        """Go through all folders, until they are done or the time is over; the next call goes on."""
        result = Compacted()
        for published in self.rule_sets.all().values():
            try:
                register_lake(self.lake, self.lake_catalog, published.audience)
            except Unavailable as error:
                # Files are merged without the catalog; one audience's tables hold up no other's.
                logger.warning("tables of audience %s are not registered: %s", published.audience.id, error)
                result.failed += 1
            for folder in _folders(published):
                for partition, entries in groupby(self.lake.entries(folder), _partition):
                    if seconds_left() < LONGEST_MERGE:
                        result.finished = False
                        return result
                    try:
                        self._compact(partition, list(entries), seconds_left, result)
                    except Unavailable as error:
                        # The next pass finds it as it is; the other folders need not wait.
                        logger.warning("%s is left as it is: %s", partition, error)
                        result.failed += 1
        return result

    def _compact(
        self, partition: str, entries: list[Entry], seconds_left: Callable[[], float], result: Compacted
    ) -> None:
        now = self.clock.now()
        files = [File(one.path.removeprefix(partition), one.size, one.put) for one in entries]
        day = date_of(partition)
        if day is None or (len(files) < 2 and not any(one.is_note for one in files)):
            return
        names = {one.name for one in files}
        notes = {name: self._note(partition, name) for name in names if compaction.note_of(name) in names}
        todo = compaction.plan(files, notes, now, is_over=day < instant(now)[:10])
        if todo.removals:
            self.lake.delete([partition + name for name in todo.removals])
            result.removed += len(todo.removals)
        for merge in todo.merges:
            if seconds_left() < LONGEST_MERGE:
                result.finished = False
                return
            self._merge(partition, merge, result)

    def _note(self, partition: str, target: str) -> tuple[str, ...]:
        stored = self.lake.get(partition + compaction.note_of(target))
        return () if stored is None else compaction.held_by(stored.data)

    def _merge(self, partition: str, merge: Merge, result: Compacted) -> None:
        """Note first, then the file: without its file a note counts for nothing."""
        while len(merge.sources) > 1:
            try:
                self.lake.put(partition + merge.note, merge.content())
                sources = [partition + name for name in merge.sources]
                rows = self.tables.merge(sources, partition + merge.target, merging_of(partition))
            except CorruptObject as error:
                # It stays where it is, for whoever mends it; queries over its day say the same.
                logger.error("left out of a merge: %s", error)
                result.corrupt += 1
                merge = merge.without(error.path.removeprefix(partition))
                continue
            result.merged += len(sources)
            result.objects += 1
            result.rows += rows
            return


def _folders(published: Published) -> Iterator[str]:
    audience = published.audience
    yield from (events_folder(audience.id, name) for name in audience.behaviors)
    yield changes_folder(audience.id)
    yield links_folder(audience.id)


def _partition(entry: Entry) -> str:
    return entry.path.rpartition("/")[0] + "/"
