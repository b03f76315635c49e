"""The SQL of one segment as a person would want to read it; it finds the members that a run finds."""

import re
from collections.abc import Iterable, Mapping

from .document import RuleSet, Segment
from .partitions import Partitions
from .sentence import Names, segment_outline
from .sql_layout import laid_out
from .sql_plan import ListsQuery, Plan

_NO_WORD = re.compile(r"\W+")


def segment_sql(
    rule_set: RuleSet,
    segment: str,
    profiles_table: str,
    behavior_tables: Mapping[str, str],
    now: int,
    lists: ListsQuery | None = None,
    partitions: Mapping[str, Partitions] | None = None,
    names: Names | None = None,
) -> str:
    """A query for the profile keys of a segment's members, with what the rule says above it as comments."""
    (wanted,) = (one for one in rule_set if one.id == segment)
    plan = Plan(rule_set, behavior_tables, now, [wanted], lists, partitions)
    parts, last = plan.parts(profiles_table)
    sql = f"{parts}\nSELECT profile_key\nFROM {last}\nWHERE {plan.segment_column(segment)}\nORDER BY profile_key"
    said = "\n".join(_comments(wanted, rule_set.schema.time_zone, names))
    return f"{said}\n{laid_out(sql, _names(plan, last))}\n"


def _comments(segment: Segment, time_zone: str, names: Names | None) -> Iterable[str]:
    yield f"-- {_one_line(segment.name)}"
    for line in segment_outline(segment, time_zone, names):
        yield f"-- {_one_line(str(line))}"


def _one_line(text: str) -> str:
    """A comment ends with its line, so no text of a user may bring a line of its own."""
    return " ".join(re.split(r"[\r\n\u0085\u2028\u2029\v\f]+", text))


def _names(plan: Plan, last: str) -> dict[str, str]:
    """What people call the compiler's columns and parts."""
    names: dict[str, str] = {}
    taken = {"profile_key", "segments", "lists", "p", "l", "t", "i", "b"}

    def call(name: str, wish: str) -> None:
        words = _NO_WORD.sub("_", wish).strip("_").lower()
        chosen, number = words, 1
        while chosen in taken:
            number += 1
            chosen = f"{words}_{number}"
        taken.add(chosen)
        names[name] = chosen

    for event_pass in plan.passes:
        call(event_pass.name, f"{'_and_'.join(event_pass.behaviors)}_of_profile")
        for aggregate, column in event_pass.aggregates.items():
            what = aggregate.events.behavior
            what = f"{what}_{aggregate.column}" if aggregate.column else what
            call(column, f"{aggregate.function}_{what}")
        for latest in plan.latest_in(event_pass):
            call(latest.name, f"latest_{latest.events.behavior}")
            for number in latest.numbers:
                call(latest.column(number), f"latest_{latest.events.behavior}_{number}")
    for number, one in enumerate(plan.segments):
        call(f"s{number}", f"in_{one.id}")
        if one.limit is not None:
            call(f"s{number}_all", f"in_{one.id}_before_limit")
    for column in plan.shared.values():
        call(column, "condition")
    deepest = int(last.removeprefix("c"))
    call("c0", "figures")
    if plan.shared:
        call("c1", "conditions")
    for number in range(2 if plan.shared else 1, deepest + 1):
        call(f"c{number}", "membership" if number == deepest else f"membership_{number}")
    return names
