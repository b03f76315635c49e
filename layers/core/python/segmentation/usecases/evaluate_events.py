"""Evaluate real-time segments on visitor events, once for each visitor of a batch.

Order of things, so that nothing is lost: the visitor's new state is written together with what it changed, untold;
then the changes are sent; then that is noted. A crash between any two leaves the batch unacknowledged; its
redelivery finds the events known and the changes untold, and sends them again. So does a sweep, a minute later.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from segmentation.domain.errors import BadRecord, NotKnownYet, Unavailable
from segmentation.domain.profile import profile_id
from segmentation.domain.stream import StreamRecord, poison_path
from segmentation.ports import Clock, Failures, RuleSets

from .update_visitors import UpdateVisitors, Visit

logger = logging.getLogger("segmentation.evaluate_events")


@dataclass(slots=True)
class Evaluated:
    """What came of a batch. `failed` holds the sequence numbers to deliver again."""

    events: int = 0
    visitors: int = 0
    changes: int = 0
    races: int = 0
    poison: int = 0
    joined: int = 0
    conflicts: int = 0
    capped: int = 0
    forgetful: int = 0
    rules_failed: int = 0
    failed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class EvaluateEvents:
    """The evaluator of the stream."""

    update: UpdateVisitors
    rule_sets: RuleSets
    failures: Failures
    clock: Clock

    def __call__(self, records: Iterable[StreamRecord]) -> Evaluated:
        """Bring the visitors of these records up to date."""
        result = Evaluated()
        sets = self.rule_sets.all()
        visits: dict[str, Visit] = {}
        sequences: dict[str, list[str]] = {}
        for record in records:
            if record.mark is not None:
                continue
            try:
                event, published = record.event(sets)
            except BadRecord as error:
                if not self._put_aside(record, error, result):
                    result.failed.add(record.sequence)
                continue
            key = profile_id(event.audience, event.profile)
            visit = visits.get(key)
            if visit is None:
                visit = visits[key] = Visit(published, event.profile)
                sequences[key] = []
            visit.events.append(event)
            for name in event.also:
                visit.also[profile_id(event.audience, name)] = None
            sequences[key].append(record.sequence)
            result.events += 1
        updated = self.update(visits, sets)
        for key in updated.failed:
            result.failed.update(sequences[key])
        result.visitors = len(visits)
        result.changes, result.races = updated.changes, updated.races
        result.joined, result.conflicts = updated.joined, updated.conflicts
        result.capped, result.rules_failed = updated.capped, updated.rules_failed
        result.forgetful = updated.forgetful
        return result

    def _put_aside(self, record: StreamRecord, error: BadRecord, result: Evaluated) -> bool:
        """Keep a record that can never be read, whole and with the reason, so that it holds up nobody; whether it is kept.

        What is only not known yet comes again; in the end the stream puts it aside itself.
        """
        logger.error("bad record %s: %s", record.sequence, error)
        result.poison += 1
        if isinstance(error, NotKnownYet):
            return False
        path = poison_path("evaluate_events", record.sequence)
        try:
            self.failures.put_aside(path, record.kept("evaluate_events", str(error), self.clock.now()))
        except Unavailable as unavailable:
            logger.warning("a bad record is not put aside: %s", unavailable)
            return False
        return True
