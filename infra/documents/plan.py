"""What publishing a folder would change, and whether that would lose somebody else's edit.

Three sides are compared: the file, the published document, and what the two were when they were last the same. The
last is known in two ways. A working copy notes the published versions at each pull and apply (`.versions.json`, not for
version control). A fresh checkout, in a pipeline, has no notes; there it is the last version that was made of files.
"""

import difflib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from segmentation.domain.rulebook import FROM_FILES, KINDS, Edit, Entry, content_digest

from infra.layout import pretty

from .files import AudienceRules, Document, Key
from .remotes import made_of_files

NOTES = ".versions.json"
File = tuple[Document, str]
"""What a file says, and the folder that it stands in."""


class Action(StrEnum):
    """What is to be done with a document."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    PULL = "pull"
    """It was changed or made remotely, and not here: applying leaves it, pulling takes it over."""
    CONFLICT = "conflict"
    """It was changed on both sides."""


@dataclass(frozen=True)
class Step:
    """One difference. `diff` reads from what is published to what the file says; `why` says who changed it remotely."""

    kind: str
    id: str
    action: Action
    edit: Edit | None = None
    diff: tuple[str, ...] = ()
    why: str = ""

    @property
    def name(self) -> str:
        """The document, as `kind/id`."""
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True)
class Plan:
    """All differences of one audience."""

    audience: str
    steps: tuple[Step, ...] = ()
    same: int = 0

    def of(self, *actions: Action) -> list[Step]:
        """The steps of some actions."""
        return [step for step in self.steps if step.action in actions]

    @property
    def edits(self) -> list[Edit]:
        """What applying it sends."""
        return [step.edit for step in self.steps if step.edit is not None]


@dataclass
class Notes:
    """The published versions that this working copy last agreed with, by audience."""

    path: Path
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> "Notes":
        """The notes of a folder; none if there are none."""
        path = root / NOTES
        return cls(path, json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})

    def of(self, audience: str) -> Mapping[str, str] | None:
        """Document -> tag."""
        return self.tags.get(audience)

    def keep(self, audience: str, entries: Mapping[Key, Entry], local: Mapping[Key, File]) -> None:
        """Note the versions of all documents on which both sides agree now; the others keep their notes."""
        before = self.tags.get(audience, {})
        agreed = {
            f"{kind}/{name}": entry.tag
            for (kind, name), entry in entries.items()
            if not entry.record.deleted and _same(entry, local.get((kind, name)))
        }
        self.tags[audience] = {
            **{name: tag for name, tag in before.items() if _stands(name, entries)},
            **agreed,
        }
        self.path.write_text(json.dumps(self.tags, indent=1, sort_keys=True) + "\n", encoding="utf-8")


Base = Callable[[Entry], Entry | None]
"""The last version of a document that was made of files, if there was one."""


@dataclass(frozen=True)
class Planner:
    """Compares files with what is published.

    `kinds`: of which documents. `noted`: the published versions that this working copy agreed with, where it has notes. `overwrite`: the files win
    over edits of others. `prune`: what has no file is deleted, whoever made it.
    """

    rules: AudienceRules
    entries: Mapping[Key, Entry]
    base: Base
    noted: Mapping[str, str] | None = None
    overwrite: bool = False
    prune: bool = False
    note: str = ""
    kinds: Collection[str] = KINDS

    def plan(self) -> Plan:
        """All differences."""
        local = {key: (document, folder) for key, document, folder in self.rules.documents()}
        steps, same = [], 0
        for key in [*local, *(key for key in self.entries if key not in local)]:
            if key[0] not in self.kinds:
                continue
            entry, file = self.entries.get(key), local.get(key)
            if entry is not None and entry.record.deleted:
                step = self._deleted(key, file, entry) if file is not None else None
            elif file is None:
                assert entry is not None  # a key of one side
                step = self._without_file(key, entry)
            elif entry is None:
                step = self._create(key, file)
            elif _same(entry, file):
                step, same = None, same + 1
            else:
                step = self._changed(key, file, entry)
            if step is not None:
                steps.append(step)
        return Plan(self.rules.id, tuple(steps), same)

    def _changed(self, key: Key, file: File, entry: Entry) -> Step:
        before = _lines(entry.document, entry.record.folder, entry.record.archived)
        diff = tuple(_diff(before, _lines(*file)))
        if self.overwrite or not self._theirs(key, entry):
            archived = False if entry.record.archived else None
            edit = Edit(*key, FROM_FILES, *file, archived, expected=entry.tag, note=self.note)
            return Step(*key, Action.UPDATE, edit, diff)
        action = Action.CONFLICT if self._ours(key, file, entry) else Action.PULL
        return Step(*key, action, None, diff, _who(entry))

    def _without_file(self, key: Key, entry: Entry) -> Step | None:
        if entry.record.archived and not self.prune:
            return None  # archived on purpose: nothing runs it
        if self.prune or not self._theirs(key, entry):
            edit = Edit(*key, FROM_FILES, delete=True, expected=entry.tag)
            return Step(
                *key, Action.DELETE, edit, tuple(_diff(_lines(entry.document, entry.record.folder), []))
            )
        if self._base_digest(key, entry) is None:
            return Step(*key, Action.PULL, None, (), _who(entry))
        return Step(*key, Action.CONFLICT, None, (), f"deleted here, {_who(entry)}")

    def _deleted(self, key: Key, file: File, entry: Entry) -> Step | None:
        if self.overwrite or not self._theirs(key, entry) or self._base_digest(key, entry) is None:
            return self._create(key, file)
        action = Action.CONFLICT if self._ours(key, file, entry) else Action.PULL
        return Step(*key, action, None, tuple(_diff([], _lines(*file))), _who(entry))

    def _create(self, key: Key, file: File) -> Step:
        edit = Edit(*key, FROM_FILES, *file, expected="", note=self.note)
        return Step(*key, Action.CREATE, edit, tuple(_diff([], _lines(*file))))

    def _theirs(self, key: Key, entry: Entry) -> bool:
        """Whether somebody else made the version that stands."""
        tag = self.noted.get("/".join(key)) if self.noted is not None else None
        if tag is not None:
            return tag != entry.tag
        return not made_of_files(replace(entry.record, deleted=False))

    def _ours(self, key: Key, file: File, entry: Entry) -> bool:
        """Whether the file was changed since both sides were the same."""
        return self._base_digest(key, entry) != content_digest(*file)

    def _base_digest(self, key: Key, entry: Entry) -> str | None:
        """What both sides said when they were last the same; nothing if they never were."""
        tag = self.noted.get("/".join(key)) if self.noted is not None else None
        if tag is not None:
            return tag.partition(".")[2]
        base = self.base(entry)
        return None if base is None else content_digest(base.document, base.record.folder)


def _same(entry: Entry, file: File | None) -> bool:
    return file is not None and (entry.document, entry.record.folder, entry.record.archived) == (*file, False)


def _stands(name: str, entries: Mapping[Key, Entry]) -> bool:
    kind, _, identifier = name.partition("/")
    entry = entries.get((kind, identifier))
    return entry is not None and not entry.record.deleted


def _who(entry: Entry) -> str:
    record = entry.record
    what = "changed" if record.what == FROM_FILES else record.what
    note = f" ({record.note})" if record.note else ""
    return f"{what} by {record.updated_by or 'somebody'} at {record.updated}{note}"


def _lines(document: Mapping[str, Any], folder: str, archived: bool = False) -> list[str]:
    beside = [f"folder: {folder}"] if folder else []
    return [*beside, *(["archived"] if archived else []), *pretty(dict(document)).splitlines()]


def _diff(before: list[str], after: list[str]) -> Iterator[str]:
    yield from (line.rstrip("\n") for line in list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:])
