"""Let new versions of real-time segments take over once visitors have the events that they need.

A fill goes step by step (`domain/fill.py`), and where it stands is kept by conditional puts: an invocation may be cut off
anywhere, or come twice, and the next one goes on. Visitors get events under the same guard as everywhere, and an event that
they have already is the same event.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import structs
from segmentation.domain.errors import QueryFailed, SegmentationError, Unavailable
from segmentation.domain.event import Event
from segmentation.domain.event_lake import events_table
from segmentation.domain.fill import ATTEMPTS, RETRY, SETTLE, Fill, Step, fill_folder, fill_path, mark_path
from segmentation.domain.fill_sql import fill_query
from segmentation.domain.joining import Family
from segmentation.domain.pipeline import Outcome
from segmentation.domain.profile import RETENTION, RealtimePart, profile_id
from segmentation.domain.programs import Programs
from segmentation.domain.published import Published, parse_published, strength
from segmentation.domain.run import instant, stamp, table_name
from segmentation.domain.run_sql import create_table
from segmentation.domain.standing import lacking, rules_of
from segmentation.domain.visitor.terms import Term, terms_of
from segmentation.ports import Clock, EventLog, Lake, LakeCatalog, Profiles, RuleSets, Tables, Warehouse

from .edit_rules import put_rule_set, read_book, rule_set_path
from .find_profiles import FindProfiles
from .follow_rules import FollowRules
from .register_lake import register_lake
from .update_visitors import UpdateVisitors, Visit

BUCKETS = "16"
"""Files of a behavior's events, at least; all events of a visitor are in one."""
AT_ONCE = 200
"""Visitors that are read and written together."""
SHORTEST = 30.0
"""Seconds that are left for a file to be begun."""
MOST_RACES = 10

logger = logging.getLogger("segmentation.fill_segments")


@dataclass(slots=True)
class Filled:
    """What came of an invocation."""

    visitors: int = 0
    live: int = 0
    failed: int = 0
    late: int = 0
    followed: int = 0


@dataclass(frozen=True, slots=True)
class FillSegments:
    """Carries fills on."""

    log: EventLog
    lake: Lake
    tables: Tables
    lake_catalog: LakeCatalog
    warehouse: Warehouse
    profiles: Profiles
    rule_sets: RuleSets
    programs: Programs
    update: UpdateVisitors
    clock: Clock
    follow: FollowRules = field(init=False)

    def __post_init__(self) -> None:
        follow = FollowRules(self.lake, self.profiles, self.update, self.clock)
        object.__setattr__(self, "follow", follow)

    def __call__(self, seconds_left: Callable[[], float]) -> Filled:
        """Go on with the fill of each audience as far as it goes now, and tell what other rules make of everybody. One
        audience's trouble holds up no other."""
        result = Filled()
        for published in self.rule_sets.all().values():
            try:
                while self._step(published, seconds_left, result):
                    pass
                result.followed += self.follow(published, seconds_left).profiles
            except SegmentationError as error:
                logger.error("the fill of %s goes on later: %s", published.audience.id, error)
                result.failed += 1
        return result

    def _step(self, published: Published, seconds_left: Callable[[], float], result: Filled) -> bool:
        """Make one step; whether there is another one to make now."""
        audience, now = published.audience.id, self.clock.now()
        stored = self.lake.get(fill_path(audience))
        fill = Fill.from_document(json.loads(stored.data)) if stored else None
        tag = stored.tag if stored else ""
        if fill is None or (fill.step is Step.FAILED and now - fill.updated >= RETRY):
            begun = self._begun(published, now)
            return begun is not None and self._keep(begun, tag)
        result.late += fill.is_late(now)
        match fill.step:
            case Step.MARK:
                marked = replace(fill.at(Step.WAIT, now), marks=tuple(self.log.mark(fill.id)))
                return self._keep(marked, tag)
            case Step.WAIT:
                seen = {*self.lake.list(mark_path(fill.id, ""))}
                if not all(mark_path(fill.id, shard) in seen for shard in fill.marks):
                    return False
                return self._keep(fill.at(Step.QUERY, now), tag)
            case Step.QUERY:
                return self._query(published, fill, tag, now)
            case Step.FILL:
                done = self._walk(published, fill, tag, seconds_left, result, self._fill)
                if done is None:
                    return False
                result.live += self._live(fill)
                return self._keep(fill.at(Step.TELL, now), done)
            case Step.TELL:
                if not self._is_known(fill):
                    return False  # these functions, too, must have read the rules that answer now
                if self._walk(published, fill, tag, seconds_left, result, self._tell) is None:
                    return False
                self._remove(fill)
        return False

    def _begun(self, published: Published, now: int) -> Fill | None:
        """A fill for what is pending, once every function has read that it is."""
        audience = published.audience.id
        if not published.standing or not self._is_settled(audience, now):
            return None
        versions = {one.id: one.version for one in published.rules if one.id in published.standing}
        since: dict[str, int | None] = {}
        for term in self._terms(published):
            behavior = term.base.behavior
            moment = None if term.reach is None else now - term.reach
            before = since.get(behavior, moment)
            since[behavior] = None if moment is None or before is None else min(before, moment)
        logger.info("a fill of %s begins: %s", audience, sorted(versions))
        return Fill(f"{stamp(now)}_{published.number}", audience, now, versions, since, updated=now)

    def _is_settled(self, audience: str, now: int) -> bool:
        path = rule_set_path(audience)
        return any(one.path == path and now - one.put >= SETTLE for one in self.lake.entries(path))

    def _is_known(self, fill: Fill) -> bool:
        return self._is_settled(fill.audience, self.clock.now())

    def _terms(self, published: Published) -> Sequence[Term]:
        """What visitors do not keep yet, or not enough of."""
        return lacking(terms_of(rules_of(published.answering)), terms_of(published.ahead))

    def _keep(self, fill: Fill, tag: str) -> bool:
        """Write down where a fill stands; not over somebody else's step."""
        return self.lake.put(fill_path(fill.audience), json.dumps(fill.to_document()).encode(), expected=tag)

    # ------------------------------------------------------------------------------- the events of the past

    def _query(self, published: Published, fill: Fill, tag: str, now: int) -> bool:
        """Start the queries, or look where they stand."""
        running = {name: query for name, query in fill.queries.items() if query}
        if len(running) < len(fill.behaviors):
            try:
                started = {one: self._start(published, fill, one) for one in fill.behaviors}
            except QueryFailed as error:
                return self._give_up(fill, str(error), tag, now)
            return self._keep(replace(fill, queries=started, updated=now), tag)
        statuses = self.warehouse.statuses([*running.values()])
        if any(one.outcome is Outcome.ACTIVE for one in statuses.values()):
            return False
        reasons = [one.reason for one in statuses.values() if one.outcome is not Outcome.SUCCEEDED]
        if not reasons and len(statuses) == len(running):
            return self._keep(fill.at(Step.FILL, now), tag)
        self._forget(fill)
        if fill.attempt < ATTEMPTS:
            return self._keep(replace(fill, queries={}, attempt=fill.attempt + 1, updated=now), tag)
        return self._give_up(fill, "; ".join(reasons) or "the warehouse forgot its queries", tag, now)

    def _give_up(self, fill: Fill, reason: str, tag: str, now: int) -> bool:
        """End a fill that fails; another one is begun later, with marks of its own."""
        logger.error("the fill %s of %s failed: %s", fill.id, fill.audience, reason)
        self._forget(fill)
        self.lake.delete_prefix(mark_path(fill.id, ""))
        return self._keep(fill.failed(reason, now), tag)

    def _start(self, published: Published, fill: Fill, behavior: str) -> str:
        audience = published.audience
        if behavior not in audience.behaviors:
            raise QueryFailed(behavior, "", "the behavior is no longer declared")
        register_lake(self.lake, self.lake_catalog, audience)
        table = events_table(audience, behavior).name
        terms = [one for one in self._terms(published) if one.base.behavior == behavior]
        query = fill_query(
            audience, behavior, {table: self.warehouse.columns(table)}, terms, fill.behaviors[behavior]
        )
        name, location = _table(fill, behavior), self.lake.uri(_place(fill, behavior))
        sql = create_table(name, location, query, bucketed_by="ARRAY['profile']", bucket_count=BUCKETS)
        return self.warehouse.start(name, sql, hashlib.sha256(f"{name}\n{sql}".encode()).hexdigest())

    def _forget(self, fill: Fill) -> None:
        """Drop the tables of an attempt, and what they wrote."""
        for behavior in fill.behaviors:
            self.warehouse.drop(_table(fill, behavior))
            self.lake.delete_prefix(_place(fill, behavior))

    def _remove(self, fill: Fill) -> None:
        """Leave nothing of a fill but the rules that answer now."""
        self._forget(fill)
        self.lake.delete_prefix(mark_path(fill.id, ""))
        self.lake.delete([fill_path(fill.audience)])

    # -------------------------------------------------------------------------------------- the visitors

    def _walk(
        self,
        published: Published,
        fill: Fill,
        tag: str,
        seconds_left: Callable[[], float],
        result: Filled,
        work: Callable[[Published, Fill, Mapping[str, list[Event]]], None],
    ) -> str | None:
        """Go through the files that were not gone through; the tag of what is kept then, if that was all of them."""
        behaviors = {_folder(fill, one): one for one in fill.behaviors}
        for path in self.lake.list(fill_folder(fill, "rows")):
            folder, _, name = path.removeprefix(fill_folder(fill, "rows")).partition("/")
            if path <= fill.after or folder not in behaviors or name.startswith("_"):
                continue
            if seconds_left() < SHORTEST:
                return None
            for visitors in _groups(self._events(fill, behaviors[folder], path)):
                work(published, fill, visitors)
                result.visitors += len(visitors)
            fill = replace(fill, after=path, updated=self.clock.now())
            if not self._keep(fill, tag):
                return None  # another invocation is at it
            stored = self.lake.get(fill_path(fill.audience))
            tag = stored.tag if stored else ""
        return tag

    def _events(self, fill: Fill, behavior: str, path: str) -> Iterator[Event]:
        """The events of one file."""
        for batch in self.tables.read(path):
            for row in batch:
                columns = {
                    name: value
                    for name, value in row.items()
                    if value is not None and name not in ("profile", "event_id", "time", "received")
                }
                yield Event(
                    row["event_id"],
                    fill.audience,
                    behavior,
                    row["profile"],
                    row["time"],
                    row["received"],
                    {name: _sent(value) for name, value in columns.items()},
                )

    def _fill(self, published: Published, fill: Fill, visitors: Mapping[str, list[Event]]) -> None:
        """Give visitors events of the past, under the guard of their revisions."""
        terms = {one.id for one in self._terms(published)}
        waiting = {profile_id(fill.audience, name): events for name, events in visitors.items()}
        find, rank = FindProfiles(self.profiles), strength({fill.audience: published})
        for _ in range(MOST_RACES):
            now = self.clock.now()
            asked: dict[str, tuple[str, ...]] = dict.fromkeys(waiting, ())
            families = {one.key: one for one in find(asked, rank, now, thorough=False)}
            writes = {}
            for key, family in families.items():
                events = [event for one in family.asked for event in waiting[one]]
                part = self._with(published, family, events, terms, now)
                if part is not None:
                    writes[key] = part
            saved = self.profiles.save(writes) if writes else None
            if saved is not None and saved.failed:
                raise Unavailable(f"{len(saved.failed)} visitors were not written; they come again")
            lost = saved.lost if saved else frozenset()
            waiting = {one: waiting[one] for key in lost for one in families[key].asked}
            if not waiting:
                return
        raise Unavailable(f"{len(waiting)} visitors are being written by others; they come again")

    def _with(
        self, published: Published, family: Family, events: list[Event], terms: set[str], now: int
    ) -> RealtimePart | None:
        part = family.profile.realtime
        kept = [one for one in events if part is None or min(one.time, one.received) > part.erased]
        state = self.programs.filled(published, part, kept, terms, now)
        if state is None:
            return None
        if part is not None:
            return structs.replace(part, revision=part.revision + 1, state=state)
        return RealtimePart(1, state, (), (), now, "", expires=now + RETENTION)

    def _tell(self, published: Published, _fill: Fill, visitors: Mapping[str, list[Event]]) -> None:
        """Evaluate visitors by the rules that answer now, and tell what changed."""
        visits = {profile_id(published.audience.id, name): Visit(published, name) for name in visitors}
        failed = self.update(visits, {published.audience.id: published}).failed
        if failed:
            raise Unavailable(f"{len(failed)} visitors could not be evaluated; they come again")

    # ---------------------------------------------------------------------------------- what answers then

    def _live(self, fill: Fill) -> int:
        """Let the new versions answer: one conditional put. What was edited meanwhile stands for the next fill."""
        path = rule_set_path(fill.audience)
        for _ in range(MOST_RACES):
            stored = self.lake.get(path)
            if stored is None:
                return 0
            book = read_book(fill.audience, stored.data)
            now = instant(self.clock.now())
            _, published = book.check(now)
            versions = {one.id: one.version for one in published.rules}
            standing = fill.remaining(book.standing, versions)
            if len(standing) == len(book.standing):
                return 0
            document = replace(book, standing=standing, number=book.number + 1).write(now)
            if put_rule_set(self.lake, fill.audience, document, parse_published(document), stored.tag):
                logger.info(
                    "%d segments of %s answer anew", len(book.standing) - len(standing), fill.audience
                )
                return len(book.standing) - len(standing)
        raise Unavailable(f"the rules of {fill.audience!r} are being changed by many at once")


def _folder(fill: Fill, behavior: str) -> str:
    return f"{behavior}_{fill.attempt}"


def _place(fill: Fill, behavior: str) -> str:
    return fill_folder(fill, f"rows/{_folder(fill, behavior)}")


def _table(fill: Fill, behavior: str) -> str:
    return table_name(fill.audience, "fill", fill.id, _folder(fill, behavior))


def _groups(events: Iterable[Event]) -> Iterator[dict[str, list[Event]]]:
    """Events by visitor, so many visitors at once. All events of one are in one file."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.profile, []).append(event)
    names = [*groups]
    for start in range(0, len(names), AT_ONCE):
        yield {name: groups[name] for name in names[start : start + AT_ONCE]}


def _sent(value: Any) -> Any:
    """A value as a record has it; days are text there."""
    return value.isoformat() if hasattr(value, "isoformat") else value
