"""What a pattern is made of, once it is parsed."""

from dataclasses import dataclass

Ranges = tuple[tuple[int, int], ...]
LAST_CODE = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Chars:
    """One code point of (or, negated, outside) some ranges."""

    ranges: Ranges
    negated: bool = False

    @property
    def spans(self) -> Ranges:
        """The code points that it takes, as sorted ranges."""
        return complement(self.ranges) if self.negated else tuple(sorted(self.ranges))

    def holds(self, code: int) -> bool:
        """Whether a code point is one of them."""
        return any(low <= code <= high for low, high in self.ranges) is not self.negated


@dataclass(frozen=True, slots=True)
class Edge:
    """The beginning (`^`) or the very end (`$`) of the text."""

    at_end: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts one after the other."""

    parts: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several branches."""

    branches: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part, `least` to `most` times (`None`: without end)."""

    part: "Tree"
    least: int
    most: int | None


Tree = Chars | Edge | Sequence | Choice | Repeat
ANY = Chars(((0x0A, 0x0A),), negated=True)


def complement(ranges: Ranges) -> Ranges:
    """The code points outside of some ranges."""
    spans, start = [], 0
    for low, high in sorted(ranges):
        if low > start:
            spans.append((start, low - 1))
        start = max(start, high + 1)
    return (*spans, (start, LAST_CODE)) if start <= LAST_CODE else tuple(spans)


def overlap(one: Ranges, other: Ranges) -> bool:
    """Whether two sets of code points have one in common."""
    return any(a[0] <= b[1] and b[0] <= a[1] for a in one for b in other)
