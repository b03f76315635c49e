"""What every event source has in common: a thread that polls, and word of when there was nothing to do."""

from __future__ import annotations

import threading
import time
import traceback
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import Any

from infra.local.log import Log

IDLE_SECONDS = 2.0
"""How long a source waits after it found nothing, unless it is woken up."""
PACE_SECONDS = 0.1
"""The least time between two looks while there is no backlog: records gather into batches (on AWS: a second)."""


class Look(Enum):
    """What a look for work came to."""

    NOTHING = auto()
    """There was none, and none is waiting."""
    SOME = auto()
    """There was some, or some is waiting for its time."""
    BACKLOG = auto()
    """There was as much as a batch holds: there may be more."""


class Source(ABC):
    """A thread that looks for work again and again."""

    service = ""
    """The service whose changes wake this source up."""

    def __init__(self, name: str, log: Log) -> None:
        self.name = name
        self.quiet_since = float("-inf")
        """When the last look began that found nothing and left nothing over; -inf while there is work."""
        self.flush = threading.Event()
        """Set while somebody waits for the cloud to drain: batching windows end at once."""
        self.wake = threading.Event()
        """Set when there may be work."""
        self.log = log
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Stop polling; what is under way may end by itself."""
        self.stopping.set()
        self.wake.set()

    def join(self, seconds: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(seconds)

    @abstractmethod
    def look(self) -> Look:
        """Look for work and do it."""

    def _run(self) -> None:
        while not self.stopping.is_set():
            self.wake.clear()
            began = time.monotonic()
            try:
                found = self.look()
            except Exception:
                if self.stopping.is_set():
                    return
                self.log(self.name, "cannot go on, will try again:\n" + traceback.format_exc())
                found = Look.SOME
                self.stopping.wait(1)
            self.quiet_since = began if found is Look.NOTHING else float("-inf")
            if found is Look.NOTHING:
                self.wake.wait(IDLE_SECONDS)
            if found is not Look.BACKLOG:
                self.stopping.wait(max(0.0, began + PACE_SECONDS - time.monotonic()))


def reported_failures(answer: Any, identifiers: list[str]) -> set[str] | None:
    """The items that a batch handler reports as failed (ReportBatchItemFailures); None if all have failed.

    As Lambda reads it: nothing, an empty object and an empty list mean success; an answer that names an
    unknown item, or is not of that shape, means that everything failed.
    """
    if answer is None or answer == {}:
        return set()
    if not isinstance(answer, dict) or "batchItemFailures" not in answer:
        return None
    failures = answer["batchItemFailures"]
    if failures is None:
        return set()
    try:
        failed = {failure["itemIdentifier"] for failure in failures}
    except (TypeError, KeyError):
        return None
    return failed if failed <= set(identifiers) else None
