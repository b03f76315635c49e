"""What is kept of a visitor, and how events and time change the visitor's real-time membership.

Nothing here does I/O: `evaluate` takes a visitor's state, new events and a moment, and gives the new
state, the membership at that moment, the moments at which it will change by itself, and what changed.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from segmentation.language import RuleSet
from segmentation.language.evaluate import Base, Evaluation, Known, Row, base_of
from segmentation.language.index import NEVER, ArtifactError, Index, pack, plain_base, read_base, unpack
from segmentation.language.normal import canonical, digest
from segmentation.language.times import zone
from segmentation.language.tree import CONDITION, Aggregate, Node, Selection
from segmentation.language.types import Schema, Type
from segmentation.language.values import Value, parse_value

from .event import Event
from .membership import Flip

MOST_EVENTS = 1_000
"""Events kept for a term that needs the events themselves; beyond that the oldest go (decision 12)."""
MOST_IDS = 2_000
"""Event ids remembered to drop duplicates, the latest accepted."""
SHORTEST_MEMORY = 7 * 86_400
"""Seconds for which event ids are remembered at the least (decision 8)."""
MOST_MOMENTS = 64
"""How many coming moments are looked at when an event arrives; `Visitor.recheck` says where that ended."""
STATE_VERSION = 1
PROGRAM_FORMAT = b"program 1"
"""The format of compiled programs that this code writes and reads."""


@dataclass(frozen=True)
class Term:
    """Events kept for rules: equal selections are kept once, however many segments read them.

    `keep`: how many of the latest; `reach`: seconds back from now, `None` for ever; `columns`: what of each
    event is read later.
    """

    id: str
    base: Base
    columns: tuple[str, ...]
    keep: int
    reach: int | None


@dataclass(frozen=True)
class BatchView:
    """What the last batch run said of the profile: segments, and attributes as they were published."""

    segments: frozenset[str] = frozenset()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """That a visitor joined or left a segment. The id is the same however often it is computed."""

    id: str
    segment: str
    joined: bool
    version: str
    moment: int
    event: str | None


@dataclass(frozen=True)
class Visitor:
    """The state of one visitor.

    `rows`: term id -> events, oldest first. `seen`: event id hash -> when it was accepted. `members`: real-time
    segments at the last evaluation. `flips`: what will change by itself, by moment. `recheck`: the moment
    from which on flips are no longer known, `None` if they all are.
    """

    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    flips: tuple[Flip, ...] = ()
    recheck: int | None = None

    @classmethod
    def new(cls) -> "Visitor":
        """A visitor of whom nothing is known."""
        return cls()

    def encode(self) -> bytes:
        """The state as it is stored: compressed JSON with its format's version."""
        document = {
            "v": STATE_VERSION,
            "rows": {
                term: [[r.time, r.id, dict(r.columns)] for r in rows] for term, rows in self.rows.items()
            },
            "seen": dict(self.seen),
            "members": sorted(self.members),
            "flips": [[moment, list(joined), list(left)] for moment, joined, left in self.flips],
            "recheck": self.recheck,
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        return zlib.compress(text.encode("utf-8", "surrogatepass"), 6)

    @classmethod
    def decode(cls, data: bytes) -> "Visitor":
        """The state of stored bytes. Raises `ValueError` for a format that this code does not know."""
        document = json.loads(zlib.decompress(data).decode("utf-8", "surrogatepass"))
        if document["v"] != STATE_VERSION:
            raise ValueError(f"visitor state of version {document['v']}, this code reads {STATE_VERSION}")
        rows = {
            term: tuple(Row(time, id_, _arrays_as_tuples(columns)) for time, id_, columns in kept)
            for term, kept in document["rows"].items()
        }
        flips = tuple((moment, tuple(joined), tuple(left)) for moment, joined, left in document["flips"])
        return cls(rows, document["seen"], frozenset(document["members"]), flips, document["recheck"])


@dataclass(frozen=True)
class Outcome:
    """The result of an evaluation: the new state, what changed, and how many of the events were new."""

    visitor: Visitor
    changes: tuple[Change, ...]
    accepted: int


class Program:
    """The real-time segments of a rule set, compiled. Build it once a rule set version, or load what was
    built: `Program.load(program.dump())` reads no rule and is many times as fast."""

    def __init__(self, rule_set: RuleSet) -> None:
        schema = rule_set.schema
        segments = [segment for segment in rule_set.of_kind("realtime") if segment.rule is not None]
        rules = [(segment.id, segment.rule) for segment in segments if segment.rule is not None]
        terms = _terms(rule for _, rule in rules)
        entrances = {
            behavior: _entrance_index([term for term in terms if term.base.behavior == behavior], schema)
            for behavior in dict.fromkeys(term.base.behavior for term in terms)
        }
        self._set_up(
            schema,
            {segment.id: segment.version for segment in segments},
            terms,
            Index.compile(rules, schema.time_zone, rule_set.version),
            entrances,
        )

    def _set_up(
        self,
        schema: Schema,
        versions: Mapping[str, str],
        terms: tuple[Term, ...],
        index: Index,
        entrances: Mapping[str, Index],
    ) -> None:
        self.schema = schema
        self.zone = zone(schema.time_zone)
        self.versions = versions
        self.names = frozenset(versions)
        self.index = index
        self.terms = terms
        self._term_of = {index.base(term.base): term for term in terms}
        # Hashing a base walks its conditions; the index asks with its own objects, so identity finds most.
        self._term_of_object = {id(base): term for base, term in self._term_of.items()}
        self._base_of = {term.id: base for base, term in self._term_of.items()}
        self._entrances = {
            behavior: _Entrance(
                [term for term in terms if term.base.behavior == behavior], entrance, self.zone
            )
            for behavior, entrance in entrances.items()
        }
        self.memory = max([SHORTEST_MEMORY, *(term.reach or 0 for term in terms)])

    def dump(self) -> bytes:
        """The program as an artifact that holds no code."""
        entrances = {behavior: entrance.index.dump() for behavior, entrance in self._entrances.items()}
        document = {
            "attributes": dict(self.schema.attributes),
            "behaviors": {name: dict(columns) for name, columns in self.schema.behaviors.items()},
            "time_zone": self.schema.time_zone,
            "versions": dict(self.versions),
            "terms": [[t.id, plain_base(t.base), list(t.columns), t.keep, t.reach] for t in self.terms],
            "entrances": list(entrances),
        }
        head = json.dumps(document, separators=(",", ":")).encode()
        return pack([PROGRAM_FORMAT, zlib.compress(head), self.index.dump(), *entrances.values()])

    @classmethod
    def load(cls, artifact: bytes) -> "Program":
        """The program of an artifact. Raises `ArtifactError`."""
        kind, *parts = unpack(artifact)
        if kind != PROGRAM_FORMAT:
            raise ArtifactError("a compiled program of another format; publish the rules anew")
        try:
            document = json.loads(zlib.decompress(parts[0]))
        except (ValueError, zlib.error, IndexError) as error:
            raise ArtifactError("a damaged compiled program; publish the rules anew") from error
        schema = Schema(
            {name: Type(type_) for name, type_ in document["attributes"].items()},
            {
                behavior: {name: Type(type_) for name, type_ in columns.items()}
                for behavior, columns in document["behaviors"].items()
            },
            document["time_zone"],
        )
        terms = tuple(
            Term(name, read_base(base), tuple(columns), keep, reach)
            for name, base, columns, keep, reach in document["terms"]
        )
        index, *entrances = map(Index.load, parts[1:])
        program = cls.__new__(cls)
        named = dict(zip(document["entrances"], entrances, strict=True))
        program._set_up(schema, document["versions"], terms, index, named)
        return program

    def terms_of(self, behavior: str, row: Row) -> Sequence[Term]:
        """The terms that an event of a behavior enters."""
        entrance = self._entrances.get(behavior)
        return () if entrance is None else entrance.terms_of(row)

    def term(self, base: Base) -> Term:
        """The term that keeps the events of a base."""
        return self._term_of_object.get(id(base)) or self._term_of[base]

    def term_named(self, term_id: str) -> Term | None:
        """The term of an id, if the rules still have it."""
        base = self._base_of.get(term_id)
        return None if base is None else self._term_of_object[id(base)]

    def bases_of(self, term_ids: Iterable[str]) -> list[Base]:
        """The bases whose events these terms keep."""
        return [self._base_of[name] for name in term_ids if name in self._base_of]


class _Entrance:
    """Which of the terms of a behavior an event enters: their conditions, as an index over its columns."""

    def __init__(self, terms: Sequence[Term], index: Index, time_zone: ZoneInfo) -> None:
        self._zone = time_zone
        self._terms = {term.id: term for term in terms}
        self._open = [term for term in terms if not term.base.where]
        self.index = index

    def terms_of(self, row: Row) -> list[Term]:
        columns = _Columns(row)
        state = self.index.start(Evaluation(columns, "", 0, self._zone), attributes=columns.names, bases=())
        return [*self._open, *(self._terms[name] for name in self.index.members(state.result))]


def _entrance_index(terms: Sequence[Term], schema: Schema) -> Index:
    rules = [(t.id, _of_profile(Node("and", CONDITION, t.base.where))) for t in terms if t.base.where]
    return Index.compile(rules, schema.time_zone)


class _Columns:
    """An event whose columns are read as attributes."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.names = {*row.columns, "time"}

    def attribute(self, name: str) -> Value:
        return self._row.time if name == "time" else self._row.columns.get(name)

    def rows(self, base: Base) -> Sequence[Row]:
        raise AssertionError(f"a condition on an event reads the events of {base.behavior}")


def _of_profile(node: Node) -> Node:
    """A condition on an event's columns as one on attributes of the same names."""
    if node.op == "column":
        return replace(node, op="attribute")
    return replace(node, args=tuple(map(_of_profile, node.args)))


def evaluate(
    program: Program, key: str, visitor: Visitor, batch: BatchView | None, events: Sequence[Event], now: int
) -> Outcome:
    """Take in events and find the membership at `now` (Unix seconds).

    `key` is the profile key: the master key of a known profile, else the visitor's id. Events may come
    late, twice or in any order; those that were seen before change nothing.
    """
    state, accepted = _take_in(program, visitor, events, now)
    view = batch or BatchView()
    known = _Known(program, state.rows, view)

    outside = view.segments - program.names

    def at(moment: int) -> Evaluation:
        return Evaluation(known, key, moment, program.zone, outside)

    index = program.index
    standing = index.start(at(now), attributes=view.attributes, bases=program.bases_of(state.rows))
    current = standing.result
    members = frozenset(index.members(current))
    flips: list[Flip] = []
    recheck = None
    moment = now
    for count in range(MOST_MOMENTS + 1):
        if standing.due == NEVER:
            break
        if count == MOST_MOMENTS:
            recheck = moment
            break
        moment = standing.due
        flipped = current ^ index.update(standing, at(moment))
        if flipped:
            joined, left = flipped & standing.result, flipped & current
            flips.append((moment, tuple(sorted(index.members(joined))), tuple(sorted(index.members(left)))))
            current = standing.result
    cause = max(accepted, key=lambda event: (event.time, event.id)).id if accepted else None
    changes = tuple(
        _change(key, segment, segment in members, program.versions.get(segment, ""), now, cause)
        for segment in sorted(members ^ visitor.members)
    )
    after = Visitor(state.rows, state.seen, members, tuple(flips), recheck)
    return Outcome(after, changes, len(accepted))


def known_of(program: Program, visitor: Visitor, batch: BatchView) -> Known:
    """What is known of a visitor, as rules read it."""
    return _Known(program, visitor.rows, batch)


class _Known:
    """A visitor's state and batch part, as rules read them."""

    def __init__(self, program: Program, rows: Mapping[str, tuple[Row, ...]], batch: BatchView) -> None:
        self._program = program
        self._rows = rows
        self._attributes = batch.attributes

    def attribute(self, name: str) -> Value:
        return parse_value(self._program.schema.attributes[name], self._attributes.get(name))

    def rows(self, base: Base) -> Sequence[Row]:
        return self._rows.get(self._program.term(base).id, ())


def _take_in(
    program: Program, visitor: Visitor, events: Sequence[Event], now: int
) -> tuple[Visitor, list[Event]]:
    terms = {name: term for name in visitor.rows if (term := program.term_named(name))}
    rows = {name: [*visitor.rows[name]] for name in terms}
    kept_ids: dict[str, set[str]] = {}
    seen = dict(visitor.seen)
    accepted = []
    for event in events:
        name = _short_id(event)
        if name in seen:
            continue
        # From its acceptance on, not from its own time: a late event may come twice as well.
        seen[name] = max(event.time, now)
        accepted.append(event)
        schema = program.schema.behaviors.get(event.behavior, {})
        typed = {column: parse_value(type_, event.columns.get(column)) for column, type_ in schema.items()}
        for term in program.terms_of(event.behavior, Row(event.time, event.id, typed)):
            into = rows.setdefault(term.id, [])
            # An id that was forgotten may come again; among the kept rows it is still known.
            if term.id not in kept_ids:
                kept_ids[term.id] = {row.id for row in into}
            if event.id in kept_ids[term.id]:
                continue
            terms[term.id] = term
            kept_ids[term.id].add(event.id)
            columns = {c: typed[c] for c in term.columns if typed.get(c) is not None}
            into.append(Row(event.time, event.id, columns))
    trimmed = {name: kept for name, term in terms.items() if (kept := _trim(rows[name], term, now))}
    return Visitor(trimmed, _remembered(seen, now - program.memory)), accepted


def _trim(rows: list[Row], term: Term, now: int) -> tuple[Row, ...]:
    """The rows that can still count, oldest first; events later than now wait beside the latest."""
    oldest = None if term.reach is None else now - term.reach
    ordered = sorted(
        (row for row in rows if oldest is None or row.time > oldest), key=lambda row: (row.time, row.id)
    )
    past = [row for row in ordered if row.time <= now]
    return (*past[-term.keep :], *ordered[len(past) :][:MOST_EVENTS])


def _remembered(seen: dict[str, int], oldest: int) -> dict[str, int]:
    kept = {name: time for name, time in seen.items() if time > oldest}
    if len(kept) <= MOST_IDS:
        return kept
    return dict(sorted(kept.items(), key=lambda item: item[1])[-MOST_IDS:])


def _terms(rules: Iterable[Node]) -> tuple[Term, ...]:
    """What must be kept for these rules: equal bases once, for the most that any of them needs."""
    keep: dict[Base, int] = {}
    reach: dict[Base, int | None] = {}
    columns: dict[Base, set[str]] = {}
    for aggregate, enough in _aggregates(rules):
        for selection in aggregate.events.selections():
            base, moving = base_of(selection)
            exact = selection is not aggregate.events or moving or selection.follows
            simple = not exact and aggregate.function == "count" and _latest_first(selection)
            needed = enough if simple and enough is not None else MOST_EVENTS
            keep[base] = max(keep.get(base, 1), needed)
            far = _reach(selection)
            reach[base] = far if base not in reach else _farther(reach[base], far)
            read = {node.value for condition in moving for node in condition.walk() if node.op == "column"}
            if selection is aggregate.events and aggregate.column:
                read.add(aggregate.column)
            columns.setdefault(base, set()).update(read - {"time"})
    return tuple(
        Term(
            digest(base.behavior, *(canonical(node) for node in base.where), *sorted(columns[base])),
            base,
            tuple(sorted(columns[base])),
            keep[base],
            reach[base],
        )
        for base in keep
    )


def _aggregates(rules: Iterable[Node]) -> Iterator[tuple[Aggregate, int | None]]:
    """Each aggregate with how many events decide it: known where a count is compared with a constant."""
    for rule in rules:
        for node in rule.walk():
            for position, arg in enumerate(node.args):
                if isinstance(arg.value, Aggregate):
                    other = node.args[1 - position] if node.op in ("eq", "lt", "le") else None
                    decided = other is not None and other.op == "constant" and arg.value.function == "count"
                    enough = int(min(max(other.value, 0), MOST_EVENTS - 1)) + 1 if decided and other else None
                    yield arg.value, enough


def _latest_first(selection: Selection) -> bool:
    """Whether the latest events are in the selection first, so that the last few decide a count."""
    return all(window.ends_now for window in selection.windows)


def _reach(selection: Selection) -> int | None:
    """Seconds back from now beyond which an event cannot be selected."""
    reaches = [window.reach for window in selection.windows if window.reach is not None]
    return min(reaches, default=None)


def _farther(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else max(a, b)


def _change(key: str, segment: str, joined: bool, version: str, now: int, cause: str | None) -> Change:
    name = digest(key, segment, version, "joined" if joined else "left", cause or str(now))
    return Change(name, segment, joined, version, now, cause)


def _short_id(event: Event) -> str:
    # Ids come from tables, and two tables may count from 1.
    name = f"{event.behavior}:{event.id}"
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()


def _arrays_as_tuples(columns: Mapping[str, Any]) -> dict[str, Value]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in columns.items()}
