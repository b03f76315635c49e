"""Layers: where the literals of many rules stand in one bitmap, and how it folds into their results.

All rules of a layer stand side by side. Literal m of clause j of rule s is bit s of the strip (j, m); the
strips of all layers lie one after another in one wide integer. So the OR of the literals of all clauses,
and the AND of the clauses of all rules, are a few operations on whole strips, however many rules there are.
Rules with wide clauses come first, then those with many clauses, which keeps the strips short.

A rule that refers to another one stands in a later layer than that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .literals import Form, Key, Literal
from .tables import TableDraft, bitmap


class Layer:
    """Rules without references to each other, and the fold of their literals."""

    __slots__ = ("count", "first", "full", "offset", "reach", "slots", "watched")

    def __init__(self, data: Mapping[str, Any], offset: int) -> None:
        self.offset = offset
        self.count: int = data["count"]
        self.full = ((1 << self.count) - 1) ^ int(data["inverted"], 16)
        strips = [strip for _, *found in data["slots"] for strip in found]
        self.first: int = min(start for start, _ in strips)
        self.reach: int = (1 << max(start + length for start, length in strips)) - 1
        self.slots = [
            (int(present, 16), *self._place(*first), [self._place(*strip) for strip in rest])
            for present, first, *rest in data["slots"]
        ]
        self.watched = int(data["watched"], 16)

    def _place(self, start: int, length: int) -> tuple[int, int]:
        """The mask of all of the layer up to the end of a strip, and where the strip begins in it."""
        return (1 << (start - self.first + length)) - 1, start - self.first

    def fold(self, literals: int) -> int:
        """Which rules hold, given which literals do."""
        own = (literals & self.reach) >> self.first
        failing = 0
        for present, reach, offset, more in self.slots:
            # Masking comes first, for it is cheaper than shifting, whose cost is that of what it leaves.
            clauses = (own & reach) >> offset
            for further, start in more:
                clauses |= (own & further) >> start
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


@dataclass
class Literals:
    """The literals of an index while layers are added to it: their tables, and which start as true."""

    numbers: Mapping[Key, int]
    tables: dict[Key, TableDraft]
    negated: list[int]
    width: int = 0


def lay_out(forms: Sequence[Form], literals: Literals) -> dict[str, Any]:
    """The layer of rules that stand in this order, as plain data; their literals enter `literals`."""
    numbers = literals.numbers
    strips: dict[tuple[int, int], list[tuple[int, Literal]]] = {}
    for index, form in enumerate(forms):
        clauses = sorted(form.clauses, key=lambda clause: (-len(clause), min(numbers[o.key] for o in clause)))
        for j, clause in enumerate(clauses):
            for m, literal in enumerate(clause):
                strips.setdefault((j, m), []).append((index, literal))
    slots: list[list[Any]] = []
    for (j, m), found in sorted(strips.items()):
        if m == 0:
            slots.append([f"{bitmap([index for index, _ in found]):x}"])
        length = found[-1][0] + 1
        slots[j].append([literals.width, length])
        for index, literal in found:
            position = literals.width + index
            if literal.negated:
                literals.negated.append(position)
            draft = literals.tables.get(literal.key)
            if draft is None:
                draft = literals.tables[literal.key] = TableDraft(literal.key.is_many)
            draft.add(position, literal.test)
        literals.width += length
    inverted = bitmap([index for index, form in enumerate(forms) if form.inverted])
    return {"count": len(forms), "inverted": f"{inverted:x}", "slots": slots}
