"""Members and changes as they are stored beside a visitor's state.

Where the numbering of the rule set is kept for all readers (`numbering_path`), they are bits of it: a bitmap, or, of few
members, their positions. Where it is not, or what is stored is of several rule sets, they are names.
"""

import logging
import struct
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache, partial

import msgspec
from segmentation.language.index import Numbering, positions_of

from .membership import Change, Changes, Members, Turn
from .packed import dump_json, load_json, pack, unpack

Numberings = Callable[[str, str], Numbering | None]
"""Finds the numbering of an audience (first) that has an id (second)."""
_BITMAP, _POSITIONS = b"\0", b"\1"
_FEW = 64
"""Up to so many members are stored by their positions where that is shorter."""

logger = logging.getLogger("segmentation.stored_membership")


def numbering_path(audience: str, identifier: str) -> str:
    """Where the numbering of an audience's real-time segments is kept, for as long as the audience."""
    return f"programs/{audience}/numberings/{identifier}"


class StoredMembership(msgspec.Struct, frozen=True):
    """`numbering`: the id of the one whose bits are meant, "": these are names. `changes`: nothing where there are none."""

    numbering: str
    members: bytes
    changes: bytes | None


def encode(members: Collection[str], changes: Sequence[Change]) -> StoredMembership:
    """Membership as it is stored."""
    if isinstance(members, Members) and members.numbering.id:
        if not changes:
            return StoredMembership(members.numbering.id, _bitmap(members.bits), None)
        if isinstance(changes, Changes) and changes.numbering is members.numbering:
            return StoredMembership(members.numbering.id, _bitmap(members.bits), _turns(changes))
    names = tuple(members)
    return StoredMembership("", _names(names), _named_changes(names, changes) if changes else None)


def decode(
    stored: StoredMembership, audience: str, numberings: Numberings
) -> tuple[Collection[str], Sequence[Change]] | None:
    """Members and changes; nothing where their numbering is gone. Raises `ValueError` for bytes that are none, as
    changes do when they are looked at."""
    if not stored.numbering:
        names = _unpacked(stored.members)
        return names, _changes_of_names(names, stored.changes) if stored.changes else ()
    numbering = numberings(audience, stored.numbering)
    if numbering is None:
        logger.error("membership cannot be read: %s is gone", numbering_path(audience, stored.numbering))
        return None
    members = Members(numbering, _bits(stored.members))
    if stored.changes is None:
        return members, ()
    # Hardly anybody asks what an earlier write has changed.
    return members, Changes(numbering, partial(_read_turns, stored.changes))


# ---------------------------------------------------------------------------------------------------- bits


@lru_cache(maxsize=4_096)
def _bitmap(bits: int) -> bytes:
    """Most events change nothing, so that the last ones are remembered."""
    size = (bits.bit_length() + 7) // 8
    if bits.bit_count() <= _FEW:
        positions = positions_of(bits)
        if 4 * len(positions) < size:
            return _POSITIONS + struct.pack(f"<{len(positions)}I", *positions)
    return _BITMAP + bits.to_bytes(size, "little")


def _bits(data: bytes) -> int:
    kind, rest = data[:1], data[1:]
    if kind == _BITMAP:
        return int.from_bytes(rest, "little")
    if kind != _POSITIONS or len(rest) % 4:
        raise ValueError("not a stored membership")
    return _sum(struct.unpack(f"<{len(rest) // 4}I", rest))


def _turns(changes: Changes) -> bytes:
    return dump_json(
        [
            [turn.moment, turn.event, positions_of(turn.joined), [*positions_of(turn.left), *turn.gone]]
            for turn in changes.turns
        ]
    )


def _read_turns(data: bytes) -> list[Turn]:
    return [_turn(*one) for one in load_json(data)]


def _turn(moment: int, event: str | None, joined: list[int], left: list[int | str]) -> Turn:
    gone = tuple(one for one in left if isinstance(one, str))
    return Turn(moment, event, _sum(joined), _sum(one for one in left if isinstance(one, int)), gone)


def _sum(positions: Iterable[int]) -> int:
    bits = 0
    for position in positions:
        bits |= 1 << position
    return bits


# --------------------------------------------------------------------------------------------------- names


@lru_cache(maxsize=1_024)
def _names(members: tuple[str, ...]) -> bytes:
    return pack(members)


@lru_cache(maxsize=1_024)
def _unpacked(data: bytes) -> tuple[str, ...]:
    return tuple(unpack(data))


def _named_changes(members: Sequence[str], changes: Sequence[Change]) -> bytes:
    """Changes beside the members that they led to; the ids of these are not said again."""
    number = {name: place for place, name in enumerate(members)}
    groups: dict[tuple[int, str | None], tuple[list[int | str], list[int | str]]] = {}
    for change in changes:
        joined, left = groups.setdefault((change.moment, change.event), ([], []))
        (joined if change.joined else left).append(number.get(change.segment, change.segment))
    return pack([[moment, event, *told] for (moment, event), told in groups.items()])


def _changes_of_names(members: Sequence[str], data: bytes) -> tuple[Change, ...]:
    return tuple(
        Change(members[name] if isinstance(name, int) else name, is_joined, moment, event)
        for moment, event, joined, left in unpack(data)
        for names, is_joined in ((joined, True), (left, False))
        for name in names
    )
