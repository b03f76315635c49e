"""Which clauses of a group are said: without double negations, two bounds of one value as one."""

from collections.abc import Sequence
from dataclasses import dataclass

from .operators.base import Bound
from .operators.phrases import Relation
from .tree import Node

Clause = tuple[Node, bool]
"""A condition, and whether it is denied."""
MIRROR: dict[Relation, Relation] = {"eq": "eq", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
"""A relation, seen from the other side."""


@dataclass(frozen=True, slots=True)
class Between:
    """A lower and an upper bound of one value, said as one; `denied`: that one of them is not kept."""

    value: Node
    low: Bound
    high: Bound
    denied: bool


def without_not(node: Node, negative: bool) -> Clause:
    """A condition without the complements around it."""
    while node.op == "not":
        node, negative = node.args[0], not negative
    return node, negative


def clauses_said(clauses: Sequence[Clause], word: str) -> list[Clause | Between]:
    """The clauses of an `and` or an `or`, a lower and an upper bound of one value made one, where the first stands."""
    said: list[Clause | Between | None] = []
    open_bounds: dict[tuple[Node, bool], list[tuple[int, Bound]]] = {}
    for node, negative in clauses:
        clause = without_not(node, negative)
        said.append(clause)
        found = _bound(clause, word)
        if found is None:
            continue
        value, bound = found
        is_lower = bound[0][0] == "g"
        others = open_bounds.get((value, not is_lower))
        if not others:
            open_bounds.setdefault((value, is_lower), []).append((len(said) - 1, bound))
            continue
        place, other = others.pop(0)
        low, high = (bound, other) if is_lower else (other, bound)
        said[place] = Between(value, low, high, clause[1])
        said[-1] = None
    return [one for one in said if one is not None]


def _bound(clause: Clause, word: str) -> tuple[Node, Bound] | None:
    """The value that a clause bounds on one side by a constant, and the bound, where it may join another.

    Bounds join where both hold (`and`), and, denied, where one of them does not (`or`).
    """
    node, negative = clause
    if node.op not in ("lt", "le") or negative != (word == "or"):
        return None
    left, right = node.args
    relation: Relation = "lt" if node.op == "lt" else "le"
    if right.op == "constant" and left.op != "constant":
        return left, (relation, right)
    if left.op == "constant" and right.op != "constant":
        return right, (MIRROR[relation], left)
    return None
