"""What a query over an audience needs, as it stands now: the built tables and the lists."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.domain.audience import Audience
from segmentation.domain.build_plan import identities_of, partitions_of
from segmentation.domain.built import Built, built_of
from segmentation.domain.errors import NotBuilt
from segmentation.domain.list_sql import lists_query
from segmentation.domain.lists import Lists, lists_path
from segmentation.language.document import Segment
from segmentation.language.partitions import Partitions
from segmentation.language.sql import ListsQuery
from segmentation.ports import Lake

from .kept_documents import built_pointer, read_json


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
            raise NotBuilt(f"{lacking}; start a build first")


def current_build(lake: Lake, audience: Audience) -> CurrentBuild:
    """Look it up. Raises `NotBuilt`."""
    pointer = built_pointer(lake, audience.id)
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
