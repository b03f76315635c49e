"""The normal form: rules that are written differently and mean the same by these laws become one tree.

Groups are flattened, sorted and freed of repetitions, double negations go, what is said of constants alone
is computed, a list of one is an equality. The hash of the normal form is the version of a rule.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from .evaluate import Compiler
from .times import Window
from .tree import CONDITION, Aggregate, Node, Selection

_VALUES = frozenset({"add", "subtract", "multiply", "divide", "remainder", "lower", "upper"})
_TESTS = frozenset(
    {"eq", "lt", "le", "present", "truth", "one_of", "contains", "starts_with", "ends_with", "matches"}
)
_SYMMETRIC = frozenset({"eq"})


def normalize(node: Node) -> Node:
    """The normal form of a tree."""
    if isinstance(node.value, Aggregate):
        return replace(node, value=replace(node.value, events=_selection(node.value.events)))
    args = tuple(normalize(arg) for arg in node.args)
    match node.op:
        case "and" | "or":
            return _group(node.op, args)
        case "not" if args[0].op == "not":
            return args[0].args[0]
        case "not" if args[0].op == "always":
            return _always(not args[0].value)
        case "one_of" if len(node.value) == 1:
            constant = Node("constant", args[0].type, value=node.value[0])
            return Node("eq", CONDITION, (args[0], constant))
    if node.op in _SYMMETRIC and (args[0].op == "constant", canonical(args[0])) > (
        args[1].op == "constant",
        canonical(args[1]),
    ):
        args = args[::-1]
    folded = replace(node, args=args)
    if node.op in _VALUES | _TESTS and all(arg.op == "constant" for arg in args):
        value = Compiler().compile(folded)(None, None)  # type: ignore[arg-type]
        if node.op in _TESTS:
            return _always(bool(value))
        if value is not None:
            return Node("constant", node.type, value=value)
    return folded


def _always(truth: bool) -> Node:
    return Node("always", CONDITION, value=truth)


def _group(op: str, args: Iterable[Node]) -> Node:
    flat: dict[str, Node] = {}
    for arg in args:
        for part in arg.args if arg.op == op else (arg,):
            if part.op != "always":
                flat[canonical(part)] = part
            elif part.value is (op == "or"):  # one true is enough for or, one false for and
                return part
    parts = tuple(flat[key] for key in sorted(flat))
    if not parts:
        return _always(op == "and")
    return parts[0] if len(parts) == 1 else Node(op, CONDITION, parts)


def _selection(selection: Selection) -> Selection:
    where = _group("and", map(normalize, selection.where))
    conditions = where.args if where.op == "and" else () if where == _always(True) else (where,)
    follows = tuple(replace(follow, events=_selection(follow.events)) for follow in selection.follows)
    return Selection(
        selection.behavior,
        conditions,
        tuple(sorted(set(selection.windows), key=_window_key)),
        tuple(sorted(set(follows), key=lambda follow: (follow.seconds, follow.negated, repr(follow.events)))),
    )


def _window_key(window: Window) -> tuple[str, int, int, str]:
    return window.kind, window.longest, window.shortest, window.phrase


@lru_cache(maxsize=100_000)
def canonical(node: Node) -> str:
    """The tree as JSON text that is equal for equal trees."""
    return json.dumps(_plain(node), separators=(",", ":"), ensure_ascii=False)


def _plain(item: Any) -> Any:
    if isinstance(item, Node):
        return [item.op, str(item.type), [_plain(arg) for arg in item.args], _plain(item.value)]
    if isinstance(item, Aggregate):
        return [item.function, item.column, _plain(item.events)]
    if isinstance(item, Selection):
        follows = [[_plain(f.events), f.seconds, f.negated] for f in item.follows]
        windows = [list(_window_key(window)) for window in item.windows]
        return [item.behavior, [_plain(node) for node in item.where], windows, follows]
    if isinstance(item, Window):
        return list(_window_key(item))
    if isinstance(item, tuple):
        return [_plain(part) for part in item]
    return item


def digest(*parts: str) -> str:
    """Twelve hexadecimal digits that name a content."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:12]
