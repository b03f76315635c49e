"""Who is in which segments, what changed at the last write, and how both are stored beside a visitor's state."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

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


@lru_cache(maxsize=4_096)
def encode(members: tuple[str, ...]) -> bytes:
    """Members (sorted) as bytes. Most events change none, so that the last ones are remembered."""
    return pack(members)


@lru_cache(maxsize=4_096)
def decode(data: bytes) -> tuple[str, ...]:
    """The members of bytes. Raises `ValueError`."""
    return tuple(unpack(data))


def encode_changes(members: Sequence[str], changes: Sequence[Change]) -> bytes:
    """Changes beside the members that they led to; the ids of these are not said again."""
    number = {name: place for place, name in enumerate(members)}
    groups: dict[tuple[int, str | None], tuple[list[int | str], list[int | str]]] = {}
    for change in changes:
        joined, left = groups.setdefault((change.moment, change.event), ([], []))
        (joined if change.joined else left).append(number.get(change.segment, change.segment))
    return pack([[moment, event, *told] for (moment, event), told in groups.items()])


def decode_changes(members: Sequence[str], data: bytes) -> tuple[Change, ...]:
    """The changes of bytes, by moment. Raises `ValueError`."""
    return tuple(
        Change(members[name] if isinstance(name, int) else name, is_joined, moment, event)
        for moment, event, joined, left in unpack(data)
        for names, is_joined in ((joined, True), (left, False))
        for name in names
    )
