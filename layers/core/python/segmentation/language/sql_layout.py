"""SQL set for a person to read: white space and names of columns change, and nothing else does."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

WIDTH = 96
"""Columns of a line, where a line can be broken at all."""

_TOKEN = re.compile(
    r"""(?P<space>\s*)(?P<token>
        '(?:[^']|'')*' | "(?:[^"]|"")*" | [A-Za-z_]\w* | \d[\w.]*(?:(?<=e)[+-]\d+)? | <> | <= | >= | -> | \|\| | .
    )""",
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]"}
_CLAUSES = (
    *("WITH", "SELECT", "FROM", "LEFT JOIN", "FULL OUTER JOIN", "CROSS JOIN", "JOIN"),
    *("WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "UNION ALL"),
)
_STARTS = tuple(tuple(clause.split()) for clause in _CLAUSES)
_EPOCHS = range(100_000_000, 5_000_000_000)
"""Whole numbers that are taken for moments; other numbers of the compiler have an exponent, or are small."""


@dataclass(frozen=True, slots=True)
class Word:
    """A token, and whether white space stood before it."""

    text: str
    spaced: bool


@dataclass(frozen=True, slots=True)
class Group:
    """What stands in parentheses or brackets."""

    opening: Word
    items: tuple["Word | Group", ...]
    closing: Word

    @property
    def spaced(self) -> bool:
        """Whether white space stood before it."""
        return self.opening.spaced

    @property
    def is_query(self) -> bool:
        """Whether it is a query of its own."""
        return bool(self.items) and _text(self.items[0]) in ("SELECT", "WITH")


Item = Word | Group
Line = tuple[int, str]
"""How deep it stands, and what it says."""


def tokens(sql: str) -> list[str]:
    """The tokens of a query: of two queries with the same tokens the meaning is the same."""
    return [found["token"] for found in _TOKEN.finditer(sql.strip())]


def laid_out(sql: str, names: Mapping[str, str] | None = None) -> str:
    """A query as indented lines; unquoted identifiers are called by `names`. Moments are explained in comments."""
    renamed = names or {}
    words = [
        Word(renamed.get(found["token"], found["token"]), bool(found["space"]))
        for found in _TOKEN.finditer(sql.strip())
    ]
    return "\n".join(_commented("  " * depth + text) for depth, text in _query(_grouped(iter(words))[0], 0))


def _grouped(words: Iterator[Word], closing: str = "") -> tuple[tuple[Item, ...], Word]:
    items: list[Item] = []
    for word in words:
        if word.text == closing:
            return tuple(items), word
        if word.text in _CLOSING:
            inner, end = _grouped(words, _CLOSING[word.text])
            items.append(Group(word, inner, end))
        else:
            items.append(word)
    return tuple(items), Word("", False)


def _text(item: Item) -> str:
    return item.text if isinstance(item, Word) else item.opening.text


def _flat(items: Iterable[Item]) -> str:
    return "".join(_pieces(items)).strip()


def _pieces(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        yield " " if item.spaced else ""
        if isinstance(item, Word):
            yield item.text
        else:
            inner = _flat(item.items)
            yield f"{item.opening.text}{inner}{item.closing.text}"


def _fits(items: Sequence[Item], depth: int, more: int = 0) -> bool:
    flat = _flat(items)
    return len(flat) + 2 * depth + more <= WIDTH and "\n" not in flat


def _clauses(items: Sequence[Item]) -> list[tuple[str, list[Item]]]:
    """The clauses of a query by their keywords."""
    found: list[tuple[str, list[Item]]] = []
    index = 0
    while index < len(items):
        for start in _STARTS:
            if tuple(_text(one) for one in items[index : index + len(start)]) == start:
                found.append((" ".join(start), []))
                index += len(start)
                break
        else:
            if not found:
                found.append(("", []))
            found[-1][1].append(items[index])
            index += 1
    return found


def _query(items: Sequence[Item], depth: int) -> list[Line]:
    lines: list[Line] = []
    for keyword, body in _clauses(items):
        if _fits(body, depth, len(keyword) + 1) and not _holds_query(body):
            lines.append((depth, f"{keyword} {_flat(body)}".strip()))
        elif keyword in ("WITH", "SELECT", "GROUP BY"):
            lines.append((depth, keyword))
            lines += _separated(body, depth + 1)
        else:
            first, *rest = _expression(body, depth)
            lines += [(depth, f"{keyword} {first[1]}"), *rest]
    return lines


def _holds_query(items: Iterable[Item]) -> bool:
    return any(isinstance(one, Group) and (one.is_query or _holds_query(one.items)) for one in items)


def _separated(items: Sequence[Item], depth: int) -> list[Line]:
    """Items between commas, each on lines of its own."""
    lines: list[Line] = []
    parts = _split(items, (",",))
    for number, (_, part) in enumerate(parts, start=1):
        made = _expression(part, depth)
        if number < len(parts):
            made[-1] = (made[-1][0], made[-1][1] + ",")
        lines += made
    return lines


def _split(items: Sequence[Item], words: Sequence[str]) -> list[tuple[str, list[Item]]]:
    """Parts between words, each after the word that it follows."""
    parts: list[tuple[str, list[Item]]] = [("", [])]
    between = False
    for item in items:
        name = _text(item) if isinstance(item, Word) else ""
        if name in words and not between:
            parts.append((name, []))
        else:
            between = name == "BETWEEN" or (between and name != "AND")
            parts[-1][1].append(item)
    return parts


def _expression(items: Sequence[Item], depth: int) -> list[Line]:
    if _fits(items, depth, 1) and not _holds_query(items):
        return [(depth, _flat(items))]
    opened = _case_open(items)
    for word in ("OR", "AND"):
        if not opened and any(isinstance(one, Word) and one.text == word for one in items):
            parts = _split(items, (word,))
            if len(parts) > 1:
                lines: list[Line] = []
                for name, part in parts:
                    first, *rest = _expression(part, depth)
                    lines += [(depth, f"{name} {first[1]}".strip()), *rest]
                return lines
    if opened:
        return _case(items, depth)
    groups = [index for index, one in enumerate(items) if isinstance(one, Group) and one.items]
    if not groups:
        return [(depth, _flat(items))]
    index = max(groups, key=lambda at: len(_flat([items[at]])))
    group = items[index]
    if not isinstance(group, Group):
        raise AssertionError
    before = _flat([*items[:index], Word(group.opening.text, group.spaced)])
    inside = _query(group.items, depth + 1) if group.is_query else _separated(group.items, depth + 1)
    after = "".join(_pieces(items[index + 1 :]))
    return [(depth, before), *inside, (depth, group.closing.text + after)]


def _case_open(items: Sequence[Item]) -> bool:
    return any(isinstance(one, Word) and one.text == "CASE" for one in items)


def _case(items: Sequence[Item], depth: int) -> list[Line]:
    """CASE with its branches below it; what stands before and after stays on the first and last line."""
    first = next(i for i, one in enumerate(items) if _text(one) == "CASE")
    level, end = 0, len(items) - 1
    for at in range(first, len(items)):
        level += {"CASE": 1, "END": -1}.get(_text(items[at]), 0)
        if level == 0:
            end = at
            break
    lines: list[Line] = [(depth, _flat(items[: first + 1]))]
    branch: list[Item] = []
    level = 0
    for item in items[first + 1 : end]:
        word = _text(item) if isinstance(item, Word) else ""
        level += {"CASE": 1, "END": -1}.get(word, 0)
        if word in ("WHEN", "THEN", "ELSE") and level == 0 and branch:
            lines += _branch(branch, depth + 1)
            branch = []
        branch.append(item)
    lines += _branch(branch, depth + 1)
    return [*lines, (depth, _flat(items[end:]))]


def _branch(items: Sequence[Item], depth: int) -> list[Line]:
    word, *rest = items
    first, *others = _expression(rest, depth)
    return [(depth, f"{_text(word)} {first[1]}"), *others]


def _commented(line: str) -> str:
    """A line with the moments that its numbers stand for."""
    if "\n" in line:
        return line
    moments = [int(token) for token in tokens(line) if token.isdecimal() and int(token) in _EPOCHS]
    said = [dt.datetime.fromtimestamp(one, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for one in moments]
    return f"{line}  -- {', '.join(dict.fromkeys(said))}" if said else line
