"""Read and change the documents that an audience is run by."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from segmentation.domain.errors import Conflict, NotFound, PreconditionRequired, Refused, RefusedProblem
from segmentation.domain.published import Published, parse_published
from segmentation.domain.repeatable import repeatable
from segmentation.domain.rulebook import Edit, Entry, Rulebook
from segmentation.language.problems import Problem
from segmentation.language.types import SEGMENT_ID
from segmentation.ports import Clock, Lake, SigningSecrets

from .edit_rules import (
    Author,
    Edited,
    EditRules,
    Edits,
    earlier_version,
    earlier_versions,
    read_book,
    rule_set_path,
)

SECRET_KINDS = ("write_keys", "tokens", "partners")
ANY = "*"
"""In place of a tag: whatever version stands."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A document after a change. `secret`: what it is used with, told to the request that made it alone."""

    entry: Entry
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class ManageDocuments:
    """Every document as a resource with versions."""

    lake: Lake
    clock: Clock
    new_secret: Callable[[], str]
    signing: SigningSecrets

    def audiences(self) -> list[str]:
        """The audiences that have published rules."""
        return [path.split("/")[1] for path in self.lake.list("rules/") if path.endswith("/ruleset.json")]

    def book(self, audience: str) -> Rulebook:
        """All documents of an audience, as of now."""
        stored = self.lake.get(rule_set_path(audience)) if SEGMENT_ID.fullmatch(audience) else None
        if stored is None:
            raise NotFound(f"there is no audience {audience[:100]!r}")
        return read_book(audience, stored.data)

    def published(self, audience: str) -> tuple[Rulebook, Published]:
        """All documents of an audience, and what they mean together."""
        stored = self.lake.get(rule_set_path(audience)) if SEGMENT_ID.fullmatch(audience) else None
        if stored is None:
            raise NotFound(f"there is no audience {audience[:100]!r}")
        return read_book(audience, stored.data), parse_published(json.loads(stored.data))

    def find(self, audience: str, kind: str, identifier: str) -> Entry:
        """A document in its current version."""
        return _standing(self.book(audience), kind, identifier)

    def create(
        self,
        audience: str,
        kind: str,
        document: Mapping[str, Any],
        author: Author,
        *,
        folder: str = "",
        note: str = "",
    ) -> Kept:
        """A new document. Of a key or token without a hash, a secret is made; the same request again is told it again."""
        identifier = document.get("id")
        # What is wrong with a segment's id is said with all the rest.
        if not isinstance(identifier, str) or not (kind == "segments" or SEGMENT_ID.fullmatch(identifier)):
            message = "the document needs an 'id' of 1 to 64 of a-z, 0-9 and -, not beginning with -"
            raise Refused([RefusedProblem(kind, "", Problem("/id", "bad-id", message))])
        secret = None
        if kind in SECRET_KINDS and "sha256" not in document:
            secret, author = self._secret(author)
            document = {**document, "sha256": _digest(secret)}
        edit = Edit(kind, identifier, "created", document, folder=folder, expected="", note=note)
        done = self._edit(audience, [edit], author, found=kind != "audience")
        entry = self._made(done, kind, identifier)
        return Kept(entry, self._told(done, entry, author, secret))

    def change(
        self,
        audience: str,
        kind: str,
        identifier: str,
        what: str,
        author: Author,
        *,
        expected: str,
        document: Mapping[str, Any] | Callable[[Entry], Mapping[str, Any]] | None = None,
        folder: str | None = None,
        archived: bool | None = None,
        note: str = "",
    ) -> Entry:
        """A new version of a document, made of the one that `expected` names; the same request again is told that one."""

        def edit(entry: Entry) -> Edit:
            content = document(entry) if callable(document) else document
            if content is not None and kind in SECRET_KINDS and "sha256" not in content:
                content = {**content, "sha256": entry.document["sha256"]}
            return Edit(kind, identifier, what, content, folder, archived, note=note)

        return self._made(self._change(audience, kind, identifier, edit, author, expected), kind, identifier)

    def roll_back(
        self,
        audience: str,
        kind: str,
        identifier: str,
        version: int,
        author: Author,
        *,
        expected: str,
        note: str,
    ) -> Entry:
        """A new version with the content of an old one."""

        def content(entry: Entry) -> Mapping[str, Any]:
            old = earlier_version(self.lake, audience, entry, version)
            if old.record.deleted:
                raise Conflict(f"version {version} deleted the document; it has no content to roll back to")
            # A key that was rotated away must not come back.
            return {name: value for name, value in old.document.items() if name != "sha256"}

        what = f"rolled back to version {version}"
        return self.change(
            audience, kind, identifier, what, author, expected=expected, document=content, note=note
        )

    def rotate(self, audience: str, kind: str, identifier: str, author: Author, *, expected: str) -> Kept:
        """A new secret; the one before it stays good beside it, until it is retired or the next one comes."""
        secret, author = self._secret(author)

        def edit(entry: Entry) -> Edit:
            held = [_digests(entry.document)[-1], _digest(secret)]
            return Edit(kind, identifier, "rotated", {**entry.document, "sha256": held})

        done = self._change(audience, kind, identifier, edit, author, expected)
        entry = self._made(done, kind, identifier)
        return Kept(entry, self._told(done, entry, author, secret))

    def retire(self, audience: str, kind: str, identifier: str, author: Author, *, expected: str) -> Entry:
        """Let the latest secret be the only one."""

        def content(entry: Entry) -> Mapping[str, Any]:
            return {**entry.document, "sha256": _digests(entry.document)[-1]}

        return self.change(audience, kind, identifier, "retired", author, expected=expected, document=content)

    def delete(self, audience: str, kind: str, identifier: str, author: Author, *, expected: str) -> None:
        """Take a document out; `Conflict` names who still uses it."""

        def edit(_entry: Entry) -> Edit:
            return Edit(kind, identifier, "deleted", delete=True)

        self._change(audience, kind, identifier, edit, author, expected)

    def move_folder(self, audience: str, source: str, target: str, author: Author) -> list[Entry]:
        """Rename a folder with all that stands below it; the documents that moved."""

        def edits(book: Rulebook) -> list[Edit]:
            inside = [
                entry for entry in book.of("segments") if f"{entry.record.folder}/".startswith(f"{source}/")
            ]
            if not inside:
                raise NotFound(f"there is no folder {source[:200]!r}")
            return [
                Edit(one.kind, one.id, "moved", folder=(target + one.record.folder[len(source) :]).strip("/"))
                for one in inside
            ]

        return list(self._edit(audience, edits, author).changed)

    def apply(self, audience: str, edits: Sequence[Edit], author: Author, *, dry_run: bool = False) -> Edited:
        """Several edits together, all or none. `dry_run` raises what they would, and changes nothing."""
        if dry_run:
            return check_edits(self.lake, audience, edits, author.by)
        return self._edit(audience, edits, author, found=not any(one.kind == "audience" for one in edits))

    def versions(
        self, audience: str, kind: str, identifier: str, before: int, most: int
    ) -> tuple[Entry | None, list[Entry]]:
        """The current version, and versions before `before`, latest first; also of a document that was deleted."""
        entry = self.book(audience).entries.get((kind, identifier))
        if entry is None:
            raise NotFound(f"there is no {identifier[:100]!r} among the {kind}")
        return entry, earlier_versions(self.lake, audience, entry, before, most)

    def version(self, audience: str, kind: str, identifier: str, version: int) -> tuple[Entry, Entry]:
        """The current version, and one by its number."""
        entry = self.book(audience).entries.get((kind, identifier))
        if entry is None:
            raise NotFound(f"there is no {identifier[:100]!r} among the {kind}")
        return entry, earlier_version(self.lake, audience, entry, version)

    def _secret(self, author: Author) -> tuple[str, Author]:
        """A secret, and the author who can be told it again where the request has an idempotency key."""
        if not author.key:
            return self.new_secret(), author
        salt = self.new_secret()
        secret = repeatable(self.signing.signing()[0], salt, author.key, author.content)
        return secret, replace(author, salt=salt)

    def _told(self, done: Edited, entry: Entry, author: Author, secret: str | None) -> str | None:
        """The secret that a request made, also where it made it before; nothing if it made none."""
        if done.repeated is None or secret is None:
            return secret
        held, salt = _digests(entry.document), done.repeated.salt
        before = (repeatable(signing, salt, author.key, author.content) for signing in self.signing.signing())
        return next((one for one in before if _digest(one) in held), None)

    def _made(self, done: Edited, kind: str, identifier: str) -> Entry:
        """The version that a request made, also where it made it before and others came after."""
        seen = done.repeated
        if seen is None or not seen.version:
            return _standing(done.book, kind, identifier)
        try:
            return earlier_version(
                self.lake, done.book.audience, done.book.entries[seen.kind, seen.id], seen.version
            )
        except NotFound:  # no longer kept
            return _standing(done.book, kind, identifier)

    def _change(
        self,
        audience: str,
        kind: str,
        identifier: str,
        edit: Callable[[Entry], Edit],
        author: Author,
        expected: str,
    ) -> Edited:
        """An edit of a document that stands, bound to the version that `expected` names."""

        def edits(book: Rulebook) -> list[Edit]:
            entry = _standing(book, kind, identifier)
            return [replace(edit(entry), expected=_expected(entry, expected))]

        return self._edit(audience, edits, author)

    def _edit(
        self,
        audience: str,
        edits: Edits,
        author: Author,
        found: bool = True,
    ) -> Edited:
        if found and not SEGMENT_ID.fullmatch(audience):
            raise NotFound(f"there is no audience {audience[:100]!r}")
        return EditRules(self.lake, self.clock)(audience, edits, author, found=found)


def check_edits(lake: Lake, audience: str, edits: Sequence[Edit], by: str) -> Edited:
    """What edits would make, without making it. Raises what making them would."""
    stored = lake.get(rule_set_path(audience)) if SEGMENT_ID.fullmatch(audience) else None
    before = read_book(audience, stored.data) if stored else Rulebook(audience)
    after = before.edited(edits, by, "")
    _, published = after.check("")
    return Edited(after, published, tuple(after.changed(before)))


def _standing(book: Rulebook, kind: str, identifier: str) -> Entry:
    entry = book.get(kind, identifier)
    if entry is None:
        raise NotFound(
            f"there is no {identifier[:100]!r} among the {kind.replace('_', ' ')} of {book.audience!r}"
        )
    return entry


def bound_to(tag: str, expected: str) -> str:
    """What the caller says that a change is made of: a tag, or `ANY`. `tag`: of what stands. `PreconditionRequired`."""
    if not expected:
        now = f' (now "{tag}")' if tag else ""
        raise PreconditionRequired(
            f"send the header If-Match with the etag of the version that you changed{now}, "
            "so that nobody's change is lost; * for whatever stands"
        )
    return expected


def _expected(entry: Entry, expected: str) -> str | None:
    """The tag that an edit is bound to."""
    return None if bound_to(entry.tag, expected) == ANY else expected


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _digests(document: Mapping[str, Any]) -> list[str]:
    """The hashes of a key's secrets, the latest last."""
    held = document["sha256"]
    return list(held) if isinstance(held, list) else [held]
