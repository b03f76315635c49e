"""What a query over an audience needs, as it stands now: the built tables, the lists, and rules with a draft in them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.domain.audience import Audience
from segmentation.domain.build_plan import identities_of, partitions_of
from segmentation.domain.built import Built, built_of
from segmentation.domain.errors import NotBuilt, NotFound
from segmentation.domain.list_sql import lists_query
from segmentation.domain.lists import Lists, lists_path
from segmentation.domain.published import Published
from segmentation.language import RuleSet, load_rule_set
from segmentation.language.document import Segment, check_segment
from segmentation.language.partitions import Partitions
from segmentation.language.sql import ListsQuery
from segmentation.ports import Lake, RuleSets

from .kept_documents import current_pointer, read_json


@dataclass(frozen=True, slots=True)
class Source:
    """Tables to ask: of all profiles of an audience, or of a `share` of them, about."""

    profiles_table: str
    behaviors: Mapping[str, str]
    partitions: Mapping[str, Partitions]
    lists: ListsQuery
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class CurrentBuild:
    """The built version that is current, with so many `profiles`. Without a `sample` it is small: ask it whole."""

    version: str
    profiles: int
    identities: tuple[str, ...]
    """Those that profiles are known by beside the master key."""
    whole: Source
    sample: Source | None
    columns: Built | None
    """What it has; nobody knows of one that an earlier release built."""

    def has(self, attribute: str, type_: str) -> bool:
        """Whether profiles have an attribute of that type."""
        return self.columns is None or self.columns.attributes.get(attribute) == type_

    def check(self, segments: Iterable[Segment]) -> None:
        """Whether these segments can be asked about. Raises `NotBuilt`: they read what was declared since."""
        lacking = None if self.columns is None else self.columns.lacks(segments)
        if lacking is not None:
            raise NotBuilt(f"{lacking}; run build_audience first")


def current_build(lake: Lake, audience: Audience) -> CurrentBuild:
    """Look it up. Raises `NotBuilt`."""
    pointer = current_pointer(lake, audience.id)
    if pointer is None:
        raise NotBuilt(f"audience {audience.id!r} is not built yet; run build_audience first")
    lists = current_lists(lake, audience.id)
    partitions, identities = partitions_of(pointer), identities_of(pointer)

    def source(tables: Mapping[str, Any], parts: Mapping[str, Partitions]) -> Source:
        query = lists_query(audience, lists, tables["profiles"], identities)
        return Source(tables["profiles"], tables["behaviors"], parts, query, float(tables.get("share", 1.0)))

    whole, sample = source(pointer["tables"], partitions), pointer.get("sample")
    few = None if sample is None else source(sample, {})
    profiles, columns = int(pointer["rows"]["profiles"]), built_of(pointer, pointer["version"])
    return CurrentBuild(pointer["version"], profiles, identities, whole, few, columns)


def current_lists(lake: Lake, audience: str) -> Lists:
    """The lists of an audience."""
    document = read_json(lake, lists_path(audience))
    return Lists() if document is None else Lists.from_document(document)


def published_one(rule_sets: RuleSets, audience: str) -> Published:
    """The rule set of an audience. Raises `NotFound`."""
    published = rule_sets.all().get(audience)
    if published is None:
        raise NotFound(f"no rule set of audience {audience!r} is published")
    return published


def with_draft(published: Published, document: Mapping[str, Any]) -> tuple[RuleSet, Segment]:
    """The published segments with an unsaved one in its place, or beside them.

    Raises `RuleError`, with pointers into the draft where it alone is wrong, else (a circle of references) into the
    list of all documents.
    """
    audience = published.audience
    name = document.get("id")
    others = {one.id: one.kind for one in published.rules if one.id != name}
    known = {**others, str(name): str(document.get("kind"))}
    check_segment(document, audience.schema(), audience.id, known)
    kept = [one for one in published.document["segments"] if one["id"] != name]
    rules = load_rule_set([*kept, document], audience.schema(), audience.id)
    return rules, segment_of(rules, str(name))


def segment_of(rules: RuleSet, name: str) -> Segment:
    """A segment of a rule set. Raises `NotFound`."""
    for one in rules:
        if one.id == name:
            return one
    raise NotFound(f"audience {rules.audience!r} has no segment {name!r}")
