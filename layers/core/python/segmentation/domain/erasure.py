"""Requests to erase a person: what they name, how far each has come, and when it is done.

The profiles store is emptied at once. The lake is gone through by night after night until nothing is found any more:
events that were on their way, and files that were being merged, bring rows back for a while. A month after the request at
the latest nothing names the person but hashes of the keys, which later builds of the audience leave out.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from segmentation.language.types import Type

from .event_lake import Kind, LakeTable
from .run import instant, table_name

SETTLED = 3 * 86_400
"""Seconds until nothing old can arrive in the lake any more: the stream keeps events for two days."""
LAST_PASS = 28 * 86_400
"""Seconds until the last pass, which also removes what partners were still to be told."""
OVERDUE = 30 * 86_400
"""Seconds within which a request is to be done."""
REST = 20 * 3_600
"""Seconds between two passes."""

EXCLUDED: Mapping[str, Kind] = {"key_hash": Type.STRING, "moment": Type.TIMESTAMP}
"""The columns of the keys that builds leave out."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request. `names` are the person's keys; once it is done only their hashes are kept.

    `store`: the profiles store was emptied. `excluded`: when builds were told to leave the keys out. `passed`: when the last
    pass over the lake began, which found `found` rows. `lifted`: since when builds take the person in again.
    """

    id: str
    audience: str
    moment: int
    names: tuple[str, ...]
    hashes: tuple[str, ...] = ()
    store: bool = False
    excluded: int | None = None
    passed: int | None = None
    found: int = 0
    done: int | None = None
    lifted: int | None = None

    def knows(self, names: Iterable[str]) -> "Erasure":
        """The same with further keys of the person."""
        together = tuple(sorted({*self.names, *names}))
        return replace(self, names=together, hashes=tuple(sorted({*self.hashes, *map(key_hash, together)})))

    def is_due(self, now: int) -> bool:
        """Whether the lake is to be gone through for it."""
        if self.done is not None or not self.store:
            return False
        if self.passed is None:
            return True
        quiet = self.found == 0 and self.passed - self.moment >= SETTLED
        is_last = now - self.moment >= LAST_PASS
        return now - self.passed >= REST and (not quiet or is_last)

    def after_pass(self, began: int, found: int) -> "Erasure":
        """The same after a pass."""
        return replace(self, passed=began, found=found)

    def is_over(self, built: int | None) -> bool:
        """Whether nothing of the person is left. `built`: when the oldest version in use was begun; nothing: there is none."""
        if self.passed is None or self.excluded is None or self.found:
            return False
        return self.passed - self.moment >= LAST_PASS and (built is None or built > self.excluded)

    def finished(self, now: int) -> "Erasure":
        """Done: the keys are forgotten."""
        return replace(self, names=(), done=now)

    def is_late(self, now: int) -> bool:
        """Whether it should have been done by now."""
        return self.done is None and now - self.moment > OVERDUE

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Erasure":
        """From JSON that `to_document` made."""
        return cls(**{**document, "names": tuple(document["names"]), "hashes": tuple(document["hashes"])})


def key_hash(name: str) -> str:
    """How a key is kept that must not be known: the SHA-256 of `<column>:<value>`."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def requests_folder(audience: str) -> str:
    """Where requests stand."""
    return f"erasures/{audience}/requests/"


def request_path(audience: str, request: str) -> str:
    """A request."""
    return f"{requests_folder(audience)}{request}.json"


def pass_path(audience: str) -> str:
    """How far the pass over the lake has come."""
    return f"erasures/{audience}/pass.json"


def excluded_path(request: Erasure) -> str:
    """The file of the keys of a request that builds leave out."""
    return (
        f"{excluded_table(request.audience).folder}date={instant(request.moment)[:10]}/{request.id}.parquet"
    )


def excluded_table(audience: str) -> LakeTable:
    """The table of the keys that builds leave out."""
    columns = {"key_hash": "string", "moment": "bigint"}
    return LakeTable(table_name(audience, "erased_keys"), f"erasures/{audience}/keys/", columns)
