"""Keep every accepted event in the lake, as Parquet, by audience, behavior and day."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.errors import BadRecord
from segmentation.domain.event import Event
from segmentation.domain.run import instant
from segmentation.domain.stream import StreamRecord
from segmentation.language.types import Type
from segmentation.language.values import parse_value
from segmentation.ports import RuleSets, Tables

logger = logging.getLogger("segmentation.archive_events")

FIXED: Mapping[str, Type] = {
    "event_id": Type.STRING,
    "time": Type.TIMESTAMP,
    "_profile": Type.STRING,
    "_received": Type.TIMESTAMP,
}
RAW = "_raw"
"""The record as it was sent, JSON: a value of the wrong type is missing in its column but not lost."""


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
    rule_sets: RuleSets

    def __call__(self, shard: str, records: Iterable[StreamRecord]) -> Archived:
        """Write a batch. Objects are named by shard and sequence numbers: a redelivery overwrites itself."""
        result = Archived()
        groups: dict[tuple[str, str, str], list[tuple[str, Event]]] = {}
        sets = self.rule_sets.all()
        for record in records:
            try:
                event, _ = record.event(sets)
            except BadRecord as error:
                logger.error("bad record %s: %s", record.sequence, error)
                result.failed.add(record.sequence)
                continue
            day = instant(event.time)[:10]
            groups.setdefault((event.audience, event.behavior, day), []).append((record.sequence, event))
        for (audience, behavior, day), found in groups.items():
            types = sets[audience].audience.behaviors[behavior].types()
            name = f"{shard}-{found[0][0]}-{found[-1][0]}.parquet"
            path = f"events/{audience}/{behavior}/date={day}/{name}"
            self.tables.write(
                path, {**FIXED, **types, RAW: Type.STRING}, [_row(one, types) for _, one in found]
            )
            result.events += len(found)
            result.objects += 1
        return result


def _row(event: Event, types: Mapping[str, Type]) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "time": event.time,
        "_profile": event.profile,
        "_received": event.received,
        **{name: parse_value(type_, event.columns.get(name)) for name, type_ in types.items()},
        RAW: json.dumps(dict(event.columns), separators=(",", ":")),
    }
