"""Who joined and left real-time segments, read off what was written of visitors: each write against the one before.

A membership also changes by itself, when a window slides; a visitor's state says beforehand when. What the state before
foretold up to the moment of the write came true at its own moment, so history has it at that moment, not at the
visitor's next event. What was still ahead is dropped: the new state foretells anew.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from .membership import Flip


@dataclass(frozen=True, slots=True)
class Standing:
    """A visitor's real-time membership as it was written."""

    members: frozenset[str]
    flips: tuple[Flip, ...]
    computed: int
    rules: str
    revision: int


@dataclass(frozen=True, slots=True)
class Written:
    """One write of a visitor: what stood before and after it. `profile` is the store's key; `at`: when."""

    sequence: str
    profile: str
    before: Standing | None
    after: Standing | None
    at: int


@dataclass(frozen=True, slots=True)
class Change:
    """That a visitor joined or left a segment, with an id that is the same however often it is read off."""

    id: str
    audience: str
    profile: str
    segment: str
    joined: bool
    moment: int
    computed: int
    rules: str


def changes_of(written: Written) -> Iterator[Change]:
    """The changes between two writes, by moment. A visitor that is forgotten has left whatever it was still in."""
    before, after = written.before, written.after
    audience, _, profile = written.profile.partition("#")
    computed = after.computed if after else written.at
    rules = after.rules if after else before.rules if before else ""
    revision = after.revision if after else -1
    members = set(before.members) if before else set()

    def change(segment: str, joined: bool, moment: int) -> Change:
        parts = (written.profile, segment, "joined" if joined else "left", str(moment), str(revision))
        name = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return Change(name, audience, profile, segment, joined, moment, computed, rules)

    # What other rules foretold did not come true: from the day of an edit on, readers computed anew.
    foretold = before.flips if before and before.rules == rules else ()
    for moment, joined, left in foretold:
        if moment > computed:
            break
        for segment in sorted(set(joined) - members):
            yield change(segment, True, moment)
        for segment in sorted(set(left) & members):
            yield change(segment, False, moment)
        members = members - set(left) | set(joined)
    now = set(after.members) if after else set()
    for segment in sorted(now - members):
        yield change(segment, True, computed)
    for segment in sorted(members - now):
        yield change(segment, False, computed)
