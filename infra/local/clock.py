"""Clocks for schedules: the machine's, and one that tests turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Answers now, in UTC."""


def system_clock() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


class TurnableClock:
    """Stands still until it is turned."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def turn(self, by: timedelta) -> None:
        """Move the clock forward."""
        with self._lock:
            self._now += by
