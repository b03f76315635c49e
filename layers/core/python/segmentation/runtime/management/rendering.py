"""From what the use cases give to the shapes that the API answers."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from segmentation.domain.rulebook import ACCESS, Entry
from segmentation.language.problems import Problem

from .bodies import BadInput
from .caller import Caller, Role
from .operation import MOST_ITEMS
from .shapes import common, documents


def document(entry: Entry, caller: Caller) -> documents.Document:
    """A document; of keys and tokens only an admin sees the hash."""
    record = entry.record
    return documents.Document(
        kind=entry.kind,  # type: ignore[arg-type]
        id=entry.id,
        version=record.version,
        etag=entry.tag,
        folder=record.folder,
        archived=record.archived,
        deleted=record.deleted,
        created=common.Stamp(record.created, record.created_by),
        updated=common.Stamp(record.updated, record.updated_by),
        what=record.what,
        note=record.note,
        document=_shown(entry, caller),
    )


def version(entry: Entry, current: Entry, caller: Caller) -> documents.Version:
    """One version of a document."""
    record = entry.record
    return documents.Version(
        version=record.version,
        what=record.what,
        at=record.updated,
        by=record.updated_by,
        note=record.note,
        folder=record.folder,
        archived=record.archived,
        deleted=record.deleted,
        current=record.version == current.record.version,
        document=_shown(entry, caller),
    )


def reference(entry: Entry) -> common.Reference:
    """A document by name."""
    name = entry.document.get("name") or entry.document.get("description") or entry.id
    return common.Reference(entry.kind, entry.id, str(name))  # type: ignore[arg-type]


def problem(one: Problem, prefix: str) -> common.Problem:
    """A problem with a document that was sent."""
    return common.Problem(one.code, one.message, prefix + one.pointer)


def _shown(entry: Entry, caller: Caller) -> dict[str, Any]:
    hidden = {"sha256"} if entry.kind in ACCESS and caller.role < Role.ADMIN else set()
    return {name: value for name, value in entry.document.items() if name not in hidden}


def limit(query: Mapping[str, Any]) -> int:
    """The size of a page."""
    if not 1 <= query["limit"] <= MOST_ITEMS:
        message = f"'limit' is from 1 to {MOST_ITEMS}"
        raise BadInput([Problem("limit", "bad-parameter", message)], parameter=True)
    return int(query["limit"])


def cursor(text: str) -> str:
    """A cursor: opaque to the caller."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(query: Mapping[str, Any]) -> str:
    """What `cursor` was made of, or nothing."""
    given = query["cursor"]
    try:
        return base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        message = "'cursor' must be the 'next' of an earlier answer, unchanged"
        raise BadInput([Problem("cursor", "bad-parameter", message)], parameter=True) from None


def read_number(query: Mapping[str, Any], default: int) -> int:
    """A cursor that is a number."""
    text = read_cursor(query)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        message = "'cursor' must be the 'next' of an earlier answer, unchanged"
        raise BadInput([Problem("cursor", "bad-parameter", message)], parameter=True)
    return int(text)
