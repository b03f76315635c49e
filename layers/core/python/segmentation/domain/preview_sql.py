"""The query of a preview: how many are in a segment, and a few of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from segmentation.language import RuleSet
from segmentation.language.document import Segment
from segmentation.language.limits import Limit
from segmentation.language.partitions import Partitions
from segmentation.language.sql import ListsQuery, Plan
from segmentation.language.sqltext import identifier, text
from segmentation.language.types import Type

SHOWN = 10
"""Members that a preview shows."""


def preview_query(
    rules: RuleSet,
    segment: Segment,
    profiles: str,
    behaviors: Mapping[str, str],
    now: int,
    lists: ListsQuery,
    partitions: Mapping[str, Partitions],
    attributes: Sequence[str],
) -> str:
    """Rows `(members, profiles, member, profile_key, attributes ...)`: the first members by key, and one who is none.

    `members` and `profiles`, in every row, are how many there are; no row: there are no profiles.
    """
    plan = Plan(rules, behaviors, now, [segment], lists, partitions)
    parts, last = plan.parts(profiles, attributes)
    member = plan.segment_column(segment.id)
    columns = "".join(f", p_{name}" for name in attributes)
    numbered = (
        f"SELECT profile_key{columns}, {member} AS member, count_if({member}) OVER () AS members, "
        f"count(*) OVER () AS profiles, row_number() OVER (PARTITION BY {member} ORDER BY profile_key) AS n "
        f"FROM {last}"
    )
    shown = "".join(
        f", {_said(rules.schema.attributes[name], f'p_{name}')} AS {identifier(name)}" for name in attributes
    )
    return (
        f"{parts}\nSELECT members, profiles, member, profile_key{shown}\nFROM ({numbered}) AS m\n"
        f"WHERE n <= CASE WHEN member THEN {SHOWN} ELSE 1 END\nORDER BY member, n"
    )


def count_query(
    rules: RuleSet,
    segment: Segment,
    profiles: str,
    behaviors: Mapping[str, str],
    now: int,
    lists: ListsQuery,
    partitions: Mapping[str, Partitions],
) -> str:
    """One row: how many members there are."""
    plan = Plan(rules, behaviors, now, [segment], lists, partitions)
    parts, last = plan.parts(profiles)
    return f"{parts}\nSELECT count_if({plan.segment_column(segment.id)}) AS members\nFROM {last}"


def _said(type_: Type, column: str) -> str:
    if type_.is_array:
        return f"array_join(transform({column}, x -> CAST(x AS varchar)), {text(', ')})"
    return f"CAST({column} AS varchar)"


def for_a_sample(rules: RuleSet, segment: Segment, share: float) -> RuleSet:
    """Rules over a sample: limits of segments that are referred to are as much smaller as the sample is.

    The segment itself loses its limit, which is applied to the estimate (`Estimate.limited`).
    """

    def scaled(one: Segment) -> Segment:
        if one.id == segment.id:
            return replace(one, limit=None)
        if one.limit is None or one.limit.count is None:
            return one
        count = max(1, round(one.limit.count * share))
        return replace(one, limit=Limit(count, None, one.limit.by, one.limit.descending))

    return RuleSet(rules.audience, rules.schema, tuple(scaled(one) for one in rules.segments))


def refers_to_a_limit(rules: RuleSet, segment: Segment) -> bool:
    """Whether a segment depends on another one that has a limit: over a sample that is no more than a likeness."""
    by_id = {one.id: one for one in rules}
    waiting, seen = list(segment.references), set(segment.references)
    while waiting:
        one = by_id[waiting.pop()]
        if one.limit is not None:
            return True
        waiting.extend(one.references - seen)
        seen |= one.references
    return False
