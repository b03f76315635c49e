"""Publish committed runs: to the profiles store, to the pages that partners read, to the deliverer.

A run's publication is a set of tasks on a queue, that many invocations work off at once (domain/publication.py).
Each may be done twice, or be cut off anywhere and be done again. Profiles are written as soon as a run is committed;
what adds up only in the order of runs (the index of runs, messages to destinations) waits for the run before.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from segmentation.domain.errors import BadRecord, Unavailable
from segmentation.domain.messages import batch_messages
from segmentation.domain.profile import profile_name
from segmentation.domain.publication import (
    CHANGES_A_PART,
    LISTED_PROFILES,
    MOST_TRIES,
    PAGES_A_TELLING,
    Part,
    Plan,
    Task,
    Telling,
    mark_name,
    page_at,
    page_count,
    pages_of,
    publication_path,
    rows_a_part,
    wait_before,
)
from segmentation.domain.published import Published
from segmentation.domain.run import RunRecord, run_path
from segmentation.domain.syndication import MOST_RUNS, contents_path, index_path, page_path
from segmentation.ports import Lake, Queue, RuleSets, Tables

from .kept_documents import committed_run, current_run, read_json
from .publish_part import HasTime, PublishPart

MOST_BEGUN = 30
"""Runs whose parts one task hands out: its own, and the latest ones before that were lost."""
SEND_AT_ONCE = 100

logger = logging.getLogger("segmentation.publish_memberships")


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one task. `runs`: those whose publication it completed; `held`: the profiles store took no more."""

    profiles: int = 0
    pages: int = 0
    messages: int = 0
    runs: tuple[str, ...] = ()
    held: bool = False


@dataclass(frozen=True, slots=True)
class PublishMemberships:
    """The last step of the batch path."""

    tables: Tables
    lake: Lake
    part: PublishPart
    rule_sets: RuleSets
    publications: Queue
    activations: Queue

    def __call__(self, task: Task, has_time: HasTime = lambda: True) -> Done:
        """Do one task. A task of a run alone plans it, and earlier ones whose publication was lost."""
        published = self.rule_sets.all().get(task.audience)
        if published is None:
            raise Unavailable(f"no rule set of audience {task.audience!r} can be read")
        record = committed_run(self.lake, task.audience, task.run)
        if record is None:
            raise BadRecord(f"no run {task.run!r} of audience {task.audience!r}")
        if task.tell is not None:
            return Done(messages=self._tell(published, record, task.tell))
        if task.part is not None:
            return self._part(published, record, task, task.part, has_time)
        for one in self._due(record)[-MOST_BEGUN:]:
            self._begin(published, one, again=one.run == record.run)
        return Done(runs=tuple(self._settle(published, record)))

    def _part(
        self, published: Published, record: RunRecord, task: Task, number: int, has_time: HasTime
    ) -> Done:
        plan = self._plan(record)
        if plan is None or number >= len(plan.parts):
            raise BadRecord(f"run {record.run!r} has no part {number}")
        if self._json(record, mark_name(number)) is not None:
            return Done(runs=tuple(self._settle(published, record)))
        done = self.part(published, record, plan, number, task.row, has_time)
        if done.row is None:
            return Done(done.profiles, done.pages, runs=tuple(self._settle(published, record)))
        # In the time that is left, or just now, it cannot be done: somebody goes on from here.
        tries = task.tries + 1 if done.held and done.row == task.row else 0
        if tries > MOST_TRIES:
            raise Unavailable(f"part {number} of run {record.run!r} does not go forward: {done.held}")
        wait = wait_before(max(tries, 1)) if done.held else 0
        onward = replace(task, row=done.row, tries=tries)
        self.publications.send([onward.to_document()], after=wait)
        logger.warning("part %s of run %s goes on at row %s: %s", number, record.run, done.row, done.held)
        return Done(done.profiles, done.pages, held=bool(done.held))

    def _begin(self, published: Published, record: RunRecord, *, again: bool) -> None:
        """Plan a run, if nobody did, and hand out its parts; `again`: those that are not done, once more."""
        plan = self._plan(record)
        if plan is None:
            self._put(record, "plan.json", self._planned(published, record).to_document(), new=True)
            plan = self._plan(record)
            assert plan is not None  # noqa: S101 - it was put, by this one or another
        elif not again and self._json(record, "queued.json") is not None:
            return
        done = set(self.lake.list(publication_path(record.audience, record.run, "parts/")))
        waiting = [
            Task(record.audience, record.run, number).to_document()
            for number in range(len(plan.parts))
            if publication_path(record.audience, record.run, mark_name(number)) not in done
        ]
        for start in range(0, len(waiting), SEND_AT_ONCE):
            self.publications.send(waiting[start : start + SEND_AT_ONCE])
        self._put(record, "queued.json", {"parts": len(plan.parts)})

    def _planned(self, published: Published, record: RunRecord) -> Plan:
        known = [segment.id for segment in record.segments]
        listed = {one for partner in published.access.partners for one in partner.segments}
        told = {one for destination in published.destinations for one in destination.segments}
        changes = tuple(one for one in known if one in listed | told)
        all_listed = record.profiles <= LISTED_PROFILES
        members = tuple(one for one in known if all_listed or one in listed)
        folder = run_path(record.audience, record.run, "")
        parts = [
            Part("changes", one) for one in self.tables.pieces(f"{folder}{record.changes}/", CHANGES_A_PART)
        ]
        if members:
            entries = sum(one.size for one in record.segments if one.id in members)
            rows = rows_a_part(record.profiles, entries)
            parts += [Part("members", one) for one in self.tables.pieces(f"{folder}{record.members}/", rows)]
        return Plan(tuple(parts), changes, members)

    # Runs in their order ------------------------------------------------------------------------------------

    def _due(self, record: RunRecord) -> list[RunRecord]:
        """A run and all before it whose publication is not complete, oldest first: as many as are kept, for none may be
        completed before the one before it."""
        due: list[RunRecord] = []
        one: RunRecord | None = record
        runs = self._index(record.audience)[0]
        while one is not None and self._json(one, "told.json") is None:
            due.append(one)
            if one.previous is None or (runs and one.previous < runs[0]):  # so old that the index forgot it
                break
            one = committed_run(self.lake, record.audience, one.previous)
        return due[::-1]

    def _settle(self, published: Published, record: RunRecord) -> list[str]:
        """Complete the publications that can be, of the runs up to the current one; in their order."""
        completed = []
        current = current_run(self.lake, record.audience) or record
        for one in self._due(current if current.run >= record.run else record):
            plan = self._plan(one)
            folder = publication_path(one.audience, one.run, "parts/")
            if plan is None or len(list(self.lake.list(folder))) < len(plan.parts):
                break
            self._complete(published, one, plan)
            completed.append(one.run)
        return completed

    def _complete(self, published: Published, record: RunRecord, plan: Plan) -> None:
        marks = [self._json(record, mark_name(number)) for number in range(len(plan.parts))]
        if None in marks:
            raise Unavailable(f"marks of run {record.run!r} were removed while they were being read")
        tellings = []
        for segment in record.segments:
            pages = {kind: pages_of(marks, kind, segment.id) for kind in ("changes", "members")}
            contents: dict[str, Any] = {"run": record.run, "now": record.now, **pages}
            if segment.id not in plan.members:
                contents["members"] = None
            path = contents_path(record.audience, record.run, segment.id)
            self.lake.put(path, json.dumps(contents, separators=(",", ":")).encode())
            count = page_count(pages["changes"])
            for destination in published.subscribers(segment.id):
                for first in range(0, count, PAGES_A_TELLING):
                    told = Telling(destination.id, segment.id, first, min(first + PAGES_A_TELLING, count))
                    tellings.append(Task(record.audience, record.run, tell=told).to_document())
        self._index_run(record)
        for start in range(0, len(tellings), SEND_AT_ONCE):
            self.publications.send(tellings[start : start + SEND_AT_ONCE])
        profiles = sum(mark["profiles"] for mark in marks)
        self._put(record, "told.json", {"profiles": profiles, "tellings": len(tellings)})
        logger.info("run %s of %s is published", record.run, record.audience)

    def _index_run(self, record: RunRecord) -> None:
        """Add the run to the index: from now on partners see it."""
        for _ in range(10):
            runs, tag = self._index(record.audience)
            if record.run in runs:
                return
            known = sorted({*runs, record.run})
            dropped, kept = known[:-MOST_RUNS], known[-MOST_RUNS:]
            path = index_path(record.audience)
            if self.lake.put(path, json.dumps({"runs": kept}).encode(), expected=tag):
                for run in dropped:  # nobody can ask for their pages any more
                    self.lake.delete_prefix(f"syndication/{record.audience}/{run}/")
                return
        raise Unavailable("the index of runs is being changed by others; this comes back")

    def _tell(self, published: Published, record: RunRecord, telling: Telling) -> int:
        """Hand some pages of changes to the deliverer; how many messages."""
        segment, sent = telling.segment, 0
        if all(one.id != telling.destination for one in published.subscribers(segment)):
            return 0  # it was removed meanwhile
        contents = read_json(self.lake, contents_path(record.audience, record.run, segment))
        pages = contents["changes"] if contents else []
        for number in range(telling.first, telling.last):
            place = page_at(pages, number)
            page = (
                self.lake.get(page_path(record.audience, record.run, segment, "changes", *place))
                if place
                else None
            )
            if page is None:
                raise Unavailable(f"page {number} of the changes of {segment!r} cannot be read")
            sides: dict[str, list[str]] = {"joined": [], "left": []}
            for key, kind in json.loads(page.data):
                sides[kind].append(profile_name(published.audience.master_key, key))
            messages = list(
                batch_messages(
                    record.audience,
                    telling.destination,
                    segment,
                    record.run,
                    record.now,
                    sides["joined"],
                    sides["left"],
                    part=number,
                )
            )
            for start in range(0, len(messages), SEND_AT_ONCE):
                self.activations.send(messages[start : start + SEND_AT_ONCE])
            sent += len(messages)
        return sent

    # What is written down -----------------------------------------------------------------------------------

    def _index(self, audience: str) -> tuple[list[str], str]:
        stored = self.lake.get(index_path(audience))
        return ([], "") if stored is None else (list(json.loads(stored.data)["runs"]), stored.tag)

    def _plan(self, record: RunRecord) -> Plan | None:
        document = self._json(record, "plan.json")
        return None if document is None else Plan.from_document(document)

    def _json(self, record: RunRecord, name: str) -> Any:
        return read_json(self.lake, publication_path(record.audience, record.run, name))

    def _put(self, record: RunRecord, name: str, document: Mapping[str, Any], *, new: bool = False) -> None:
        """Put a document; a `new` one only if nobody did before."""
        path = publication_path(record.audience, record.run, name)
        self.lake.put(
            path, json.dumps(document, separators=(",", ":")).encode(), expected="" if new else None
        )
