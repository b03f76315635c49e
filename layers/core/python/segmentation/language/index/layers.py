"""Layers: where the literals of many rules stand in one bitmap, and how it folds into their results.

All rules of a layer stand side by side. Literal m of clause j of rule s is bit s of the strip (j, m); the
strips of all layers lie one after another in one wide integer. So the OR of the literals of all clauses,
and the AND of the clauses of all rules, are a few operations on whole strips, however many rules there are.
Rules with wide clauses come first, then those with many clauses, which keeps the strips short.

Literals that events and time can turn are moving, the others are fixed. Moving ones lie below all fixed
ones, so that an event works on a short integer. A clause with both kinds is divided: what its fixed literals
say is folded once, and leaves the clauses that are up to their moving literals.

A rule that refers to another one stands in a later layer than that.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .literals import Clause, Form, Key, Literal
from .tables import TableDraft, bitmap


class Strips:
    """The clauses of a layer's rules, slot by slot: the first one of each rule, the second one, ..."""

    __slots__ = ("slots",)

    def __init__(self, slots: Sequence[Sequence[tuple[int, int]]]) -> None:
        # Of each strip the mask of all literals up to its end, and where it begins.
        self.slots = [[((1 << (start + length)) - 1, start) for start, length in slot] for slot in slots]

    def holding(self, literals: int) -> list[int]:
        """Of each slot the rules whose clause has a literal that holds."""
        found = []
        for slot in self.slots:
            clauses = 0
            for reach, start in slot:
                # Masking comes first, for it is cheaper than shifting, whose cost is that of what it leaves.
                clauses |= (literals & reach) >> start
            found.append(clauses)
        return found


class Layer:
    """Rules without references to each other: each holds where no clause of it fails."""

    __slots__ = (
        "_aside",
        "_fixed",
        "_fixed_slots",
        "_full",
        "_moving",
        "_moving_slots",
        "offset",
        "watched",
    )

    def __init__(self, data: Mapping[str, Any], offset: int) -> None:
        self.offset = offset
        count: int = data["count"]
        self.watched = int(data["watched"], 16)
        self._full = ((1 << count) - 1) ^ int(data["inverted"], 16)
        self._moving, self._aside, self._fixed = (Strips(data[name]) for name in ("moving", "aside", "fixed"))
        # Of each slot the rules that have such a clause.
        self._moving_slots, self._fixed_slots = (
            [int(slot, 16) for slot in data[name]] for name in ("moving_slots", "fixed_slots")
        )

    def settle(self, literals: int) -> tuple[int, list[int]]:
        """What fixed literals decide: the rules with a failing clause, and of each slot of moving clauses
        those that only a moving literal can fulfil."""
        failing = 0
        for clauses, present in zip(self._fixed.holding(literals), self._fixed_slots, strict=True):
            failing |= clauses ^ present
        fulfilled = zip(self._aside.holding(literals), self._moving_slots, strict=True)
        return failing, [present ^ (present & clauses) for clauses, present in fulfilled]

    def result(self, literals: int, failing: int, undecided: Sequence[int]) -> int:
        """The rules that hold, given the moving literals and what the fixed ones decided."""
        for clauses, unmet in zip(self._moving.holding(literals), undecided, strict=True):
            failing |= unmet ^ (unmet & clauses)
        return self._full ^ failing


@dataclass(frozen=True, slots=True)
class Parts:
    """A rule's clauses: those with moving literals, what else stands in these, and the fixed ones."""

    moving: tuple[Clause, ...]
    aside: tuple[Clause, ...]
    fixed: tuple[Clause, ...]
    inverted: bool


def divide(form: Form, moving: Collection[Key], numbers: Mapping[Key, int]) -> Parts:
    """The clauses of a rule by what can turn them, wide ones first."""
    turning: list[tuple[Clause, Clause]] = []
    fixed: list[Clause] = []
    for clause in form.clauses:
        moves = tuple(literal for literal in clause if literal.key in moving)
        if moves:
            turning.append((moves, tuple(literal for literal in clause if literal.key not in moving)))
        else:
            fixed.append(clause)

    def place(clause: Clause) -> tuple[int, int]:
        return -len(clause), min(numbers[literal.key] for literal in clause)

    turning.sort(key=lambda pair: place(pair[0]))
    fixed.sort(key=place)
    return Parts(tuple(m for m, _ in turning), tuple(a for _, a in turning), tuple(fixed), form.inverted)


def arrange(rules: Sequence[Parts]) -> list[int]:
    """The order in which the rules of a layer stand: it keeps the moving strips short, then the fixed ones."""
    return sorted(range(len(rules)), key=lambda i: (_shape(rules[i].moving), _shape(rules[i].fixed)))


def _shape(clauses: Sequence[Clause]) -> tuple[tuple[int, ...], int]:
    # Shorter lists of wide clauses sort first among equals, so pad what is compared.
    return (*(-len(clause) for clause in clauses if len(clause) > 1), 0), -len(clauses)


@dataclass
class Literals:
    """The literals of an index while strips are laid out: their tables, and which start as true."""

    tables: dict[Key, TableDraft] = field(default_factory=dict)
    negated: list[int] = field(default_factory=list)
    width: int = 0

    def lay_out(self, rules: Iterable[Sequence[Clause]]) -> list[list[tuple[int, int]]]:
        """Where the strips of some clauses of rules begin, which stand in this order, and their lengths."""
        slots: list[list[list[tuple[int, Literal]]]] = []
        for index, clauses in enumerate(rules):
            for j, clause in enumerate(clauses):
                if j == len(slots):
                    slots.append([])
                for m, literal in enumerate(clause):
                    if m == len(slots[j]):
                        slots[j].append([])
                    slots[j][m].append((index, literal))
        return [[self._strip(strip) for strip in slot] for slot in slots]

    def _strip(self, literals: Sequence[tuple[int, Literal]]) -> tuple[int, int]:
        start, length = self.width, literals[-1][0] + 1
        for index, literal in literals:
            if literal.negated:
                self.negated.append(start + index)
            draft = self.tables.get(literal.key)
            if draft is None:
                draft = self.tables[literal.key] = TableDraft(literal.key.is_many)
            draft.add(start + index, literal.test)
        self.width += length
        return start, length


def slots_of(rules: Sequence[Sequence[Clause]]) -> list[str]:
    """Of each slot the rules that have such a clause, as hexadecimal bitmaps."""
    most = max(map(len, rules), default=0)
    return [f"{bitmap([i for i, clauses in enumerate(rules) if len(clauses) > j]):x}" for j in range(most)]
