"""Caps: a rule is untrusted input, so its size is looked at before anything else, without recursion."""

import json
from collections.abc import Iterator
from typing import Any

from .problems import Problem, step

MAX_DEPTH = 32
MAX_LIST = 10_000
MAX_BYTES = 256 * 1024
"""Caps on a rule: nesting, items of one list, bytes as JSON."""
MAX_LITERALS = 224 * 1024
"""Bytes of SQL that a rule's literals may take: of the 256 KiB that Athena takes, some are for the rest."""

_CHAINS = ("+", "*")
"""Operators of many numbers, which mean nested operators of two: each further number is one deeper."""
_TOO_DEEP = (
    f"rules nest at most {MAX_DEPTH} operators deep, and + or * of n numbers counts as n - 1; "
    "make a part of it a segment and refer to that, or add in groups"
)


def within_caps(rule: Any, pointer: str, problems: list[Problem]) -> bool:
    """Whether a rule keeps the caps; at the first breach one problem is noted."""
    stack = [(rule, pointer, 0)]
    while stack:
        item, place, depth = stack.pop()
        if depth > MAX_DEPTH or (depth == MAX_DEPTH and isinstance(item, dict)):
            problems.append(Problem(place, "too-deep", _TOO_DEEP))
            return False
        if isinstance(item, list) and len(item) > MAX_LIST:
            message = f"a list holds at most {MAX_LIST} items, this one {len(item)}; use a list segment"
            problems.append(Problem(place, "too-long", message))
            return False
        stack.extend(_below(item, place, depth))
    if len(json.dumps(rule, ensure_ascii=False).encode(errors="replace")) > MAX_BYTES:
        message = f"a rule has at most {MAX_BYTES // 1024} KiB of JSON; use list segments"
        problems.append(Problem(pointer, "too-large", message))
        return False
    return True


def _below(item: Any, place: str, depth: int) -> Iterator[tuple[Any, str, int]]:
    """What stands in an item, where, and how many operators are around it."""
    if isinstance(item, list):  # of no operator: those are taken apart with it
        for index, part in enumerate(item):
            yield part, step(place, index), depth + 1
    elif isinstance(item, dict):
        for name, raw in item.items():
            below = step(place, name)
            if not isinstance(raw, list) or len(raw) > MAX_LIST:
                yield raw, below, depth + 1
                continue
            chained = max(len(raw) - 1, 1) if name in _CHAINS else 1
            for index, part in enumerate(raw):
                yield part, step(below, index), depth + chained
