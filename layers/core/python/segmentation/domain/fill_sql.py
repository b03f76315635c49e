"""The SQL that finds archived events for rules that are new to the stream."""

from collections.abc import Sequence

from segmentation.language.sql import profile_condition
from segmentation.language.tree import CONDITION, Node

from .audience import Audience
from .event_lake import events_table
from .lake_sql import archived_value
from .run import instant
from .source_sql import Catalog, quoted
from .visitor.program import of_profile
from .visitor.terms import Term

SLACK = 86_400
"""Seconds that are looked back further: what is too old is let go when visitors get it."""


def fill_query(
    audience: Audience, behavior: str, catalog: Catalog, terms: Sequence[Term], since: int | None
) -> str:
    """The events of a behavior that may enter one of some terms, each once: of several with one id the first accepted.

    `profile`, `event_id`, `time`, `received`, then the declared columns. `since`: a moment, or nothing for all.
    """
    declared = audience.behaviors[behavior].columns
    table = events_table(audience, behavior).name
    known = catalog[table] or {}
    fixed = ("profile", "event_id", '"time"', "received")
    values = [f"{archived_value(one, known)} AS {quoted(one.name)}" for one in declared]
    number = "row_number() OVER (PARTITION BY profile, event_id ORDER BY sequence) AS rn"
    inner = f"SELECT {', '.join([*fixed, *values, number])} FROM {table}"
    if since is not None:
        inner += f" WHERE \"date\" >= '{instant(since - SLACK)[:10]}'"
    names = ", ".join([*fixed, *(quoted(one.name) for one in declared)])
    conditions = ["p.rn = 1"]
    if since is not None:
        conditions.append(f'p."time" > {since - SLACK}')
    if terms and all(term.base.where for term in terms):
        wanted = [of_profile(Node("and", CONDITION, term.base.where)) for term in terms]
        rule = wanted[0] if len(wanted) == 1 else Node("or", CONDITION, tuple(wanted))
        conditions.append(profile_condition(rule, audience.time_zone, lambda name: f"p.{quoted(name)}"))
    return f"SELECT {names} FROM ({inner}) p WHERE {' AND '.join(conditions)}"
