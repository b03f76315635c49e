"""Keep every accepted event in the lake, as Parquet, by audience, behavior and day."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from segmentation.domain.errors import BadRecord
from segmentation.domain.event import Event
from segmentation.domain.event_lake import event_columns, event_row, events_folder, position
from segmentation.domain.fill import mark_path
from segmentation.domain.run import instant
from segmentation.domain.stream import Mark, StreamRecord
from segmentation.ports import Lake, RuleSets, Tables

logger = logging.getLogger("segmentation.archive_events")


@dataclass(slots=True)
class Archived:
    """What came of a batch. `failed` holds the sequence numbers to deliver again."""

    events: int = 0
    objects: int = 0
    failed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ArchiveEvents:
    """The archive of the stream."""

    tables: Tables
    lake: Lake
    rule_sets: RuleSets

    def __call__(self, shard: str, records: Iterable[StreamRecord]) -> Archived:
        """Write a batch. Objects are named by shard and sequence numbers: a redelivery overwrites itself.

        Nothing beyond the first record that cannot be read is written: the stream delivers from that one on
        again, in batches with other ends, whose objects would have other names.
        """
        result = Archived()
        groups: dict[tuple[str, str, str], list[tuple[str, Event]]] = {}
        sets = self.rule_sets.all()
        marks: list[Mark] = []
        for record in records:
            if (mark := record.mark) is not None:
                marks.append(mark)
                continue
            try:
                event, _ = record.event(sets)
            except BadRecord as error:
                logger.error("bad record %s: %s", record.sequence, error)
                result.failed.add(record.sequence)
                break
            day = instant(event.time)[:10]
            groups.setdefault((event.audience, event.behavior, day), []).append((record.sequence, event))
        for (audience, behavior, day), found in groups.items():
            types = sets[audience].audience.behaviors[behavior].types()
            name = f"{shard}-{position([sequence for sequence, _ in found])}.parquet"
            path = f"{events_folder(audience, behavior)}date={day}/{name}"
            rows = [event_row(event, sequence, types) for sequence, event in found]
            self.tables.write(path, event_columns(types), rows)
            result.events += len(found)
            result.objects += 1
        # What is before a mark is written by now.
        for mark in marks:
            self.lake.put(mark_path(mark.name, mark.shard), b"")
        return result
