"""The machine's clock."""

import time


class SystemClock:
    """Wall-clock time."""

    def now(self) -> int:
        """Whole Unix seconds."""
        return int(time.time())
