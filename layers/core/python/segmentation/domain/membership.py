"""Who is in which segments, and what changed at the last write.

Both are bitmaps where an event is evaluated, so that nobody touches thousands of names for the few that change; they are
read as names. How they are stored is said in `stored_membership`.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from functools import cached_property
from typing import overload

import msgspec
from segmentation.language.index import Numbering


class Change(msgspec.Struct, frozen=True):
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


class Members(Collection[str]):
    """Segments that somebody is in, as bits of a numbering; as names in their order."""

    __slots__ = ("bits", "numbering")

    def __init__(self, numbering: Numbering, bits: int) -> None:
        self.numbering = numbering
        self.bits = bits

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.numbering.named(self.bits)))

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __contains__(self, name: object) -> bool:
        number = self.numbering.numbers.get(name) if isinstance(name, str) else None
        return number is not None and bool(self.bits >> number & 1)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Members) and other.numbering is self.numbering:
            return self.bits == other.bits
        if isinstance(other, Set):
            return frozenset(self) == other
        return isinstance(other, Collection) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Members({list(self)})"


class Turn(msgspec.Struct, frozen=True):
    """What turned at one moment, by one cause: bits of a numbering. `gone`: segments that were left and have no number."""

    moment: int
    event: str | None
    joined: int
    left: int
    gone: tuple[str, ...] = ()

    def changes(self, numbering: Numbering, mask: int = -1) -> Iterator[Change]:
        """The changes by segment, those of a mask alone."""
        names = dict.fromkeys(numbering.named(self.joined & mask), True)
        names |= dict.fromkeys((*numbering.named(self.left & mask), *self.gone), False)
        for name in sorted(names):
            yield Change(name, names[name], self.moment, self.event)


class Changes(Sequence[Change]):
    """Changes by moment, as bits of a numbering. `turns` may be a function that gives them when they are asked for."""

    def __init__(self, numbering: Numbering, turns: Sequence[Turn] | Callable[[], Sequence[Turn]]) -> None:
        self.numbering = numbering
        if callable(turns):
            self._read = turns
        else:
            self.turns = turns

    @cached_property
    def turns(self) -> Sequence[Turn]:
        """What turned, by moment."""
        return self._read()

    @cached_property
    def _all(self) -> tuple[Change, ...]:
        return tuple(change for turn in self.turns for change in turn.changes(self.numbering))

    def concern(self, names: frozenset[str]) -> bool:
        """Whether there are any of some segments."""
        mask = self.numbering.mask(names)
        return any((turn.joined | turn.left) & mask or not names.isdisjoint(turn.gone) for turn in self.turns)

    def of(self, names: frozenset[str]) -> Iterator[Change]:
        """Those of some segments."""
        mask = self.numbering.mask(names)
        for turn in self.turns:
            if turn.gone or (turn.joined | turn.left) & mask:
                yield from (one for one in turn.changes(self.numbering, mask) if one.segment in names)

    def __iter__(self) -> Iterator[Change]:
        return iter(self._all)

    @overload
    def __getitem__(self, place: int) -> Change: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Change, ...]: ...
    def __getitem__(self, place: int | slice) -> Change | tuple[Change, ...]:
        return self._all[place]

    def __len__(self) -> int:
        return sum([(turn.joined | turn.left).bit_count() + len(turn.gone) for turn in self.turns])

    def __bool__(self) -> bool:
        return bool(self.turns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Changes({list(self)})"


def changes_of(changes: Sequence[Change], names: frozenset[str]) -> Iterator[Change]:
    """The changes of some segments."""
    if isinstance(changes, Changes):
        return changes.of(names)
    return (change for change in changes if change.segment in names)
