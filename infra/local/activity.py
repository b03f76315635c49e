"""What is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Activity:
    """Counts what is under way, so that the cloud can tell when it is idle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = 0
        self.last = time.monotonic()

    def begin(self) -> None:
        """Something starts, in this thread or for another one."""
        with self._lock:
            self._busy += 1
            self.last = time.monotonic()

    def end(self) -> None:
        """What `begin` announced is over."""
        with self._lock:
            self._busy -= 1
            self.last = time.monotonic()

    @contextmanager
    def during(self) -> Iterator[None]:
        """While this lasts, the cloud is not idle."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    @property
    def busy(self) -> bool:
        """Is anything under way?"""
        return self._busy > 0
