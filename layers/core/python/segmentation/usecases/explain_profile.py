"""Say why a profile is in a segment, or is not."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.domain.built import columns_read, needed
from segmentation.domain.errors import BadRequest, Gone, NotFound
from segmentation.domain.explained import explain_visitor
from segmentation.domain.lake_sql import as_the_stream_saw
from segmentation.domain.pipeline import Outcome
from segmentation.domain.profile import Profile, name_of, profile_id, profile_name
from segmentation.domain.profile_sql import rows_query, values_of
from segmentation.domain.published import Published, strength
from segmentation.domain.visitor import BatchView, Program, Visitor
from segmentation.language import RuleSet, Segment
from segmentation.language.evaluate import History, Row
from segmentation.language.explain import as_text, explain
from segmentation.language.sentence import Names
from segmentation.language.types import Type
from segmentation.ports import Clock, Lake, Profiles, RuleSets, Warehouse

from .current_build import current_build
from .find_profiles import FindProfiles
from .kept_documents import current_run
from .published_rules import published_one, segment_of

_ID = re.compile(r"[A-Za-z0-9-]{1,128}")
_NOBODY = "no profile of the built audience is known by this key"


@dataclass(frozen=True, slots=True)
class Explained:
    """Why, as of `now` (Unix seconds): see `segmentation.language.explain`. A list is only told, it has no rule."""

    segment: str
    holds: bool
    now: int
    explanation: Mapping[str, Any]
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An explanation as it stands. `state`: `running`, then `done` (`why` is there) or `failed` (`error` says why).

    One without an id was done at once.
    """

    id: str
    state: str
    why: Explained | None = None
    error: str | None = None


def explanation_path(audience: str, segment: str, explanation: str) -> str:
    """Where it stands what an explanation is about: its queries, and no word of whom it is about."""
    return f"explanations/{audience}/{segment}/{explanation}.json"


@dataclass(frozen=True, slots=True)
class ExplainProfile:
    """Real-time segments are explained at once, from what is kept of the visitor; batch ones from the built tables: starting and
    asking are two calls, so that nobody waits in a function.

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

    def start(self, audience: str, segment: str, column: str, value: str) -> Explanation:
        """Explain, or begin to. Raises `NotFound` (segment or profile), `BadRequest` (no such identity), `NotBuilt`,
        `Unavailable`."""
        published = published_one(self.rule_sets, audience)
        wanted = segment_of(published.rules, segment)
        column = column or published.audience.master_key
        if column not in published.audience.identities and column != published.audience.master_key:
            known = ", ".join(published.audience.identities)
            raise BadRequest(f"{column!r} is no identity of the audience; known: {known}")
        now = self.clock.now() if self.logical_now is None else self.logical_now
        key, profile = self._profile(published, published.audience.key_name(column, value), now)
        if wanted.kind == "realtime":
            why = self._realtime(published, wanted, key.partition(":")[2], profile, self.clock.now())
            return Explanation("", "done", why)
        if wanted.kind == "list":
            holds = profile.batch is not None and segment in profile.batch.segments
            verb = "is" if holds else "is not"
            at = profile.batch.now if profile.batch else now
            line = f"{wanted.name}: the profile {verb} among the uploaded members"
            return Explanation("", "done", Explained(segment, holds, at, {}, (line,)))
        return self._begin(published, wanted, key, profile, now)

    def poll(self, audience: str, segment: str, explanation: str) -> Explanation:
        """How an explanation stands. Raises `NotFound`, `Gone`, `Unavailable`."""
        path = explanation_path(audience, segment, explanation)
        stored = self.lake.get(path) if _ID.fullmatch(explanation) else None
        if stored is None:
            raise NotFound(f"segment {segment[:100]!r} has no explanation {explanation[:100]!r}")
        record = json.loads(stored.data)
        published = published_one(self.rule_sets, audience)
        segment_of(published.rules, segment)
        reads = needed(_rules(published), segment)
        if {one.id: one.version for one in reads} != record["versions"]:
            raise Gone("the segment was edited since; ask for another explanation")
        queries = list(record["queries"].values())
        statuses = self.warehouse.statuses(queries)
        if len(statuses) < len(queries):
            raise Gone("this explanation is no longer kept; ask for another one")
        for status in statuses.values():
            if status.outcome not in (Outcome.ACTIVE, Outcome.SUCCEEDED):
                return Explanation(explanation, "failed", error=status.reason)
        if any(status.outcome is Outcome.ACTIVE for status in statuses.values()):
            return Explanation(explanation, "running")
        why = self._end(published, segment, reads, record)
        return (
            Explanation(explanation, "done", why)
            if why
            else Explanation(explanation, "failed", error=_NOBODY)
        )

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

    def _begin(
        self, published: Published, wanted: Segment, name: str, profile: Profile, now: int
    ) -> Explanation:
        """Ask for what the built tables hold of a profile, as far as the segments read it."""
        prefix = profile_name(published.audience.master_key, "")
        if not name.startswith(prefix):
            raise NotFound(_NOBODY)
        last = current_run(self.lake, published.audience.id)
        if last is not None:
            now = last.now
        reads = needed(_rules(published), wanted.id)
        current = current_build(self.lake, published.audience)
        current.check(reads)
        build = current.whole
        names = {"": build.profiles_table, **build.behaviors}
        queries = {
            table: self.warehouse.start(
                "explain", rows_query(names[table], columns, name.removeprefix(prefix)), self.new_token()
            )
            for table, columns in _tables(published, reads).items()
        }
        members = frozenset(profile.batch.segments) if profile.batch else frozenset()
        given = [one.id for one in reads if one.kind == "list"]
        given += [one.id for one in reads if one.limit is not None and one.id != wanted.id]
        record = {
            "queries": queries,
            "versions": {one.id: one.version for one in reads},
            "now": now,
            "given": {one: one in members for one in given},
            "within": wanted.id in members if wanted.limit is not None else None,
        }
        found = queries[""]
        path = explanation_path(published.audience.id, wanted.id, found)
        self.lake.put(path, json.dumps(record).encode())
        return Explanation(found, "running")

    def _end(
        self, published: Published, wanted: str, reads: list[Segment], record: Mapping[str, Any]
    ) -> Explained | None:
        """Of the rows that were found; nothing if there is no such profile."""
        found = {
            name: [values_of(columns, row) for row in self.warehouse.results(record["queries"][name])]
            for name, columns in _tables(published, reads).items()
        }
        if not found[""]:
            return None
        behaviors = {
            name: [_row(one) for one in rows if one["time"] is not None]
            for name, rows in found.items()
            if name
        }
        history, key = History(found[""][0], behaviors), str(found[""][0]["profile_key"])
        rules, now = _rules(published), record["now"]
        told = explain(rules, wanted, history, key, now, record["given"], _names(published))
        why = _explained(told)
        within = record["within"]
        if within is None:
            return why
        line = f"The segment has a limit: of those for whom the rule holds, this profile {'is' if within else 'is not'} within it."
        return Explained(why.segment, why.holds and within, why.now, why.explanation, (*why.text, line))


def _rules(published: Published) -> RuleSet:
    return as_the_stream_saw(published.rules, published.audience)


def _tables(published: Published, reads: list[Segment]) -> dict[str, dict[str, Type]]:
    """The columns that segments read of profiles (`""`), and of each behavior."""
    schema = _rules(published).schema
    attributes = {name for one in reads for name in one.attributes}
    columns = {name: schema.attributes[name] for name in sorted(attributes)}
    tables: dict[str, dict[str, Type]] = {"": {"profile_key": Type.STRING, **columns}}
    for behavior, read in sorted(columns_read(reads).items()):
        held = {"event_id": Type.STRING, "time": Type.TIMESTAMP}
        tables[behavior] = {**held, **{name: schema.behaviors[behavior][name] for name in sorted(read)}}
    return tables


def _row(values: dict[str, Any]) -> Row:
    return Row(values.pop("time"), values.pop("event_id") or "", values)


def _names(published: Published) -> Names:
    return Names(segments={one.id: one.name for one in published.rules})


def _explained(told: dict[str, Any]) -> Explained:
    return Explained(
        told["segment"], told["holds"], told["now"]["unix"], told, tuple(as_text(told).splitlines())
    )
