"""Evaluate real-time segments on visitor events, once for each visitor of a batch.

Order of things, so that nothing is lost: the visitor's new state is written together with the changes that
must be told (the outbox), then the changes are sent, then the outbox is emptied. A crash between any two
leaves the batch unacknowledged; its redelivery finds the events known and the outbox full, and sends again.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.errors import BadRecord, SegmentationError, Unavailable
from segmentation.domain.event import Event
from segmentation.domain.joining import Family, as_alias, following, remembered
from segmentation.domain.membership import members_at
from segmentation.domain.messages import Change as Told
from segmentation.domain.messages import message_id, realtime_message
from segmentation.domain.profile import RETENTION, RealtimePart, name_of, profile_id
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published, strength
from segmentation.domain.stream import StreamRecord
from segmentation.ports import Clock, Profiles, Queue, RuleSets, SaveResult

from .find_profiles import FindProfiles

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
    joined: int = 0
    conflicts: int = 0
    failed: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Group:
    """One visitor's events in a batch."""

    published: Published
    profile: str
    events: list[Event] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)
    also: dict[str, None] = field(default_factory=dict)
    """The other keys that the events carry, in their order."""

    def add(self, other: "_Group") -> None:
        """Another group of the same visitor."""
        self.events += other.events
        self.sequences += other.sequences
        self.also |= other.also


@dataclass(frozen=True, slots=True)
class _Write:
    """A visitor's next state, with the keys that become its aliases."""

    part: RealtimePart
    aliases: Mapping[str, RealtimePart]
    changes: int


@dataclass(frozen=True, slots=True)
class EvaluateEvents:
    """The evaluator of the stream."""

    profiles: Profiles
    rule_sets: RuleSets
    activations: Queue
    programs: Programs
    clock: Clock
    find: FindProfiles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "find", FindProfiles(self.profiles))

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
            group.also |= {profile_id(event.audience, one): None for one in event.also}
            result.events += 1
        return groups

    def _round(
        self, groups: Mapping[str, _Group], outboxes: dict[str, RealtimePart], result: Evaluated
    ) -> dict[str, _Group]:
        """Read, evaluate and write; the groups that lost a race."""
        now = self.clock.now()
        asked = {key: group.also for key, group in groups.items()}
        try:
            found = self.find(asked, strength(self.rule_sets.all()), now)
        except Unavailable as error:
            logger.warning("profiles cannot be read: %s", error)
            for group in groups.values():
                result.failed.update(group.sequences)
            return {}
        writes: dict[str, _Write] = {}
        persons: dict[str, _Group] = {}
        for family in found:
            key = family.key
            group = persons[key] = _Group(groups[family.asked[0]].published, key.partition("#")[2])
            for one in family.asked:
                group.add(groups[one])
                if one != key:
                    group.also[one] = None
            result.conflicts += family.conflicts
            try:
                write = self._evaluate(group, family, now)
            except Exception as error:
                # One visitor's state must not hold up the others of the shard. Its records come back, and in the
                # end stand whole where they can be replayed. The message may quote data, so only its kind is told.
                logger.error("a visitor cannot be evaluated: %s", _place(error))
                result.failed.update(group.sequences)
                continue
            if write is not None:
                writes[key] = write
            elif family.profile.realtime is not None and family.profile.realtime.outbox:
                outboxes[key] = family.profile.realtime
        saved = self._save(writes)
        for key, reason in saved.failed.items():
            logger.warning("a visitor's state was not written: %s", reason)
            result.failed.update(persons[key].sequences)
        for key, write in writes.items():
            if key not in saved.lost and key not in saved.failed:
                result.changes += write.changes
                result.joined += len(write.aliases)
                if write.part.outbox:
                    outboxes[key] = write.part
        return {key: persons[key] for key in saved.lost}

    def _save(self, writes: Mapping[str, _Write]) -> SaveResult:
        """Write states; where keys are joined, the profile together with its aliases or not at all."""
        alone = {key: write.part for key, write in writes.items() if not write.aliases}
        saved = self.profiles.save(alone) if alone else SaveResult()
        lost, failed = set(saved.lost), dict(saved.failed)
        for key, write in writes.items():
            if write.aliases:
                try:
                    if not self.profiles.join(key, write.part, write.aliases):
                        lost.add(key)
                except Unavailable as error:
                    failed[key] = str(error)
        return SaveResult(frozenset(lost), failed)

    def _evaluate(self, group: _Group, family: Family, now: int) -> _Write | None:
        """The visitor's next state, or nothing where these events change nothing."""
        published, profile = group.published, family.together(now)
        before = profile.realtime
        events = [one for one in group.events if not before or min(one.time, one.received) > before.erased]
        if not events and (before is None or not before.state):
            return None  # all of them are of a visitor who was erased since
        outcome = self.programs.outcome(published, group.profile, profile, events, now)
        stale = family.stale(now)
        run = profile.batch.run if profile.batch else ""
        current = before is not None and before.rules == published.version and before.batch == run
        if current and not outcome.accepted and not outcome.changes and not stale:
            return None
        told = [*self._of_joined(published, family, stale, now)]
        told += [
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
            aliases=remembered(before.aliases if before else {}, map(name_of, stale), now),
            erased=before.erased if before else 0,
        )
        # A key under which nothing but a batch part stands leads here by that.
        aliases = {
            key: as_alias(family.others[key].realtime, group.profile, now)
            for key in stale
            if family.others[key].realtime is not None or following(key, family.others[key]) is None
        }
        return _Write(part, aliases, len(outcome.changes))

    def _of_joined(
        self, published: Published, family: Family, stale: Sequence[str], now: int
    ) -> Iterator[dict[str, Any]]:
        """What is still to be told of keys that are joined now, and that they leave what they were in."""
        for key, part in family.apart().items():
            if key not in stale:
                continue
            yield from ({"profile": name_of(key), **one} for one in part.outbox)
            for segment in sorted(members_at(part.members, part.flips, now)):
                if published.subscribers(segment):
                    yield {
                        "id": message_id(key, segment, "joined to", family.key, str(part.revision)),
                        "profile": name_of(key),
                        "segment": segment,
                        "joined": False,
                        "moment": now,
                        "event": None,
                    }

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
        realtime_message(
            published.audience.id,
            destination.id,
            str(change.get("profile", profile)),
            Told.from_document(change),
        )
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
