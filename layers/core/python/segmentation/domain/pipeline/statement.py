"""One statement of a run: what the warehouse said of it, and what follows of that for this statement alone."""

from dataclasses import dataclass, replace
from enum import StrEnum

ATTEMPTS = 4
"""How often one statement is tried that fails for passing reasons."""
BACKOFF = 30
"""Seconds before the second attempt; doubled for each further one."""
LONGEST_BACKOFF = 900


class Progress(StrEnum):
    """Where a statement of a run stands."""

    WAITING = "waiting"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Outcome(StrEnum):
    """What the warehouse says of a query."""

    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    PASSING = "passing"
    """Failed for a reason that may pass."""
    FAILED = "failed"
    STOPPED = "stopped"
    """Somebody stopped it."""


@dataclass(frozen=True, slots=True)
class QueryStatus:
    """What the warehouse says of a query, with what it cost so far."""

    outcome: Outcome
    bytes_scanned: int = 0
    ms: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a run. `first` and `last` bound the planned segments that a members query is about."""

    name: str
    step: str
    first: int = 0
    last: int = 0
    attempt: int = 1
    delays: int = 0
    due: int = 0
    progress: Progress = Progress.WAITING
    query: str | None = None
    bytes_scanned: int = 0
    ms: int = 0
    reason: str = ""

    @property
    def table(self) -> str:
        """The part of a table's name and folder that is this attempt's own: nothing is ever written twice."""
        return self.name if self.attempt == 1 else f"{self.name}_{self.attempt}"

    def is_due(self, now: int) -> bool:
        """It may be started. One that is due later than anything ever waits was written by a clock that was ahead."""
        return self.progress is Progress.WAITING and (self.due <= now or self.due > now + LONGEST_BACKOFF)

    def started(self, query: str) -> "Statement":
        """The warehouse has taken it."""
        return replace(self, progress=Progress.STARTED, query=query, reason="")

    def delayed(self, reason: str, now: int) -> "Statement":
        """The warehouse takes no statement just now."""
        return replace(self, delays=self.delays + 1, due=now + _backoff(self.delays + 1), reason=reason)

    def refused(self, reason: str) -> "Statement":
        """The warehouse will never take it."""
        return replace(self, progress=Progress.FAILED, reason=reason)

    def observed(self, status: QueryStatus, now: int) -> "Statement":
        """After what the warehouse says of its query."""
        if status.outcome is Outcome.ACTIVE:
            return self
        seen = replace(
            self,
            bytes_scanned=self.bytes_scanned + status.bytes_scanned,
            ms=self.ms + status.ms,
            reason=status.reason,
        )
        if status.outcome is Outcome.SUCCEEDED:
            return replace(seen, progress=Progress.SUCCEEDED)
        if status.outcome is Outcome.PASSING and self.attempt < ATTEMPTS:
            due = now + _backoff(self.attempt)
            return replace(seen, progress=Progress.WAITING, attempt=self.attempt + 1, query=None, due=due)
        return replace(seen, progress=Progress.FAILED)


def _backoff(times: int) -> int:
    return int(min(LONGEST_BACKOFF, BACKOFF * 2 ** min(times - 1, 10)))
