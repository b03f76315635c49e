"""Regions: sets of values of one variable, for all tests of a rule that read nothing else.

A region says whether it holds for a missing value, whether it holds below all values, and at which cuts
its truth turns. A cut `(value, 0)` lies just below a value, `(value, 1)` just above it, so `x < 5` turns
false at `(5, 0)`, `x <= 5` at `(5, 1)`, and `x == 5` is true between the two. Joining, intersecting and
complementing regions turns any condition on a single variable into one literal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Cut = tuple[Any, int]


@dataclass(frozen=True, slots=True)
class Region:
    """A set of values, of which `missing` says whether the missing value is one."""

    missing: bool
    lowest: bool
    cuts: tuple[Cut, ...]

    def complement(self) -> "Region":
        """All other values."""
        return Region(not self.missing, not self.lowest, self.cuts)


PRESENT = Region(missing=False, lowest=True, cuts=())
"""All values but the missing one."""


def points(values: Iterable[Any]) -> Region:
    """Just these values."""
    return Region(False, False, tuple((value, side) for value in sorted(set(values)) for side in (0, 1)))


def below(bound: Any, side: int) -> Region:
    """The values below a cut."""
    return Region(False, True, ((bound, side),))


def above(bound: Any, side: int) -> Region:
    """The values above a cut."""
    return Region(False, False, ((bound, side),))


def union(regions: Sequence[Region]) -> Region:
    """The values in any of the regions."""
    return _combine(regions, 1)


def intersection(regions: Sequence[Region]) -> Region:
    """The values in all of the regions."""
    return _combine(regions, len(regions))


def _combine(regions: Sequence[Region], enough: int) -> Region:
    """The values in at least `enough` regions."""
    steps: dict[Cut, int] = {}
    for region in regions:
        turn = -1 if region.lowest else 1
        for cut in region.cuts:
            steps[cut] = steps.get(cut, 0) + turn
            turn = -turn
    count = sum(region.lowest for region in regions)
    lowest = holds = count >= enough
    cuts = []
    for cut in sorted(steps):
        count += steps[cut]
        if (count >= enough) != holds:
            holds = not holds
            cuts.append(cut)
    return Region(sum(region.missing for region in regions) >= enough, lowest, tuple(cuts))
