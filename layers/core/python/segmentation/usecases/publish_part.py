"""Publish one part of a run: its profiles to the profiles store, and pages for those who list members or are told.

A part that is done again writes the same: a batch part is put only over one of an earlier run or of this one, a page
is named by its part.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from msgspec import structs
from segmentation.domain.batch_room import fitting_attributes, fitting_names, is_reachable
from segmentation.domain.errors import Unavailable
from segmentation.domain.profile import BatchPart, profile_id, profile_name
from segmentation.domain.publication import Plan, mark_name, publication_path
from segmentation.domain.published import Published
from segmentation.domain.run import RunRecord
from segmentation.domain.run_sql import CAME, GONE
from segmentation.domain.syndication import PAGE, page_path
from segmentation.language.sql import IDENTITIES
from segmentation.language.values import parse_value
from segmentation.ports import Lake, Profiles, Tables

from .update_visitors import Cause, UpdateVisitors, Visit

PROFILES_AT_ONCE = 500
"""Written between two looks at the time; whose links are written before they are."""

HasTime = Callable[[], bool]
logger = logging.getLogger("segmentation.publish_memberships")


@dataclass(frozen=True, slots=True)
class PartDone:
    """What came of a part. `row`: where to go on, if it is not done; `held`: the store took no more."""

    profiles: int = 0
    pages: int = 0
    row: int | None = None
    held: str = ""


@dataclass(slots=True)
class _Pages:
    """Pages that one part makes of one kind, for each of some segments: full ones are put, then what is left."""

    lake: Lake
    record: RunRecord
    part: int
    kind: str
    segments: Sequence[str]
    counts: dict[str, int] = field(default_factory=dict)
    _open: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._open = {segment: [] for segment in self.segments}

    def add(self, segment: str, entries: Sequence[Any]) -> None:
        page = self._open.get(segment)
        if page is None:
            return
        page.extend(entries)
        while len(page) >= PAGE:
            self._put(segment, page[:PAGE])
            del page[:PAGE]

    def finish(self) -> None:
        for segment, page in self._open.items():
            if page:
                self._put(segment, page)

    def _put(self, segment: str, page: Sequence[Any]) -> None:
        number = self.counts.get(segment, 0)
        path = page_path(self.record.audience, self.record.run, segment, self.kind, self.part, number)
        self.lake.put(path, msgspec.json.encode(page))
        self.counts[segment] = number + 1


@dataclass(frozen=True, slots=True)
class PublishPart:
    """Does parts of a publication."""

    tables: Tables
    lake: Lake
    profiles: Profiles
    update: UpdateVisitors

    def __call__(
        self,
        published: Published,
        record: RunRecord,
        plan: Plan,
        number: int,
        row: int,
        has_time: HasTime,
    ) -> PartDone:
        """Do a part; its profiles from a row on. It leaves its mark when all of it is done."""
        part = plan.parts[number]
        pages = _Pages(self.lake, record, number, part.kind, getattr(plan, part.kind))
        done = PartDone()
        if part.kind == "members":
            for found in self.tables.keys_by(part.piece, "profile_key", "segments", plan.members):
                for segment, keys in found.items():
                    pages.add(segment, keys)
        else:
            done = self._changes(published, record, plan, number, row, has_time, pages)
        if done.row is not None:
            return done
        pages.finish()
        mark = {"profiles": done.profiles, "pages": {part.kind: pages.counts}}
        path = publication_path(record.audience, record.run, mark_name(number))
        self.lake.put(path, json.dumps(mark, separators=(",", ":")).encode())
        return replace(done, pages=sum(pages.counts.values()))

    def _changes(
        self,
        published: Published,
        record: RunRecord,
        plan: Plan,
        number: int,
        row: int,
        has_time: HasTime,
        pages: _Pages,
    ) -> PartDone:
        at = written = 0
        for rows in self.tables.read_piece(plan.parts[number].piece):
            for one in rows:
                for kind in ("left", "joined"):
                    for segment in one[kind]:
                        pages.add(segment, [(one["profile_key"], kind)])
            for start in range(0, len(rows), PROFILES_AT_ONCE):
                chunk = rows[start : start + PROFILES_AT_ONCE]
                at += len(chunk)
                # What was written before it was handed on is not written again, though its pages are.
                if at <= row:
                    continue
                if at > row + len(chunk) and not has_time():
                    return PartDone(written, row=at - len(chunk))
                try:
                    written += self._write(published, record, chunk)
                except Unavailable as error:
                    return PartDone(written, row=at - len(chunk), held=str(error))
        return PartDone(written)

    def _write(self, published: Published, record: RunRecord, rows: Sequence[Mapping[str, Any]]) -> int:
        """Write the batch parts of some profiles, how many; before them the links that lead to them, after them what
        real-time rules make of them."""
        audience = published.audience.id
        master = published.audience.master_key
        reachable = [row for row in rows if is_reachable(profile_name(master, row["profile_key"]))]
        if unreachable := len(rows) - len(reachable):
            logger.warning("%d profiles have keys that nobody can ask for: they are too long", unreachable)
        rows = reachable
        parts = {row["profile_key"]: _batch_part(published, record, row) for row in rows}
        names = {key: profile_name(master, key) for key in parts}
        if record.identities:
            self._link(published, record, rows, names)
            parts = self._with_unjoined(audience, parts)
        written = self.profiles.publish(
            [(profile_id(audience, names[key]), part) for key, part in parts.items()]
        )
        self._follow(published, names.values())
        return written

    def _link(
        self,
        published: Published,
        record: RunRecord,
        rows: Sequence[Mapping[str, Any]],
        names: Mapping[str, str],
    ) -> None:
        """Let identity keys lead to their profiles (`names`, by profile key), and no longer those that went away.

        A link that stands is not written again: as many items are written as profiles and keys changed.
        """
        audience = published.audience.id

        def link(owner: str) -> BatchPart:
            return BatchPart(record.run, record.now, (), owner=owner)

        gone, came = (
            [
                (profile_id(audience, key), names[row["profile_key"]])
                for row in rows
                for key in filter(is_reachable, row[column])
            ]
            for column in (GONE, CAME)
        )
        self.profiles.unlink([(key, owner, link("")) for key, owner in gone])
        self.profiles.publish([(key, link(owner)) for key, owner in came])

    def _with_unjoined(self, audience: str, parts: Mapping[str, BatchPart]) -> dict[str, BatchPart]:
        """The parts, each with the keys under which the stream kept something before they led to it.

        An event that comes from now on finds the link; what was kept before is said to the profile's readers.
        """
        keys = {profile_id(audience, one) for part in parts.values() for one in part.identities}
        found = self.profiles.read(keys) if keys else {}
        kept = {key for key, one in found.items() if one.realtime is not None and one.realtime.state}
        return {
            key: structs.replace(
                part, unjoined=tuple(one for one in part.identities if profile_id(audience, one) in kept)
            )
            for key, part in parts.items()
        }

    def _follow(self, published: Published, names: Iterable[str]) -> None:
        """Evaluate the real-time segments of profiles whose batch part is another one now, and tell who joined and left.

        Who cannot be evaluated at all holds up nobody; of all others nothing is left out.
        """
        audience = published.audience.id
        if "realtime" not in published.kinds.values():
            return
        visits = {profile_id(audience, name): Visit(published, name) for name in names}
        updated = self.update(visits, {audience: published}, cause=Cause.RUN)
        if left := updated.failed - updated.broken.keys():
            raise Unavailable(f"{len(left)} profiles could not be evaluated; they come again")


def _batch_part(published: Published, record: RunRecord, row: Mapping[str, Any]) -> BatchPart:
    types, public = published.audience.schema().attributes, published.audience.public()
    values = {name: parse_value(types[name], row[name]) for name in record.attributes if name in public}
    present = {name: value for name, value in values.items() if value is not None}
    fitting = fitting_attributes(present)
    if len(fitting) < len(present):
        left_out = sorted(present.keys() - fitting.keys())
        logger.warning("attributes are too large for a profile's item and left out of it: %s", left_out)
    return BatchPart(
        run=record.run,
        now=record.now,
        segments=tuple(row["segments"]),
        attributes=fitting,
        identities=fitting_names([*filter(is_reachable, row[IDENTITIES])]) if record.identities else (),
    )
