"""Membership at a moment: what was computed, with the flips whose time has come."""

from collections.abc import Iterable, Sequence

Flip = tuple[int, Sequence[str], Sequence[str]]
"""A moment, and the ids of the segments joined and left at it."""


def members_at(members: Iterable[str], flips: Iterable[Flip], now: int) -> set[str]:
    """The segments a visitor is in at `now`. `flips` are sorted by moment."""
    current = set(members)
    for moment, joined, left in flips:
        if moment > now:
            break
        current.update(joined)
        current.difference_update(left)
    return current
