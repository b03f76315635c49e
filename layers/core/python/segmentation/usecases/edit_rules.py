"""Change documents of an audience, all of a change or nothing of it, and lose nobody else's change."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.domain.errors import Conflict, CorruptObject, NotFound, Unavailable
from segmentation.domain.programs import compiled
from segmentation.domain.published import Published, program_path
from segmentation.domain.removal import removal_path
from segmentation.domain.rulebook import Edit, Entry, Record, Request, Rulebook, history_folder, history_path
from segmentation.domain.run import instant
from segmentation.domain.stored_membership import numbering_path
from segmentation.domain.visitor import Program
from segmentation.ports import Clock, Lake

MOST_RACES = 20
"""How often an edit is made anew because another one was put first."""

Edits = Sequence[Edit] | Callable[[Rulebook], Sequence[Edit]]
"""What to change, or what makes that of the rulebook as it stands."""


def rule_set_path(audience: str) -> str:
    """Where an audience's rule set stands."""
    return f"rules/{audience}/ruleset.json"


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks for a change; with an idempotency key and a hash of the request, where the caller gave a key.

    `salt`: of the secret that is made by the change.
    """

    by: str
    key: str = ""
    content: str = ""
    salt: str = ""


@dataclass(frozen=True, slots=True)
class Edited:
    """The rulebook after a change. `repeated`: the same request had made it before; then `changed` are those that it
    changed and nobody has since."""

    book: Rulebook
    published: Published
    changed: tuple[Entry, ...]
    repeated: Request | None = None


@dataclass(frozen=True, slots=True)
class EditRules:
    """Edits one rule set: a conditional put is the transaction."""

    lake: Lake
    clock: Clock

    def __call__(
        self,
        audience: str,
        edits: Edits,
        author: Author,
        *,
        found: bool = False,
    ) -> Edited:
        """Make the edits, in one put.

        Before it, each version that is replaced goes into the history. That is the same object whoever writes it, so
        a crash in between, or a lost race, leaves nothing that is wrong. `found`: do not create the audience.
        Raises what `Rulebook.edited` and `Rulebook.check` raise.
        """
        for _ in range(MOST_RACES):
            stored = self.lake.get(rule_set_path(audience))
            if stored is None and found:
                raise NotFound(f"there is no audience {audience!r}")
            if self.lake.get(removal_path(audience)) is not None:
                raise Conflict(
                    f"audience {audience!r} is being removed; nothing of it can be changed until it is"
                )
            before = read_book(audience, stored.data) if stored else Rulebook(audience)
            now = self.clock.now()
            if author.key and (seen := before.request(author.key)):
                return _repeated(before, edits, author, seen, now)
            wanted = edits(before) if callable(edits) else edits
            after = before.edited(wanted, author.by, instant(now))
            _, published = after.check(instant(now))
            changed = tuple(after.changed(before))
            if not changed:
                return Edited(before, published, ())
            after = after.succeeding(before, instant(now))
            document, published = after.check(instant(now))
            if author.key:
                one = changed[0]
                made_by = (author.key, author.content, now, one.kind, one.id)
                after = after.remembering(Request(*made_by, one.record.version, author.salt))
                document = after.write(instant(now))
            for entry in changed:
                self._keep(before, entry)
            if put_rule_set(self.lake, audience, document, published, stored.tag if stored else ""):
                return Edited(after, published.known_as(document["version"]), changed)
        raise Unavailable(
            f"the rules of {audience!r} are being changed by many at once; send the request again"
        )

    def _keep(self, before: Rulebook, entry: Entry) -> None:
        """The version that an entry takes the place of, into the history."""
        old = before.entries.get((entry.kind, entry.id))
        if old is not None:
            path = history_path(before.audience, old.kind, old.id, old.record.version)
            self.lake.put(path, json.dumps(old.to_json()).encode())


def _repeated(book: Rulebook, edits: Edits, author: Author, seen: Request, now: int) -> Edited:
    """What a request made that was sent before. Raises `Conflict` if it was another one under this key."""
    if seen.content != author.content:
        raise Conflict("this Idempotency-Key was used for another request; take a new one")
    named = None if callable(edits) else {(one.kind, one.id) for one in edits}
    mine = (
        one
        for key, one in book.entries.items()
        if (one.record.updated, one.record.updated_by) == (instant(seen.at), author.by)
        and (named is None or key in named)
    )
    return Edited(book, book.check(instant(now))[1], tuple(mine), seen)


def put_program(lake: Lake, audience: str, version: str, program: Program) -> None:
    """Put a compiled rule set where functions find it, and before it the numbering by which it says who is in what."""
    numbering = program.published_numbering()
    lake.put(numbering_path(audience, numbering.id), numbering.dump())
    lake.put(program_path(audience, version), program.dump())


def put_rule_set(
    lake: Lake, audience: str, document: Mapping[str, Any], published: Published, tag: str
) -> bool:
    """Put a rule set over the one with this tag, and its program before it, so that whoever reads the one finds the other.

    Whether nobody was faster.
    """
    put_program(lake, audience, document["version"], compiled(published))
    data = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return lake.put(rule_set_path(audience), data, expected=tag)


def read_book(audience: str, data: bytes) -> Rulebook:
    """The rulebook of a rule set's bytes."""
    try:
        return Rulebook.read(audience, json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptObject(rule_set_path(audience), f"{type(error).__name__}: {error}") from error


def earlier_version(lake: Lake, audience: str, current: Entry, version: int) -> Entry:
    """A version of a document: the current one, or of its history. `NotFound` if it never stood or is forgotten."""
    if version == current.record.version:
        return current
    if not 0 < version < current.record.version:
        raise NotFound(f"there is no version {version}; the current one is {current.record.version}")
    stored = lake.get(history_path(audience, current.kind, current.id, version))
    if stored is None:
        raise NotFound(f"version {version} is not kept")
    return _entry(current.kind, current.id, json.loads(stored.data))


def earlier_versions(lake: Lake, audience: str, current: Entry, before: int, most: int) -> list[Entry]:
    """The latest versions before `before`, latest first, at the most so many."""
    folder = history_folder(audience, current.kind, current.id)
    numbers = sorted(
        (int(path.removeprefix(folder).removesuffix(".json")) for path in lake.list(folder)), reverse=True
    )
    found = [current] if before > current.record.version else []
    for number in numbers:
        if len(found) >= most:
            break
        if number < min(before, current.record.version):
            found.append(earlier_version(lake, audience, current, number))
    return found


def _entry(kind: str, identifier: str, value: Mapping[str, Any]) -> Entry:
    return Entry(kind, identifier, value["document"], Record.from_json(value["record"]))
