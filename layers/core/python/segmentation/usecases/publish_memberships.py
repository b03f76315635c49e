"""Publish a committed run: to the profiles store, to the pages that partners read, to the deliverer.

Everything is idempotent, so a publication that was cut off is simply done again from its beginning.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from segmentation.domain.errors import BadRecord, Unavailable
from segmentation.domain.messages import batch_messages
from segmentation.domain.profile import BatchPart, profile_id, profile_name
from segmentation.domain.published import Published
from segmentation.domain.run import RunRecord, run_path
from segmentation.domain.run_sql import GONE
from segmentation.domain.syndication import MOST_RUNS, PAGE, changes_path, index_path, members_path
from segmentation.language.sql import IDENTITIES
from segmentation.language.values import parse_value
from segmentation.ports import Lake, Profiles, Queue, RuleSets, Tables

MOST_MISSED = 30
"""Runs that one publication catches up with."""
SEND_AT_ONCE = 100
PROFILES_AT_ONCE = 500
"""Whose links are written before they are."""

logger = logging.getLogger("segmentation.publish_memberships")


@dataclass(frozen=True, slots=True)
class Publication:
    """What came of one run's publication."""

    run: str
    profiles: int
    pages: int
    messages: int


@dataclass(slots=True)
class _Pages:
    """Pages of one kind, for each segment: full ones are put, the last one says that it is the last."""

    lake: Lake
    record: RunRecord
    kind: str
    written: int = 0
    _open: dict[str, list[Any]] = field(default_factory=dict)
    _number: dict[str, int] = field(default_factory=dict)

    def start(self, segment: str) -> None:
        """A segment without entries has one page too."""
        self._open.setdefault(segment, [])

    def add(self, segment: str, entry: Any) -> None:
        page = self._open.get(segment)
        if page is None:  # a segment that no longer exists: nobody can ask for it
            return
        if len(page) == PAGE:
            self._put(segment, last=False)
        self._open[segment].append(entry)

    def finish(self) -> None:
        for segment in self._open:
            self._put(segment, last=True)

    def _put(self, segment: str, *, last: bool) -> None:
        number = self._number.get(segment, 0)
        path = members_path if self.kind == "members" else changes_path
        page = {
            "run": self.record.run,
            "now": self.record.now,
            "segment": segment,
            self.kind: self._open[segment],
            "last": last,
        }
        target = path(self.record.audience, self.record.run, segment, number)
        self.lake.put(target, json.dumps(page, separators=(",", ":")).encode())
        self._open[segment] = []
        self._number[segment] = number + 1
        self.written += 1


@dataclass(frozen=True, slots=True)
class PublishMemberships:
    """The last step of the batch path."""

    tables: Tables
    lake: Lake
    profiles: Profiles
    rule_sets: RuleSets
    activations: Queue

    def __call__(self, audience: str, run: str) -> list[Publication]:
        """Publish a run, after earlier ones whose publication was lost; all that were published."""
        published = self.rule_sets.all().get(audience)
        if published is None:
            raise Unavailable(f"no rule set of audience {audience!r} can be read")
        return [self._publish(published, record) for record in self._due(audience, run)]

    def _due(self, audience: str, run: str) -> list[RunRecord]:
        """The run and the unpublished ones before it, oldest first: changes only add up when none is left out."""
        record = self._record(audience, run)
        if record is None:
            raise BadRecord(f"no run {run!r} of audience {audience!r}")
        due, runs = [record], self._index(audience)[0]
        while (before := due[0].previous) is not None and before not in runs and len(due) < MOST_MISSED:
            if runs and before < runs[0]:  # so old that the index has forgotten it
                break
            earlier = self._record(audience, before)
            if earlier is None:
                break
            due.insert(0, earlier)
        return due

    def _record(self, audience: str, run: str) -> RunRecord | None:
        stored = self.lake.get(run_path(audience, run, "run.json"))
        return None if stored is None else RunRecord.from_document(json.loads(stored.data))

    def _index(self, audience: str) -> tuple[list[str], str]:
        stored = self.lake.get(index_path(audience))
        return ([], "") if stored is None else (list(json.loads(stored.data)["runs"]), stored.tag)

    def _publish(self, published: Published, record: RunRecord) -> Publication:
        changes = _Pages(self.lake, record, "changes")
        members = _Pages(self.lake, record, "members")
        for segment in record.segments:
            changes.start(segment.id)
            members.start(segment.id)
        written = self._publish_profiles(published, record, changes)
        changes.finish()
        for row in self._rows(record, record.members + "/"):
            for segment in row["segments"]:
                members.add(segment, row["profile_key"])
        members.finish()
        self._commit(record)
        sent = self._tell(published, record)
        return Publication(record.run, written, changes.written + members.written, sent)

    def _rows(self, record: RunRecord, folder: str) -> Iterator[dict[str, Any]]:
        for batch in self.tables.read(run_path(record.audience, record.run, folder)):
            yield from batch

    def _publish_profiles(self, published: Published, record: RunRecord, changes: _Pages) -> int:
        """Write the batch parts that changed, how many; before each profile the links that lead to it."""
        parts = self._parts(published, record, changes)
        if not record.identities:
            return self.profiles.publish((key, part) for key, part, _ in parts)
        written = 0
        while chunk := list(islice(parts, PROFILES_AT_ONCE)):
            audience = published.audience.id
            links, gone = [], []
            for key, part, left in chunk:
                name = key.partition("#")[2]
                for identity in part.identities:
                    links.append(
                        (profile_id(audience, identity), BatchPart(part.run, part.now, (), owner=name))
                    )
                for identity in left:
                    empty = BatchPart(part.run, part.now, (), owner="")
                    gone.append((profile_id(audience, identity), name, empty))
            self.profiles.unlink(gone)
            self.profiles.publish(links)
            # An event that comes from now on finds the link. What the stream kept before is said to the profile's readers.
            apart = self.profiles.read({key for key, _ in links}) if links else {}
            unjoined = {key for key, one in apart.items() if one.realtime is not None and one.realtime.state}

            def with_unjoined(
                part: BatchPart, found: set[str] = unjoined, audience: str = audience
            ) -> BatchPart:
                own = [one for one in part.identities if profile_id(audience, one) in found]
                return replace(part, unjoined=tuple(own))

            written += self.profiles.publish([(key, with_unjoined(part)) for key, part, _ in chunk])
        return written

    def _parts(
        self, published: Published, record: RunRecord, changes: _Pages
    ) -> Iterator[tuple[str, BatchPart, Sequence[str]]]:
        """Each profile that changed: its key in the store, its part, and the identity keys that it has no more."""
        audience, types = published.audience, published.audience.schema().attributes
        public = audience.public()
        for row in self._rows(record, record.changes + "/"):
            key = row["profile_key"]
            for kind in ("left", "joined"):
                for segment in row[kind]:
                    changes.add(segment, (key, kind))
            values = {
                name: parse_value(types[name], row[name]) for name in record.attributes if name in public
            }
            part = BatchPart(
                run=record.run,
                now=record.now,
                segments=tuple(row["segments"]),
                attributes={name: value for name, value in values.items() if value is not None},
                identities=tuple(row[IDENTITIES]) if record.identities else (),
            )
            left = tuple(row[GONE]) if record.identities else ()
            yield profile_id(audience.id, profile_name(audience.master_key, key)), part, left

    def _commit(self, record: RunRecord) -> None:
        """Add the run to the index: from now on partners see it."""
        for _ in range(10):
            runs, tag = self._index(record.audience)
            if record.run in runs:
                return
            kept = sorted({*runs, record.run})[-MOST_RUNS:]
            path = index_path(record.audience)
            if self.lake.put(path, json.dumps({"runs": kept}).encode(), expected=tag):
                return
        raise Unavailable("the index of runs is being changed by others; this comes back")

    def _tell(self, published: Published, record: RunRecord) -> int:
        sent = 0
        for destination in published.destinations:
            for segment in record.segments:
                if segment.id in destination.segments and segment.joined + segment.left:
                    sent += self._tell_one(published, record, destination.id, segment.id)
        return sent

    def _tell_one(self, published: Published, record: RunRecord, destination: str, segment: str) -> int:
        column, sent, number, last = published.audience.master_key, 0, 0, False
        while not last:
            stored = self.lake.get(changes_path(record.audience, record.run, segment, number))
            if stored is None:
                raise Unavailable(f"page {number} of the changes of {segment!r} cannot be read")
            page = json.loads(stored.data)
            sides: dict[str, list[str]] = {"joined": [], "left": []}
            for key, kind in page["changes"]:
                sides[kind].append(profile_name(column, key))
            messages = list(
                batch_messages(
                    record.audience,
                    destination,
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
            sent, number, last = sent + len(messages), number + 1, page["last"]
        return sent
