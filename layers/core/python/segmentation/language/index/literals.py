"""From a rule to clauses of literals: what the index can hold of it.

A literal is one test of one variable. A rule becomes an AND of clauses, each an OR of literals, or the
complement of such an AND, whichever is smaller. Tests of the same variable melt into one literal. What has
no such form, or too large a one, becomes a literal whose variable is the condition itself, computed by its
closure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..tree import CONDITION, Node
from ..types import Type
from .regions import PRESENT, Region, above, below, intersection, points, union

MOST_CLAUSES = 10
MOST_LITERALS = 8
"""A rule has at most that many clauses, and a clause that many literals; the rest goes to closures."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a variable is: the value of an expression, the elements of an array, the age of a moment in
    seconds, or whether the profile is in a segment."""

    kind: str
    node: Node

    @property
    def is_many(self) -> bool:
        """Whether it has several values at once, so that a test asks whether any fulfils it."""
        return self.kind == "elements"


@dataclass(frozen=True, slots=True)
class TextTest:
    """A test that only text can have: `op` is the operator, `part` what it looks for."""

    op: str
    part: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A test of a variable, or its complement."""

    key: Key
    test: Region | TextTest
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """A literal, and the condition that it stands for."""

    literal: Literal
    source: Node


@dataclass(frozen=True, slots=True)
class Group:
    """An AND or an OR of what is below, and the condition that it stands for."""

    op: str
    parts: tuple["Leaf | Group", ...]
    source: Node


Clause = tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """An AND of clauses, or its complement."""

    clauses: tuple[Clause, ...]
    inverted: bool


def form_of(rule: Node) -> Form:
    """The clauses of a rule."""
    expression = _expression(rule, negated=False)
    form = _best(expression)
    if form is None and isinstance(expression, Group):
        expression = _shrink(expression)
        form = _best(expression)
    return form or Form(((_closure(rule).literal,),), inverted=False)


def _best(expression: Leaf | Group) -> Form | None:
    straight = _clauses(expression)
    if straight is not None and sum(map(len, straight)) == len(straight):
        return Form(straight, inverted=False)
    turned = _clauses(_complement(expression))
    if straight is None and turned is None:
        return None
    if turned is None or (straight is not None and _size(straight) <= _size(turned)):
        assert straight is not None  # noqa: S101 - one of the two is there
        return Form(straight, inverted=False)
    return Form(turned, inverted=True)


def _size(clauses: Sequence[Clause]) -> int:
    return sum(map(len, clauses)) + len(clauses)


# Trees of literals


def _expression(node: Node, negated: bool) -> Leaf | Group:
    if node.op == "not":
        return _expression(node.args[0], not negated)
    if node.op in ("and", "or"):
        op = node.op if not negated else _dual(node.op)
        return _group(op, [_expression(arg, negated) for arg in node.args])
    leaf = _leaf(node)
    return _complement(leaf) if negated else leaf


def _leaf(node: Node) -> Leaf | Group:
    if node.op == "all":
        return _every(node) or _closure(node)
    literal = _literal(node)
    return _closure(node) if literal is None else Leaf(literal, node)


def _literal(node: Node) -> Literal | None:
    match node.op:
        case "truth":
            return Literal(Key("value", node.args[0]), points([True]))
        case "present":
            return Literal(Key("value", node.args[0]), PRESENT)
        case "one_of":
            return Literal(Key("value", node.args[0]), points(node.value))
        case "eq" | "lt" | "le":
            return _comparison(node)
        case "in_window":
            return _age(node)
        case "in_segment":
            return Literal(Key("segment", node), points([True]))
        case "has" if node.args[1].op == "constant":
            return Literal(Key("elements", node.args[0]), points([node.args[1].value]))
        case "some":
            test = _element_test(node.args[1], negated=False)
            return None if test is None else Literal(Key("elements", node.args[0]), test)
        case "matches":
            return Literal(Key("value", node.args[0]), TextTest(node.op, node.value))
        case "contains" | "starts_with" | "ends_with" if node.args[1].op == "constant":
            return Literal(Key("value", node.args[0]), TextTest(node.op, node.args[1].value))
    return None


def _comparison(node: Node) -> Literal | None:
    left, right = node.args
    if (left.op == "constant") == (right.op == "constant"):
        return None
    side = 1 if node.op == "le" else 0
    if right.op == "constant":
        region = points([right.value]) if node.op == "eq" else below(right.value, side)
        return Literal(Key("value", left), region)
    region = points([left.value]) if node.op == "eq" else above(left.value, 1 - side)
    return Literal(Key("value", right), region)


def _age(node: Node) -> Literal | None:
    """Sliding windows as ranges of the moment's age; calendar periods and days go to closures."""
    (moment,), window = node.args, node.value
    if moment.type is not Type.TIMESTAMP:
        return None
    match window.kind:
        case "within":
            region = intersection([above(window.shortest, 0), below(window.longest, 0)])
        case "older_than":
            region = above(window.shortest, 0)
        case "within_next":
            region = intersection([above(-window.longest, 0), below(0, 0)])
        case _:
            return None
    return Literal(Key("age", moment), region)


def _element_test(condition: Node, negated: bool) -> Region | TextTest | None:
    """A condition on an array's element as one test of it, if it is one."""
    expression = _expression(condition, negated)
    if isinstance(expression, Group):
        return None
    literal = expression.literal
    if literal.negated or literal.key.kind != "value" or literal.key.node.op != "element":
        return None
    return literal.test


def _every(node: Node) -> Group | None:
    """`all`: there is an element, and none that fails."""
    array, condition = node.args
    failing = _element_test(condition, negated=True)
    if failing is None:
        return None
    length = Node("array_count", Type.NUMBER, (array,))
    least = Node("le", CONDITION, (Node("constant", Type.NUMBER, value=1.0), length))
    fails = Node("some", CONDITION, (array, Node("not", CONDITION, (condition,))))
    none_fails = Leaf(Literal(Key("elements", array), failing, negated=True), _not(fails))
    return Group("and", (Leaf(Literal(Key("value", length), above(1.0, 0)), least), none_fails), node)


def _closure(node: Node) -> Leaf:
    return Leaf(Literal(Key("value", node), points([True])), node)


def _complement(expression: Leaf | Group) -> Leaf | Group:
    source = _not(expression.source)
    if isinstance(expression, Group):
        return Group(_dual(expression.op), tuple(map(_complement, expression.parts)), source)
    literal = expression.literal
    if isinstance(literal.test, Region) and not literal.key.is_many:
        return Leaf(Literal(literal.key, literal.test.complement()), source)
    return Leaf(Literal(literal.key, literal.test, not literal.negated), source)


def _dual(op: str) -> str:
    return "or" if op == "and" else "and"


def _not(node: Node) -> Node:
    return node.args[0] if node.op == "not" else Node("not", CONDITION, (node,))


def _join(op: str, nodes: Sequence[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Node(op, CONDITION, tuple(nodes))


def _group(op: str, parts: Iterable[Leaf | Group]) -> Leaf | Group:
    """A group, flat, with the tests of each variable melted into one where that can be."""
    flat: list[Leaf | Group] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Group) and part.op == op else (part,))
    source = _join(op, [part.source for part in flat])
    melted = _melt(op, [part for part in flat if isinstance(part, Leaf)])
    merged: list[Leaf | Group] = [*melted, *(part for part in flat if isinstance(part, Group))]
    return merged[0] if len(merged) == 1 else Group(op, tuple(merged), source)


def _melt(op: str, leaves: Iterable[Leaf]) -> list[Leaf]:
    same: dict[Key | Literal, list[Leaf]] = {}
    for leaf in leaves:
        same.setdefault(leaf.literal.key if _melts(op, leaf.literal) else leaf.literal, []).append(leaf)
    melted = []
    for group in same.values():
        first = group[0].literal
        if len(group) == 1 or not _melts(op, first):
            melted.append(group[0])
            continue
        regions = [leaf.literal.test for leaf in group if isinstance(leaf.literal.test, Region)]
        joined = union(regions) if op == "or" or first.negated else intersection(regions)
        source = _join(op, [leaf.source for leaf in group])
        melted.append(Leaf(Literal(first.key, joined, first.negated), source))
    return melted


def _melts(op: str, literal: Literal) -> bool:
    if not isinstance(literal.test, Region):
        return False
    # Any element in A or any in B: any in the union. No element in A and none in B: none in the union.
    return not literal.key.is_many or literal.negated == (op == "and")


# Clauses


def _clauses(expression: Leaf | Group) -> tuple[Clause, ...] | None:
    """The AND of ORs of an expression, or `None` where it is too large."""
    if isinstance(expression, Leaf):
        return ((expression.literal,),)
    parts = []
    for part in expression.parts:
        clauses = _clauses(part)
        if clauses is None:
            return None
        parts.append(clauses)
    if expression.op == "and":
        found = [clause for clauses in parts for clause in clauses]
        return tuple(dict.fromkeys(found)) if len(found) <= MOST_CLAUSES else None
    product: list[Clause] = [()]
    for clauses in parts:
        product = [_melt_clause((*one, *other)) for one in product for other in clauses]
        if len(product) > MOST_CLAUSES or max(map(len, product)) > MOST_LITERALS:
            return None
    return tuple(dict.fromkeys(product))


def _melt_clause(clause: Clause) -> Clause:
    return tuple(leaf.literal for leaf in _melt("or", [Leaf(one, one.key.node) for one in clause]))


def _shrink(group: Group) -> Leaf | Group:
    """The same group with closures in place of what makes it too large."""
    parts = [part if _best(part) is not None else _closure(part.source) for part in group.parts]
    parts.sort(key=lambda part: isinstance(part, Group))
    kept: list[Leaf | Group] = []
    for index, part in enumerate(parts):
        trial = Group(group.op, (*kept, part), group.source)
        room = MOST_LITERALS if group.op == "or" else MOST_CLAUSES
        if len(kept) + 2 > room or _best(trial) is None:
            rest = _closure(_join(group.op, [part.source for part in parts[index:]]))
            while kept and _best(Group(group.op, (*kept, rest), group.source)) is None:
                rest = _closure(_join(group.op, [kept.pop().source, rest.source]))
            return Group(group.op, (*kept, rest), group.source) if kept else rest
        kept.append(part)
    return Group(group.op, tuple(kept), group.source)
