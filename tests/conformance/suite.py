"""Conformance files: found by walking the folder, read strictly, so that no case can be forgotten or misread."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from segmentation.language import Schema, Type

RULES = Path(__file__).parents[2] / "rules"
FOLDER = RULES / "conformance"
AUDIENCE = "test"
PUBLISHED = Draft202012Validator(
    json.loads((RULES / "schema" / "segment.schema.json").read_text(encoding="utf-8"))
)
"""The published JSON Schema of segment documents."""


@dataclass(frozen=True)
class Profile:
    """Raw values, as they arrive. `lists`: the list segments that the profile is in."""

    key: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    behaviors: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    lists: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One case of one of three kinds: who is a member, what is refused, which rules are one."""

    name: str
    now: int
    kinds: tuple[str, ...] = ("batch", "realtime")
    rule: Any = None
    members: frozenset[str] | None = None
    documents: tuple[Any, ...] | None = None
    text: str | None = None
    problems: tuple[tuple[str, str], ...] | None = None
    equal: tuple[Any, ...] | None = None
    different: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Suite:
    """One file."""

    name: str
    schema: Schema
    profiles: tuple[Profile, ...]
    documents: tuple[dict[str, Any], ...]
    cases: tuple[Case, ...]


_FILE = {"topic", "about", "now", "audience", "documents", "profiles", "cases"}
_CASE = {
    "name", "why", "now", "kinds", "rule", "members", "document", "documents", "text", "problems", "equal", "different",
}  # fmt: skip


def suites() -> Iterator[Suite]:
    """Every file below rules/conformance, whatever it is called; a file that is no suite stops the tests."""
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            assert path.suffix == ".json", f"{path} is no conformance file; keep only *.json there"
            yield _suite(path.relative_to(FOLDER).with_suffix("").as_posix(), json.loads(path.read_text()))


def moment(text: str) -> int:
    """Unix seconds of ISO text with an offset, fractions cut off; on its own, apart from the code under test."""
    return int(dt.datetime.fromisoformat(text).timestamp() // 1)


def _suite(name: str, document: dict[str, Any]) -> Suite:
    _only(document, _FILE, name)
    audience = document["audience"]
    schema = Schema(
        attributes={n: Type(t) for n, t in audience.get("attributes", {}).items()},
        behaviors={
            b: {n: Type(t) for n, t in columns.items()}
            for b, columns in audience.get("behaviors", {}).items()
        },
        time_zone=audience["time_zone"],
        set_by_events={
            column: (behavior, column)
            for behavior, columns in audience.get("event_attributes", {}).items()
            for column in columns
        },
    )
    profiles = tuple(_profile(key, raw, schema, name) for key, raw in document.get("profiles", {}).items())
    cases = tuple(_case(raw, document, profiles, name) for raw in document["cases"])
    assert len({case.name for case in cases}) == len(cases), f"{name}: two cases of one name"
    return Suite(name, schema, profiles, tuple(document.get("documents", ())), cases)


def _profile(key: str, raw: dict[str, Any], schema: Schema, name: str) -> Profile:
    _only(raw, {"attributes", "behaviors", "segments"}, f"{name}: profile {key}")
    profile = Profile(
        key, raw.get("attributes", {}), raw.get("behaviors", {}), tuple(raw.get("segments", ()))
    )
    _only(profile.attributes, set(schema.attributes), f"{name}: profile {key}")
    for behavior, events in profile.behaviors.items():
        for event in events:
            _only(event, {"id", "time", *schema.behaviors[behavior]}, f"{name}: profile {key}, {behavior}")
    return profile


def _case(raw: dict[str, Any], document: dict[str, Any], profiles: tuple[Profile, ...], name: str) -> Case:
    where = f"{name}: {raw.get('name')}"
    _only(raw, _CASE, where)
    outcomes = [key for key in ("members", "problems", "equal", "different") if key in raw]
    assert len(outcomes) == 1, f"{where}: one of members, problems, equal, different"
    members = raw.get("members")
    if members is not None:
        unknown = set(members) - {profile.key for profile in profiles}
        assert not unknown, f"{where}: no such profile: {unknown}"
        assert len(set(members)) == len(members), f"{where}: a member twice"
    documents = raw.get("documents") or ([raw["document"]] if "document" in raw else None)
    problems = raw.get("problems")
    return Case(
        name=raw["name"],
        now=moment(raw.get("now", document.get("now", "2026-03-15T12:00:00Z"))),
        kinds=tuple(raw.get("kinds", ("batch", "realtime"))),
        rule=raw.get("rule"),
        members=None if members is None else frozenset(members),
        documents=None if documents is None else tuple(documents),
        text=raw.get("text"),
        problems=None if problems is None else tuple((p["pointer"], p["code"]) for p in problems),
        equal=tuple(raw["equal"]) if "equal" in raw else None,
        different=tuple(raw["different"]) if "different" in raw else None,
    )


def _only(raw: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = raw.keys() - known
    assert not unknown, f"{where}: unknown {sorted(unknown)}"


def segment(identity: str, rule: Any, kind: str = "batch") -> dict[str, Any]:
    """A segment document around a rule."""
    return {"id": identity, "name": identity, "audience": AUDIENCE, "kind": kind, "rule": rule}
