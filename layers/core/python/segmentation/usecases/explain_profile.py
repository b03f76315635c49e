"""Say why a profile is in a segment, or is not."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.domain.errors import BadRequest, NotFound, QueryFailed, Unavailable
from segmentation.domain.explained import explain_visitor
from segmentation.domain.lake_sql import as_the_stream_saw
from segmentation.domain.pipeline import Outcome
from segmentation.domain.profile import Profile, name_of, profile_id, profile_name
from segmentation.domain.profile_sql import rows_query, values_of
from segmentation.domain.published import Published, strength
from segmentation.domain.run import RunRecord, run_pointer_path
from segmentation.domain.visitor import BatchView, Program, Visitor
from segmentation.language import Segment
from segmentation.language.evaluate import History, Row
from segmentation.language.explain import as_text, explain
from segmentation.language.sentence import Names
from segmentation.language.types import Schema, Type
from segmentation.ports import Clock, Lake, Profiles, RuleSets, Warehouse

from .current_build import current_build, published_one, segment_of
from .find_profiles import FindProfiles

PAUSES = (0.1, 0.2, 0.3, 0.5, 0.8, *(1.0,) * 20)
"""Seconds between looking whether the queries have ended: together shorter than an HTTP request may take."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Why, as of `now` (Unix seconds): see `segmentation.language.explain`. A list is only told, it has no rule."""

    segment: str
    holds: bool
    now: int
    explanation: Mapping[str, Any]
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExplainProfile:
    """Real-time segments are explained from what is kept of the visitor, batch ones from the built tables.

    A batch segment is explained as of the last run, whose membership everybody sees; before the first, as of now.
    `logical_now` stands for the clock on old data.
    """

    profiles: Profiles
    warehouse: Warehouse
    lake: Lake
    rule_sets: RuleSets
    clock: Clock
    new_token: Callable[[], str]
    logical_now: int | None = None
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, audience: str, segment: str, column: str, value: str) -> Explained:
        """Raises `NotFound` (segment or profile), `BadRequest` (no such identity), `NotBuilt`, `QueryFailed`."""
        published = published_one(self.rule_sets, audience)
        wanted = segment_of(published.rules, segment)
        column = column or published.audience.master_key
        if column not in published.audience.identities and column != published.audience.master_key:
            known = ", ".join(published.audience.identities)
            raise BadRequest(f"{column!r} is no identity of the audience; known: {known}")
        now = self.clock.now() if self.logical_now is None else self.logical_now
        key, profile = self._profile(published, published.audience.key_name(column, value), now)
        if wanted.kind == "realtime":
            return self._realtime(published, wanted, key.partition(":")[2], profile, self.clock.now())
        if wanted.kind == "list":
            holds = profile.batch is not None and segment in profile.batch.segments
            verb = "is" if holds else "is not"
            at = profile.batch.now if profile.batch else now
            return Explained(
                segment, holds, at, {}, (f"{wanted.name}: the profile {verb} among the uploaded members",)
            )
        return self._batch(published, wanted, key, profile, now)

    def _profile(self, published: Published, name: str, now: int) -> tuple[str, Profile]:
        """The name and the state of whoever the key belongs to."""
        identifier = profile_id(published.audience.id, name)
        find = FindProfiles(self.profiles)
        (family,) = find({identifier: ()}, strength({published.audience.id: published}), now, thorough=False)
        return name_of(family.key), family.together(now)

    def _realtime(
        self, published: Published, wanted: Segment, key: str, profile: Profile, now: int
    ) -> Explained:
        part, batch = profile.realtime, profile.batch
        visitor = Visitor.decode(part.state) if part is not None and part.state else Visitor.new()
        view = BatchView(frozenset(batch.segments), batch.attributes) if batch else None
        told = explain_visitor(
            published.rules, Program(published.rules), wanted.id, key, visitor, view, now, _names(published)
        )
        return _explained(told)

    def _batch(
        self, published: Published, wanted: Segment, name: str, profile: Profile, now: int
    ) -> Explained:
        prefix = profile_name(published.audience.master_key, "")
        if not name.startswith(prefix):
            raise NotFound("no profile of the built audience is known by this key")
        last = self.lake.get(run_pointer_path(published.audience.id))
        if last is not None:
            now = RunRecord.from_document(json.loads(last.data)).now
        rules = as_the_stream_saw(published.rules, published.audience)
        needed = _needed({one.id: one for one in rules}, wanted.id)
        history = self._history(published, rules.schema, needed, name.removeprefix(prefix))
        members = frozenset(profile.batch.segments) if profile.batch else frozenset()
        given = {one.id: one.id in members for one in needed if one.kind == "list"}
        limited = [one.id for one in needed if one.limit is not None and one.id != wanted.id]
        given |= {one: one in members for one in limited}
        told = explain(rules, wanted.id, history, name.removeprefix(prefix), now, given, _names(published))
        found = _explained(told)
        if wanted.limit is None:
            return found
        inside = wanted.id in members
        line = f"The segment has a limit: of those for whom the rule holds, this profile {'is' if inside else 'is not'} within it."
        return Explained(
            found.segment, found.holds and inside, found.now, found.explanation, (*found.text, line)
        )

    def _history(self, published: Published, schema: Schema, needed: list[Segment], key: str) -> History:
        """What the built tables hold of a profile, as far as the segments read it."""
        build = current_build(self.lake, published.audience).whole
        attributes = {name for one in needed for name in one.attributes}
        columns = {name: schema.attributes[name] for name in sorted(attributes)}
        tables: dict[str, tuple[str, dict[str, Type]]] = {
            "": (build.profiles_table, {"profile_key": Type.STRING, **columns})
        }
        for behavior in sorted({name for one in needed for name in one.behaviors}):
            held = {"event_id": Type.STRING, "time": Type.TIMESTAMP, **schema.behaviors[behavior]}
            tables[behavior] = (build.behaviors[behavior], held)

        queries = {
            name: self.warehouse.start("explain", rows_query(*table, key), self.new_token())
            for name, table in tables.items()
        }
        self._wait(list(queries.values()))
        found = {
            name: [values_of(tables[name][1], row) for row in self.warehouse.results(query)]
            for name, query in queries.items()
        }
        if not found[""]:
            raise NotFound("no profile of the built audience is known by this key")
        behaviors = {
            name: [_row(one) for one in rows if one["time"] is not None]
            for name, rows in found.items()
            if name
        }
        return History(found[""][0], behaviors)

    def _wait(self, queries: list[str]) -> None:
        """Until all have succeeded."""
        for pause in PAUSES:
            statuses = self.warehouse.statuses(queries)
            for query in queries:
                status = statuses.get(query)
                if status is not None and status.outcome not in (Outcome.ACTIVE, Outcome.SUCCEEDED):
                    raise QueryFailed("explain", query, status.reason)
            if all(query in statuses and statuses[query].outcome is Outcome.SUCCEEDED for query in queries):
                return
            self.sleep(pause)
        for query in queries:
            self.warehouse.stop(query)
        raise Unavailable("the warehouse did not answer in time; ask again")


def _row(values: dict[str, Any]) -> Row:
    return Row(values.pop("time"), values.pop("event_id") or "", values)


def _needed(segments: Mapping[str, Segment], wanted: str) -> list[Segment]:
    """A segment and all that it refers to."""
    found: dict[str, Segment] = {}
    waiting = [wanted]
    while waiting:
        one = segments[waiting.pop()]
        if one.id not in found:
            found[one.id] = one
            waiting.extend(one.references)
    return list(found.values())


def _names(published: Published) -> Names:
    return Names(segments={one.id: one.name for one in published.rules})


def _explained(told: dict[str, Any]) -> Explained:
    return Explained(
        told["segment"], told["holds"], told["now"]["unix"], told, tuple(as_text(told).splitlines())
    )
