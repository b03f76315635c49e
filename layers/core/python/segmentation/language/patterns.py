"""The regular expressions of `matches`: a subset that every engine reads alike and in linear time.

A pattern is parsed to a small tree and written out again for each engine with nothing left to that
engine's habits: `.` becomes `[^\\n]`, `\\d` `[0-9]`, groups do not capture, `$` is the very end.
"""

from dataclasses import dataclass
from typing import Literal

MAX_LENGTH = 1_000
MAX_REPEAT = 1_000
CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\x0B\f\r"}
_META = set("\\.[]{}()*+?|^$/-&~#")
Dialect = Literal["python", "java"]


class PatternError(ValueError):
    """The pattern is not of the subset; the message says where and what to write instead."""


@dataclass(frozen=True)
class Piece:
    """One part of a pattern: its text for the engines, and what a quantifier around it must know."""

    text: str
    quantified: bool = False
    alternatives: tuple[frozenset[str] | None, ...] = ()
    optional: bool = False


def translate(pattern: str, dialect: Dialect) -> str:
    """The pattern as Python's `re` (without flags) or Trino's `regexp_like` reads it.

    Raises `PatternError`.
    """
    if len(pattern) > MAX_LENGTH:
        raise PatternError(f"a pattern may have {MAX_LENGTH} characters, this one has {len(pattern)}")
    parser = _Parser(pattern, dialect)
    piece = parser.alternatives(0)
    if parser.position < len(pattern):
        raise parser.error("an unmatched ')'")
    return piece.text


class _Parser:
    def __init__(self, pattern: str, dialect: Dialect) -> None:
        self.pattern = pattern
        self.dialect = dialect
        self.position = 0

    def error(self, what: str) -> PatternError:
        return PatternError(f"{what} at character {self.position + 1} of the pattern {self.pattern!r}")

    def peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def take(self) -> str:
        char = self.peek()
        self.position += 1
        return char

    def alternatives(self, depth: int) -> Piece:
        if depth > 20:
            raise self.error("groups nested more than 20 deep")
        branches = [self.sequence(depth)]
        while self.peek() == "|":
            self.take()
            branches.append(self.sequence(depth))
        return Piece(
            "|".join(branch.text for branch in branches),
            any(branch.quantified for branch in branches),
            tuple(first for branch in branches for first in branch.alternatives),
        )

    def sequence(self, depth: int) -> Piece:
        pieces: list[Piece] = []
        while self.peek() not in ("", "|", ")"):
            pieces.append(self.quantified(depth))
        first = pieces[0].alternatives[0] if pieces and pieces[0].alternatives else None
        if pieces and pieces[0].optional:
            first = None
        return Piece("".join(p.text for p in pieces), any(p.quantified for p in pieces), (first,))

    def quantified(self, depth: int) -> Piece:
        group = self.peek() == "("
        piece = self.atom(depth)
        quantifier = self.quantifier()
        if not quantifier:
            return piece
        if piece.text in ("^", r"\Z", r"\z"):
            raise self.error("a quantifier after ^ or $")
        if group and piece.quantified:
            raise self.error("a quantified group that contains a quantifier (write it without nesting)")
        if group and len(piece.alternatives) > 1 and _overlap(piece.alternatives):
            raise self.error(
                "a quantified group whose alternatives can begin alike (make their first characters differ)"
            )
        first = piece.alternatives[0] if len(piece.alternatives) == 1 else None
        optional = quantifier[0] in "?*" or quantifier.startswith("{0")
        return Piece(piece.text + quantifier, True, (first,), optional)

    def quantifier(self) -> str:
        char = self.peek()
        if char in ("?", "*", "+") and char:
            quantifier = self.take()
        elif char == "{":
            quantifier = self.braces()
        else:
            return ""
        if self.peek() in ("?", "*", "+", "{") and self.peek():
            raise self.error("a quantifier after a quantifier")
        return quantifier

    def braces(self) -> str:
        end = self.pattern.find("}", self.position)
        body = self.pattern[self.position + 1 : end] if end > 0 else ""
        low, comma, high = body.partition(",")
        digits = low.isascii() and low.isdigit() and (not high or (high.isascii() and high.isdigit()))
        if (
            not digits
            or int(low) > MAX_REPEAT
            or int(high or 0) > MAX_REPEAT
            or (high and int(high) < int(low))
        ):
            raise self.error(f"a '{{' that is not {{m}}, {{m,}} or {{m,n}} with m <= n <= {MAX_REPEAT}")
        self.position = end + 1
        return f"{{{int(low)}{comma}{int(high) if high else ''}}}"

    def atom(self, depth: int) -> Piece:
        char = self.take()
        match char:
            case "(":
                return self.group(depth)
            case "[":
                return Piece(*self.char_class())
            case ".":
                return Piece(r"[^\n]", alternatives=(None,))
            case "^":
                return Piece("^", alternatives=(None,))
            case "$":
                return Piece(r"\Z" if self.dialect == "python" else r"\z", alternatives=(None,))
            case "\\":
                return self.escape()
            case "*" | "+" | "?" | "{":
                self.position -= 1
                raise self.error(f"{char!r} with nothing before it (write \\{char} for the character)")
            case "}" | "]":
                self.position -= 1
                raise self.error(f"a lone {char!r} (write \\{char} for the character)")
            case _:
                return Piece(_literal(char), alternatives=(frozenset(char),))

    def group(self, depth: int) -> Piece:
        if self.peek() == "?":
            raise self.error("(?...) is not in the subset; write a plain group")
        inner = self.alternatives(depth + 1)
        if self.take() != ")":
            raise self.error("a '(' without its ')'")
        return Piece(f"(?:{inner.text})", inner.quantified, inner.alternatives)

    def escape(self) -> Piece:
        char = self.take()
        if char in CLASSES:
            return Piece(f"[{CLASSES[char]}]", alternatives=(None,))
        if not char or char.isalnum() or char.isspace() or not char.isascii():
            raise self.error(rf"\{char} is not in the subset; only \d \w \s and escaped punctuation are")
        return Piece(_literal(char), alternatives=(frozenset(char),))

    def char_class(self) -> tuple[str, bool, tuple[frozenset[str] | None, ...]]:
        negated = self.peek() == "^"
        if negated:
            self.take()
        parts: list[str] = []
        while True:
            char = self.take()
            if not char:
                raise self.error("a '[' without its ']'")
            if char == "]" and parts:
                break
            parts.append(self.class_part(char))
        return f"[{'^' if negated else ''}{''.join(parts)}]", False, (None,)

    def class_part(self, char: str) -> str:
        low = self.class_char(char)
        if (
            low in CLASSES.values()
            or self.peek() != "-"
            or self.pattern[self.position + 1 :][:1] in ("]", "")
        ):
            return low if low in CLASSES.values() else _literal(low)
        self.take()
        high = self.class_char(self.take())
        if high in CLASSES.values() or ord(high) < ord(low):
            raise self.error(f"the range {low}-{high} runs backwards")
        return f"{_literal(low)}-{_literal(high)}"

    def class_char(self, char: str) -> str:
        if char in ("[", "]") or not char:
            raise self.error(f"a lone {char!r} in a class (write \\{char} for the character)")
        if char != "\\":
            return char
        escaped = self.take()
        if escaped in CLASSES:
            return CLASSES[escaped]
        if not escaped or escaped.isalnum() or not escaped.isascii():
            raise self.error(rf"\{escaped} is not in the subset; only \d \w \s and escaped punctuation are")
        return escaped


def _literal(char: str) -> str:
    return "\\" + char if char in _META else char


def _overlap(alternatives: tuple[frozenset[str] | None, ...]) -> bool:
    seen: set[str] = set()
    for first in alternatives:
        if first is None or first & seen:
            return True
        seen |= first
    return False
