"""Compiled real-time segments, and what they hold of the visitors that were evaluated last."""

import logging
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec
from segmentation.language.index import ArtifactError, State

from .event import Event
from .profile import RETENTION, Profile, RealtimePart
from .published import Published
from .visitor import BatchView, Outcome, Program, Visitor
from .visitor.filling import filled
from .visitor.limits import encode_within
from .visitor.quarantine import Guarded
from .visitor.state import FORGOTTEN

MOST_HELD = 4_096
"""Visitors of whom the index's figures are held, so that their next event costs what it changes."""
MOST_HELD_BYTES = 12_000_000
"""Of their states as they are stored; in memory each takes some 25 times as much."""
REFRESH = 86_400
"""Seconds of its retention that a part may have lost before it is written for that alone."""

logger = logging.getLogger("segmentation.programs")


class Held(msgspec.Struct, frozen=True):
    """What the index holds of a visitor, for just this state, rule set and batch run."""

    state: bytes
    computed: int
    rules: str
    batch: str
    visitor: Visitor
    standing: State


class HeldVisitors:
    """The visitors that were evaluated last: so many, and so many bytes of states, the longest untouched out first."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Held] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def take(self, profile: str) -> Held | None:
        """Take a visitor out."""
        held = self._held.pop(profile, None)
        if held is not None:
            self.bytes -= len(held.state)
        return held

    def put(self, profile: str, held: Held) -> None:
        """Hold a visitor in place of what was held of it."""
        self.take(profile)
        self._held[profile] = held
        self.bytes += len(held.state)
        while len(self._held) > MOST_HELD or self.bytes > MOST_HELD_BYTES:
            self.bytes -= len(self._held.popitem(last=False)[1].state)


class Evaluated(msgspec.Struct, frozen=True):
    """A visitor's next part, or nothing where it is as it was; what came of it, and the segments whose rules failed."""

    part: RealtimePart | None
    outcome: Outcome
    failed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Programs:
    """Evaluates visitors; one program an audience, compiled anew when the rule set's version changes."""

    _kept: dict[str, tuple[str, Guarded]] = field(default_factory=dict)
    held: HeldVisitors = field(default_factory=HeldVisitors)

    def visitor_at(
        self, published: Published, name: str, profile: Profile, now: int, events: Sequence[Event] = ()
    ) -> Visitor:
        """A visitor at `now`, computed anew with these events; nothing is kept of it. `name` is `<column>:<value>`."""
        outcome, _ = self._program(published).evaluate(
            name.partition(":")[2],
            _visitor(profile.realtime),
            _view(profile),
            events,
            now,
            continuous=False,  # how it came to this is not asked
            stored=False,
        )
        return outcome.visitor

    def evaluate(
        self,
        published: Published,
        name: str,
        profile: Profile,
        events: Sequence[Event],
        now: int,
        *,
        ahead: bool = False,
        anyway: bool = False,
    ) -> Evaluated:
        """A visitor's next part with these events in it. `name` is `<column>:<value>`; `ahead`: see `visitor.evaluate`;
        `anyway`: a part is wanted though nothing may have changed."""
        before = profile.realtime
        run = profile.batch.run if profile.batch else ""
        continuous = before is not None and before.rules == published.version and before.batch == run
        continuous = continuous and before is not None and "failed" not in before.quality
        identifier = f"{published.audience.id}#{name}"
        held = self.held.take(identifier)
        if held is not None and (not continuous or before is None or not _is_of(held, before)):
            held = None
        visitor = held.visitor if held else _visitor(before)
        outcome, failed = self._program(published).evaluate(
            name.partition(":")[2],
            visitor,
            _view(profile),
            events,
            now,
            continuous=continuous or before is None,
            standing=held.standing if held else None,
            ahead=ahead,
        )
        after = outcome.visitor
        same = continuous and not anyway and not outcome.changes and not outcome.is_new
        # The moment of the next change may have been found to be later; otherwise nothing is new.
        if before is not None and same and after.due == before.due and (not events or _is_fresh(before, now)):
            self.hold(identifier, before, outcome)
            return Evaluated(None, outcome, failed)
        quality = _quality(after, failed)
        state = outcome.encoded
        if state is None:
            state = before.state if before and not outcome.is_new else after.encode()
        part = RealtimePart(
            revision=before.revision + 1 if before else 1,
            state=state,
            members=after.members,
            changes=outcome.changes,
            computed=after.computed,
            rules=published.version,
            batch=run,
            due=after.due,
            untold=outcome.changes.concern(published.wanted),
            quality=quality,
            expires=now + RETENTION if events or before is None else before.expires,
            aliases=before.aliases if before else {},
            erased=before.erased if before else 0,
        )
        return Evaluated(part, outcome, failed)

    def filled(
        self,
        published: Published,
        part: RealtimePart | None,
        events: Sequence[Event],
        terms: Collection[str],
        now: int,
    ) -> bytes | None:
        """A visitor's state with events of the past in some terms; nothing where it is the same."""
        before = _visitor(part)
        after = filled(self._program(published).program, before, events, terms, now)
        return None if after == before else encode_within(after)[1].data

    def hold(self, profile: str, part: RealtimePart, outcome: Outcome) -> None:
        """Hold what the index has of a visitor whose part was written just so."""
        if outcome.standing is not None:
            held = Held(part.state, part.computed, part.rules, part.batch, outcome.visitor, outcome.standing)
            self.held.put(profile, held)

    def _program(self, published: Published) -> Guarded:
        kept = self._kept.get(published.audience.id)
        if kept is None or kept[0] != published.version:
            guarded = Guarded(_compiled(published), lambda: published.answering, lambda: published.ahead)
            kept = (published.version, guarded)
            self._kept[published.audience.id] = kept
        return kept[1]


def _compiled(published: Published) -> Program:
    """As it was published, or compiled now: by another release of this code, or where nobody did it before."""
    if published.program is not None:
        try:
            return Program.load(published.program)
        except ArtifactError as error:
            logger.warning("a compiled program is not used: %s", error)
    return compiled(published)


def compiled(published: Published) -> Program:
    """The rules that answer, with what must be kept for those that do not yet."""
    return Program(published.answering, ahead=published.ahead)


def _visitor(part: RealtimePart | None) -> Visitor:
    if part is None or not part.state:
        return Visitor.new()
    return Visitor.decode(part.state, part.members, part.computed, part.due)


def _view(profile: Profile) -> BatchView | None:
    batch = profile.batch
    return BatchView(frozenset(batch.segments), batch.attributes) if batch else None


def _quality(visitor: Visitor, failed: Collection[str]) -> tuple[str, ...]:
    lost = visitor.lost
    if not lost and not failed:
        return ()
    forgotten = FORGOTTEN in lost
    said = {"capped": len(lost) > forgotten, "failed": bool(failed), "ids": forgotten}
    return tuple(name for name, holds in said.items() if holds)


def _is_fresh(part: RealtimePart, now: int) -> bool:
    return part.expires >= now + RETENTION - REFRESH


def _is_of(held: Held, part: RealtimePart) -> bool:
    # Not by revision: a visitor may have been forgotten and have come anew since.
    return (held.state, held.computed, held.rules, held.batch) == (
        part.state,
        part.computed,
        part.rules,
        part.batch,
    )
