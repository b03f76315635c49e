"""Evaluate real-time segments on visitor events, once for each visitor of a batch.

Order of things, so that nothing is lost: the visitor's new state is written together with the changes that
must be told (the outbox), then the changes are sent, then the outbox is emptied. A crash between any two
leaves the batch unacknowledged; its redelivery finds the events known and the outbox full, and sends again.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.errors import BadRecord, SegmentationError, Unavailable
from segmentation.domain.event import Event
from segmentation.domain.messages import Change as Told
from segmentation.domain.messages import realtime_message
from segmentation.domain.profile import RETENTION, Profile, RealtimePart, profile_id
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published
from segmentation.domain.stream import StreamRecord
from segmentation.ports import Clock, Profiles, Queue, RuleSets

MOST_RACES = 6
"""How often a lost write is tried again before the batch is left for redelivery."""

logger = logging.getLogger("segmentation.evaluate_events")


@dataclass(slots=True)
class Evaluated:
    """What came of a batch. `failed` holds the sequence numbers to deliver again."""

    events: int = 0
    visitors: int = 0
    changes: int = 0
    races: int = 0
    poison: int = 0
    failed: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Group:
    """One visitor's events in a batch."""

    published: Published
    profile: str
    events: list[Event] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EvaluateEvents:
    """The evaluator of the stream."""

    profiles: Profiles
    rule_sets: RuleSets
    activations: Queue
    programs: Programs
    clock: Clock

    def __call__(self, records: Iterable[StreamRecord]) -> Evaluated:
        """Bring the visitors of these records up to date."""
        result = Evaluated()
        waiting = self._group(records, result)
        result.visitors = len(waiting)
        outboxes: dict[str, RealtimePart] = {}
        for attempt in range(MOST_RACES):
            if not waiting:
                break
            result.races += len(waiting) if attempt else 0
            waiting = self._round(waiting, outboxes, result)
        for group in waiting.values():
            result.failed.update(group.sequences)
        self._tell(outboxes)
        return result

    def _group(self, records: Iterable[StreamRecord], result: Evaluated) -> dict[str, _Group]:
        groups: dict[str, _Group] = {}
        sets = self.rule_sets.all()
        for record in records:
            try:
                event, published = record.event(sets)
            except BadRecord as error:
                logger.error("bad record %s: %s", record.sequence, error)
                result.poison += 1
                result.failed.add(record.sequence)
                continue
            key = profile_id(event.audience, event.profile)
            group = groups.setdefault(key, _Group(published, event.profile))
            group.events.append(event)
            group.sequences.append(record.sequence)
            result.events += 1
        return groups

    def _round(
        self, groups: Mapping[str, _Group], outboxes: dict[str, RealtimePart], result: Evaluated
    ) -> dict[str, _Group]:
        """Read, evaluate and write; the groups that lost a race."""
        now = self.clock.now()
        try:
            profiles = self.profiles.read(groups)
        except Unavailable as error:
            logger.warning("profiles cannot be read: %s", error)
            for group in groups.values():
                result.failed.update(group.sequences)
            return {}
        writes: dict[str, RealtimePart] = {}
        changes: dict[str, int] = {}
        for key, group in groups.items():
            profile = profiles.get(key, Profile())
            try:
                part, changes[key] = self._evaluate(group, profile, now)
            except Exception as error:
                # One visitor's state must not hold up the others of the shard. Its records come back, and in the
                # end stand whole where they can be replayed. The message may quote data, so only its kind is told.
                logger.error("a visitor cannot be evaluated: %s", _place(error))
                result.failed.update(group.sequences)
                continue
            if part is None:
                if profile.realtime is not None and profile.realtime.outbox:
                    outboxes[key] = profile.realtime
            else:
                writes[key] = part
        saved = self.profiles.save(writes) if writes else None
        lost = saved.lost if saved else frozenset()
        failed = saved.failed if saved else {}
        for key, reason in failed.items():
            logger.warning("a visitor's state was not written: %s", reason)
            result.failed.update(groups[key].sequences)
        for key, part in writes.items():
            if key not in lost and key not in failed:
                result.changes += changes[key]
                if part.outbox:
                    outboxes[key] = part
        return {key: groups[key] for key in lost}

    def _evaluate(self, group: _Group, profile: Profile, now: int) -> tuple[RealtimePart | None, int]:
        """The visitor's next state, or nothing where these events change nothing."""
        published, before = group.published, profile.realtime
        outcome = self.programs.outcome(published, group.profile, profile, group.events, now)
        run = profile.batch.run if profile.batch else ""
        current = before is not None and before.rules == published.version and before.batch == run
        if current and not outcome.accepted and not outcome.changes:
            return None, 0
        told = [
            {
                "id": one.id,
                "segment": one.segment,
                "joined": one.joined,
                "moment": one.moment,
                "event": one.event,
            }
            for one in outcome.changes
            if published.subscribers(one.segment)
        ]
        visitor = outcome.visitor
        part = RealtimePart(
            revision=before.revision + 1 if before else 1,
            state=visitor.encode(),
            members=tuple(sorted(visitor.members)),
            flips=tuple((moment, tuple(joined), tuple(left)) for moment, joined, left in visitor.flips),
            computed=now,
            rules=published.version,
            batch=run,
            recheck=visitor.recheck,
            outbox=(*(before.outbox if before else ()), *told),
            expires=now + RETENTION,
        )
        return part, len(outcome.changes)

    def _tell(self, outboxes: Mapping[str, RealtimePart]) -> None:
        if not outboxes:
            return
        sets = self.rule_sets.all()
        messages: list[dict[str, Any]] = []
        for key, part in outboxes.items():
            audience, _, profile = key.partition("#")
            if audience in sets:
                messages.extend(_messages(sets[audience], profile, part))
        try:
            self.activations.send(messages)
        except SegmentationError as error:
            # The outboxes stand; redelivery of the batch sends them again.
            logger.warning("changes were not sent: %s", error)
            raise
        self.profiles.clear_outbox({key: part.revision for key, part in outboxes.items()})


def _messages(published: Published, profile: str, part: RealtimePart) -> list[dict[str, Any]]:
    return [
        realtime_message(published.audience.id, destination.id, profile, Told.from_document(change))
        for change in part.outbox
        for destination in published.subscribers(str(change["segment"]))
    ]


def _place(error: Exception) -> str:
    """An error's kind and where it arose."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "nowhere"
    return f"{type(error).__name__} at {where}"
