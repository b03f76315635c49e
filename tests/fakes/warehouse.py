"""A warehouse that answers what it is told to, and fails as it is told to. What goes wrong is set as plain attributes."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from segmentation.domain.errors import QueryFailed, Unavailable
from segmentation.domain.pipeline import Outcome, QueryStatus
from segmentation.domain.run import QueryRecord


@dataclass
class FakeWarehouse:
    """Remembers statements. Queries named in `answers` answer that; others run in SQLite, for simple SQL.

    Statements whose name, or whose SQL, holds a key of `failing` fail with its reason, and so do queries for the members
    of the segments in `failing_segments`. Queries that were started end at once if `instant`, else when `finish` is called; a
    statement whose name holds a key of `passing` first fails so many times for a reason that may pass; so many starts as
    `throttled` are not taken.
    """

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    answers: dict[str, list[tuple[str | None, ...]]] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    failing_segments: dict[str, str] = field(default_factory=dict)
    statements: list[tuple[str, str]] = field(default_factory=list)
    instant: bool = True
    passing: dict[str, int] = field(default_factory=dict)
    throttled: int = 0
    blind: int = 0
    """So many questions about queries are not answered."""
    queries: dict[str, QueryStatus] = field(default_factory=dict)
    started: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Query -> name, SQL and token."""
    made: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def run(self, name: str, sql: str) -> QueryRecord:
        self.statements.append((name, sql))
        for part, reason in self.failing.items():
            if part in name:
                raise QueryFailed(name, "query-0", reason)
        return QueryRecord(f"query-{len(self.statements)}", 10, 1)

    def rows(self, name: str, sql: str) -> tuple[QueryRecord, list[tuple[str | None, ...]]]:
        record = self.run(name, sql)
        return record, self._answer(name, sql, record.id)

    def _answer(self, name: str, sql: str, query: str) -> list[tuple[str | None, ...]]:
        if (answer := self.answers.get(_first_attempt(name))) is not None:
            return answer
        connection = sqlite3.connect(":memory:")
        try:
            found = connection.execute(sql).fetchall()
        except sqlite3.Error as error:
            raise QueryFailed(name, query, str(error)) from error
        finally:
            connection.close()
        return [tuple(None if cell is None else str(cell) for cell in row) for row in found]

    def start(self, name: str, sql: str, token: str) -> str:
        if self.throttled:
            self.throttled -= 1
            raise Unavailable(f"{name!r} is not taken just now: TooManyRequestsException")
        for query, (_, text, used) in self.started.items():
            if used == token:
                assert text == sql, "one token, two texts"
                return query
        query = f"query-{len(self.started) + 1}"
        self.statements.append((name, sql))
        self.started[query] = (name, sql, token)
        self.queries[query] = QueryStatus(Outcome.ACTIVE)
        if self.instant:
            self.finish(query)
        return query

    def finish(self, query: str) -> None:
        """Let a query end."""
        name, sql, _ = self.started[query]
        if self.queries[query].outcome is not Outcome.ACTIVE:
            return
        for part, times in self.passing.items():
            if part in name and times:
                self.passing[part] = times - 1
                self.queries[query] = QueryStatus(Outcome.PASSING, 5, 1, "INTERNAL_ERROR")
                return
        for part, reason in self.failing.items():
            if part in name or part in sql:
                self.queries[query] = QueryStatus(Outcome.FAILED, 5, 1, reason)
                return
        for segment, reason in self.failing_segments.items():
            if name.startswith("members") and f"'{segment}'" in sql:
                self.queries[query] = QueryStatus(Outcome.FAILED, 5, 1, reason)
                return
        if made := re.match(r"CREATE TABLE (\w+) ", sql):
            assert made[1] not in self.made, f"table {made[1]} is made twice"
            self.made.append(made[1])
        else:
            try:
                self._answer(name, sql, query)
            except QueryFailed as error:
                self.queries[query] = QueryStatus(Outcome.FAILED, 0, 1, error.reason)
                return
        self.queries[query] = QueryStatus(Outcome.SUCCEEDED, 10, 1)

    def statuses(self, queries: Sequence[str]) -> dict[str, QueryStatus]:
        if self.blind:
            self.blind -= 1
            raise Unavailable("queries cannot be asked about: ThrottlingException")
        return {one: self.queries[one] for one in queries if one in self.queries}

    def results(self, query: str) -> list[tuple[str | None, ...]]:
        name, sql, _ = self.started[query]
        return self._answer(name, sql, query)

    def stop(self, query: str) -> None:
        if query in self.queries and self.queries[query].outcome is Outcome.ACTIVE:
            self.queries[query] = QueryStatus(Outcome.STOPPED, 0, 1, "Query cancelled by user")

    def columns(self, table: str) -> dict[str, str] | None:
        return self.tables.get(table.lower())

    def named(self, prefix: str) -> list[str]:
        return sorted(one for one in {*self.tables, *self.made} if one.startswith(prefix))

    def drop(self, table: str) -> None:
        self.dropped.append(table)
        self.tables.pop(table, None)
        if table in self.made:
            self.made.remove(table)


def _first_attempt(name: str) -> str:
    """What a statement is called when it is started the first time."""
    return re.sub(r"_\d+$", "", name)
