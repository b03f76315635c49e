"""What keeps a backtracking engine from running away: patterns written shorter, and what is too much even so.

Python searches patterns as automata, in linear time; Trino's engine goes back and tries again. Where repetitions that
can take the same characters stand in a row, it tries all ways to share those out: `a*a*a*c` takes the cube of a
text's length. So repetitions of one character or class become one, what may be left out at the ends of a search is left out, and
patterns in which many repetitions are left that can trade characters are refused.
"""

from collections.abc import Iterator
from dataclasses import replace

from .pattern_tree import Chars, Choice, Edge, Ranges, Repeat, Sequence, Tree, overlap

MAX_REPEAT = 1_000
MAX_TRADING = 4
"""How many repetitions in a row may trade characters; two side by side, with nothing between that must be there, count
as one more."""


def simplified(tree: Tree) -> Tree:
    """A pattern that is found in the same texts."""
    match tree:
        case Choice(branches):
            return Choice(tuple(simplified(branch) for branch in branches))
        case _:
            parts = _merged(list(_flat(tree)))
            while parts and _is_idle(parts[0]):
                parts.pop(0)
            while parts and _is_idle(parts[-1]):
                parts.pop()
            return parts[0] if len(parts) == 1 else Sequence(tuple(parts))


def trading(tree: Tree) -> int:
    """The most repetitions in a row that can take each other's characters, in any branch."""
    if isinstance(tree, Choice):
        return max(map(trading, tree.branches))
    most = count = 0
    reach: Ranges = ()
    apart = True
    for part in _merged(list(_flat(tree))):
        inner = max((trading(one) for one in _inside(part)), default=0)
        spans, varies, may_lack = _spans(part), _varies(part), _may_lack(part)
        meets = overlap(spans, reach)
        if isinstance(part, Edge):
            continue
        if varies and meets:
            count += 1 if apart else 2
            reach, apart = reach + spans, False
        elif varies and may_lack and count:
            reach += spans  # it may be nothing, and then its neighbours meet
        elif varies:
            count, reach, apart = 1, spans, False
        elif meets:
            apart = True
        else:
            count, reach = 0, ()
        most = max(most, count, inner)
    return most


def _flat(tree: Tree) -> Iterator[Tree]:
    """The parts of a sequence, and of sequences in it: groups mean nothing by themselves."""
    if isinstance(tree, Sequence):
        for part in tree.parts:
            yield from _flat(part)
    else:
        yield tree


def _merged(parts: list[Tree]) -> list[Tree]:
    """Neighbours that repeat one character or class, as one repetition."""
    merged: list[Tree] = []
    for part in parts:
        joined = _joined(merged[-1], part) if merged else None
        if joined is None:
            merged.append(part)
        else:
            merged[-1] = joined
    return merged


def _joined(one: Tree, other: Tree) -> Repeat | None:
    first, second = (part if isinstance(part, Repeat) else Repeat(part, 1, 1) for part in (one, other))
    if (
        first.part != second.part
        or not isinstance(first.part, Chars)
        or not (_varies(first) or _varies(second))
    ):
        return None
    least = first.least + second.least
    most = None if first.most is None or second.most is None else first.most + second.most
    if max(least, most or 0) > MAX_REPEAT:
        return None
    return replace(first, least=least, most=most)


def _is_idle(part: Tree) -> bool:
    """Whether a part at the end of what is searched asks for nothing."""
    return isinstance(part, Repeat) and part.least == 0


def _inside(part: Tree) -> tuple[Tree, ...]:
    match part:
        case Choice(branches):
            return branches
        case Repeat(inner):
            return (inner,) if isinstance(inner, Sequence | Choice) else ()
        case _:
            return ()


def _spans(tree: Tree) -> Ranges:
    """All characters that a part can take."""
    match tree:
        case Chars():
            return tree.spans
        case Repeat(part):
            return _spans(part)
        case Sequence(parts) | Choice(parts):
            return tuple(span for part in parts for span in _spans(part))
        case _:
            return ()


def _varies(tree: Tree) -> bool:
    """Whether a part can take more or fewer characters."""
    match tree:
        case Repeat(part, least, most):
            return least != most or _varies(part)
        case Sequence(parts):
            return any(map(_varies, parts))
        case Choice(branches):
            return any(map(_varies, branches)) or len({_length(branch) for branch in branches}) > 1
        case _:
            return False


def _length(tree: Tree) -> int:
    match tree:
        case Chars():
            return 1
        case Repeat(part, least, _):
            return _length(part) * least
        case Sequence(parts):
            return sum(map(_length, parts))
        case Choice(branches):
            return min(map(_length, branches))
        case _:
            return 0


def _may_lack(tree: Tree) -> bool:
    """Whether a part may take nothing."""
    return _length(tree) == 0
