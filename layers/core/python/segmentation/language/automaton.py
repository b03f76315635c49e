"""Searching a pattern in a text, in time linear in the text whatever the pattern.

The pattern's tree becomes a nondeterministic automaton that is run with all its states at once. States are
bits of an integer: bit 0 accepts, each other one waits for a character of its class. Most states only lead
to the one below, which for all of them together is a shift.
"""

from collections.abc import Callable, Iterable

from .pattern_tree import Chars, Choice, Edge, Repeat, Sequence, Tree
from .patterns import parse

REMEMBERED = 2_000
"""Steps that an automaton remembers: what follows a set of states and a character."""


def searcher(pattern: str) -> Callable[[str], bool]:
    """Whether the pattern occurs in a text. Raises `PatternError`."""
    return Automaton(parse(pattern)).search


class Automaton:
    """One pattern."""

    def __init__(self, tree: Tree) -> None:
        graph = _Graph(tree)
        self._mask_of = graph.masks()
        self._start = graph.reached([graph.start], begins=True)
        self._inside = graph.reached([graph.start])
        self._is_empty = bool(graph.reached([graph.start], begins=True, ends=True) & 1)
        self._is_at_end = bool(graph.reached([graph.start], ends=True) & 1)
        self._falling = 0
        self._ending = 0
        groups: dict[int, int] = {}
        for place, state in graph.places():
            bit = 1 << place
            following = graph.reached(graph.following[state])
            if following & bit >> 1:
                self._falling |= bit
                following ^= bit >> 1
            if following:
                groups[following] = groups.get(following, 0) | bit
            if graph.reached(graph.following[state], ends=True) & 1:
                self._ending |= bit
        self._groups = [(bits, following) for following, bits in groups.items()]
        self._masks: dict[str, int] = {}
        self._steps: dict[tuple[int, str], tuple[int, int]] = {}

    def search(self, text: str) -> bool:
        """Whether a match is anywhere in the text."""
        if not text:
            return self._is_empty
        current, met, steps = self._start, 0, self._steps
        for char in text:
            if current & 1:
                return True
            step = steps.get((current, char))
            current, met = self._step(current, char) if step is None else step
        return bool(current & 1 or met & self._ending) or self._is_at_end

    def _step(self, current: int, char: str) -> tuple[int, int]:
        """The states after a character, and which of the states before it met theirs."""
        if char not in self._masks:
            if len(self._masks) >= REMEMBERED:
                self._masks.clear()
            self._masks[char] = self._mask_of(char)
        met = current & self._masks[char]
        following = (met & self._falling) >> 1 | self._inside
        for bits, others in self._groups:
            if met & bits:
                following |= others
        if len(self._steps) >= REMEMBERED:
            self._steps.clear()
        self._steps[current, char] = following, met
        return following, met


class _Graph:
    """States and the ways between them: one waits for a character, passes at an edge, or only leads on."""

    def __init__(self, tree: Tree) -> None:
        self.waits: list[Chars | Edge | None] = []
        self.following: list[list[int]] = []
        self._accept = self._state()
        self.start = self._build(tree, self._accept)
        waiting = (state for state, what in enumerate(self.waits) if isinstance(what, Chars))
        self._place_of = {self._accept: 0} | {state: place for place, state in enumerate(waiting, start=1)}

    def places(self) -> Iterable[tuple[int, int]]:
        """The bit of each state that waits for a character, and the state."""
        return ((place, state) for state, place in self._place_of.items() if place)

    def masks(self) -> Callable[[str], int]:
        """A function that gives the states that a character meets."""
        bits: dict[Chars, int] = {}
        for place, state in self.places():
            what = self.waits[state]
            if isinstance(what, Chars):
                bits[what] = bits.get(what, 0) | 1 << place

        def mask(char: str) -> int:
            code = ord(char)
            return sum(mask for chars, mask in bits.items() if chars.holds(code))

        return mask

    def reached(self, states: Iterable[int], *, begins: bool = False, ends: bool = False) -> int:
        """The bits of the states that are reached without a character, where the text begins or ends."""
        bits = 0
        found: set[int] = set()
        stack = list(states)
        while stack:
            state = stack.pop()
            if state in found:
                continue
            found.add(state)
            what = self.waits[state]
            place = self._place_of.get(state)
            if place is not None:
                bits |= 1 << place
            elif what is None or (isinstance(what, Edge) and (ends if what.at_end else begins)):
                stack.extend(self.following[state])
        return bits

    def _state(self, waits: Chars | Edge | None = None, *following: int) -> int:
        self.waits.append(waits)
        self.following.append(list(following))
        return len(self.waits) - 1

    def _build(self, tree: Tree, then: int) -> int:
        """The state at which the tree begins, going on to `then`."""
        match tree:
            case Chars() | Edge():
                return self._state(tree, then)
            case Sequence(parts):
                for part in reversed(parts):
                    then = self._build(part, then)
                return then
            case Choice(branches):
                return self._state(None, *(self._build(branch, then) for branch in branches))
            case Repeat(part, least, most):
                end = then
                if most is None:
                    then = self._state()
                    self.following[then] = [self._build(part, then), end]
                else:
                    for _ in range(most - least):
                        then = self._state(None, self._build(part, then), end)
                for _ in range(least):
                    then = self._build(part, then)
                return then
