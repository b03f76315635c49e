"""Bring visitors up to date: find, evaluate, write under guard, tell. What events and sweeps have in common."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec
from msgspec.structs import replace
from segmentation.domain.errors import SegmentationError, Unavailable
from segmentation.domain.event import Event
from segmentation.domain.forgetting import forgotten, is_over
from segmentation.domain.joining import Family, as_alias, following, remembered
from segmentation.domain.membership import changes_of
from segmentation.domain.messages import realtime_message
from segmentation.domain.profile import Profile, RealtimePart, name_of
from segmentation.domain.programs import Evaluated, Programs
from segmentation.domain.published import Published, number_of, strength
from segmentation.ports import Clock, Profiles, Queue, SaveResult

from .find_profiles import FindProfiles

MOST_RACES = 6
"""How often a lost write is tried again before it is left to the next delivery or sweep."""

logger = logging.getLogger("segmentation.update_visitors")


class Cause(Enum):
    """Why visitors are brought up to date."""

    EVENTS = "events"
    TIME = "time"
    """They are due."""
    RUN = "run"
    """A batch run has written another batch part; of profiles, too, that never had an event."""
    RULES = "rules"
    """Other rules answer; of all profiles, so only what they change is written."""


class Visit(msgspec.Struct):
    """A key to bring up to date, with the events that arrived under it, and the other keys that they carry.

    `name` is `<key column>:<value>`; `asked` are the store's keys that were visited, once it is known that they are one
    person's.
    """

    published: Published
    name: str
    events: list[Event] = msgspec.field(default_factory=list)
    also: dict[str, None] = msgspec.field(default_factory=dict)
    asked: list[str] = msgspec.field(default_factory=list)

    @property
    def may_be_of_a_run(self) -> bool:
        """Whether it may be a profile of the raw tables, and what a run says of it matters."""
        known = self.name.partition(":")[0] == self.published.audience.master_key
        return known and self.published.reads_runs


@dataclass(slots=True)
class Updated:
    """What came of it. `failed`: the keys that must come again; `broken` of them cannot be evaluated at all, with the
    parts that they have."""

    written: int = 0
    changes: int = 0
    races: int = 0
    joined: int = 0
    conflicts: int = 0
    capped: int = 0
    forgetful: int = 0
    rules_failed: int = 0
    failed: set[str] = field(default_factory=set)
    broken: dict[str, RealtimePart | None] = field(default_factory=dict)


class _Write(msgspec.Struct, frozen=True):
    """A visitor's next state, with the keys that become its aliases."""

    part: RealtimePart
    aliases: Mapping[str, RealtimePart]
    evaluated: Evaluated


@dataclass(frozen=True, slots=True)
class UpdateVisitors:
    """Evaluates visitors and keeps what came of it."""

    profiles: Profiles
    activations: Queue
    programs: Programs
    clock: Clock
    find: FindProfiles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "find", FindProfiles(self.profiles))

    def __call__(
        self, visits: Mapping[str, Visit], sets: Mapping[str, Published], *, cause: Cause = Cause.EVENTS
    ) -> Updated:
        """Update all, by the store's key of each; of one audience or of several.

        Changes that were written and cannot be sent now stay untold: the visitor's next update or a sweep sends them.
        What is not done for events looks ahead, and joins no keys but those that are known to be apart.
        """
        result = Updated()
        waiting = dict(visits)
        for key, visit in waiting.items():
            visit.asked = visit.asked or [key]
        for attempt in range(MOST_RACES):
            if not waiting:
                break
            result.races += len(waiting) if attempt else 0
            waiting = self._round(waiting, sets, cause, result)
        for visit in waiting.values():
            result.failed.update(visit.asked)
        return result

    def _round(
        self, visits: Mapping[str, Visit], sets: Mapping[str, Published], cause: Cause, result: Updated
    ) -> dict[str, Visit]:
        """Find, evaluate, write and tell; the visits that lost a race."""
        now = self.clock.now()
        asked = {key: visit.also for key, visit in visits.items()}
        try:
            families = self.find(asked, strength(sets), now, thorough=cause is Cause.EVENTS)
        except Unavailable as error:
            logger.warning("profiles cannot be read: %s", error)
            result.failed.update(one for visit in visits.values() for one in visit.asked)
            return {}
        persons = {family.key: _person(family, visits) for family in families}
        # What an earlier writer left untold goes first: the next write takes its place.
        untold = {family.key: _untold(family) for family in families}
        left = {key: part for parts in untold.values() for key, part in parts.items()}
        if not self._tell(sets, left):
            for key in [key for key, parts in untold.items() if parts]:
                result.failed.update(persons[key].asked)
            families = [family for family in families if not untold[family.key]]
            left = {}
        writes: dict[str, _Write] = {}
        for family in families:
            person = persons[family.key]
            result.conflicts += family.conflicts
            part = family.profile.realtime
            if part is not None and _is_newer(part.rules, person.published.version):
                # Somebody has read newer rules: to write by older ones would lose what those keep.
                result.failed.update(person.asked)
                continue
            try:
                write = self._evaluate(person, family, now, cause)
            except Exception as error:
                # One visitor's state must not hold up the others. It comes back, and in the end stands whole where it
                # can be replayed. The message may quote data, so only its kind is told.
                logger.error("a visitor cannot be evaluated: %s", _place(error))
                result.failed.update(person.asked)
                result.broken[family.key] = family.profile.realtime
                continue
            if write is not None:
                writes[family.key] = write
        saved = self._save(writes)
        for key, reason in saved.failed.items():
            logger.warning("a visitor's state was not written: %s", reason)
            result.failed.update(persons[key].asked)
        written = {k: w for k, w in writes.items() if k not in saved.lost and k not in saved.failed}
        self._written(written, sets, left, result)
        overtaken = self._overtaken(written, persons, result) if cause is Cause.EVENTS else set()
        return {key: persons[key] for key in saved.lost | overtaken}

    def _overtaken(
        self, written: Mapping[str, _Write], persons: Mapping[str, Visit], result: Updated
    ) -> set[str]:
        """The profiles of the raw tables that were new to the stream, and that a run was published of meanwhile.

        Whoever publishes a run looks whether there is a real-time part after it has written the batch part, so this one
        looks for a batch part after it has written the first real-time part: one of them sees the other. A part that was
        there before is written by both, and one of them loses the race.
        """
        new = {
            key: write.part.batch
            for key, write in written.items()
            if write.part.revision == 1 and persons[key].may_be_of_a_run
        }
        try:
            found = self.profiles.read(new) if new else {}
        except Unavailable as error:
            logger.warning("profiles cannot be read: %s", error)
            result.failed.update(one for key in new for one in persons[key].asked)
            return set()
        return {key for key, run in new.items() if found[key].run != run}

    def _written(
        self,
        writes: Mapping[str, _Write],
        sets: Mapping[str, Published],
        left: dict[str, RealtimePart],
        result: Updated,
    ) -> None:
        """Count what was written, and tell what it changed. `left` was told before, and is over where it was written over."""
        sent: dict[str, RealtimePart] = {}
        for key, write in writes.items():
            self.programs.hold(key, write.part, write.evaluated.outcome)
            result.written += 1
            result.changes += len(write.part.changes)
            result.joined += len(write.aliases)
            result.capped += "capped" in write.part.quality
            result.forgetful += "ids" in write.part.quality
            result.rules_failed += len(write.evaluated.failed)
            for one, part in ((key, write.part), *write.aliases.items()):
                left.pop(one, None)
                if part.untold:
                    sent[one] = part
        if self._tell(sets, sent):
            left |= sent
        if left:
            self.profiles.told(left)

    def _evaluate(self, person: Visit, family: Family, now: int, cause: Cause) -> _Write | None:
        """The visitor's next state, or nothing where these events change nothing."""
        published, profile = person.published, family.together(now)
        before = profile.realtime
        events = person.events
        if before is not None and before.erased:
            events = [one for one in events if min(one.time, one.received) > before.erased]
        if not events and (not before.state if before else not _is_looked_at(profile, cause)):
            return None  # all of them are of a visitor who was erased since
        stale = family.stale(now)
        if cause is Cause.TIME and before is not None and not stale and is_over(before, now):
            evaluated = forgotten(self.programs, published, person.name, profile, before, now)
        else:
            evaluated = self.programs.evaluate(
                published,
                person.name,
                profile,
                events,
                now,
                ahead=cause is not Cause.EVENTS,
                anyway=bool(stale),
            )
        part = evaluated.part
        if part is None or (not stale and not _is_wanted(part, before, cause)):
            return None
        if stale:
            names = map(name_of, stale)
            part = replace(part, aliases=remembered(part.aliases, names, now))
        # A key under which nothing but a batch part stands leads here by that.
        aliases = {
            key: as_alias(family.others[key].realtime, person.name, published, now)
            for key in stale
            if family.others[key].realtime is not None or following(key, family.others[key]) is None
        }
        return _Write(part, aliases, evaluated)

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

    def _tell(self, sets: Mapping[str, Published], parts: Mapping[str, RealtimePart]) -> bool:
        """Send what these parts say; whether all was sent."""
        messages = [message for key, part in parts.items() for message in _messages(sets, key, part)]
        try:
            if messages:
                self.activations.send(messages)
        except SegmentationError as error:
            logger.warning("changes were not sent, they stand as untold: %s", error)
            return False
        return True


def _person(family: Family, visits: Mapping[str, Visit]) -> Visit:
    """The visits of the keys of one person as one."""
    if family.asked == [family.key]:
        return visits[family.key]
    person = Visit(visits[family.asked[0]].published, name_of(family.key))
    for key in family.asked:
        visit = visits[key]
        person.events += visit.events
        person.asked += visit.asked
        person.also |= visit.also
        if key != family.key:
            person.also[key] = None
    return person


def _is_newer(one: str, other: str) -> bool:
    """Whether a version of the rules was put after another one."""
    return one != other and number_of(one) > number_of(other)


def _is_looked_at(profile: Profile, cause: Cause) -> bool:
    """Whether a profile without any event is evaluated: one that a run has put into the store, and not as a mere link."""
    of_run = profile.batch is not None and profile.batch.owner is None
    return of_run and cause in (Cause.RUN, Cause.RULES)


def _is_wanted(part: RealtimePart, before: RealtimePart | None, cause: Cause) -> bool:
    """Whether a part is to be written. Of who had no event only what somebody is a member of, or will be, is kept.

    For other rules nobody is written anew who stays what they were: a reader computes the same, at any time.
    """
    if cause in (Cause.EVENTS, Cause.TIME):
        return True
    if before is None:
        return bool(part.members) or part.due is not None
    if cause is Cause.RUN or part.changes or part.quality != before.quality:
        return True
    return part.due is not None and (before.due is None or part.due < before.due)


def _untold(family: Family) -> dict[str, RealtimePart]:
    """What was written of a person's keys and is not known to be told."""
    profiles = {family.key: family.profile, **family.others}
    return {
        key: one.realtime for key, one in profiles.items() if one.realtime is not None and one.realtime.untold
    }


def _messages(sets: Mapping[str, Published], key: str, part: RealtimePart) -> Sequence[dict[str, Any]]:
    audience, _, name = key.partition("#")
    return [
        realtime_message(audience, destination.id, name, part.rules, change)
        for change in changes_of(part.changes, sets[audience].wanted)
        for destination in sets[audience].subscribers(change.segment)
    ]


def _place(error: Exception) -> str:
    """An error's kind and where it arose."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "nowhere"
    return f"{type(error).__name__} at {where}"
