"""Show the SQL of a segment, saved or not, as a person would want to read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segmentation.domain.built import needed
from segmentation.domain.lake_sql import as_the_stream_saw
from segmentation.language.sentence import Names
from segmentation.language.sql_view import segment_sql
from segmentation.ports import Clock, Lake, RuleSets

from .current_build import current_build
from .published_rules import published_one, segment_of, with_draft


@dataclass(frozen=True, slots=True)
class ShowSql:
    """The SQL of one segment over the audience as it is built now. `logical_now` stands for the clock on old data."""

    lake: Lake
    rule_sets: RuleSets
    clock: Clock
    logical_now: int | None = None

    def __call__(
        self, audience: str, segment: str, document: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """`{"sql": text, "now": Unix seconds, "audience_version": id}`; of `document`, if it is given.

        Raises `NotFound`, `NotBuilt`, and `RuleError` for a draft that is not in order.
        """
        published = published_one(self.rule_sets, audience)
        rules = published.rules if document is None else with_draft(published, document)[0]
        wanted = segment_of(rules, segment)
        build = current_build(self.lake, published.audience)
        now = self.clock.now() if self.logical_now is None else self.logical_now
        names = Names(segments={one.id: one.name for one in rules})
        rules = as_the_stream_saw(rules, published.audience)
        build.check(needed(rules, wanted.id))
        sql = segment_sql(
            rules,
            wanted.id,
            build.whole.profiles_table,
            build.whole.behaviors,
            now,
            build.whole.lists,
            build.whole.partitions,
            names,
        )
        return {"sql": sql, "now": now, "audience_version": build.version}
