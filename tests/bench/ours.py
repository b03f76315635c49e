"""Measures the index over the bench's rules, in a process of its own: `python -m tests.bench.ours COUNT JOB`."""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from segmentation.domain.event import Event
from segmentation.domain.visitor import BatchView, Program, Visitor, evaluate
from segmentation.language import RuleSet, Schema, load_rule_set
from segmentation.language.evaluate import Base, Compiler, Evaluation, History, Row
from segmentation.language.index import Index, compile_rules
from segmentation.language.times import zone
from segmentation.language.values import Value

from tests.bench import renderings
from tests.bench.realistic import (
    LISTS,
    NOW,
    PREPARED,
    SCHEMA,
    Profile,
    Tree,
    make_profile,
    make_row,
    make_rules,
)

UTC = zone("UTC")
PROFILES = 20
EVENTS = 40


def memory() -> int:
    """Bytes that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def rule_set(rules: Sequence[tuple[str, Tree]], prepared: bool) -> RuleSet:
    """The bench's rules as a checked rule set."""
    schema: Schema = PREPARED if prepared else SCHEMA
    documents: list[dict[str, Any]] = [
        {"id": n, "name": n, "audience": "bench", "kind": "list"} for n in LISTS
    ]
    for name, tree in rules:
        document = {"id": name, "name": name, "audience": "bench", "kind": "realtime"}
        documents.append({**document, "rule": renderings.ours(tree, prepared)})
    return load_rule_set(documents, schema, "bench")


def pairs(rules: RuleSet) -> list[tuple[str, Any]]:
    """Ids and trees of the real-time segments."""
    return [(segment.id, segment.rule) for segment in rules.of_kind("realtime")]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of CPU, and what came out."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


class Kept:
    """A profile whose events stand by base, as a visitor's do."""

    def __init__(self, attributes: dict[str, Value], rows: Mapping[int, Sequence[Row]]) -> None:
        self._attributes = attributes
        self._rows = rows

    def attribute(self, name: str) -> Value:
        """The value of an attribute."""
        return self._attributes.get(name)

    def rows(self, base: Base) -> Sequence[Row]:
        """The events of a base of the index."""
        return self._rows.get(id(base), ())


class Stream:
    """A profile and the events that arrive for it, each made ready so that only the index is timed."""

    def __init__(self, index: Index, profile: Profile, random: Random) -> None:
        group_of = {id(base): self._group(base) for base in index.bases}
        rows = {
            id(base): tuple(
                r for r in profile.rows[base.behavior] if group_of[id(base)] in (None, r.columns["group"])
            )
            for base in index.bases
        }
        self.attributes = profile.attributes
        self.lists = profile.lists
        self.first = Kept(profile.attributes, {name: kept for name, kept in rows.items() if kept})
        self.there = [base for base in index.bases if rows[id(base)]]
        self.steps: list[tuple[Kept, int, list[Base]]] = []
        now = NOW
        for _ in range(EVENTS):
            now += random.randrange(1, 60)
            behavior = "views" if random.random() < 0.8 else "purchases"
            row = make_row(random, behavior, now)
            entered = [
                base
                for base in index.bases
                if base.behavior == behavior and group_of[id(base)] in (None, row.columns["group"])
            ]
            rows = {**rows, **{id(base): (*rows[id(base)], row) for base in entered}}
            self.steps.append((Kept(profile.attributes, rows), now, entered))

    @staticmethod
    def _group(base: Base) -> Value:
        found: Value = base.where[0].args[1].value if base.where else None
        return found


def measure_prepared(index: Index, data: list[dict[str, Any]], lists: list[frozenset[str]]) -> dict[str, Any]:
    """All rules for a profile whose figures are attributes: what the peers do."""

    def once(number: int) -> int:
        known = History(data[number], {})
        return index.evaluate(Evaluation(known, "p", NOW, UTC, lists[number]))

    numbers = range(len(data))
    cold = [timed(partial(once, number))[0] for number in numbers]
    members = [once(number) for number in numbers]
    times = [timed(partial(once, number))[0] for _ in range(30) for number in numbers]
    return {"members": members, "seconds": statistics.median(times), "cold": statistics.median(cold)}


def measure_events(index: Index, profiles: Sequence[Profile]) -> dict[str, Any]:
    """A whole profile from its kept events, then events one by one."""
    random = Random(5)
    streams = [Stream(index, profile, random) for profile in profiles]
    starts: list[float] = []
    updates: list[float] = []
    for repeat in range(4):
        for stream in streams:
            started = time.process_time()
            evaluation = Evaluation(stream.first, "p", NOW, UTC, stream.lists)
            state = index.start(evaluation, attributes=stream.attributes, bases=stream.there)
            starts.append(time.process_time() - started)
            for known, now, bases in stream.steps:
                started = time.process_time()
                index.update(state, Evaluation(known, "p", now, UTC, stream.lists), bases=bases)
                updates.append(time.process_time() - started)
            known, now, _ = stream.steps[-1]
            assert state.result == index.evaluate(Evaluation(known, "p", now, UTC, stream.lists))
        if repeat == 0:
            starts, updates = [], []
    slow = statistics.quantiles(updates, n=20)[-1]
    return {"start": statistics.median(starts), "update": statistics.median(updates), "slow": slow}


def measure_visitor(program: Program, profiles: Sequence[Profile]) -> float:
    """The whole path of an event: decode the state, take the event in, foretell, encode."""
    random = Random(5)
    times = []
    for profile in profiles[:5]:
        view = BatchView(profile.lists, profile.attributes)
        visitor = Visitor.new()
        rows = [(name, row) for name, kept in profile.rows.items() for row in kept]
        events = [
            Event(row.id, "bench", name, "p", row.time, row.time, dict(row.columns)) for name, row in rows
        ]
        state = evaluate(program, "p", visitor, view, events, NOW).visitor.encode()
        for number in range(6):
            row = make_row(random, "views", NOW + number + 1)
            event = Event(row.id, "bench", "views", "p", row.time, row.time, dict(row.columns))
            started = time.process_time()
            state = evaluate(program, "p", Visitor.decode(state), view, [event], row.time).visitor.encode()
            times.append(time.process_time() - started)
    return statistics.median(times)


def measure_closures(rules: RuleSet, data: dict[str, Any], lists: frozenset[str]) -> float:
    """All rules one after the other by their closures, for comparison."""
    compiler = Compiler()
    compiled = [(name, compiler.compile(rule)) for name, rule in pairs(rules)]
    seconds = []
    for _ in range(3):
        started = time.process_time()
        evaluation = Evaluation(History(data, {}), "p", NOW, UTC, lists)
        for name, holds in compiled:
            if holds(evaluation, None):
                evaluation.segments.add(name)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def main(count: int, out: Path) -> None:
    """Measure, and write what the peers get."""
    rules = make_rules(count)
    random = Random(9)
    profiles = [make_profile(random) for _ in range(PROFILES)]
    data = [profile.prepared(NOW) for profile in profiles]
    lists = [profile.lists for profile in profiles]
    prepared_rules = rule_set(rules, prepared=True)
    prepared = Index.compile(pairs(prepared_rules), "UTC")
    result = measure_prepared(prepared, data, lists)
    members = [set(prepared.members(bits)) for bits in result.pop("members")]
    for one, found, outside in zip(data, members, lists, strict=True):
        context = {**one, "segments": found | outside}
        assert found == {name for name, tree in rules if tree.holds(context)}, "the index disagrees"
    checked, whole = timed(lambda: rule_set(rules, prepared=False))
    compiled, plain = timed(lambda: compile_rules(pairs(whole), "UTC", whole.version))
    artifact = plain.dump()
    program = Program(whole)
    result |= {
        "closures": measure_closures(prepared_rules, data[0], lists[0]),
        "check": checked,
        "compile": compiled,
        "artifact": len(artifact),
        "visitor": measure_visitor(program, profiles),
    }
    (out / "artifact").write_bytes(artifact)
    (out / "program").write_bytes(program.dump())
    referred = sorted(whole_references(whole) - set(LISTS))
    contexts = [
        {**one, "segments": sorted(outside | (found & set(referred)))}
        for one, found, outside in zip(data, members, lists, strict=True)
    ]
    expected = [f"{sum(1 << i for i, (name, _) in enumerate(rules) if name in found):x}" for found in members]
    result["share"] = statistics.mean(len(found) for found in members) / count
    (out / "profiles.json").write_text(json.dumps(contexts))
    (out / "expected.json").write_text(json.dumps(expected))
    print(json.dumps(result))


def whole_references(rules: RuleSet) -> set[str]:
    """All ids that some rule refers to."""
    return {name for segment in rules for name in segment.references}


def loaded(out: Path) -> None:
    """Load the artifact in a fresh process, and evaluate events with it."""
    artifact = (out / "artifact").read_bytes()
    before = memory()
    times = [timed(lambda: Index.load(artifact))[0] for _ in range(3)]
    index = Index.load(artifact)
    after = memory()
    packed = (out / "program").read_bytes()
    programs = [timed(lambda: Program.load(packed))[0] for _ in range(3)]
    random = Random(9)
    profiles = [make_profile(random) for _ in range(PROFILES)]
    result = measure_events(index, profiles)
    bitmaps = index.budget.used
    result |= {
        "load": statistics.median(times),
        "program": statistics.median(programs),
        "loaded": after - before,
        "warm": memory() - before,
        "bitmaps": bitmaps,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1] == "load":
        loaded(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]), Path(sys.argv[2]))
