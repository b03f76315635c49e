"""The oracle: a third-party JSON-Logic engine, fed with lowered rules over prepared data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from datalogic_py import Engine
from segmentation.language import RuleSet, Schema
from segmentation.language.evaluate import Row
from segmentation.language.lower import NOT_LOWERED, Lowered, NotLowered, Source, lower_rule
from segmentation.language.times import zone

from .readings import Members, by_closures, limited, typed_attributes, typed_rows
from .suite import Profile

WHOLE = 2**53
"""Whole numbers from here on: the engine holds them in 64 bits, the language has doubles."""


def by_oracle(rule_set: RuleSet, profiles: Sequence[Profile], now: int) -> tuple[Members, dict[str, str]]:
    """Members, and what was left out: segment id -> what of it cannot be lowered.

    Where a segment that was left out, or a limited one, is referred to, the closures' answer stands.
    """
    schema = rule_set.schema
    engine = Engine()
    others = by_closures(rule_set, profiles, now)
    lowered: list[tuple[str, Lowered, Any]] = []
    left_out: dict[str, str] = {}
    given = limited(rule_set)
    for segment in rule_set:
        if segment.rule is not None and segment.id not in given:
            try:
                made = lower_rule(segment.rule, now, zone(schema.time_zone))
            except NotLowered as error:
                left_out[segment.id] = str(error)
            else:
                lowered.append((segment.id, made, engine.compile(made.rule)))
    unlisted = set(left_out.values()) - set(NOT_LOWERED)
    assert not unlisted, f"left out, but not listed as what cannot be lowered: {unlisted}"
    found: dict[str, set[str]] = {name: set() for name, _, _ in lowered}
    for profile in profiles:
        inside = {*profile.lists, *(name for name in (*left_out, *given) if profile.key in others[name])}
        attributes = {n: _plain(v) for n, v in typed_attributes(schema, profile).items() if v is not None}
        by_name = {name: (made, rule) for name, made, rule in lowered}
        for segment in rule_set:
            if segment.id in by_name:
                made, rule = by_name[segment.id]
                shares = {name: _share(seed, profile.key) for name, seed in made.shares.items()}
                data: dict[str, Any] = {
                    "attributes": attributes,
                    "segments": sorted(inside),
                    "shares": shares,
                    "events": {},
                }
                for source in made.sources:
                    data["events"][source.name] = _events(schema, profile, source, now, engine, data)
                truth = rule.evaluate(data)
                assert truth is True or truth is False, f"{segment.id} is {truth!r}: {made.rule}"
                if truth:
                    inside.add(segment.id)
                    found[segment.id].add(profile.key)
    return {name: frozenset(keys) for name, keys in found.items()}, left_out


def beyond_whole(profile: Profile) -> bool:
    """Whether the profile has a number that the engine and the language hold differently."""
    events = [event for events in profile.behaviors.values() for event in events]
    values = [*profile.attributes.values(), *(value for event in events for value in event.values())]
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return any(WHOLE <= abs(number) < 2**64 for number in numbers)


def _share(seed: str, key: str) -> float:
    return int(hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:13], 16) / 16**13 * 100


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _events(
    schema: Schema, profile: Profile, source: Source, now: int, engine: Engine, data: dict[str, Any]
) -> list[dict[str, Any]]:
    rows = [row for row in typed_rows(schema, profile, source.behavior) if row.time <= now]
    column = source.order[1] if source.order else None

    def place(row: Row) -> tuple[Any, ...]:
        value = None if column is None else row.time if column == "time" else row.columns.get(column)
        if row.id or value is None:
            return row.time, row.id, 1 if source.order and source.order[0] == "first" else 0, 0
        return row.time, row.id, 0 if source.order and source.order[0] == "first" else 1, value

    rows.sort(key=lambda row: row.time)
    rows.sort(key=place, reverse=source.order is not None and source.order[0] == "first")
    later = {
        name: sorted(event["time"] for event in engine.compile(rule).evaluate(data))
        for name, rule in source.follows
    }
    events = []
    for row in rows:
        event = {n: _plain(v) for n, v in row.columns.items() if v is not None} | {"time": row.time}
        for name, times in later.items():
            after = [time for time in times if time > row.time]
            if after:
                event[name] = after[0]
        events.append(event)
    return events
