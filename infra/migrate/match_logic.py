"""Treasure Data's advanced match logic: `A AND (B OR NOT C)` over the conditions of a set.

Rules of a set are called by letter, rule sets by number; either is taken, from A or 1 on.
"""

import re
from typing import Any

from segmentation.language.caps import MAX_DEPTH

_TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z]+|\d+)|(?P<mark>[()!]|&&|\|\|))")
_WORDS = {"&&": "and", "||": "or", "!": "not"}


class MatchLogicError(ValueError):
    """The text is no match logic over so many conditions."""


def parse_match_logic(text: str, conditions: int) -> Any:
    """The logic as nested `(word, operands)` with condition indexes from 0 as leaves.

    `not` binds tightest, then `and`, then `or`.
    """
    parser = _Parser(_tokens(text), conditions)
    tree = parser.disjunction()
    parser.end()
    return tree


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            raise MatchLogicError(
                f"{stripped[at:].strip()[:10]!r} is neither a condition nor AND, OR, NOT or a parenthesis"
            )
        token = match["word"] or match["mark"]
        lowered = token.lower()
        tokens.append(_WORDS.get(token) or (lowered if lowered in ("and", "or", "not") else token.upper()))
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str], conditions: int) -> None:
        self._tokens = tokens
        self._at = 0
        self._conditions = conditions
        self._depth = 0

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def end(self) -> None:
        """Refuse what stands after the logic."""
        if self._next():
            raise MatchLogicError(f"{self._next()!r} stands where nothing, AND or OR may")

    def disjunction(self) -> Any:
        return self._joined("or", self._conjunction)

    def _conjunction(self) -> Any:
        return self._joined("and", self._atom)

    def _joined(self, word: str, part: Any) -> Any:
        parts = [part()]
        while self._next() == word:
            self._at += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else (word, parts)

    def _atom(self) -> Any:
        token = self._next()
        self._at += 1
        if token in ("not", "("):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise MatchLogicError(f"NOT and parentheses nest more than {MAX_DEPTH} deep")
        if token == "not":
            inner = ("not", [self._atom()])
            self._depth -= 1
            return inner
        if token == "(":
            inner = self.disjunction()
            self._depth -= 1
            if self._next() != ")":
                raise MatchLogicError("a parenthesis is not closed")
            self._at += 1
            return inner
        if not token or token in (")", "and", "or"):
            raise MatchLogicError("a condition is missing")
        index = int(token) - 1 if token.isdigit() else ord(token) - ord("A") if len(token) == 1 else -1
        if not 0 <= index < self._conditions:
            raise MatchLogicError(f"there is no condition {token!r} among {self._conditions}")
        return index
