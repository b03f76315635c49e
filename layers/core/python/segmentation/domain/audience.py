"""The audience: which tables make a profile, and what rules can read of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from segmentation.language.schedule import Schedule
from segmentation.language.tree import Node as Rule
from segmentation.language.types import Schema, Type

from .calls import Calls
from .identity import Identity
from .privacy import Consent

DATABASE = re.compile(r"[a-z0-9_]{3,128}")
"""What databases and tables of the events endpoint may be called."""


GRAINS = ("none", "year", "month", "day")
"""By what the events of a behavior are divided in the built audience."""


class Visibility(StrEnum):
    """Who may see an attribute.

    `clear`: everyone it is exposed to. `pii`: batch rules may read it; it is never published to the
    profiles store, never shown in samples and never leaves. `blocked`: it is not even built.
    """

    CLEAR = "clear"
    PII = "pii"
    BLOCKED = "blocked"


class Source(StrEnum):
    """Where the rows of a behavior come from in batch.

    `table`: a raw table. `events`: the visitor events that were accepted. `both`: an event that stands in both
    counts once, by its id.
    """

    TABLE = "table"
    EVENTS = "events"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Column:
    """One declared column. `source` is its name in the raw table, `lookup` the table it comes from."""

    name: str
    type: Type
    source: str
    lookup: str | None = None
    visibility: Visibility = Visibility.CLEAR


@dataclass(frozen=True, slots=True)
class AttributeTable:
    """A raw table whose columns become attributes: those of the row whose `key` equals the master's column `on`.

    Of several rows the one with the greatest `latest` (or the smallest `earliest`) column wins; without one, and on
    ties, the greatest by all declared columns in order. `empty_is_missing`: empty text is no value.
    """

    table: str
    key: str
    columns: tuple[Column, ...]
    latest: str | None
    earliest: str | None = None
    on: str | None = None
    empty_is_missing: bool = False


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table joined to a behavior's rows: its `key` equals the behavior's column `on`."""

    table: str
    key: str
    on: str


@dataclass(frozen=True, slots=True)
class Behavior:
    """A raw table of events. `id` columns, joined with `-`, identify an event; `time_from` is the lookup
    table that `time` comes from, where it is not the behavior's own. Without a table (`source`) its names
    are empty.

    `identity` names the identity that `key` holds, where that is not the master key. `partition` is one of `GRAINS`.
    `blocked` columns are declared only to say that they are never kept. `enforced`: an event with an undeclared column,
    or a value of another type, is refused; otherwise it is kept as it was sent, and rules find no value there.
    """

    name: str
    table: str
    key: str
    time: str
    time_zone: str
    id: tuple[str, ...]
    lookups: tuple[Lookup, ...]
    columns: tuple[Column, ...]
    time_from: str | None = None
    source: Source = Source.TABLE
    identity: str | None = None
    partition: str = "month"
    blocked: frozenset[str] = frozenset()
    empty_is_missing: bool = False
    enforced: bool = False

    def types(self) -> dict[str, Type]:
        """The declared columns."""
        return {column.name: column.type for column in self.columns}


@dataclass(frozen=True, slots=True)
class Audience:
    """A checked audience document."""

    id: str
    name: str
    description: str
    database: str
    time_zone: str
    master_table: str
    master_key: str
    identities: tuple[str, ...]
    attributes: tuple[AttributeTable, ...]
    behaviors: Mapping[str, Behavior]
    schedule: Schedule | None = None
    keys: Mapping[str, Identity] = field(default_factory=dict)
    """Every identity by its name; the master key too."""
    latest: str | None = None
    """The master table's column whose greatest value says which of several rows of a key wins."""
    filter: Rule | None = None
    """What must hold of a profile's attributes, `blocked` ones too, for it to be in the audience."""
    consent: Consent = field(default_factory=Consent)
    calls: Calls | None = None
    """How Segment-compatible calls become events; `None`: there are none."""
    set_by_events: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Attributes that events set: the behavior and its column."""

    def by_strength(self) -> tuple[str, ...]:
        """Identity columns, the one that says most of who it is first: the master key, then as declared."""
        return (self.master_key, *(one for one in self.identities if one != self.master_key))

    def key_name(self, column: str, value: str) -> str:
        """How a profile is named by the value of an identity column: `<column>:<value as it is written>`."""
        identity = self.keys.get(column)
        return f"{column}:{value if identity is None else identity.write(value)}"

    def known_identities(self) -> tuple[Identity, ...]:
        """The identities beside the master key that stand in raw tables, in declared order."""
        return tuple(one for one in self.keys.values() if one.table is not None)

    def columns(self) -> dict[str, Column]:
        """All attributes that are built, by name."""
        return {
            column.name: column
            for table in self.attributes
            for column in table.columns
            if column.visibility is not Visibility.BLOCKED
        }

    def public(self) -> set[str]:
        """The attributes that may be published and exposed."""
        return {name for name, column in self.columns().items() if column.visibility is Visibility.CLEAR}

    def schema(self) -> Schema:
        """What rules can read."""
        return Schema(
            attributes={name: column.type for name, column in self.columns().items()},
            behaviors={name: behavior.types() for name, behavior in self.behaviors.items()},
            time_zone=self.time_zone,
            set_by_events=self.set_by_events,
        )
