"""What makes something happen at one of the writes that a test's stores see."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

READS = {
    "get",
    "list",
    "entries",
    "uri",
    "lock",
    "held",
    "read",
    "recent",
    "statuses",
    "results",
    "columns",
    "named",
    "range",
    "of",
    "page",
    "pieces",
    "read_piece",
    "keys_by",
}
"""The methods of stores that change nothing."""


class Killed(BaseException):
    """The process is gone: nothing of ours catches it."""


@dataclass
class Fuse:
    """Counts writes to all stores; at one of them something happens, before or after it is done."""

    at: int = -1
    after: bool = False
    what: Callable[[], None] | None = None
    writes: int = 0

    def wrap(self, store: Any) -> Any:
        return Fused(store, self)

    def burn(self, work: Callable[[], Any]) -> Any:
        now = self.writes == self.at
        self.writes += 1
        if now and not self.after:
            self._go()
        result = work()
        if now and self.after:
            self._go()
        return result

    def _go(self) -> None:
        if self.what is None:
            raise Killed
        self.what()


class Fused:
    """A store whose writes go by the fuse."""

    def __init__(self, store: Any, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name in READS:
            return method
        return lambda *args, **kwargs: self._fuse.burn(lambda: method(*args, **kwargs))
