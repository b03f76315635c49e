"""Tables: for one variable, which literals hold at each of its values, as a bitmap.

Positions of literals stand in one flat array that all tables of an index share; bitmaps are made of them
when a value is first seen, and kept within a budget. Equalities are found by dictionary; thresholds by
bisection, each state between two cuts being the XOR of the turns up to it, from a checkpoint every few
cuts on; prefixes and suffixes by dictionary; substrings by their rarest three characters.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..automaton import searcher
from ..values import Value
from .literals import TextTest
from .regions import Region

CHECKPOINT = 64
"""Cuts between two bitmaps that are kept; those between are made from the one below."""
MOST_VALUES = 20_000
"""Values remembered a table."""
BUDGET = 96 * 1024 * 1024
"""Bytes of bitmaps that an index keeps before it forgets them and starts anew."""


class Budget:
    """What the bitmaps of an index weigh. Beyond the limit all tables forget theirs."""

    __slots__ = ("_tables", "limit", "used")

    def __init__(self) -> None:
        self.limit = BUDGET
        self.used = 0
        self._tables: list[Table] = []

    def add(self, table: "Table") -> None:
        """Watch over a table."""
        self._tables.append(table)

    def spend(self, bits: int) -> int:
        """Count a bitmap that is going to be kept, and return it."""
        self.used += 64 + bits.bit_length() // 8
        if self.used > self.limit:
            self.used = 0
            for table in self._tables:
                table.forget()
        return bits


class TableDraft:
    """A table while literals are added to it."""

    def __init__(self, is_many: bool) -> None:
        self.is_many = is_many
        self.missing: list[int] = []
        self.lowest: list[int] = []
        self.turns: dict[tuple[Any, int], list[int]] = {}
        self.points: dict[Any, list[int]] = {}
        self.texts: dict[TextTest, list[int]] = {}

    def add(self, position: int, test: Region | TextTest) -> None:
        """The literal at a position holds where the test does."""
        if isinstance(test, TextTest):
            self.texts.setdefault(test, []).append(position)
            return
        if test.missing:
            self.missing.append(position)
        if test.lowest:
            self.lowest.append(position)
        cuts = test.cuts
        index = 0
        while index < len(cuts):
            value, side = cuts[index]
            if side == 0 and index + 1 < len(cuts) and cuts[index + 1] == (value, 1):
                self.points.setdefault(value, []).append(position)
                index += 2
            else:
                self.turns.setdefault((value, side), []).append(position)
                index += 1

    def finish(self, positions: list[int]) -> dict[str, Any]:
        """The table as plain data, its positions appended to `positions`."""
        cuts = sorted({value for value, _ in self.turns})
        turns = [self.turns.get((value, side), []) for value in cuts for side in (0, 1)]
        start = len(positions)
        ends = []
        texts = sorted(self.texts, key=lambda test: (test.op, test.part))
        for part in (
            self.missing,
            self.lowest,
            *turns,
            *self.points.values(),
            *(self.texts[test] for test in texts),
        ):
            positions.extend(part)
            ends.append(len(positions))
        return {
            "many": self.is_many,
            "cuts": cuts,
            "points": list(self.points),
            "texts": [[test.op, test.part] for test in texts],
            "start": start,
            "ends": ends,
        }


def bitmap(positions: Sequence[int]) -> int:
    """The bits at these positions; one that stands twice is off again."""
    if len(positions) < 24:
        bits = 0
        for position in positions:
            bits ^= 1 << position
        return bits
    data = bytearray((max(positions) >> 3) + 1)
    for position in positions:
        data[position >> 3] ^= 1 << (position & 7)
    return int.from_bytes(data, "little")


class Table:
    """Value -> which literals turn when the variable leaves its default value for this one."""

    __slots__ = (
        "_budget",
        "_checkpoints",
        "_cuts",
        "_ends",
        "_has_points",
        "_many",
        "_points",
        "_points_list",
        "_positions",
        "_raw_default",
        "_start",
        "_states",
        "_texts",
        "_texts_list",
        "cache",
        "default",
    )

    def __init__(
        self, data: Mapping[str, Any], positions: Sequence[int], default: Value, budget: Budget
    ) -> None:
        self._many: bool = data["many"]
        self._cuts: list[Any] = data["cuts"]
        self._points_list: list[Any] = data["points"]
        self._texts_list: list[list[str]] = data["texts"]
        self._start: int = data["start"]
        self._ends: list[int] = data["ends"]
        self._positions = positions
        self._budget = budget
        self._has_points = bool(self._points_list)
        self._points: dict[Any, int] | None = None
        self._texts: _Texts | None = None
        self.default = default
        self.cache: dict[Value, int] = {default: 0}
        self._states: dict[int, int] = {}
        self._checkpoints: list[int] | None = None
        self._raw_default: int | None = None
        budget.add(self)

    @property
    def cuts(self) -> Sequence[Any]:
        """The values at which the truth of some literal turns, sorted."""
        return self._cuts

    def forget(self) -> None:
        """Drop all bitmaps."""
        self._forget_values()
        self._states.clear()
        self._checkpoints = None
        self._raw_default = None

    def _forget_values(self) -> None:
        self.cache.clear()
        self.cache[self.default] = 0

    def delta(self, value: Value) -> int:
        """The bits that differ between the default value and this one."""
        bits = self.cache.get(value)
        if bits is None:
            if len(self.cache) >= MOST_VALUES:
                self._forget_values()
            bits = self._make(value)
            self.cache[value] = bits
        return bits

    def raw(self, value: Value) -> int:
        """The literals that hold at a value."""
        if not self._many:
            return self._one(value)
        bits = 0
        for element in set(value) if isinstance(value, tuple) else ():
            bits |= self._one(element)
        return bits

    def _make(self, value: Value) -> int:
        base = self._raw_default
        if base is None:
            base = self._raw_default = self._budget.spend(self.raw(self.default))
        simple = not self._many and not self._texts_list and value is not None
        if simple and (not self._has_points or value not in self._point_index()):
            state = self._state_of(value)
            bits = self._states.get(state)
            if bits is None:
                bits = self._states[state] = self._budget.spend(self._state_bits(state) ^ base)
            return bits
        return self._budget.spend(self.raw(value) ^ base)

    def _one(self, value: Any) -> int:
        if value is None:
            return bitmap(self._part(0))
        bits = self._state_bits(self._state_of(value))
        if self._has_points:
            index = self._point_index().get(value)
            if index is not None:
                bits ^= bitmap(self._part(2 + 2 * len(self._cuts) + index))
        if self._texts_list:
            if self._texts is None:
                self._texts = _Texts(self._texts_list)
            first = 2 + 2 * len(self._cuts) + len(self._points_list)
            for index in self._texts.holding(value):
                bits |= bitmap(self._part(first + index))
        return bits

    def _point_index(self) -> dict[Any, int]:
        if self._points is None:
            self._points = {value: index for index, value in enumerate(self._points_list)}
        return self._points

    def _part(self, index: int) -> Sequence[int]:
        start = self._ends[index - 1] if index else self._start
        return self._positions[start : self._ends[index]]

    def _state_of(self, value: Any) -> int:
        """2i between the cuts i-1 and i, 2i+1 at cut i."""
        cuts = self._cuts
        index = bisect_left(cuts, value)
        return 2 * index + (index < len(cuts) and cuts[index] == value)

    def _state_bits(self, state: int) -> int:
        points = self._checkpoints
        if points is None:
            points = self._checkpoints = [bitmap(self._part(1))]
            for first in range(0, 2 * len(self._cuts) - 2 * CHECKPOINT + 1, 2 * CHECKPOINT):
                points.append(self._budget.spend(points[-1] ^ self._turned(first, first + 2 * CHECKPOINT)))
            self._checkpoints = points
        below = state // (2 * CHECKPOINT)
        first = below * 2 * CHECKPOINT
        return points[below] ^ self._turned(first, state) if state > first else points[below]

    def _turned(self, first: int, state: int) -> int:
        """What turns on the way from one state to a later one."""
        return bitmap(self._positions[self._ends[first + 1] : self._ends[state + 1]])


class _Texts:
    """Which of many text tests a text passes, without trying each."""

    def __init__(self, tests: Iterable[Sequence[str]]) -> None:
        self._affixes: dict[str, dict[str, int]] = {"starts_with": {}, "ends_with": {}}
        self._patterns: list[tuple[Callable[[str], bool], int]] = []
        self._short: list[tuple[str, int]] = []
        self._grams: dict[str, list[tuple[str, int]]] = {}
        long = []
        for index, (op, part) in enumerate(tests):
            if op in self._affixes:
                self._affixes[op][part] = index
            elif op == "matches":
                self._patterns.append((searcher(part), index))
            elif len(part) < 3:
                self._short.append((part, index))
            else:
                long.append((part, index))
        often: dict[str, int] = {}
        for part, _ in long:
            for gram in _grams(part):
                often[gram] = often.get(gram, 0) + 1
        for part, index in long:
            rarest = min(_grams(part), key=lambda gram: (often[gram], gram))
            self._grams.setdefault(rarest, []).append((part, index))
        self._lengths = {op: sorted(set(map(len, parts))) for op, parts in self._affixes.items()}

    def holding(self, text: str) -> list[int]:
        """The numbers of the tests that the text passes."""
        found = [index for occurs_in, index in self._patterns if occurs_in(text)]
        found.extend(index for part, index in self._short if part in text)
        if self._grams:
            for gram in self._grams.keys() & _grams(text):
                found.extend(index for part, index in self._grams[gram] if part in text)
        size = len(text)
        for length in self._lengths["starts_with"]:
            index = self._affixes["starts_with"].get(text[:length]) if length <= size else None
            if index is not None:
                found.append(index)
        for length in self._lengths["ends_with"]:
            index = self._affixes["ends_with"].get(text[size - length :]) if length <= size else None
            if index is not None:
                found.append(index)
        return found


def _grams(text: str) -> set[str]:
    return {text[start : start + 3] for start in range(len(text) - 2)}
