"""Compiled real-time segments, kept for as long as their rule set is the published one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .event import Event
from .profile import Profile
from .published import Published
from .visitor import BatchView, Outcome, Program, Visitor, evaluate


@dataclass(frozen=True, slots=True)
class Programs:
    """Evaluates visitors; one program an audience, compiled anew when the rule set's version changes."""

    _kept: dict[str, tuple[str, Program]] = field(default_factory=dict)

    def outcome(
        self, published: Published, name: str, profile: Profile, events: Sequence[Event], now: int
    ) -> Outcome:
        """A visitor's membership and state at `now`, with these events counted. `name` is `<column>:<value>`."""
        part, batch = profile.realtime, profile.batch
        visitor = Visitor.decode(part.state) if part and part.state else Visitor.new()
        view = BatchView(frozenset(batch.segments), batch.attributes) if batch else None
        return evaluate(self._program(published), name.partition(":")[2], visitor, view, events, now)

    def _program(self, published: Published) -> Program:
        kept = self._kept.get(published.audience.id)
        if kept is None or kept[0] != published.version:
            kept = (published.version, Program(published.rules))
            self._kept[published.audience.id] = kept
        return kept[1]
