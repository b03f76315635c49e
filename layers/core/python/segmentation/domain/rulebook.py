"""What an audience is run by, document by document: which version each has, who wrote it, when, and why.

The published rule set is one object (decisions 0007 and 0011). Beside the documents that the functions read it
carries a record for each of them. An edit is pure: it makes the next rulebook, which is then put over the one it was
made of, or not at all.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import quote

from segmentation.language import RuleError
from segmentation.language.problems import Problem

from .errors import Conflict, Outdated, Refused, RefusedProblem
from .published import Published, document_of, number_of, parse_published
from .references import references
from .standing import Standing, answering, pending

KINDS = ("audience", "segments", "write_keys", "tokens", "partners", "destinations")
"""What a document can be, as the rule set names it."""
ACCESS = ("write_keys", "tokens", "partners")
FROM_FILES = "applied"
"""What the record of a version says was done that was made of files (segments as code)."""
LONGEST_FOLDER = 200
LONGEST_NOTE = 1_000
MOST_REQUESTS = 200
REQUEST_SECONDS = 86_400
"""How many requests are remembered by their idempotency keys, and for how long."""

Document = Mapping[str, Any]


def content_digest(document: Document, folder: str, archived: bool = False) -> str:
    """A short hash of what a version says: the part of its tag behind the version's number."""
    content = [document, folder, archived]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a document beside what it says. Moments are ISO 8601; `what` was done to make this version."""

    version: int = 1
    folder: str = ""
    archived: bool = False
    deleted: bool = False
    created: str = ""
    created_by: str = ""
    updated: str = ""
    updated_by: str = ""
    what: str = "created"
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON, without what is as it is by default."""
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if getattr(self, one.name) != one.default
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Record":
        """From JSON that `to_json` made."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Entry:
    """A document in one version. A deleted one leaves its record, so that versions never repeat."""

    kind: str
    id: str
    document: Document
    record: Record = field(default_factory=Record)

    @property
    def tag(self) -> str:
        """Names this very content and version: what `If-Match` compares."""
        return (
            f"{self.record.version}.{content_digest(self.document, self.record.folder, self.record.archived)}"
        )

    def to_json(self) -> dict[str, Any]:
        """As the history keeps it."""
        return {"document": self.document, "record": self.record.to_json()}


@dataclass(frozen=True, slots=True)
class Edit:
    """One change that is asked for. `expected` is the tag of what it was made of, "" for nothing, `None` for whatever.

    What is `None` stays as it is.
    """

    kind: str
    id: str
    what: str
    document: Document | None = None
    folder: str | None = None
    archived: bool | None = None
    delete: bool = False
    expected: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A write that was made, known by its idempotency key; `content` is a hash of what it asked for.

    `version` of the document it made, or of the first of several. `salt`: of the secret that it made (`repeatable`).
    """

    key: str
    content: str
    at: int
    kind: str
    id: str
    version: int = 0
    salt: str = ""


@dataclass(frozen=True)
class Rulebook:
    """All documents of an audience, with their records."""

    audience: str
    entries: Mapping[tuple[str, str], Entry] = field(default_factory=dict)
    """Deleted ones too, in the order of publishing."""
    requests: tuple[Request, ...] = ()
    standing: Standing = field(default_factory=dict)
    """What answers for real-time segments that are not computed yet."""
    number: int = 0
    """How many versions were put."""

    @classmethod
    def read(cls, audience: str, document: Mapping[str, Any]) -> "Rulebook":
        """The rulebook of a published rule set; documents without a record are of version 1."""
        records = document.get("records", {})
        default = Record(
            created=str(document.get("published", "")), updated=str(document.get("published", ""))
        )
        entries: dict[tuple[str, str], Entry] = {}

        def take(kind: str, one: Mapping[str, Any]) -> None:
            known = records.get(kind, {}).get(one["id"])
            entries[kind, one["id"]] = Entry(
                kind, one["id"], one, Record.from_json(known) if known else default
            )

        take("audience", document["audience"])
        for kind in ("segments", "destinations", "archived"):
            for one in document.get(kind, []):
                take("segments" if kind == "archived" else kind, one)
        for kind in ACCESS:
            for one in document.get("access", {}).get(kind, []):
                take(kind, one)
        for kind, known in records.items():
            for identifier, record in known.items():
                if record.get("deleted"):
                    entries[kind, identifier] = Entry(kind, identifier, {}, Record.from_json(record))
        requests = tuple(Request(**one) for one in document.get("requests", ()))
        number = number_of(str(document.get("version", "")))
        return cls(audience, entries, requests, document.get("standing", {}), number)

    def write(self, published: str) -> dict[str, Any]:
        """The document that is put for the functions to read; archived segments stand where they read none."""
        live = {
            kind: [entry.document for entry in self.of(kind) if not entry.record.archived] for kind in KINDS
        }
        records: dict[str, dict[str, Any]] = {}
        for (kind, identifier), entry in self.entries.items():
            records.setdefault(kind, {})[identifier] = entry.record.to_json()
        return {
            **document_of(
                live["audience"][0] if live["audience"] else None,
                live["segments"],
                {kind: live[kind] for kind in ACCESS},
                live["destinations"],
                published,
                self.standing,
                self.number,
            ),
            "archived": [entry.document for entry in self.of("segments") if entry.record.archived],
            "records": records,
            "requests": [
                {one.name: getattr(request, one.name) for one in fields(request)} for request in self.requests
            ],
        }

    def get(self, kind: str, identifier: str) -> Entry | None:
        """A document that stands, archived ones too."""
        entry = self.entries.get((kind, identifier))
        return None if entry is None or entry.record.deleted else entry

    def of(self, kind: str) -> Iterator[Entry]:
        """The documents of a kind that stand, archived ones too."""
        return (entry for entry in self.entries.values() if entry.kind == kind and not entry.record.deleted)

    def dependents(self, segment: str) -> list[Entry]:
        """The documents in use that name a segment."""
        return [
            entry
            for entry in self.entries.values()
            if entry.id != segment or entry.kind != "segments"
            if not entry.record.deleted and not entry.record.archived
            if segment in references(entry.kind, entry.document)
        ]

    def edited(self, edits: Sequence[Edit], by: str, now: str) -> "Rulebook":
        """The next rulebook: all edits or none. One that changes nothing makes no version.

        `Outdated`: something was changed since. `Conflict`: it exists, is archived, or others depend on it.
        `Refused`: folder or note are not in order.
        """
        problems = [problem for edit in edits for problem in _form(edit)]
        if problems:
            raise Refused(problems)
        outdated = [edit for edit in edits if edit.expected and self._tag(edit) != edit.expected]
        if outdated:
            raise Outdated([(edit.kind, edit.id) for edit in outdated])
        taken = [edit for edit in edits if edit.expected == "" and self._tag(edit)]
        if taken:
            names = ", ".join(_name(edit.kind, edit.id) for edit in taken)
            raise Conflict(f"{names}: there is one already; edit that, or choose another id")
        entries = dict(self.entries)
        for edit in edits:
            entry = _next(entries.get((edit.kind, edit.id)), edit, by, now)
            if entry is not None:
                entries[edit.kind, edit.id] = entry
        result = replace(self, entries=entries)
        gone = [entry for entry in result.entries.values() if entry.kind == "segments" and _is_out(entry)]
        for entry in gone:
            before = self.entries.get(("segments", entry.id))
            if before is None or _is_out(before):
                continue
            if holders := result.dependents(entry.id):
                names = ", ".join(_name(one.kind, one.id) for one in holders)
                verb = "deleted" if entry.record.deleted else "archived"
                raise Conflict(
                    f"segment {entry.id!r} cannot be {verb}: it is used by {names}; take it out there first"
                )
        return self if entries == self.entries else result

    def succeeding(self, before: "Rulebook", published: str) -> "Rulebook":
        """This rulebook as the next one after another: with what stands until its real-time segments are computed."""
        after = replace(self, standing={}, number=before.number + 1)
        if not before.entries:
            return after
        try:
            document, was = before.check(published)
        except Refused:  # put by hand; nobody runs by it
            return after
        _, wanted = after.check(published)
        answers = answering(document["segments"], before.standing)
        return replace(after, standing=pending(answers, was.answering, wanted.rules))

    def changed(self, before: "Rulebook") -> list[Entry]:
        """The entries that are other than in the rulebook that this one was made of."""
        return [entry for key, entry in self.entries.items() if before.entries.get(key) != entry]

    def check(self, published: str) -> tuple[dict[str, Any], Published]:
        """The document to put, and what it means; `Refused` lists the problems of all documents."""
        document = self.write(published)
        try:
            return document, parse_published(document)
        except RuleError as error:
            raise Refused([_located(document, problem) for problem in error.problems]) from error

    def request(self, key: str) -> Request | None:
        """The write that was made under an idempotency key."""
        return next((one for one in self.requests if one.key == key), None)

    def remembering(self, request: Request) -> "Rulebook":
        """With one more request; the oldest are forgotten."""
        kept = [one for one in self.requests if one.at > request.at - REQUEST_SECONDS]
        return replace(self, requests=(*kept[-MOST_REQUESTS + 1 :], request))

    def _tag(self, edit: Edit) -> str:
        entry = self.get(edit.kind, edit.id)
        return entry.tag if entry else ""


def history_path(audience: str, kind: str, identifier: str, version: int) -> str:
    """Where a version of a document stands after the next one took its place."""
    return f"{history_folder(audience, kind, identifier)}{version:08d}.json"


def history_folder(audience: str, kind: str, identifier: str) -> str:
    """The folder of a document's earlier versions. It is not below `rules/`, which every function lists often."""
    return f"history/{audience}/{kind}/{quote(identifier, safe='')}/"


def _next(before: Entry | None, edit: Edit, by: str, now: str) -> Entry | None:
    """A document after an edit."""
    stands = before is not None and not before.record.deleted
    if edit.delete and not stands:
        return before
    if not stands and edit.document is None:
        raise Conflict(f"there is no {_name(edit.kind, edit.id)} to change")
    old = before.record if before is not None else Record(version=0)
    if before is not None and edit.document is not None and old.archived and edit.archived is not False:
        raise Conflict(f"{_name(edit.kind, edit.id)} is archived; restore it before you edit it")
    document = before.document if before is not None and edit.document is None else edit.document
    assert document is not None  # noqa: S101 - a document or one that stands
    record = Record(
        version=old.version + 1,
        folder=edit.folder if edit.folder is not None else old.folder if stands else "",
        archived=edit.archived if edit.archived is not None else old.archived and stands,
        deleted=edit.delete,
        created=old.created if stands else now,
        created_by=old.created_by if stands else by,
        updated=now,
        updated_by=by,
        what=edit.what,
        note=edit.note,
    )
    if edit.delete:
        return Entry(edit.kind, edit.id, {}, replace(record, archived=False, folder=""))
    same = stands and before is not None and before.document == document
    if same and (old.folder, old.archived) == (record.folder, record.archived):
        return before
    return Entry(edit.kind, edit.id, document, record)


def _is_out(entry: Entry) -> bool:
    return entry.record.deleted or entry.record.archived


def _form(edit: Edit) -> Iterable[RefusedProblem]:
    """What is wrong with an edit itself."""
    if edit.document is not None and edit.document.get("id") != edit.id:
        message = (
            f"the document's 'id' must be {edit.id!r}; an id never changes, copy the document to rename it"
        )
        yield RefusedProblem(edit.kind, edit.id, Problem("/id", "other-id", message))
    if edit.folder is not None:
        parts = edit.folder.split("/") if edit.folder else []
        if len(edit.folder) > LONGEST_FOLDER or not all(
            part.strip() and part.isprintable() for part in parts
        ):
            message = f"a folder is written like 'loyalty/grocery', in at most {LONGEST_FOLDER} characters"
            yield RefusedProblem(
                edit.kind, edit.id, Problem("/folder", "folder", message), about_document=False
            )
    if len(edit.note) > LONGEST_NOTE:
        message = f"a note has at most {LONGEST_NOTE} characters"
        yield RefusedProblem(edit.kind, edit.id, Problem("/note", "note", message), about_document=False)


def _located(document: Mapping[str, Any], problem: Problem) -> RefusedProblem:
    """A problem of the whole rule set, as one of the document that it is in."""
    _, part, *rest = problem.pointer.split("/") if problem.pointer else ("", "")
    if part == "audience":
        return RefusedProblem(
            "audience", str((document["audience"] or {}).get("id", "")), _below(problem, rest)
        )
    members: Any = document
    if part == "access" and rest:
        members, part, rest = document["access"], rest[0], rest[1:]
    if part in KINDS and rest:
        return RefusedProblem(part, str(members[part][int(rest[0])].get("id", "")), _below(problem, rest[1:]))
    return RefusedProblem(part, "", problem)


def _below(problem: Problem, rest: Sequence[str]) -> Problem:
    return Problem("".join(f"/{token}" for token in rest), problem.code, problem.message)


def _name(kind: str, identifier: str) -> str:
    return f"{kind.removesuffix('s').replace('_', ' ')} {identifier!r}"
