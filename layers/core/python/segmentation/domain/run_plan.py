"""What a run of segments found when it began: the rules, the built version, the lists, the run before."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.language.sql import members_queries

from .build_plan import events_a_profile, has_identities, identities_of, partitions_of
from .built import built_of, needed
from .lake_sql import as_the_stream_saw
from .list_sql import lists_query
from .lists import Lists
from .published import Published
from .run import RunRecord


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run found when it began, as its `plan.json` keeps it."""

    document: Mapping[str, Any]
    published: Published
    previous: RunRecord | None

    @property
    def audience(self) -> str:
        """Its id."""
        return self.published.audience.id

    @property
    def now(self) -> int:
        """The run's logical time."""
        return int(self.document["now"])

    @property
    def attributes(self) -> tuple[str, ...]:
        """The published attributes, in order."""
        return tuple(self.document["attributes"])

    @property
    def order(self) -> list[str]:
        """The segments to compute; statements are about slices of it."""
        return list(self.document["segments"])

    @property
    def identities(self) -> bool:
        """Whether the profiles have identity keys beside the profile key."""
        return has_identities(self.document)

    @property
    def types(self) -> Mapping[str, str]:
        """The types that the published attributes were built with, where that is known."""
        built = built_of(self.document, self.document["audience_version"])
        return {} if built is None else {name: built.attributes[name] for name in self.attributes}

    @property
    def lists(self) -> Lists:
        """The uploaded lists as they were: a run that is repeated reads the same."""
        return Lists.from_document(self.document.get("lists", {}))

    def unbuilt(self, names: Collection[str]) -> dict[str, str]:
        """Of some segments those that read what the built version does not have, each with the reason."""
        built = built_of(self.document, self.document["audience_version"])
        if built is None:
            return {}
        rules = as_the_stream_saw(self.published.rules, self.published.audience)
        by_id = {one.id: one for one in rules}
        reasons = {name: built.lacks(needed(rules, name, by_id)) for name in sorted(names)}
        after = "it is computed after the next build"
        return {name: f"{reason}; {after}" for name, reason in reasons.items() if reason is not None}

    def parts(
        self, only: Collection[str], attributes: Sequence[str] = (), *, inline: bool = True
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Members queries, each with its segments."""
        tables = self.document["tables"]
        return [
            (one.sql, one.segments)
            for one in members_queries(
                as_the_stream_saw(self.published.rules, self.published.audience),
                tables["profiles"],
                tables["behaviors"],
                self.now,
                attributes,
                lists_query(
                    self.published.audience, self.lists, tables["profiles"], identities_of(self.document)
                ),
                only=only,
                partitions=partitions_of(self.document),
                identities=inline and self.identities,
                events_a_profile=events_a_profile(self.document),
            )
        ]
