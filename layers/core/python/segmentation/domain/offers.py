"""What a website shows to whom: the sections of a personalization token.

A section has entry criteria (a rule over attributes and segments), and what a visitor who meets them gets: attributes,
which of some segments the visitor is in, and texts with attributes put in. What is not declared here does not leave.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from segmentation.language.check import Checker
from segmentation.language.evaluate import Base, Compiler, Evaluation, Row
from segmentation.language.normal import normalize
from segmentation.language.problems import did_you_mean, step
from segmentation.language.times import zone
from segmentation.language.tree import Node as Rule
from segmentation.language.types import Schema
from segmentation.language.values import Value, parse_value

from .audience import Audience, Visibility
from .checking import Node

MOST_SECTIONS = 50
LONGEST_TEXT = 2_000

_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAMED = re.compile(r"\s*attributes\.([A-Za-z_][A-Za-z0-9_]{0,127})\s*(?:\|([^{}]*))?")


@dataclass(frozen=True, slots=True)
class Text:
    """A text with places for attributes: literal parts and (attribute, what stands there if it is missing)."""

    parts: tuple[str | tuple[str, str | None], ...]

    @property
    def attributes(self) -> set[str]:
        """The attributes that it shows."""
        return {part[0] for part in self.parts if not isinstance(part, str)}

    def fill(self, attributes: Mapping[str, Any]) -> str | None:
        """The text for a profile; nothing if an attribute is missing that nothing stands in for."""
        filled = []
        for part in self.parts:
            if isinstance(part, str):
                filled.append(part)
                continue
            name, instead = part
            value = attributes.get(name)
            if value is None and instead is None:
                return None
            filled.append(_shown(value) if value is not None else str(instead))
        return "".join(filled)


@dataclass(frozen=True, slots=True)
class Section:
    """One place of a website. Without `when` everybody gets it."""

    name: str
    when: Rule | None
    attributes: tuple[str, ...]
    segments: frozenset[str]
    texts: Mapping[str, Text] = field(default_factory=dict)

    def attributes_read(self) -> set[str]:
        """All attributes that the section needs."""
        read = {one for text in self.texts.values() for one in text.attributes} | set(self.attributes)
        if self.when is not None:
            read.update(node.value for node in self.when.walk() if node.op == "attribute")
        return read


def parse_sections(token: Node, audience: Audience, segments: Collection[str]) -> tuple[Section, ...]:
    """The sections of a token; problems are noted in its findings."""
    sections = []
    for name, node in token.entries("sections"):
        node.only("when", "attributes", "segments", "texts")
        sections.append(
            Section(
                name=name,
                when=_criteria(node, audience, segments),
                attributes=checked_attributes(node, audience),
                segments=checked_segments(node, segments),
                texts=_texts(node, audience),
            )
        )
    if len(sections) > MOST_SECTIONS:
        token.found.add(token.at("sections"), "sections", f"at most {MOST_SECTIONS} sections a token")
    return tuple(sections)


def checked_segments(node: Node, known: Collection[str]) -> frozenset[str]:
    """The member `segments`, each of which must exist."""
    segments = node.texts("segments")
    for index, segment in enumerate(segments):
        if segment not in known:
            message = f"unknown segment {segment!r}{did_you_mean(segment, known)}"
            node.found.add(step(node.at("segments"), index), "unknown-segment", message)
    return frozenset(segments)


def checked_attributes(node: Node, audience: Audience) -> tuple[str, ...]:
    """The member `attributes`, each of which may leave by a public route."""
    attributes = node.texts("attributes")
    for index, name in enumerate(attributes):
        _check_public(node, step(node.at("attributes"), index), name, audience)
    return attributes


def _check_public(node: Node, pointer: str, name: str, audience: Audience) -> None:
    columns = {column.name: column for table in audience.attributes for column in table.columns}
    if name in audience.public():
        return
    if name not in columns:
        message = f"unknown attribute {name!r}{did_you_mean(name, audience.public())}"
        node.found.add(pointer, "unknown-attribute", message)
    elif (visibility := columns[name].visibility) is not Visibility.CLEAR:
        message = f"attribute {name!r} is {visibility}; only clear ones may leave by a public route"
        node.found.add(pointer, "not-clear", message)


def _criteria(node: Node, audience: Audience, segments: Collection[str]) -> Rule | None:
    if "when" not in node.value:
        return None
    schema = audience.schema()
    public = {name: kind for name, kind in schema.attributes.items() if name in audience.public()}
    # Behaviors are not known here: what visitors do is kept for real-time segments, which criteria can name.
    checker = Checker(Schema(public, {}, audience.time_zone), segments)
    rule = checker.rule(node.value["when"], node.at("when"))
    node.found.problems.extend(checker.problems)
    return None if rule is None else normalize(rule)


def _texts(node: Node, audience: Audience) -> dict[str, Text]:
    given = node.value.get("texts", {})
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for one in given.values()):
        node.found.add(node.at("texts"), "type", "'texts' must be an object of names and texts")
        return {}
    found = {}
    for name, template in given.items():
        pointer = step(node.at("texts"), name)
        if len(template) > LONGEST_TEXT:
            node.found.add(pointer, "text", f"a text has at most {LONGEST_TEXT} characters")
        if name in node.value.get("attributes", ()):
            node.found.add(pointer, "duplicate", f"{name!r} is already an attribute of the section")
        text = _parse_text(template)
        if text is None:
            message = (
                "a place in a text is written {{attributes.NAME}} or {{attributes.NAME|if it is missing}}"
            )
            node.found.add(pointer, "text", message)
            continue
        for attribute in sorted(text.attributes):
            _check_public(node, pointer, attribute, audience)
        found[name] = text
    return found


def _parse_text(template: str) -> Text | None:
    parts: list[str | tuple[str, str | None]] = []
    for index, piece in enumerate(_PLACE.split(template)):
        if index % 2 == 0:
            if "{{" in piece or "}}" in piece:
                return None
            parts.append(piece)
            continue
        named = _NAMED.fullmatch(piece)
        if named is None:
            return None
        parts.append((named[1], named[2]))
    return Text(tuple(part for part in parts if part != ""))


def _shown(value: Any) -> str:
    """As a person writes it: no '.0' on whole numbers, lists with commas."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return str(value)


class _Attributes:
    """The attributes of a profile as rules read them."""

    def __init__(self, audience: Audience, attributes: Mapping[str, Any]) -> None:
        self._types = {name: column.type for name, column in audience.columns().items()}
        self._attributes = attributes

    def attribute(self, name: str) -> Value:
        return parse_value(self._types[name], self._attributes.get(name))

    def rows(self, base: Base) -> list[Row]:
        raise AssertionError(f"criteria do not read behaviors, but {base.behavior} was asked for")


Entry = Callable[[str, Mapping[str, Any], Collection[str], int], bool]
"""Whether a profile (key, attributes, segments) meets criteria at a moment."""


def entry_of(section: Section, audience: Audience) -> Entry:
    """The criteria of a section, compiled."""
    if section.when is None:
        return lambda key, attributes, segments, now: True  # noqa: ARG005 - an `Entry`
    holds = Compiler().compile(section.when)
    time_zone = zone(audience.time_zone)

    def enters(key: str, attributes: Mapping[str, Any], segments: Collection[str], now: int) -> bool:
        known = _Attributes(audience, attributes)
        return bool(holds(Evaluation(known, key, now, time_zone, segments), None))

    return enters
