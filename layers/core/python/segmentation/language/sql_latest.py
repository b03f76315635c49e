"""Counts that are only compared with constants, as moments: k events are in a window just if the k-th latest event is.

Counts of equal events in many windows are so many aggregates over each event, and so many numbers held of each profile; the
latest few moments of these events are one aggregate, `max(t, n)`, whatever the windows. That holds for windows that reach up to
now, as most do. Moments stand for counts where they need less memory: from about a dozen windows on.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from .tree import Aggregate, Node, Selection

COUNT_BYTES = 9
"""What an engine holds of a profile for a count, or for one moment: a number, and whether there is one (Trino)."""
MOST_LATEST = 50
"""Moments kept of equal events; counts that are compared with more stay counts."""
NEVER = -1_000_000_000_000_000
"""In place of a moment of an event that is not there, before all that any window reaches."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a comparison says of a count: `low <= count < high`, where `None` bounds nothing."""

    low: int | None
    high: int | None

    def needed(self) -> list[int]:
        """Which of the latest events decide it: the first is 1."""
        return [one for one in (self.low, self.high) if one is not None]


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest moments of equal events, in the column `name`. `numbers`: which of them are asked for, the latest is 1."""

    events: Selection
    numbers: tuple[int, ...]
    name: str

    def over_events(self, selected: str) -> str:
        """The aggregate over events, of which those are meant that are selected: a moment, or several, latest first."""
        moments = "t" if selected == "true" else f"CASE WHEN {selected} THEN t END"
        return f"max({moments})" if self.numbers == (1,) else f"max({moments}, {self.numbers[-1]})"

    def columns(self, found: str) -> list[str]:
        """The columns of the moments, of what the aggregate found."""
        return [
            f"coalesce({found if self.numbers == (1,) else f'element_at({found}, {number})'}, {NEVER}) AS {self.column(number)}"
            for number in self.numbers
        ]

    def column(self, number: int) -> str:
        """The column of a moment."""
        return f"{self.name}_{number}"


def latest_bytes(most: int) -> int:
    """What an engine holds of a profile for its latest moments: of more than one, a heap with a place to spare.

    The objects of Trino's `TypedHeap` and its array are 64 and 16 bytes, the reference to it is 4. What is short in a GROUP BY
    over all profiles is memory.
    """
    return COUNT_BYTES if most == 1 else 64 + 16 + 4 + 8 * (most + 1)


def without_windows(selection: Selection) -> Selection:
    """The same events of all times."""
    return replace(selection, windows=())


def bounds(comparison: Node) -> tuple[Aggregate, Bounds] | None:
    """The count that a node compares with a constant, and what it says of it.

    Nothing where it is no such comparison, or one that is always or never true, or of a large constant.
    """
    if comparison.op not in ("eq", "lt", "le"):
        return None
    left, right = comparison.args
    count, constant = (left, right) if isinstance(left.value, Aggregate) else (right, left)
    if not isinstance(count.value, Aggregate) or count.value.function != "count" or constant.op != "constant":
        return None
    number: float = constant.value
    if not 0 <= number < MOST_LATEST:
        return None
    at_least, more = math.ceil(number), math.floor(number) + 1
    match comparison.op, count is right:
        case "eq", _:
            says = Bounds(at_least, more)
        case "le", True:
            says = Bounds(at_least, None)
        case "lt", True:
            says = Bounds(more, None)
        case "le", _:
            says = Bounds(None, more)
        case _:
            says = Bounds(None, at_least)
    if says.low == 0:  # every count is
        says = Bounds(None, says.high)
    # No count equals a fraction, or is below none.
    possible = says.high is None or (says.low or 0) < says.high
    return (count.value, says) if says.needed() and possible else None


def latest_of(nodes: Iterable[Node], end_now: Callable[[Selection], bool]) -> dict[Aggregate, Latest]:
    """The counts that are better not counted, each with the moments that stand for it; `nodes` are all that segments read."""
    uses: Counter[Aggregate] = Counter()
    compared: Counter[Aggregate] = Counter()
    numbers: dict[Aggregate, set[int]] = {}
    for node in nodes:
        if isinstance(node.value, Aggregate):
            uses[node.value] += 1
        elif (said := bounds(node)) is not None:
            count, says = said
            compared[count] += 1
            numbers.setdefault(count, set()).update(says.needed())
    groups: dict[Selection, list[Aggregate]] = {}
    for count, times in compared.items():
        if times == uses[count] and end_now(count.events):
            groups.setdefault(without_windows(count.events), []).append(count)
    found: dict[Aggregate, Latest] = {}
    place = 0
    for events, counts in groups.items():
        asked = sorted(set().union(*(numbers[count] for count in counts)))
        if latest_bytes(asked[-1]) < COUNT_BYTES * len(counts):
            found |= dict.fromkeys(counts, Latest(events, tuple(asked), f"l{place}"))
            place += 1
    return found


def condition(says: Bounds, latest: Latest, since: int | None) -> str:
    """What a comparison says, of the moments of a profile; `since`: the moment after which events are in the window."""
    after = NEVER if since is None else since
    parts = []
    if says.low is not None:
        parts.append(f"{latest.column(says.low)} > {after}")
    if says.high is not None:
        parts.append(f"{latest.column(says.high)} <= {after}")
    return f"({' AND '.join(parts)})"
