"""Make the published rules of an audience say exactly what a set of documents says, for a test to begin with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.domain.published import Published, document_of, parse_published
from segmentation.domain.rulebook import ACCESS, FROM_FILES, Document, Edit, Rulebook
from segmentation.ports import Clock, Lake
from segmentation.usecases.edit_rules import Author, EditRules


@dataclass(frozen=True, slots=True)
class PublishRules:
    """Publish a rule set whatever stood there: one put, so a reader sees the old one or the new one."""

    lake: Lake
    clock: Clock
    by: str = "publish"

    def __call__(
        self,
        audience: Mapping[str, Any],
        segments: Sequence[Mapping[str, Any]],
        access: Mapping[str, Any],
        destinations: Sequence[Mapping[str, Any]],
    ) -> Published:
        """The published set; `RuleError` or `Refused` lists all problems of all documents and nothing is put."""
        parse_published(document_of(audience, segments, access, destinations, ""))
        wanted: dict[str, Sequence[Document]] = {"audience": [audience], "segments": segments}
        wanted |= {kind: access.get(kind, []) for kind in ACCESS} | {"destinations": destinations}
        edit = EditRules(self.lake, self.clock)
        return edit(str(audience["id"]), lambda book: replacing(book, wanted), Author(self.by)).published


def replacing(book: Rulebook, wanted: Mapping[str, Sequence[Document]]) -> list[Edit]:
    """The edits after which a rulebook holds these documents of each kind and no others; archived ones stay."""
    edits = []
    for kind, documents in wanted.items():
        names = {str(one["id"]) for one in documents}
        for one in documents:
            stands = book.get(kind, str(one["id"]))
            restored = False if stands is not None and stands.record.archived else None
            edits.append(Edit(kind, str(one["id"]), FROM_FILES, one, archived=restored))
        edits += [
            Edit(kind, entry.id, FROM_FILES, delete=True)
            for entry in book.of(kind)
            if entry.id not in names and not entry.record.archived
        ]
    return edits
