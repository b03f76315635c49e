"""What the tests of the embedded cloud look at: the handlers' journal, and the cloud's log."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "fixtures"


class Journal:
    """What the handlers wrote down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def seen(self, name: str) -> list[list[int]]:
        return [entry["seen"] for entry in self.entries(name)]

    def wait_for(self, name: str, count: int) -> None:
        wait_until(lambda: len(self.entries(name)) >= count)


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Said:
    """The log of the cloud."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, source: str, text: str) -> None:
        self.lines.append((source, text))

    def of(self, source: str) -> str:
        return "\n".join(text for who, text in self.lines if who == source)
