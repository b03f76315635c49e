"""Uploaded lists: which uploads make up each list of an audience, and where they lie.

    listed/<audience>.json                                              which uploads are the members of each list
    lists/<audience>/<segment>/<upload>/upload.json                     an upload and how far it is
    lists/<audience>/<segment>/<upload>/data/...                        what was sent, removed once it is taken in
    lists/<audience>/<segment>/<upload>/malformed/, unmatched/          rows that could not be taken, or are nobody's
    listed/<audience>/version=<segment>.<upload>/...                    its members as Parquet: segment, key, line

A member's key is what an audience knows people by: the profile key where the list is by the master key, else
`<identity>:<value as it is written>`, as in the profiles' `identities`. So a list keeps its people when the audience is
built anew, and finds those who come later. All lists of an audience change by one conditional put of one object.
Of many uploads that were appended one is made, by a query, so that there is no end to appending.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from segmentation.language.types import Type

from .audience import Audience
from .event_lake import Kind, LakeTable
from .identity import Normal
from .list_rows import Malformed
from .run import run_id, table_name

COLUMNS: Mapping[str, Kind] = {"segment": Type.STRING, "key": Type.STRING, "line": Type.TIMESTAMP}
"""Of a list's members. `line`: where in the upload the row stands (a whole number, as moments are)."""
PARTITION = "version"
MERGED_FROM = 20
"""So many uploads of a list, appended one after another and by one identity, become one."""
MOST_UPLOADS = 500
"""With so many uploads, which a query has to name, an append waits until some of them have become one."""
MERGE_AGAIN = 300
"""Seconds before a merge that failed is tried again; doubled each time."""
REMEMBERED = 200
"""Uploads that a list remembers to have taken in, so that none is taken in twice."""
SHA256 = re.compile(r"[0-9a-f]{64}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
UPLOAD_ID = re.compile(r"[0-9]{8}t[0-9]{6}z_[0-9a-z]{1,32}")


@dataclass(frozen=True, slots=True)
class ListVersion:
    """One upload's members, of one list. `identity` is the column that they are known by."""

    id: str
    identity: str
    rows: int


@dataclass(frozen=True, slots=True)
class ListMerge:
    """Uploads of a list on their way to become one, by a query that writes each of their keys once, as upload `id`.

    Each attempt has an id, and so a folder, of its own. `due`: when it may be started.
    """

    id: str
    identity: str
    sources: tuple[str, ...]
    due: int
    attempt: int = 1
    query: str = ""


@dataclass(frozen=True, slots=True)
class ListState:
    """One list: the uploads that are its members now, those that ever were, and those to be removed with the moments
    since when they are no members any more; and the merge that is under way."""

    uploads: tuple[ListVersion, ...] = ()
    taken: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    merge: ListMerge | None = None

    @property
    def version(self) -> str:
        """Names what is in it."""
        return "+".join(one.id for one in self.uploads)

    @property
    def rows(self) -> int:
        """Rows of its uploads, whoever they stand for."""
        return sum(one.rows for one in self.uploads)

    def replaced(self, upload: ListVersion, now: int) -> "ListState":
        """Only this upload from now on."""
        return replace(self.emptied(now), uploads=(upload,), taken=self._taken(upload))

    def appended(self, upload: ListVersion) -> "ListState":
        """This upload too."""
        return replace(self, uploads=(*self.uploads, upload), taken=self._taken(upload))

    def emptied(self, now: int) -> "ListState":
        """Nobody."""
        gone = {one.id: now for one in self.uploads}
        return replace(self._unmerged(now), uploads=(), dropped={**self._unmerged(now).dropped, **gone})

    def merging(self, now: int) -> "ListState":
        """With a merge of the uploads by one identity, where they have become many."""
        by_identity: dict[str, list[str]] = {}
        for one in self.uploads:
            by_identity.setdefault(one.identity, []).append(one.id)
        many = next(((name, ids) for name, ids in by_identity.items() if len(ids) >= MERGED_FROM), None)
        if self.merge is not None or many is None:
            return self
        identity, sources = many
        return replace(self, merge=_merge(identity, tuple(sources), now, now, 1))

    def merged(self, now: int) -> "ListState":
        """The merge's query has ended well: its upload stands where the first of its sources stood."""
        if self.merge is None:
            return self
        sources = [one for one in self.uploads if one.id in self.merge.sources]
        one = ListVersion(self.merge.id, self.merge.identity, sum(source.rows for source in sources))
        uploads = [one if upload == sources[0] else upload for upload in self.uploads]
        kept = tuple(upload for upload in uploads if upload not in sources)
        gone = {source.id: now for source in sources}
        return replace(self, uploads=kept, dropped={**self.dropped, **gone}, merge=None)

    def merge_failed(self, now: int) -> "ListState":
        """What its query wrote goes; it is tried again, later each time."""
        if self.merge is None:
            return self
        merge, wait = self.merge, min(86_400, MERGE_AGAIN << min(self.merge.attempt - 1, 10))
        again = _merge(merge.identity, merge.sources, now, now + wait, merge.attempt + 1)
        return replace(self._unmerged(now), merge=again)

    def _unmerged(self, now: int) -> "ListState":
        dropped = self.dropped if self.merge is None else {**self.dropped, self.merge.id: now}
        return replace(self, dropped=dropped, merge=None)

    def cleaned(self, gone: Sequence[str]) -> "ListState":
        """Without what was removed for good."""
        return replace(self, dropped={one: at for one, at in self.dropped.items() if one not in gone})

    def _taken(self, upload: ListVersion) -> tuple[str, ...]:
        return (*self.taken, upload.id)[-REMEMBERED:]


def _merge(identity: str, sources: tuple[str, ...], now: int, due: int, attempt: int) -> ListMerge:
    mark = hashlib.sha256("\n".join((*sources, str(attempt))).encode()).hexdigest()[:16]
    return ListMerge(run_id(now, f"m{mark}"), identity, sources, due, attempt)


@dataclass(frozen=True, slots=True)
class Lists:
    """All lists of an audience that anything was ever uploaded to."""

    lists: Mapping[str, ListState] = field(default_factory=dict)

    def of(self, segment: str) -> ListState:
        """A list; an empty one, if nothing was uploaded."""
        return self.lists.get(segment, ListState())

    def having(self, segment: str, state: ListState) -> "Lists":
        """With one list changed."""
        return Lists({**self.lists, segment: state})

    def without(self, segment: str) -> "Lists":
        """Without one list."""
        return Lists({name: one for name, one in self.lists.items() if name != segment})

    def members_only(self) -> "Lists":
        """Without what is only of use to whoever changes them."""
        return Lists({name: ListState(one.uploads) for name, one in self.lists.items() if one.uploads})

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {name: asdict(one) for name, one in self.lists.items()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Lists":
        """From JSON that `to_document` made."""
        return cls(
            {
                name: ListState(
                    tuple(ListVersion(**upload) for upload in one["uploads"]),
                    tuple(one["taken"]),
                    dict(one["dropped"]),
                    ListMerge(**{**one["merge"], "sources": tuple(one["merge"]["sources"])})
                    if one.get("merge")
                    else None,
                )
                for name, one in document.items()
            }
        )


def lists_path(audience: str) -> str:
    """Where it stands what each list of an audience is made of."""
    return f"listed/{audience}.json"


def list_folder(audience: str, segment: str) -> str:
    """Where the uploads of a list lie."""
    return f"lists/{audience}/{segment}/"


def upload_path(audience: str, segment: str, upload: str, name: str) -> str:
    """Something of an upload."""
    return f"{list_folder(audience, segment)}{upload}/{name}"


def version_of(segment: str, upload: str) -> str:
    """The partition of an upload's members."""
    return f"{segment}.{upload}"


def members_folder(audience: str, segment: str, upload: str) -> str:
    """Where an upload's members lie."""
    return f"listed/{audience}/{PARTITION}={version_of(segment, upload)}/"


def listed_table(audience: Audience) -> LakeTable:
    """The table over the members of all lists of an audience."""
    columns = {"segment": "string", "key": "string", "line": "bigint"}
    return LakeTable(table_name(audience.id, "listed"), f"listed/{audience.id}/", columns, PARTITION)


def identities_for_lists(audience: Audience) -> tuple[str, ...]:
    """The columns that a list can be by: the master key and those that raw tables know."""
    return (audience.master_key, *(one.name for one in audience.known_identities()))


def member_key(audience: Audience, identity: str, value: str, *, hashed: bool) -> str:
    """How a member is kept. `hashed`: the value is a SHA-256 already. Raises `Malformed`."""
    if identity == audience.master_key:
        return value
    known = audience.keys[identity]
    if hashed:
        written = value.strip().lower()
        if not SHA256.fullmatch(written):
            raise Malformed("not a SHA-256 in hexadecimal digits")
        return f"{identity}:{written}"
    if known.normal is Normal.EMAIL and not EMAIL.fullmatch(value.strip()):
        raise Malformed("not an e-mail address")
    written = known.write(value)
    if not written:
        raise Malformed("empty")
    return f"{identity}:{written}"
