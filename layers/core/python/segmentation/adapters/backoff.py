"""Waiting longer each time, with jitter, so that many callers do not come back together."""

import random
import time
from collections.abc import Callable

Sleep = Callable[[float], None]
sleep: Sleep = time.sleep


class Patience:
    """The waits between so many attempts at one thing: the first lasts `first` seconds or less, none more than `most`."""

    def __init__(self, attempts: int, sleep: Sleep, first: float = 0.05, most: float = 2.0) -> None:
        self._left = attempts - 1
        self._sleep = sleep
        self._next = first
        self._most = most

    def wait(self) -> bool:
        """Wait for the next attempt; `False`, at once, if there is none left."""
        if self._left <= 0:
            return False
        self._left -= 1
        self._sleep(min(self._most, self._next) * (0.5 + random.random() / 2))  # noqa: S311 - no secret
        self._next *= 2
        return True
