"""Who joined and left real-time segments, read off what was written of visitors: each write says what it changed.

A membership also changes by itself, when a window slides; the write that finds it says the moment at which it did.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from . import membership
from .membership import change_id


@dataclass(frozen=True, slots=True)
class Standing:
    """A visitor's real-time membership as it was written, and what changed with that revision. `alias`: the name of the
    profile that the key leads to, if it is an alias."""

    members: Collection[str]
    changes: Sequence[membership.Change]
    computed: int
    rules: str
    revision: int
    alias: str | None = None


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
    """That a visitor joined or left a segment, with an id that is the same however often it is read off or told."""

    id: str
    audience: str
    profile: str
    segment: str
    joined: bool
    moment: int
    computed: int
    rules: str


@dataclass(frozen=True, slots=True)
class Link:
    """That a key leads to a profile since a moment; both are names."""

    audience: str
    profile: str
    owner: str
    moment: int
    sequence: str


def link_of(written: Written) -> Link | None:
    """What a write says of whom a key leads to, if it says so. An alias that is written anew says it once more."""
    after = written.after
    if after is None or after.alias is None:
        return None
    if written.before is not None and written.before.revision == after.revision:
        return None  # only that its changes were told
    audience, _, profile = written.profile.partition("#")
    return Link(audience, profile, after.alias, after.computed, written.sequence)


def changes_of(written: Written) -> Iterator[Change]:
    """What a write changed, by moment. A visitor that is forgotten has left whatever it was still in."""
    before, after = written.before, written.after
    audience, _, profile = written.profile.partition("#")
    if after is None:
        rules = before.rules if before else ""
        computed = written.at
        changes = [membership.Change(one, False, written.at) for one in (before.members if before else ())]
    elif before is not None and before.revision == after.revision:
        return  # only that its changes were told
    else:
        rules, computed, changes = after.rules, after.computed, [*after.changes]
    for change in changes:
        name = change_id(written.profile, rules, change)
        yield Change(name, audience, profile, change.segment, change.joined, change.moment, computed, rules)
