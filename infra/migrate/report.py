"""What a conversion could not carry, and what it carried with a difference."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segmentation.language import Problem
from segmentation.language.problems import did_you_mean, step


@dataclass(frozen=True, slots=True)
class Note:
    """A difference in meaning, at a place of the source, and what the converter did about it."""

    pointer: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(root)'}: {self.message} [{self.code}]"


@dataclass
class Report:
    """Collects as the conversion goes. Problems forbid the result, notes want to be read."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def refuse(self, pointer: str, code: str, message: str) -> None:
        """Something that cannot be carried; returns `None`, to stand for what was wanted."""
        self.problems.append(Problem(pointer, code, message))

    def mapping(self, value: Any, pointer: str) -> Mapping[str, Any] | None:
        """An object, or `None` with a problem."""
        if isinstance(value, Mapping):
            return value
        return self.refuse(pointer, "not-an-object", f"an object is wanted here, not {value!r}")

    def items(self, value: Any, pointer: str) -> Sequence[Any] | None:
        """A list, or `None` with a problem; nothing is an empty one."""
        if value is None or isinstance(value, list | tuple):
            return value or ()
        return self.refuse(pointer, "not-a-list", f"a list is wanted here, not {value!r}")

    def only(self, value: Mapping[str, Any], known: Iterable[str], pointer: str) -> None:
        """Refuse what stands in an object beside the fields that are converted; nothing is passed over."""
        for name in value:
            if name not in known:
                hint = did_you_mean(str(name), known)
                message = f"the field {name!r} is not known, and may change the meaning; take it out if it does not{hint}"
                self.refuse(step(pointer, name), "unknown-field", message)

    def flag(self, value: Mapping[str, Any], name: str, pointer: str) -> bool:
        """A field that is true or false; left out or null it is false."""
        found = value.get(name)
        if found is not None and not isinstance(found, bool):
            self.refuse(step(pointer, name), "bad-flag", f"{name!r} is true or false, not {found!r}")
        return found is True

    def note(self, pointer: str, code: str, message: str) -> None:
        """Something that is carried with a difference."""
        note = Note(pointer, code, message)
        if note not in self.notes:
            self.notes.append(note)
