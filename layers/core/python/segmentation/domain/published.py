"""The published rule set: everything that the service runs by, checked as one."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from segmentation.language import RuleError, RuleSet, load_rule_set
from segmentation.language.problems import Problem
from segmentation.language.tree import Aggregate
from segmentation.language.tree import Node as Rule

from .access import Access, Destination, parse_access, parse_destinations
from .audience import Audience, Visibility
from .audience_document import parse_audience
from .batch_room import MOST_BATCH_ID_BYTES
from .checking import Findings, Node
from .standing import Standing, answering, rules_of

T = TypeVar("T")
MOST_ID_BYTES = 150_000
"""Of all real-time segments of an audience, three more for each; 10,000 segments have 12 characters each."""
_PARTS = ("audience", "segments", "access", "destinations", "standing", "version", "published")
_RECORDS = ("archived", "records", "requests")
"""What a rule set carries for those who edit it (`rulebook`); nothing runs by it."""


@dataclass(frozen=True)
class Published:
    """One audience with its segments, access and destinations, as of one version."""

    version: str
    audience: Audience
    access: Access
    destinations: tuple[Destination, ...]
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What it was read from, for a run to keep beside its results."""
    program: bytes | None = field(default=None, compare=False, repr=False)
    """The real-time segments as they were compiled when they were published."""

    @cached_property
    def rules(self) -> RuleSet:
        """The segments. Reading thousands of them takes seconds, so it waits for the first who asks."""
        return load_rule_set(self.document.get("segments", ()), self.audience.schema(), self.audience.id)

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """The kind of each segment by its id, without reading the segments."""
        return {one["id"]: one["kind"] for one in self.document.get("segments", ())}

    def known_as(self, version: str) -> "Published":
        """The same under another version."""
        other = replace(self, version=version)
        other.__dict__["rules"] = self.rules
        other.__dict__["answering"] = self.answering
        return other

    @property
    def standing(self) -> Standing:
        """The real-time segments that are not computed yet, each with the document that answers until then."""
        found: Standing = self.document.get("standing", {})
        return found

    @cached_property
    def answering(self) -> RuleSet:
        """The segments by which real-time membership is computed now."""
        if not self.standing:
            return self.rules
        documents = answering(self.document.get("segments", ()), self.standing)
        return load_rule_set(documents, self.audience.schema(), self.audience.id)

    @cached_property
    def answering_digest(self) -> str:
        """Of the real-time rules that answer now, and of the audience that says what they read."""
        documents = answering(self.document.get("segments", ()), self.standing)
        rules = sorted((one["id"], json.dumps(one["rule"])) for one in documents if one["kind"] == "realtime")
        said = json.dumps([rules, self.document.get("audience")], sort_keys=True)
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def reads_runs(self) -> bool:
        """Whether a batch run may change what a real-time rule finds: it reads attributes or segments. (A text that only looks
        like that counts too: nothing is lost by it.)"""
        documents = answering(self.document.get("segments", ()), self.standing)
        texts = (json.dumps(one["rule"]) for one in documents if one["kind"] == "realtime")
        return any('"attributes.' in text or '"segments"' in text for text in texts)

    @cached_property
    def ahead(self) -> list[Rule]:
        """Rules that do not answer yet, whose events are kept already."""
        return rules_of(one for one in self.rules if one.id in self.standing) if self.standing else []

    @property
    def number(self) -> int:
        """How many versions of the rule set were put before; 0 where nobody counted."""
        return number_of(self.version)

    def subscribers(self, segment: str) -> tuple[Destination, ...]:
        """The destinations that want a segment's changes."""
        return tuple(one for one in self.destinations if segment in one.segments)

    @cached_property
    def wanted(self) -> frozenset[str]:
        """The segments whose changes some destination wants."""
        return frozenset(name for one in self.destinations for name in one.segments)

    def published_attributes(self) -> tuple[str, ...]:
        """The attributes that the profiles store needs: of real-time rules, and what tokens expose."""
        wanted = set(self.rules.attributes_read("realtime"))
        for token in self.access.tokens:
            wanted.update(token.attributes)
            for section in token.sections:
                wanted.update(section.attributes_read())
        return tuple(sorted(wanted & self.audience.public()))


def program_path(audience: str, version: str) -> str:
    """Where the compiled real-time segments of a rule set stand; not below `rules/`, which is listed often."""
    return f"programs/{audience}/{version}.bin"


def strength(sets: Mapping[str, Published]) -> Callable[[str], int]:
    """How strong a key of the profiles store is: 0 the strongest of its audience; unknown columns come last."""
    ranks = {
        audience: {column: place for place, column in enumerate(one.audience.by_strength())}
        for audience, one in sets.items()
    }

    def rank(key: str) -> int:
        audience, _, name = key.partition("#")
        known = ranks.get(audience, {})
        return known.get(name.partition(":")[0], len(known))

    return rank


def number_of(version: str) -> int:
    """The number in a version's name: of two versions the one with the greater one is the later one."""
    number, dot, _ = version.partition(".")
    return int(number) if dot and number.isdigit() else 0


def document_of(
    audience: Any,
    segments: Sequence[Any],
    access: Any,
    destinations: Sequence[Any],
    published: str,
    standing: Standing | None = None,
    number: int = 0,
) -> dict[str, Any]:
    """The document that is put for the functions to read. The version is a hash of what it says, after its number."""
    content = {
        "audience": audience,
        "segments": list(segments),
        "access": access,
        "destinations": list(destinations),
    }
    if standing:
        content["standing"] = dict(standing)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    version = f"{number}.{digest[:16]}" if number else digest[:16]
    return {**content, "version": version, "published": published}


def parse_published(document: object) -> Published:
    """Check a whole rule set; `RuleError` lists the problems of all its parts, each under its place."""
    found = Findings()
    root = Node.of(document, "", found, "a rule set")
    if root is None:
        found.raise_if_any()
        raise AssertionError
    root.only(*_PARTS, *_RECORDS)
    value = {name: part for name, part in root.value.items() if name in _PARTS}
    audience = _part(found, "/audience", lambda: parse_audience(value.get("audience")))
    if audience is None:
        found.raise_if_any()
        raise AssertionError
    segments = value.get("segments", [])
    rules = _part(found, "/segments", lambda: load_rule_set(segments, audience.schema(), audience.id))
    known = _ids(segments)
    access = _part(found, "/access", lambda: parse_access(value.get("access", {}), audience, known))
    places = _part(
        found, "/destinations", lambda: parse_destinations(value.get("destinations", []), audience, known)
    )
    if rules is not None:
        _realtime_attributes(found, rules, audience)
        _realtime_ids(found, rules)
        _batch_ids(found, rules)
    standing = value.get("standing", {})
    if not isinstance(standing, Mapping):
        found.add("/standing", "type", "what stands must be an object of documents by segment")
    found.raise_if_any()
    assert rules is not None and access is not None and places is not None  # noqa: S101, PT018 - no problems
    published = Published(root.text("version"), audience, access, places, value)
    published.__dict__["rules"] = rules
    if standing:
        published.__dict__["answering"] = _answering(found, segments, standing, audience)
    return published


def read_published(document: Any, program: bytes) -> Published:
    """A rule set that was checked and compiled when it was published: quickly, for its segments are taken as they are.

    Raises `RuleError`.
    """
    found = Findings()
    root = Node.of(document, "", found, "a rule set")
    found.raise_if_any()
    assert root is not None  # noqa: S101 - else it was refused
    parts = {name: root.value[name] for name in _PARTS if name in root.value}
    audience = parse_audience(parts.get("audience"))
    known = _ids(parts.get("segments"))
    access = parse_access(parts.get("access", {}), audience, known)
    places = parse_destinations(parts.get("destinations", []), audience, known)
    return Published(root.text("version"), audience, access, places, parts, program)


def _answering(found: Findings, segments: Sequence[Any], standing: Standing, audience: Audience) -> RuleSet:
    """The segments that answer. What an old version still needs cannot be taken away before it has left."""
    documents = answering(segments, standing)
    try:
        return load_rule_set(documents, audience.schema(), audience.id)
    except RuleError as error:
        for problem in error.problems:
            _, index, *_ = (*problem.pointer.split("/"), "")
            name = documents[int(index)]["id"] if index.isdigit() else ""
            message = (
                f"segment {name!r} answers by its version before until the new one is computed, and that one "
                f"would not stand any more: {problem.message}; make this change once it is computed"
            )
            found.problems.append(Problem(f"/standing/{name}", "still-answering", message))
        found.raise_if_any()
        raise


def _part(found: Findings, prefix: str, parse: Callable[[], T]) -> T | None:
    try:
        return parse()
    except RuleError as error:
        found.problems.extend(problem.below(prefix) for problem in error.problems)
        return None


def _ids(segments: object) -> set[str]:
    """Ids as they are written, so that a broken segment is not reported at each reference to it."""
    if not isinstance(segments, list):
        return set()
    return {one["id"] for one in segments if isinstance(one, Mapping) and isinstance(one.get("id"), str)}


def _realtime_ids(found: Findings, rules: RuleSet) -> None:
    """A visitor's item names the segments that it is in, which may be all, and joined them at once."""
    size = sum(len(segment.id) + 3 for segment in rules.of_kind("realtime"))
    if size > MOST_ID_BYTES:
        message = (
            f"the ids of the real-time segments take {size:,} bytes, a visitor has room for {MOST_ID_BYTES:,}; "
            "shorten ids, or make some segments batch ones"
        )
        found.problems.append(Problem("/segments", "too-many-realtime", message))


def _batch_ids(found: Findings, rules: RuleSet) -> None:
    """So does what a run publishes of a profile."""
    size = sum(len(segment.id) + 1 for kind in ("batch", "list") for segment in rules.of_kind(kind))
    if size > MOST_BATCH_ID_BYTES:
        message = (
            f"the ids of the batch and list segments take {size:,} bytes, a profile has room for "
            f"{MOST_BATCH_ID_BYTES:,}; shorten ids"
        )
        found.problems.append(Problem("/segments", "too-many-batch", message))


def _realtime_attributes(found: Findings, rules: RuleSet, audience: Audience) -> None:
    """A real-time rule reads the profiles store, where PII is never kept."""
    columns = audience.columns()
    for name in sorted(rules.attributes_read("realtime")):
        if name in columns and columns[name].visibility is not Visibility.CLEAR:
            message = (
                f"a real-time rule reads attribute {name!r}, which is {columns[name].visibility}: "
                "such are not kept where real-time rules run; make the segment a batch one"
            )
            found.problems.append(Problem("/segments", "not-clear", message))
    for behavior, name in sorted(_realtime_columns(rules)):
        hidden = [one for one in audience.behaviors[behavior].columns if one.name == name]
        if hidden and hidden[0].visibility is not Visibility.CLEAR:
            message = (
                f"a real-time rule reads column {name!r} of {behavior!r}, which is {hidden[0].visibility}: "
                "such are not kept where real-time rules run; make the segment a batch one"
            )
            found.problems.append(Problem("/segments", "not-clear", message))


def _realtime_columns(rules: RuleSet) -> set[tuple[str, str]]:
    read = set()
    for segment in rules.of_kind("realtime"):
        for node in segment.nodes():
            if not isinstance(node.value, Aggregate):
                continue
            if node.value.column:
                read.add((node.value.events.behavior, node.value.column))
            for selection in node.value.events.selections():
                conditions = (inner for one in selection.where for inner in one.walk())
                read.update((selection.behavior, one.value) for one in conditions if one.op == "column")
    return read
