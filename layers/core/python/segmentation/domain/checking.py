"""Walking a JSON document and collecting everything that is wrong with it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation.language.problems import Problem, RuleError, did_you_mean, step


@dataclass(slots=True)
class Findings:
    """Problems found so far, in document order."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, pointer: str, code: str, message: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(pointer, code, message))

    def raise_if_any(self) -> None:
        """Refuse the document with all that was found."""
        if self.problems:
            raise RuleError(self.problems)


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object at a place in its document."""

    value: Mapping[str, Any]
    pointer: str
    found: Findings

    @classmethod
    def of(cls, value: object, pointer: str, found: Findings, what: str) -> "Node | None":
        """`value` as an object, or a problem."""
        if isinstance(value, Mapping):
            return cls(value, pointer, found)
        found.add(pointer, "type", f"{what} must be an object")
        return None

    def at(self, name: str | int) -> str:
        """The pointer of a member."""
        return step(self.pointer, name)

    def only(self, *known: str) -> None:
        """Every member must be one of `known`."""
        for name in self.value:
            if name not in known:
                self.found.add(
                    self.at(name), "unknown-field", f"unknown field {name!r}{did_you_mean(name, known)}"
                )

    def text(self, name: str, *, default: str | None = None) -> str:
        """A member that is non-empty text; `default` where it may be absent."""
        if name not in self.value and default is not None:
            return default
        value = self.value.get(name)
        if isinstance(value, str) and (value or default is not None):
            return value
        verb = "is missing" if name not in self.value else "must be non-empty text"
        self.found.add(self.at(name) if name in self.value else self.pointer, "field", f"{name!r} {verb}")
        return ""

    def texts(self, name: str, *, required: bool = False) -> tuple[str, ...]:
        """A member that is a list of text, without duplicates."""
        value = self.value.get(name)
        if value is None and not required:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            self.found.add(self.at(name), "field", f"{name!r} must be a list of non-empty text")
            return ()
        if required and not value:
            self.found.add(self.at(name), "field", f"{name!r} must not be empty")
        for index, one in enumerate(value):
            if one in value[:index]:
                self.found.add(step(self.at(name), index), "duplicate", f"{one!r} stands here twice")
        return tuple(value)

    def one_of(self, name: str, choices: Collection[str], default: str) -> str:
        """A member that is one of a few words."""
        value = self.value.get(name, default)
        if isinstance(value, str) and value in choices:
            return value
        self.found.add(
            self.at(name),
            "choice",
            f"{name!r} must be one of {', '.join(sorted(choices))}{_hint(value, choices)}",
        )
        return default

    def whole(self, name: str, *, least: int, most: int = 10**9) -> int | None:
        """A member that is a whole number within bounds; absent is `None`."""
        value = self.value.get(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.found.add(self.at(name), "number", f"{name!r} must be a whole number from {least} to {most}")
        return None

    def flag(self, name: str) -> bool:
        """A member that is true or false; absent is false."""
        value = self.value.get(name, False)
        if isinstance(value, bool):
            return value
        self.found.add(self.at(name), "type", f"{name!r} must be true or false")
        return False

    def child(self, name: str) -> "Node | None":
        """A member that is an object."""
        if name not in self.value:
            self.found.add(self.pointer, "field", f"{name!r} is missing")
            return None
        return Node.of(self.value[name], self.at(name), self.found, repr(name))

    def children(self, name: str) -> Iterator["Node"]:
        """The objects of a member that is a list; absent is empty."""
        value = self.value.get(name, [])
        if not isinstance(value, list):
            self.found.add(self.at(name), "type", f"{name!r} must be a list")
            return
        for index, one in enumerate(value):
            node = Node.of(one, step(self.at(name), index), self.found, f"each of {name!r}")
            if node is not None:
                yield node

    def entries(self, name: str) -> Iterator[tuple[str, "Node"]]:
        """Names and objects of a member that is an object; absent is empty."""
        value = self.value.get(name, {})
        if not isinstance(value, Mapping):
            self.found.add(self.at(name), "type", f"{name!r} must be an object")
            return
        for key, one in value.items():
            node = Node.of(one, step(self.at(name), key), self.found, repr(key))
            if node is not None:
                yield key, node


def _hint(value: object, choices: Collection[str]) -> str:
    return did_you_mean(value, map(str, choices)) if isinstance(value, str) else ""
