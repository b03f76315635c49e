"""Ask for the removal of an audience with everything that was made of it, and see how far it is."""

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from segmentation.domain.errors import Conflict, CorruptObject, NotFound, Outdated, Unavailable
from segmentation.domain.pipeline import Job
from segmentation.domain.removal import FOLDERS, Removal, lake_names, removal_path, removed_path
from segmentation.domain.segment_removal import deleted_segments
from segmentation.language.types import SEGMENT_ID
from segmentation.ports import Clock, Function, Lake, RuleSets, Runs

from .edit_rules import read_book, rule_set_path
from .kept_documents import current_run, read_json
from .manage_documents import ANY, ManageDocuments, bound_to

MOST_NAMED = 10
"""Documents that an error names one by one."""

logger = logging.getLogger("segmentation.remove_audiences")


@dataclass(frozen=True, slots=True)
class AskRemoval:
    """For an admin. `remover`: the function that carries removals on; it looks each hour by itself too."""

    documents: ManageDocuments
    rule_sets: RuleSets
    lake: Lake
    runs: Runs
    clock: Clock
    remover: Function

    def __call__(self, audience: str, by: str, *, expected: str, force: bool = False) -> Removal:
        """Have an audience removed; to ask again while it is being removed does no harm.

        `expected`: the tag of the audience document that the caller has seen. `Conflict` names the documents that
        stand in it and the runs that are under way, unless it is forced. `NotFound`, `PreconditionRequired`, `Outdated`.
        """
        _known(audience)
        found = read_removal(self.lake, removal_path(audience))
        if found is None:
            self._guard(audience, expected, force=force)
            found = ask_removal(self.lake, self.rule_sets, audience, self.clock.now(), by)
        try:
            self.remover.start({})
        except Unavailable as error:
            logger.warning("the removal of %s begins within the hour: %s", audience, error)
        return found

    def state(self, audience: str) -> Removal:
        """How far the removal of an audience is, or when it was done. `NotFound`: nobody asked for one."""
        _known(audience)
        for path in (removal_path(audience), removed_path(audience)):
            found = read_removal(self.lake, path)
            if found is not None:
                return found
        raise NotFound(f"no removal of audience {audience[:100]!r} was asked for")

    def _guard(self, audience: str, expected: str, *, force: bool) -> None:
        if audience not in self.documents.audiences():
            # Its rules are gone, but perhaps not all that was made of them: then there is nothing to compare with.
            if _remains(self.lake, audience):
                bound_to("", expected)
            return
        book = self.documents.book(audience)
        entry = self.documents.find(audience, "audience", audience)
        if bound_to(entry.tag, expected) not in (ANY, entry.tag):
            raise Outdated([("audience", audience)])
        standing = [one for one in book.entries.values() if one.kind != "audience" and not one.record.deleted]
        locks = (self.runs.lock(audience, job) for job in Job)
        running = [f"run {lock.job}/{lock.holder} is under way" for lock in locks if lock.holder]
        if force or not (standing or running):
            return
        named = [f"{one.kind.removesuffix('s').replace('_', ' ')} {one.id!r}" for one in standing]
        reasons = [f"{_some(named)} stand{'' if len(named) > 1 else 's'} in it"] if named else []
        raise Conflict(
            f"audience {audience!r} is not removed: {'; '.join([*reasons, *running])}. Take them out and wait for the "
            "run's end, or force it (force=true, --force): then all of it goes, and the run is stopped"
        )


def ask_removal(lake: Lake, rule_sets: RuleSets, audience: str, now: int, by: str = "") -> Removal:
    """Note that an audience is to be removed, once: from then on its documents cannot be changed."""
    path = removal_path(audience)
    if (found := read_removal(lake, path)) is not None:
        return found
    published = rule_sets.all().get(audience)
    if published is None and not _remains(lake, audience):
        raise NotFound(f"there is no audience {audience[:100]!r}, and nothing that was made of one")
    segments = {one.id for one in published.rules} if published else set()
    stored = lake.get(rule_set_path(audience))
    if stored is not None:  # what is left of deleted ones may not be removed yet
        with suppress(CorruptObject):
            segments |= deleted_segments(read_book(audience, stored.data)).keys()
    last = current_run(lake, audience)
    if last is not None:
        segments |= {one.id for one in last.segments}
    tables = lake_names(published.audience) if published else []
    removal = Removal(audience, now, tuple(sorted(segments)), tuple(tables), since=now, by=by)
    lake.put(path, json.dumps(removal.to_document()).encode(), expected="")
    return read_removal(lake, path) or removal  # of two who ask at once the first


def read_removal(lake: Lake, path: str) -> Removal | None:
    """A removal as it is kept."""
    document = read_json(lake, path)
    return None if document is None else Removal.from_document(document)


def _remains(lake: Lake, audience: str) -> bool:
    """Whether anything that was made of an audience lies in the lake."""
    return any(next(iter(lake.list(f"{folder}/{audience}/")), None) for folder in FOLDERS)


def _known(audience: str) -> None:
    if not SEGMENT_ID.fullmatch(audience):
        raise NotFound(f"there is no audience {audience[:100]!r}")


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - MOST_NAMED
    return ", ".join(listed[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
