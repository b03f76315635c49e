"""Which of a folder's small files become one, and which are no longer needed.

Merging never leaves a moment in which an event is missing, and none in which a reader that counts events by id counts
one twice. A merged file is put whole under a name made of what it holds; before it, beside it, a note of the names
of all files that are in it. The note counts once its file is there. Only later, when no query can still be reading
them, the files that it names are removed. A crash at any point leaves files that stand twice, or a note that counts for
nothing; the next pass sees from the names alone where it was.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

TARGET = 64 * 2**20
"""Bytes of a merged file, about: large enough to be read fast, small enough to be merged in memory."""
SMALL = TARGET // 2
"""Files from here on stay as they are."""
MOST_FILES = 1_000
"""Files that become one at a time."""
FEWEST_FILES = 8
"""On a day that is not over, fewer files are left to gather: each would be written anew with the next ones."""
GRACE = 3_600
"""Seconds that merged files are kept for queries that have listed them; Athena stops a query after half of that."""
NOTE_KEPT = 86_400
"""Seconds after which a note without its file is a remnant."""
_MERGED, _NOTE = "merged-", "_merged-"


@dataclass(frozen=True, slots=True)
class File:
    """An object of a folder: its name in it, its bytes, when it was put."""

    name: str
    size: int
    put: int

    @property
    def is_note(self) -> bool:
        """Whether it is a note; engines pass over names that begin so."""
        return self.name.startswith(_NOTE)


@dataclass(frozen=True, slots=True)
class Merge:
    """Files to merge, each with the names of the files that it holds itself."""

    parts: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the files to merge."""
        return tuple(name for name, _ in self.parts)

    @property
    def holds(self) -> tuple[str, ...]:
        """All the names whose rows the merged file then has."""
        return tuple(sorted({one for name, held in self.parts for one in (name, *held)}))

    @property
    def _mark(self) -> str:
        return hashlib.sha256("\n".join(self.holds).encode()).hexdigest()[:20]

    @property
    def target(self) -> str:
        """The name of the merged file."""
        return f"{_MERGED}{self._mark}.parquet"

    @property
    def note(self) -> str:
        """The name of its note."""
        return note_of(self.target)

    def without(self, name: str) -> "Merge":
        """The same with a file less."""
        return Merge(tuple(part for part in self.parts if part[0] != name))

    def content(self) -> bytes:
        """What the note says."""
        return json.dumps({"holds": self.holds}).encode()


@dataclass(frozen=True, slots=True)
class Pass:
    """What is to be done with a folder now."""

    merges: tuple[Merge, ...] = ()
    removals: tuple[str, ...] = ()


def note_of(target: str) -> str:
    """The name of a merged file's note."""
    return f"_{target.removesuffix('.parquet')}.json"


def held_by(note: bytes) -> tuple[str, ...]:
    """The names that a note has."""
    return tuple(json.loads(note)["holds"])


def plan(files: Sequence[File], notes: Mapping[str, Sequence[str]], now: int, *, is_over: bool) -> Pass:
    """What to merge and what to remove. `notes`: merged file -> what it holds; `is_over`: the folder's day is past."""
    data = {one.name: one for one in files if not one.is_note}
    standing = {target: holds for target, holds in notes.items() if target in data}
    holder: dict[str, File] = {}
    for target, holds in sorted(standing.items()):
        for name in (*holds, *_within(holds, standing)):
            holder.setdefault(name, data[target])
    held = {name for name in data if name in holder}
    removals = [name for name in sorted(held) if now - holder[name].put > GRACE]
    gone = {note_of(name) for name in removals}
    for one in files:
        remnant = one.is_note and one.name not in {note_of(target) for target in standing}
        if one.name in gone or (remnant and now - one.put > NOTE_KEPT):
            removals.append(one.name)
    small = [one for name, one in sorted(data.items()) if name not in held and one.size < SMALL]
    merges = () if len(small) < (2 if is_over else FEWEST_FILES) else tuple(_bins(small, standing))
    return Pass(merges, tuple(removals))


def _within(holds: Sequence[str], notes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Merged files that hold nothing beyond `holds`: of one that was slow, and finished after its successor."""
    names = set(holds)
    yield from (
        target
        for target, other in notes.items()
        if other and names.issuperset(other) and len(names) > len(other)
    )


def _bins(files: Sequence[File], notes: Mapping[str, Sequence[str]]) -> Iterator[Merge]:
    chosen: list[File] = []
    size = 0
    for one in (*files, None):
        if chosen and (one is None or size + one.size > TARGET or len(chosen) == MOST_FILES):
            if len(chosen) > 1:
                yield Merge(tuple((file.name, tuple(notes.get(file.name, ()))) for file in chosen))
            chosen, size = [], 0
        if one is not None:
            chosen.append(one)
            size += one.size
