"""A function that is cut off in the middle of its work: at a line of ours, wherever that is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


class Cut(BaseException):
    """The time is up and the process is gone: nothing of ours catches it."""


@dataclass
class Lines:
    """How many lines of ours have run."""

    run: int = 0


@contextmanager
def cut_after(most: int | None = None) -> Iterator[Lines]:
    """Raise `Cut` once so many lines of the package and of the functions have run; without a number only count them.

    A line is not a request: what is cut may have read and not yet written, written and not yet told, or be between two
    steps of the evaluation.
    """
    lines, before = Lines(), sys.gettrace()

    def watch(frame: FrameType, _event: str, _arg: Any) -> Any:
        name = frame.f_code.co_filename
        return line if "/segmentation/" in name or "/functions/" in name else None

    def line(_frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "line":
            lines.run += 1
            if lines.run == most:
                sys.settrace(before)
                raise Cut
        return line

    sys.settrace(watch)
    try:
        yield lines
    finally:
        sys.settrace(before)
