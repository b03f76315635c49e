"""Who is in which segments, what changed at the last write, and how both are stored beside a visitor's state."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .packed import pack, unpack


@dataclass(frozen=True, slots=True)
class Change:
    """That a visitor joined or left a segment at a moment.

    `event`: the id of the event that caused it; `None` where time or a batch run did.
    """

    segment: str
    joined: bool
    moment: int
    event: str | None = None


def change_id(profile: str, rules: str, change: Change) -> str:
    """A name for a change that is the same however often it is told, and no other change's.

    `profile` is the store's key, `rules` the version of the rule set that was in effect.
    """
    parts = (profile, rules, change.segment, "joined" if change.joined else "left", str(change.moment))
    text = "\x1f".join((*parts, change.event or ""))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def encode(members: Collection[str], changes: Sequence[Change]) -> bytes:
    """Members and changes as bytes; each segment's id stands there once, whatever changed."""
    current = set(members)
    names = sorted(current.union(change.segment for change in changes))
    number = {name: place for place, name in enumerate(names)}
    groups: dict[tuple[int, str | None], tuple[list[int], list[int]]] = {}
    for change in changes:
        joined, left = groups.setdefault((change.moment, change.event), ([], []))
        (joined if change.joined else left).append(number[change.segment])
    gone = [place for place, name in enumerate(names) if name not in current]
    told = [[moment, event, joined, left] for (moment, event), (joined, left) in groups.items()]
    return pack([names, gone, told])


def decode(data: bytes) -> tuple[tuple[str, ...], tuple[Change, ...]]:
    """The members, sorted, and the changes, by moment, of bytes. Raises `ValueError`."""
    names, gone, told = unpack(data)
    absent = set(gone)
    members = (
        tuple(name for place, name in enumerate(names) if place not in absent) if absent else tuple(names)
    )
    changes = [
        Change(names[place], is_joined, moment, event)
        for moment, event, joined, left in told
        for places, is_joined in ((joined, True), (left, False))
        for place in places
    ]
    return members, tuple(changes)
