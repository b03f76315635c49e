"""Waiting longer each time, with jitter, so that many callers do not come back together."""

import random
import time
from collections.abc import Callable, Iterator


def delays(attempts: int, first: float = 0.05, most: float = 2.0) -> Iterator[float]:
    """Seconds to wait before each further attempt."""
    for attempt in range(attempts):
        yield min(most, first * 2**attempt) * (0.5 + random.random() / 2)  # noqa: S311 - no secret


Sleep = Callable[[float], None]
sleep: Sleep = time.sleep
