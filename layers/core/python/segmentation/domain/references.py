"""Which segments a document names, read off the document as it is written."""

from collections.abc import Mapping
from typing import Any


def references(kind: str, document: Mapping[str, Any]) -> set[str]:
    """The ids of the segments that a document of a rulebook needs."""
    if kind == "segments":
        return _named_in(document.get("rule")) | _named_in(document.get("limit"))
    named = document.get("segments", ())
    return {one for one in named if isinstance(one, str)} if isinstance(named, list) else set()


def _named_in(rule: object) -> set[str]:
    """The segments of every `{"in": [id, {"var": "segments"}]}`; as deep as it goes, without recursion."""
    found: set[str] = set()
    waiting = [rule]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, Mapping):
            waiting.extend(one.values())
            match one.get("in"):
                case [str() as segment, {"var": "segments" | ["segments"]}]:
                    found.add(segment)
    return found
