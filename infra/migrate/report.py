"""What a conversion could not carry, and what it carried with a difference."""

from dataclasses import dataclass, field

from segmentation.language import Problem


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

    def note(self, pointer: str, code: str, message: str) -> None:
        """Something that is carried with a difference."""
        note = Note(pointer, code, message)
        if note not in self.notes:
            self.notes.append(note)
