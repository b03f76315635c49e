"""The readings of the language, each as a function: a rule set and profiles in, members of each segment out."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from segmentation.domain.event import Event
from segmentation.domain.visitor import BatchView, Program, Visitor, evaluate
from segmentation.language import RuleSet, Schema, Type, sql_latest
from segmentation.language.evaluate import Compiler, Evaluation, History, Row
from segmentation.language.index import Index
from segmentation.language.partitions import Partitions, borders
from segmentation.language.sql import LONGEST_QUERY, members_queries
from segmentation.language.sql_buckets import Buckets
from segmentation.language.times import zone
from segmentation.language.values import parse_time, parse_value

from infra.local.athena.translate import translate
from infra.local.athena.trino import parse_query

from .suite import Profile

Members: TypeAlias = dict[str, frozenset[str]]
"""Segment id -> the keys of the profiles in it."""
Way: TypeAlias = Literal["by bucket", "by latest moments"]
"""How SQL puts events together that many segments ask for."""
FEW_SEGMENTS = 6_000
"""Bytes of a query of a few segments, and of any single one."""
WAYS: tuple[Way, ...] = get_args(Way)


def typed_attributes(schema: Schema, profile: Profile) -> dict[str, Any]:
    """The attributes of a profile, typed."""
    return {
        name: parse_value(type_, profile.attributes.get(name)) for name, type_ in schema.attributes.items()
    }


def typed_rows(schema: Schema, profile: Profile, behavior: str) -> list[Row]:
    """The events of a profile: each id once, the first stands; without a readable time they do not exist."""
    rows: list[Row] = []
    seen: set[str] = set()
    for event in profile.behaviors.get(behavior, ()):
        time = parse_time(event.get("time"))
        identity = event.get("id", "")
        if time is None or identity in seen:
            continue
        if identity:
            seen.add(identity)
        columns = {n: parse_value(t, event.get(n)) for n, t in schema.behaviors[behavior].items()}
        rows.append(Row(time, identity, columns))
    return rows


def history_of(schema: Schema, profile: Profile) -> History:
    """All that is known of a profile."""
    return History(
        typed_attributes(schema, profile), {b: typed_rows(schema, profile, b) for b in schema.behaviors}
    )


def by_closures(rule_set: RuleSet, profiles: Sequence[Profile], now: int) -> Members:
    """The closures, over whole histories; of a limited segment, those who stay."""
    schema = rule_set.schema
    compiler = Compiler()
    evaluations = [
        Evaluation(history_of(schema, profile), profile.key, now, zone(schema.time_zone), profile.lists)
        for profile in profiles
    ]
    for segment in rule_set:
        if segment.rule is None:
            continue
        holds = compiler.compile(segment.rule)
        inside = []
        for evaluation in evaluations:
            truth = holds(evaluation, None)
            assert truth is True or truth is False, f"{segment.id} is {truth!r} for {evaluation.key}"
            if truth:
                inside.append(evaluation)
        if segment.limit is not None:
            by = compiler.compile(segment.limit.by)
            kept = segment.limit.keep((evaluation.key, by(evaluation, None)) for evaluation in inside)
            inside = [evaluation for evaluation in inside if evaluation.key in kept]
        for evaluation in inside:
            evaluation.segments.add(segment.id)
    return {
        segment.id: frozenset(one.key for one in evaluations if segment.id in one.segments)
        for segment in rule_set
    }


def limited(rule_set: RuleSet) -> list[str]:
    """The segments that no reading of one profile can tell: who stays in them is up to the others."""
    return [segment.id for segment in rule_set if segment.limit is not None]


def by_index(rule_set: RuleSet, profiles: Sequence[Profile], now: int) -> Members:
    """The index, over whole histories, after a round through its stored form; limited segments are given to it."""
    schema = rule_set.schema
    rules = [(s.id, s.rule) for s in rule_set if s.rule is not None and s.limit is None]
    index = Index.load(Index.compile(rules, schema.time_zone).dump())
    given = by_closures(rule_set, profiles, now) if limited(rule_set) else {}
    found: dict[str, set[str]] = {segment.id: set() for segment in rule_set}
    for profile in profiles:
        outside = [*profile.lists, *(name for name in limited(rule_set) if profile.key in given[name])]
        evaluation = Evaluation(
            history_of(schema, profile), profile.key, now, zone(schema.time_zone), outside
        )
        for name in [*index.members(index.evaluate(evaluation)), *outside]:
            found[name].add(profile.key)
    return {name: frozenset(keys) for name, keys in found.items()}


def events_of(schema: Schema, profile: Profile) -> list[Event]:
    """The profile's events as the stream carries them. A row without an id gets one, as at acceptance."""
    events = []
    for behavior, raws in profile.behaviors.items():
        for number, raw in enumerate(raws):
            time = parse_time(raw.get("time"))
            if time is not None:
                columns = {name: value for name, value in raw.items() if name not in ("id", "time")}
                identity = raw.get("id", f"#{number}")
                events.append(Event(identity, "test", behavior, profile.key, time, time, columns))
    return events


def shuffled(events: Sequence[Event], seed: int) -> list[Event]:
    """The events out of order, some of them twice; of events with one id the first still comes first."""
    chance = random.Random(seed)
    mixed = [event for event in events for _ in range(chance.choice((1, 1, 2)))]
    chance.shuffle(mixed)
    turns: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        turns.setdefault((event.behavior, event.id), []).append(event)
    place: dict[tuple[str, str], int] = {}
    result = []
    for event in mixed:
        name = (event.behavior, event.id)
        turn = place.get(name, 0)
        result.append(turns[name][min(turn, len(turns[name]) - 1)])
        place[name] = turn + 1
    return result


def by_visitor(
    rule_set: RuleSet, profiles: Sequence[Profile], now: int, lead: int = 0, batch: Members | None = None
) -> Members:
    """Real-time segments: events one by one, out of order and twice, the state stored in between.

    With a `lead` the last evaluation happens that many seconds before `now`, and the membership at `now` is what stands
    until the moment that it named, as a personalization answer has it.
    """
    schema = rule_set.schema
    program = Program(rule_set)
    if batch is None:
        batch = by_closures(rule_set, profiles, now)
    outside = [s.id for s in rule_set if s.kind != "realtime"]
    found: dict[str, set[str]] = {segment.id: set() for segment in rule_set if segment.kind == "realtime"}
    for number, profile in enumerate(profiles):
        view = BatchView(
            frozenset(name for name in outside if profile.key in batch[name]), profile.attributes
        )
        visitor = Visitor.new()
        early = now - lead
        for event in shuffled(events_of(schema, profile), number):
            outcome = evaluate(program, profile.key, visitor, view, [event], early)
            after = outcome.visitor
            visitor = Visitor.decode(after.encode(), after.members, after.computed, after.due)
            assert visitor == after
        visitor = evaluate(program, profile.key, visitor, view, [], early).visitor
        for name in members_at(program, profile.key, visitor, view, now):
            found[name].add(profile.key)
    return {name: frozenset(keys) for name, keys in found.items()}


def members_at(program: Program, key: str, visitor: Visitor, view: BatchView, now: int) -> frozenset[str]:
    """Membership at a later moment; what has changed meanwhile is told one by one, and comes to the same."""
    if visitor.due is None or visitor.due > now:
        return visitor.members
    outcome = evaluate(program, key, visitor, view, [], now)
    members = set(visitor.members)
    for change in outcome.changes:
        assert visitor.computed < change.moment <= now
        assert (change.segment in members) is not change.joined
        (members.add if change.joined else members.discard)(change.segment)
    assert members == outcome.visitor.members
    return outcome.visitor.members


class Athena:
    """The embedded Athena's translation of Trino SQL, on DuckDB over Parquet files of the audience's tables."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection = duckdb.connect(config={"threads": 1})  # the tables are tiny
        self._connection.execute((Path(__file__).parents[2] / "infra/local/athena/macros.sql").read_text())
        self._connection.execute('CREATE SCHEMA "lake"')
        self._count = 0

    def table(self, columns: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
        """Write a table of the built audience as Parquet; returns its name."""
        self._count += 1
        name = f"t{self._count}"
        fields = pa.schema(list(columns.items()))
        data = pa.table(
            {c: pa.array([row.get(c) for row in rows], type_) for c, type_ in columns.items()}, fields
        )
        path = self._folder / f"{name}.parquet"
        pq.write_table(data, path)
        self._connection.execute(f"CREATE VIEW lake.{name} AS SELECT * FROM read_parquet('{path}')")
        return name

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        translation = translate(parse_query(sql), "lake", lambda table: self._columns(table.table))
        rows: list[tuple[Any, ...]] = self._connection.execute(translation.sql).fetchall()
        return rows

    def _columns(self, table: str) -> list[str]:
        rows = self._connection.execute(f"DESCRIBE lake.{table}").fetchall()
        return [row[0] for row in rows]


_ARROW: Mapping[Type, pa.DataType] = {
    Type.STRING: pa.string(),
    Type.NUMBER: pa.float64(),
    Type.BOOLEAN: pa.bool_(),
    Type.TIMESTAMP: pa.int64(),
    Type.DATE: pa.date32(),
    Type.STRINGS: pa.list_(pa.string()),
    Type.NUMBERS: pa.list_(pa.float64()),
}


def _cells(types: Mapping[str, Type], values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: dt.date.fromisoformat(value) if types.get(name) is Type.DATE and value is not None else value
        for name, value in values.items()
    }


class Tables:
    """The tables of a built audience, written once and queried often."""

    def __init__(self, athena: Athena, schema: Schema, profiles: Sequence[Profile]) -> None:
        self._athena = athena
        columns: dict[str, Any] = {"profile_key": pa.string()}
        columns |= {n: _ARROW[t] for n, t in schema.attributes.items()}
        rows = [
            {"profile_key": p.key, **_cells(schema.attributes, typed_attributes(schema, p))} for p in profiles
        ]
        self.profiles = athena.table(columns, rows)
        times = [row.time for p in profiles for b in schema.behaviors for row in typed_rows(schema, p, b)]
        self.partitions = Partitions(borders("day", max(times, default=0)))
        self.behaviors = {b: self._behavior(schema, profiles, b) for b in schema.behaviors}
        members = [{"profile_key": p.key, "segment": name} for p in profiles for name in p.lists]
        self.lists = athena.table({"profile_key": pa.string(), "segment": pa.string()}, members)

    def _behavior(self, schema: Schema, profiles: Sequence[Profile], behavior: str) -> str:
        types = schema.behaviors[behavior]
        columns: dict[str, Any] = {"profile_key": pa.string(), "event_id": pa.string(), "time": pa.int64()}
        columns |= {"period": pa.date32(), **{n: _ARROW[t] for n, t in types.items()}}
        rows = [
            {
                "profile_key": p.key,
                "event_id": row.id or None,
                "time": row.time,
                "period": dt.date.fromisoformat(self.partitions.of(row.time)),
                **_cells(types, row.columns),
            }
            for p in profiles
            for row in typed_rows(schema, p, behavior)
        ]
        return self._athena.table(columns, rows)

    def lists_query(self, _: Sequence[str]) -> str:
        return f"SELECT profile_key, segment FROM {self.lists}"

    def members(
        self,
        rule_set: RuleSet,
        now: int,
        partitioned: bool = False,
        longest: int = LONGEST_QUERY,
        way: Way | None = None,
    ) -> Members:
        """All batch and list segments of a rule set, by as few queries as are of a length; they may know how
        events are divided by time. With a `way` events are put together as they are where many segments ask."""
        partitions = dict.fromkeys(self.behaviors, self.partitions) if partitioned else None
        with pytest.MonkeyPatch.context() as patch:
            if way == "by bucket":
                patch.setattr(Buckets, "worth", lambda *_: True)
            elif way == "by latest moments":
                patch.setattr(sql_latest, "latest_bytes", lambda _: 0)
                longest = min(longest, FEW_SEGMENTS)  # what one segment needs as a count is counted for all
            queries = members_queries(
                rule_set,
                self.profiles,
                self.behaviors,
                now,
                lists=self.lists_query,
                partitions=partitions,
                longest=longest,
            )
        found: dict[str, set[str]] = {s.id: set() for s in rule_set.of_kind("batch", "list")}
        for query in queries:
            for key, names in self._athena.run(query.sql):
                assert names == sorted(names), "segments are sorted"
                assert {*names} <= {*query.segments}
                for name in names:
                    found[name].add(key)
        return {name: frozenset(keys) for name, keys in found.items()}
