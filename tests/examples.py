"""How many examples a random test draws."""

import os
from typing import Final

TIMES: Final = int(os.environ.get("TIMES", "1"))
"""How many times as many as in an ordinary run: `make fuzz` and `make histories` set it."""


def examples(ordinary: int) -> int:
    """For `max_examples`: of an ordinary run this many."""
    return ordinary * TIMES
