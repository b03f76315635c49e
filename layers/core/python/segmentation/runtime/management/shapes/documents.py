"""Documents, their versions, folders and edits."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .common import Identifier, Json, Kind, Reference, Stamp, Text


class Document(Struct):
    """A document in its current version. `etag` is what If-Match names; `what` was done to make this version.

    `deleted`: it no longer stands; only the list of all documents shows such.
    """

    kind: Kind
    id: str
    version: int
    etag: str
    folder: str
    archived: bool
    deleted: bool
    created: Stamp
    updated: Stamp
    what: str
    note: str
    document: Json


class DocumentPage(Struct):
    """Some documents, and the cursor of the next ones."""

    items: list[Document]
    next: str | None


class NewDocument(Struct, forbid_unknown_fields=True):
    """A document to create. `note` says why, for the history."""

    document: Json
    folder: Text = ""
    note: Text = ""


class ChangedDocument(Struct, forbid_unknown_fields=True):
    """What a document is to say from now on. Without `folder` it stays where it is."""

    document: Json
    folder: Text | None = None
    note: Text = ""


class Amendment(Struct, forbid_unknown_fields=True):
    """What changes beside the document: its folder, or whether it is archived."""

    folder: Text | None = None
    archived: bool | None = None
    note: Text = ""


class Rollback(Struct, forbid_unknown_fields=True):
    """The version whose content becomes a new version."""

    version: Annotated[int, Meta(ge=1)]
    note: Text = ""


class Secret(Struct):
    """A created or rotated key. `secret` is shown to this request, and to the same one again with its Idempotency-Key within a
    day. It is null where the document came with a hash of its own."""

    document: Document
    secret: str | None


class Version(Struct):
    """One version of a document. A version that deleted it has an empty document."""

    version: int
    what: str
    at: str
    by: str
    note: str
    folder: str
    archived: bool
    deleted: bool
    current: bool
    document: Json


class VersionPage(Struct):
    """Versions, latest first."""

    items: list[Version]
    next: str | None


class Folder(Struct):
    """A folder and how many documents stand in it, without those of folders below."""

    path: str
    documents: int


class Folders(Struct):
    """The folders of an audience."""

    items: list[Folder]


class FolderMove(Struct, forbid_unknown_fields=True):
    """A folder, with all below it, and what it is called from now on."""

    source: Annotated[str, Meta(min_length=1, max_length=200)]
    target: Annotated[str, Meta(max_length=200)]


class EditedDocument(Struct, forbid_unknown_fields=True):
    """One edit of several. `expected` is the etag of what it was made of, "" for nothing; absent: whatever stands."""

    action: Literal["put", "delete"]
    kind: Kind
    id: Identifier
    document: Json | None = None
    folder: Text | None = None
    archived: bool | None = None
    expected: str | None = None


class Changes(Struct, forbid_unknown_fields=True):
    """Edits that are made together, all or none. `dry_run` only checks them; `from_files`: files under version control
    say the same, so that a later publication of the files is no surprise."""

    edits: Annotated[list[EditedDocument], Meta(min_length=1, max_length=10_000)]
    note: Text = ""
    dry_run: bool = False
    from_files: bool = False


class Changed(Struct):
    """What became of edits: the documents that have a new version now."""

    version: str
    documents: list[Document]
    deleted: list[Reference]
