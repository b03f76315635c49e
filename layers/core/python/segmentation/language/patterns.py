"""The regular expressions of `matches`: a subset that every engine reads alike.

A pattern is parsed to a small tree. Python runs that tree as an automaton (`automaton`); Trino gets it
written out with nothing left to that engine's habits: `.` becomes `[^\\n]`, `\\d` `[0-9]`, groups do not
capture, `$` is the very end.
"""

from itertools import pairwise

from .pattern_shape import MAX_REPEAT, MAX_TRADING, simplified, trading
from .pattern_tree import ANY, Chars, Choice, Edge, Ranges, Repeat, Sequence, Tree

MAX_LENGTH = 1_000
MAX_STATES = 5_000
MAX_GROUPS = 20
"""Caps on a pattern: characters, automaton states, nesting of groups."""

CLASSES: dict[str, Ranges] = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x09, 0x0D), (0x20, 0x20)),
}
_META = frozenset("\\.[]{}()*+?|^$/-&~#")


class PatternError(ValueError):
    """The pattern is not of the subset; the message says where and what to write instead."""


def parse(pattern: str) -> Tree:
    """The tree of a pattern. Raises `PatternError`."""
    if len(pattern) > MAX_LENGTH:
        raise PatternError(
            f"a pattern has at most {MAX_LENGTH:,} characters, this one {len(pattern):,}; split it with or"
        )
    parser = _Parser(pattern)
    tree = parser.choice(0)
    if parser.position < len(pattern):
        raise parser.error("a ')' without its '('; write \\) for the character")
    if _states(tree) > MAX_STATES:
        raise PatternError(
            f"the repetitions of {pattern!r} unfold to more than {MAX_STATES:,} steps; lower the numbers in braces"
        )
    if trading(simplified(tree)) > MAX_TRADING:
        message = "too many repetitions in a row can match the same characters; put one between them that they cannot match"
        raise PatternError(f"{pattern!r}: {message}")
    return tree


def java(tree: Tree) -> str:
    """The tree as Trino's `regexp_like` reads it, written so that it is found in the same texts with less trying."""
    return _java(simplified(tree))


def _java(tree: Tree) -> str:
    match tree:
        case Chars(((low, high),), False) if low == high:
            return _escaped(low)
        case Chars(ranges, negated):
            body = "".join(_escaped(a) if a == b else f"{_escaped(a)}-{_escaped(b)}" for a, b in ranges)
            return f"[{'^' if negated else ''}{body}]"
        case Edge(at_end):
            return r"\z" if at_end else r"\A"
        case Sequence(parts):
            return "".join(
                f"(?:{_java(part)})" if isinstance(part, Choice) else _java(part) for part in parts
            )
        case Choice(branches):
            return "|".join(_java(branch) for branch in branches)
        case Repeat(part, least, most):
            body = _java(part) if isinstance(part, Chars) else f"(?:{_java(part)})"
            return (
                f"{body}{{{least}}}" if least == most else f"{body}{{{least},{'' if most is None else most}}}"
            )


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0

    def error(self, what: str) -> PatternError:
        return PatternError(f"{self.pattern!r}, character {self.position + 1}: {what}")

    def peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def take(self) -> str:
        char = self.peek()
        self.position += 1
        return char

    def choice(self, depth: int) -> Tree:
        if depth > MAX_GROUPS:
            raise self.error(f"groups nested more than {MAX_GROUPS} deep; write it flatter")
        branches = [self.sequence(depth)]
        while self.peek() == "|":
            self.take()
            branches.append(self.sequence(depth))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def sequence(self, depth: int) -> Tree:
        parts: list[Tree] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(depth))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeated(self, depth: int) -> Tree:
        group = self.peek() == "("
        part = self.atom(depth)
        times = self.times()
        if times is None:
            return part
        if isinstance(part, Edge):
            raise self.error("a quantifier after ^ or $; take it out, an edge does not repeat")
        if group and _repeats(part):
            raise self.error("a quantified group that contains a quantifier; write it without nesting")
        if group and _overlaps(part):
            message = (
                "a quantified group whose alternatives can begin alike; make their first characters differ"
            )
            raise self.error(message)
        return Repeat(part, *times)

    def times(self) -> tuple[int, int | None] | None:
        char = self.peek()
        if char == "{":
            found = self.braces()
        elif char and char in "?*+":
            self.take()
            found = {"?": (0, 1), "*": (0, None), "+": (1, None)}[char]
        else:
            return None
        if self.peek() and self.peek() in "?*+{":
            raise self.error("a quantifier after a quantifier; keep one")
        return found

    def braces(self) -> tuple[int, int | None]:
        end = self.pattern.find("}", self.position)
        low, comma, high = (self.pattern[self.position + 1 : end] if end > 0 else "").partition(",")
        wrong = f"a '{{' that is not {{m}}, {{m,}} or {{m,n}} with m <= n <= {MAX_REPEAT}; write \\{{ for the character"
        if not _is_number(low) or (high and not _is_number(high)):
            raise self.error(wrong)
        least = int(low)
        most = int(high) if high else None if comma else least
        if least > MAX_REPEAT or (most is not None and (most > MAX_REPEAT or most < least)):
            raise self.error(wrong)
        self.position = end + 1
        return least, most

    def atom(self, depth: int) -> Tree:
        char = self.take()
        match char:
            case "(":
                return self.group(depth)
            case "[":
                return self.char_class()
            case ".":
                return ANY
            case "^" | "$":
                return Edge(char == "$")
            case "\\":
                return Chars(self.escape())
            case "*" | "+" | "?" | "{":
                self.position -= 1
                raise self.error(f"{char!r} with nothing before it; write \\{char} for the character")
            case "}" | "]":
                self.position -= 1
                raise self.error(f"a lone {char!r}; write \\{char} for the character")
            case _:
                return Chars(((ord(char), ord(char)),))

    def group(self, depth: int) -> Tree:
        if self.peek() == "?":
            raise self.error("'(?' is not in the subset; write a plain group")
        inner = self.choice(depth + 1)
        if self.take() != ")":
            raise self.error("a '(' without its ')'; close it, or write \\( for the character")
        return inner

    def escape(self) -> Ranges:
        char = self.take()
        if char in CLASSES:
            return CLASSES[char]
        if not char or char.isalnum() or char.isspace() or not char.isascii():
            raise self.error(rf"\{char} is not in the subset; only \d \w \s and escaped punctuation are")
        return ((ord(char), ord(char)),)

    def char_class(self) -> Chars:
        negated = self.peek() == "^"
        if negated:
            self.take()
        ranges: list[tuple[int, int]] = []
        while (char := self.take()) != "]" or not ranges:
            if not char:
                raise self.error("a '[' without its ']'; close it, or write \\[ for the character")
            ranges.extend(self.class_part(char))
        return Chars(tuple(sorted(set(ranges))), negated)

    def class_part(self, char: str) -> Ranges:
        low = self.class_char(char)
        following = self.pattern[self.position + 1 : self.position + 2]
        if self.peek() != "-" or following in ("]", ""):
            return low
        self.take()
        high = self.class_char(self.take())
        if len(low) > 1 or len(high) > 1 or low[0][0] != low[0][1] or high[0][0] < low[0][0]:
            raise self.error(
                "a range in a class that is not from one character to a later one; turn it round, or write \\- for the character"
            )
        return ((low[0][0], high[0][1]),)

    def class_char(self, char: str) -> Ranges:
        if char == "\\":
            return self.escape()
        if char in ("[", "]", "") or self.pattern[self.position - 1 : self.position + 1] == "&&":
            raise self.error(f"a lone {char!r} in a class; write \\{char} for the character")
        return ((ord(char), ord(char)),)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4


def _escaped(code: int) -> str:
    char = chr(code)
    if char in _META:
        return "\\" + char
    return f"\\x{{{code:x}}}" if code < 0x21 or code == 0x7F else char


def _repeats(tree: Tree) -> bool:
    match tree:
        case Repeat():
            return True
        case Sequence(parts) | Choice(parts):
            return any(map(_repeats, parts))
        case _:
            return False


def _overlaps(tree: Tree) -> bool:
    """Whether two branches of some choice in the tree can begin with the same character."""
    match tree:
        case Choice(branches):
            firsts = [_first(branch) for branch in branches]
            if any(first is None for first in firsts):
                return True
            spans = sorted(span for first in firsts for span in first or ())
            clash = any(a[1] >= b[0] for a, b in pairwise(spans))
            return clash or any(map(_overlaps, branches))
        case Sequence(parts):
            return any(map(_overlaps, parts))
        case _:
            return False


def _first(tree: Tree) -> Ranges | None:
    """The characters that a match begins with; `None` where it may begin with nothing in particular."""
    match tree:
        case Chars(ranges, negated):
            return Chars(ranges, negated).spans
        case Sequence(parts):
            return _first(parts[0]) if parts else None
        case Choice(branches):
            firsts = [_first(branch) for branch in branches]
            return None if None in firsts else tuple(span for first in firsts for span in first or ())
        case _:
            return None


def _states(tree: Tree) -> int:
    match tree:
        case Sequence(parts) | Choice(parts):
            return 1 + sum(map(_states, parts))
        case Repeat(part, least, most):
            return 1 + _states(part) * max(least + 1, most or 0)
        case _:
            return 1
