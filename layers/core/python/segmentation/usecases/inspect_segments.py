"""What a segment says, who names it, how large it was; and what a draft would be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.domain.errors import Conflict, NotFound, Refused, RefusedProblem
from segmentation.domain.pipeline import Job
from segmentation.domain.published import Published
from segmentation.domain.references import references
from segmentation.domain.rulebook import Edit, Entry
from segmentation.domain.run import RunRecord, SegmentCount
from segmentation.language.sentence import Names, segment_outline, segment_sentence
from segmentation.ports import Lake, Runs

from .edit_rules import Author
from .kept_documents import committed_run
from .manage_documents import SECRET_KINDS, ManageDocuments
from .past_runs import uncleaned

_ANY_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft: its problems, or what it means."""

    problems: tuple[RefusedProblem, ...]
    sentence: str | None
    outline: tuple[str, ...]
    uses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InspectSegments:
    """Reads of segments beyond their documents."""

    documents: ManageDocuments
    lake: Lake
    runs: Runs

    def check(self, audience: str, kind: str, document: Mapping[str, Any]) -> Checked:
        """A draft of a document, checked with all the others as they are now; nothing is saved."""
        identifier = str(document.get("id", ""))
        if kind in SECRET_KINDS:
            document = {"sha256": _ANY_HASH, **document}
        self.documents.book(audience)
        uses = tuple(sorted(references(kind, document)))
        try:
            edit = Edit(kind, identifier, "checked", document, archived=False)
            done = self.documents.apply(audience, [edit], Author(""), dry_run=True)
        except Refused as error:
            return Checked(error.problems, None, (), uses)
        told = _words(done.published, identifier) if kind == "segments" else (None, ())
        return Checked((), *told, uses)

    def words(self, audience: str, identifier: str) -> tuple[Entry, str | None, tuple[str, ...]]:
        """A segment in words: a sentence, and lines. A list has neither."""
        entry, published = self._segment(audience, identifier)
        return entry, *_words(published, identifier)

    def dependents(self, audience: str, identifier: str) -> list[Entry]:
        """The documents that name a segment."""
        book = self.documents.book(audience)
        if book.get("segments", identifier) is None:
            raise NotFound(f"there is no segment {identifier[:100]!r}")
        return book.dependents(identifier)

    def sizes(
        self, audience: str, identifier: str, before: str, most: int
    ) -> Iterator[tuple[RunRecord, SegmentCount]]:
        """The segment in committed runs before `before` (a run's id), latest first, at the most so many."""
        self.documents.find(audience, "segments", identifier)
        left = most
        for run in uncleaned(self.runs, audience, Job.MATERIALIZE, before or None):
            if left == 0:
                return
            if not run.is_committed or run.backfill or run.cleaned:
                continue
            record = committed_run(self.lake, audience, run.id)
            count = record.segment(identifier) if record else None
            if record is not None and count is not None:
                left -= 1
                yield record, count

    def _segment(self, audience: str, identifier: str) -> tuple[Entry, Published]:
        book, published = self.documents.published(audience)
        entry = book.get("segments", identifier)
        if entry is None:
            raise NotFound(f"there is no segment {identifier[:100]!r}")
        if entry.record.archived:
            raise Conflict(f"segment {identifier!r} is archived; restore it first")
        return entry, published


def _words(published: Published, identifier: str) -> tuple[str | None, tuple[str, ...]]:
    segment = next(one for one in published.rules if one.id == identifier)
    if segment.rule is None:
        return None, ()
    names = Names(segments={one.id: one.name for one in published.rules})
    zone = published.rules.schema.time_zone
    return segment_sentence(segment, zone, names), tuple(map(str, segment_outline(segment, zone, names)))
