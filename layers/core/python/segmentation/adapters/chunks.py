"""What is sent in calls that take only so much."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def chunked(
    entries: Iterable[T], most: int, most_bytes: int, bytes_of: Callable[[T], int]
) -> Iterator[list[T]]:
    """Entries in their order, at the most so many and so many bytes together; a larger one goes alone."""
    chunk: list[T] = []
    size = 0
    for entry in entries:
        cost = bytes_of(entry)
        if chunk and (len(chunk) == most or size + cost > most_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += cost
    if chunk:
        yield chunk
