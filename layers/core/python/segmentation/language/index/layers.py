"""Layers: where the literals of many rules stand in one bitmap, and how it folds into their results.

All rules of a layer stand side by side. Literal m of clause j of rule s is bit s of the strip (j, m); the
strips lie one after another in one wide integer. So the OR of the literals of all clauses, and the AND of
the clauses of all rules, are a few operations on whole strips, however many rules there are. Rules with
wide clauses come first, then those with many clauses, which keeps the strips short.

A rule that refers to another one stands in a later layer than that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .literals import Form, Key, Literal
from .tables import TableDraft


class Layer:
    """Rules without references to each other, and the fold of their literals."""

    __slots__ = ("count", "full", "offset", "slots", "start", "watched")

    def __init__(self, data: Mapping[str, Any], offset: int) -> None:
        self.offset = offset
        self.count: int = data["count"]
        self.full = ((1 << self.count) - 1) ^ int(data["inverted"], 16)
        self.start = int(data["start"], 16)
        self.slots: list[tuple[int, int, int, list[tuple[int, int]]]] = [
            (
                int(present, 16),
                first[0],
                (1 << first[1]) - 1,
                [(strip[0], (1 << strip[1]) - 1) for strip in rest],
            )
            for present, first, *rest in data["slots"]
        ]
        self.watched = int(data["watched"], 16)

    def fold(self, literals: int) -> int:
        """Which rules hold, given which literals do."""
        failing = 0
        for present, offset, mask, more in self.slots:
            clauses = (literals >> offset) & mask
            for further, narrow in more:
                clauses |= (literals >> further) & narrow
            failing |= clauses ^ present
        result: int = self.full ^ failing
        return result


def arrange(forms: Sequence[Form]) -> list[int]:
    """The order in which the rules of a layer stand."""

    def key(index: int) -> tuple[list[int], int]:
        widths = sorted((len(clause) for clause in forms[index].clauses), reverse=True)
        return [-width for width in widths if width > 1], -len(widths)

    # Shorter lists of wide clauses sort first among equals, so pad what is compared.
    return sorted(range(len(forms)), key=lambda index: _padded(*key(index)))


def _padded(wide: list[int], count: int) -> tuple[tuple[int, ...], int]:
    return (*wide, 0), count


def lay_out(
    forms: Sequence[Form], tables: dict[Key, TableDraft], numbers: Mapping[Key, int]
) -> dict[str, Any]:
    """The layer of rules that stand in this order, as plain data; their literals enter `tables`."""
    strips: dict[tuple[int, int], list[tuple[int, Literal]]] = {}
    inverted = 0
    for index, form in enumerate(forms):
        if form.inverted:
            inverted |= 1 << index
        clauses = sorted(form.clauses, key=lambda clause: (-len(clause), min(numbers[o.key] for o in clause)))
        for j, clause in enumerate(clauses):
            for m, literal in enumerate(clause):
                strips.setdefault((j, m), []).append((index, literal))
    slots: list[list[Any]] = []
    start = 0
    offset = 0
    for (j, m), found in sorted(strips.items()):
        length = found[-1][0] + 1
        if m == 0:
            present = sum(1 << index for index, _ in found) if len(found) < 64 else _mask(found)
            slots.append([f"{present:x}"])
        slots[j].append([offset, length])
        for index, literal in found:
            position = offset + index
            if literal.negated:
                start |= 1 << position
            draft = tables.get(literal.key)
            if draft is None:
                draft = tables[literal.key] = TableDraft(literal.key.is_many)
            draft.add(position, literal.test)
        offset += length
    return {
        "count": len(forms),
        "inverted": f"{inverted:x}",
        "start": start,
        "slots": slots,
    }


def _mask(found: Sequence[tuple[int, Literal]]) -> int:
    data = bytearray((found[-1][0] >> 3) + 1)
    for index, _ in found:
        data[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(data, "little")
