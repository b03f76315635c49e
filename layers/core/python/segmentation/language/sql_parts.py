"""How pieces of a query are put together: lists of columns, and queries within queries."""

import re
from collections.abc import Sequence

_TEXT_OR_BREAK = re.compile(r"'(?:[^']|'')*'|\n")


def listed(items: Sequence[str]) -> str:
    """Items on lines of their own."""
    return ",".join(f"\n  {item}" for item in items)


def nested(sql: str) -> str:
    """A query in parentheses, indented."""
    # A text literal may hold line breaks of its own, which must stay as they are.
    indented = _TEXT_OR_BREAK.sub(lambda found: "\n  " if found[0] == "\n" else found[0], sql)
    return f"(\n  {indented}\n)"
