"""The removal of an audience with all that was made of it: in steps, each of which may be done twice.

    rules -> settle -> runs -> profiles -> drain -> data

First the rules go, and with them everything that would make more data. What is still on streams and queues then runs dry
(`settle`), batch runs are stopped, profiles are removed from their store, and what that says on the store's own stream is
waited for (`drain`), before what lies in the lake is removed.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from .audience import Audience
from .changes_sql import changes_view
from .erasure import excluded_table
from .event_lake import lake_tables
from .lists import listed_table
from .run import table_name

SETTLED_SECONDS = 1_800
"""How long what was under way when the rules went may take: longer than any function works, or a batch waits."""
FOLDERS = (
    "audiences",
    "memberships",
    "syndication",
    "events",
    "changes",
    "links",
    "lists",
    "lists_open",
    "listed",
    "previews",
    "exports",
    "explanations",
    "programs",
    "erasures",
    "fills",
    "history",
    "rules",
)
"""What lies below `<folder>/<audience>/` in the lake. Beside them there is which uploads make up lists: `lists_path`."""
STEPS = ("rules", "settle", "runs", "profiles", "drain", "data")


@dataclass(frozen=True, slots=True)
class Removal:
    """One removal. `since`: when its step began; `cursor`: how far the profiles are; `by`: who asked for it.

    `ended`: when it was done; 0: it is under way.
    """

    audience: str
    asked: int
    segments: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    step: str = "rules"
    since: int = 0
    cursor: str = ""
    by: str = ""
    ended: int = 0

    def following(self, now: int) -> "Removal | None":
        """At the next step; nothing after the last."""
        index = STEPS.index(self.step) + 1
        return None if index == len(STEPS) else replace(self, step=STEPS[index], since=now, cursor="")

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Removal":
        """From JSON that `to_document` made."""
        lists = {name: tuple(document[name]) for name in ("segments", "tables")}
        return cls(**{**document, **lists})


def removal_path(audience: str) -> str:
    """Where a removal stands while it is under way."""
    return f"removals/{audience}.json"


def removed_path(audience: str) -> str:
    """Where it stands that an audience was removed."""
    return f"removed/{audience}.json"


def lake_names(audience: Audience) -> list[str]:
    """What the catalog has over the lake's folders of an audience; tables of builds and runs have names by time."""
    tables = (*lake_tables(audience), excluded_table(audience.id), listed_table(audience))
    return [*(one.name for one in tables), changes_view(audience).name]


def is_of(table: str, audience: str) -> bool:
    """Whether a table was made by a build or a run of this audience, and not of one whose id begins like it."""
    return re.match(rf"{re.escape(table_name(audience))}_\d{{8}}t\d{{6}}", table) is not None
