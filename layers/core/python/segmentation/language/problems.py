"""What is wrong with a document: every problem at once, each with its place and its mend."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend.

    `pointer` is a JSON Pointer (RFC 6901) from the document's root, `code` a stable machine-readable
    name, `message` says what is wrong and how to mend it.
    """

    pointer: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(root)'}: {self.message} [{self.code}]"

    def below(self, prefix: str) -> "Problem":
        """The same problem, seen from a document that holds this one at `prefix`."""
        return Problem(prefix + self.pointer, self.code, self.message)


class RuleError(Exception):
    """A document was refused. `problems` holds all that is wrong with it, in document order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def step(pointer: str, token: str | int) -> str:
    """The pointer one step below `pointer`, with the token escaped as RFC 6901 says."""
    return f"{pointer}/{str(token).replace('~', '~0').replace('/', '~1')}"


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that a word was probably meant to be: alike but for capitals, its beginning, or a slip away."""
    by_lower = {choice.lower(): choice for choice in choices}
    lowered = word.lower()
    if lowered in by_lower:
        return by_lower[lowered]
    close = get_close_matches(lowered, by_lower, n=1, cutoff=0.6)
    begun = [choice for choice in by_lower if len(lowered) > 2 and choice.startswith(lowered)]
    return by_lower[(close or begun)[0]] if close or begun else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion to append to a message: the nearest known word, or the few that there are."""
    choices = sorted(known)
    found = nearest(word, choices)
    if found is not None:
        return f"; did you mean {found!r}?"
    if not choices:
        return ""
    shown = ", ".join(choices[:8]) + (", ..." if len(choices) > 8 else "")
    return f"; known: {shown}"
