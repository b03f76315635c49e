"""All batch segments of an audience as one Trino query, as Athena engine v3 runs it.

The query reads each table once, however many segments there are:

    events of a behavior -> one row a profile with every distinct aggregate   (one GROUP BY a behavior)
    profiles LEFT JOIN those -> the segments' conditions, layer upon layer by dependency -> segment sets

Behaviors that are tied by a sequence (`followed_by`) share one pass over the union of their events.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .document import RuleSet, Segment
from .partitions import Partitions
from .sql_plan import IDENTITIES, ListsQuery, Plan, ProfileWriter, Writer, profile_condition

__all__ = [
    "IDENTITIES",
    "LONGEST_QUERY",
    "ListsQuery",
    "MembersQuery",
    "Plan",
    "ProfileWriter",
    "QueryTooLong",
    "Writer",
    "members_queries",
    "members_query",
    "profile_condition",
]

LONGEST_QUERY = 262_144
"""Bytes of a query that Athena takes (its quota "DML query string length")."""
WRAPPING = 8_192
"""Bytes left for the CREATE TABLE AS around a query."""


@dataclass(frozen=True)
class MembersQuery:
    """One SELECT and the ids of the segments whose members it finds."""

    sql: str
    segments: tuple[str, ...]


class QueryTooLong(ValueError):
    """A single segment's query is longer than Athena takes."""


def members_query(
    rule_set: RuleSet,
    profiles_table: str,
    behavior_tables: Mapping[str, str],
    now: int,
    attributes: Sequence[str] = (),
    lists: ListsQuery | None = None,
    partitions: Mapping[str, Partitions] | None = None,
    identities: bool = False,
    events_a_profile: Mapping[str, float] | None = None,
) -> str:
    """One SELECT for all batch and list segments of an audience: a row a profile.

    Columns: `profile_key`, `segments` (sorted ids, `array(varchar)`), then the named `attributes`.
    `now` is the run's logical time in Unix seconds. The tables are those of a built audience;
    `lists` gives the query of the members of list segments and is needed where there are any.
    `partitions` says how behavior tables are divided by time: what no window reaches is not read. With
    `identities` a profile's other identity keys stand in a last column of that name. `events_a_profile` is how many
    a profile has on average, by behavior: where they are many and so are the aggregates, they are put together in
    two steps, with the same result.
    """
    wanted = rule_set.of_kind("batch", "list")
    plan = Plan(rule_set, behavior_tables, now, wanted, lists, partitions, events_a_profile)
    return plan.query(profiles_table, wanted, attributes, identities)


def members_queries(
    rule_set: RuleSet,
    profiles_table: str,
    behavior_tables: Mapping[str, str],
    now: int,
    attributes: Sequence[str] = (),
    lists: ListsQuery | None = None,
    longest: int = LONGEST_QUERY - WRAPPING,
    only: Collection[str] | None = None,
    partitions: Mapping[str, Partitions] | None = None,
    identities: bool = False,
    events_a_profile: Mapping[str, float] | None = None,
) -> tuple[MembersQuery, ...]:
    """The same as `members_query`, as few queries as fit into `longest` bytes each.

    Each query has a row for every profile, with the segments that it is about; `attributes` (and
    `identities`) are columns of the first one. Segments that read the same tables stay together. `only` names the segments that are
    wanted, where not all are. Raises `QueryTooLong`.
    """

    def fit(wanted: Sequence[Segment], attributes: Sequence[str], identities: bool) -> list[MembersQuery]:
        plan = Plan(rule_set, behavior_tables, now, wanted, lists, partitions, events_a_profile)
        sql = plan.query(profiles_table, wanted, attributes, identities)
        if len(sql.encode()) <= longest:
            return [MembersQuery(sql, tuple(sorted(segment.id for segment in wanted)))]
        if len(wanted) == 1:
            size = len(sql.encode())
            message = f"the query of segment {wanted[0].id!r} has {size} bytes, {longest} are possible; shorten its lists"
            raise QueryTooLong(message)
        middle = len(wanted) // 2
        return fit(wanted[:middle], attributes, identities) + fit(wanted[middle:], (), False)

    chosen = [s for s in rule_set.of_kind("batch", "list") if only is None or s.id in only]
    wanted = sorted(chosen, key=lambda s: (sorted(s.behaviors), s.id))
    return tuple(fit(wanted, attributes, identities))
