"""A query on its way."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import duckdb


@dataclass(slots=True)
class Job:
    """A query on its way: what it may use, what it has read, and the handle to stop it."""

    id: str
    database: str
    output: str
    scanned: int = 0
    limit: int | None = None
    over_limit: bool = False
    stopped: bool = False
    manifest: str | None = None
    connection: duckdb.DuckDBPyConnection | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, bytes_: int) -> None:
        """Count what was read; over the limit, the query ends."""
        with self.lock:
            self.scanned += bytes_
            if self.limit is not None and self.scanned > self.limit:
                self.over_limit = True
        if self.over_limit:
            self.interrupt()

    def interrupt(self) -> None:
        """Make a running query raise."""
        if self.connection is not None:
            self.connection.interrupt()

    def check(self) -> None:
        """Raise if the query shall not go on."""
        if self.stopped or self.over_limit:
            raise Stopped


class Stopped(Exception):
    """The query was stopped, by hand or by its scan limit."""
