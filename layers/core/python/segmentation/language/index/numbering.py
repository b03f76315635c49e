"""Numberings: which name each bit of a bitmap stands for.

Sets of thousands of names are compared and stored as bitmaps; names are looked up only where somebody asks for them.
"""

import hashlib
import zlib
from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import compress

_DIGITS = bytes(48) + bytes([0, 1]) + bytes(206)
_FEW = 64
"""Up to so many members are found bit by bit, more by walking over all names."""
_MOST_MASKS = 16


class Numbering:
    """Names, each by the position of its bit.

    `id` tells numberings apart; it is "" of one that is not kept where others could read it.
    """

    def __init__(self, names: Sequence[str], *, kept: bool = False) -> None:
        self.names = tuple(names)
        self.id = _digest(self.names) if kept else ""
        self._masks: dict[frozenset[str], int] = {}

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Name -> position."""
        return {name: number for number, name in enumerate(self.names)}

    def bits(self, names: Collection[str]) -> int:
        """The bitmap of names; those that have no number are left out."""
        numbers = self.numbers
        data = bytearray(len(self.names) // 8 + 1)
        for name in names:
            number = numbers.get(name)
            if number is not None:
                data[number >> 3] |= 1 << (number & 7)
        return int.from_bytes(data, "little")

    def mask(self, names: frozenset[str]) -> int:
        """The bitmap of names that are asked for again and again."""
        found = self._masks.get(names)
        if found is None:
            if len(self._masks) >= _MOST_MASKS:
                self._masks.clear()
            found = self._masks[names] = self.bits(names)
        return found

    def named(self, bits: int) -> list[str]:
        """The names of a bitmap, in no order."""
        names = self.names
        if bits.bit_count() > _FEW:
            return list(compress(names, f"{bits:b}"[::-1].encode().translate(_DIGITS)))
        return [names[position] for position in positions_of(bits)]

    def dump(self) -> bytes:
        """The numbering as it is kept."""
        return zlib.compress("\n".join(self.names).encode())

    @classmethod
    def load(cls, data: bytes) -> "Numbering":
        """A numbering that was kept. Raises `ValueError`."""
        try:
            text = zlib.decompress(data).decode()
        except zlib.error as error:
            raise ValueError("not a numbering") from error
        return cls(text.split("\n") if text else (), kept=True)


def positions_of(bits: int) -> list[int]:
    """Where the bits of a bitmap are set, the highest first: a wide number gets narrower with each that is taken off."""
    found = []
    while bits:
        position = bits.bit_length() - 1
        found.append(position)
        bits ^= 1 << position
    return found


def _digest(names: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(names).encode(), digest_size=8).hexdigest()
