"""What the profiles store holds of one profile: a real-time part and a batch part.

As all that each event makes anew these are structs: frozen dataclasses take several times as long to make.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from .membership import Change

DAY = 86_400
RETENTION = 403 * DAY
"""Seconds that a visitor's item is kept after its last event: the longest real-time window, and three days."""
TELLING = 2 * DAY
"""Seconds before the item goes by which the visitor is forgotten, so that partners hear of it."""
SHARDS = 16
"""Into so many parts the index of due profiles is divided, so that no part of it is hot."""
GRACE = 60
"""Seconds after which changes that were not told are due: whoever wrote them has failed, or is telling them."""


def profile_id(audience: str, profile: str) -> str:
    """The store's key of a profile; `profile` is `<key column>:<value>`."""
    return f"{audience}#{profile}"


def name_of(key: str) -> str:
    """The name in a key of the store."""
    return key.partition("#")[2]


def profile_name(column: str, value: str) -> str:
    """How events, messages and pages name a profile."""
    return f"{column}:{value}"


def shard_of(profile: str) -> int:
    """The shard of a profile (the store's key) in the index of due ones."""
    return hashlib.blake2b(profile.encode("utf-8", "surrogatepass"), digest_size=1).digest()[0] % SHARDS


class RealtimePart(msgspec.Struct, frozen=True):
    """State and membership that came of a visitor's events.

    `revision` guards writes; `rules` and `batch` are the rule set's version and the batch part's run that `members`
    were computed with at the moment `computed`; from `due` on they may be others by time alone (`None`: never).
    `changes` came with this revision; while `untold` they are not known to be sent. `quality` names what the answer
    lacks: `capped` (a limit took events away that rules would still count), `failed` (a rule failed), `ids` (there were more
    events than ids are remembered of: a second event of an old id and other content would count as one of its own).

    `alias`: the key was joined to this profile (a name), where all its events are counted; `aliases`: the keys that were
    joined to this one, each with the moment at which its alias was last written. `erased`: the moment at which the visitor
    was erased; events of before it are not taken. An alias, and what is left of a visitor that was erased, have no
    state (`b""`).
    """

    revision: int
    state: bytes
    members: Collection[str]
    changes: Sequence[Change]
    computed: int
    rules: str
    batch: str = ""
    due: int | None = None
    untold: bool = False
    quality: tuple[str, ...] = ()
    expires: int = 0
    alias: str | None = None
    aliases: Mapping[str, int] = msgspec.field(default_factory=dict)
    erased: int = 0

    def members_at(self, now: int, rules: str, batch: str) -> set[str] | None:
        """Membership at the moment of reading; `None` where it must be computed anew of the state."""
        stale = self.rules != rules or self.batch != batch or (self.due is not None and now >= self.due)
        return None if stale else set(self.members)

    @property
    def sweep_at(self) -> int | None:
        """When a sweep has something to do: membership may change, or changes were left untold."""
        due = self.due_at
        if not self.untold:
            return due
        told = self.computed + GRACE
        return told if due is None else min(due, told)

    @property
    def due_at(self) -> int | None:
        """The same once all is told."""
        forgotten = self.forgotten_at
        return self.due if forgotten is None else forgotten if self.due is None else min(self.due, forgotten)

    @property
    def forgotten_at(self) -> int | None:
        """From when on a member is forgotten, as no event came for more than the longest window: one moment for all last events of
        a day, so that the index is not written at each. `None`: nobody would hear of it."""
        return self.expires // DAY * DAY - TELLING if self.state and self.members else None


class BatchPart(msgspec.Struct, frozen=True):
    """Membership and attributes as of a batch run.

    `identities`: the profile's other keys that raw tables know, as names; `unjoined`: those of them under which the stream
    kept a state of its own when this was published. `owner`: the part stands under such a key, and says only whose it is;
    `""`: it was somebody's.
    """

    run: str
    now: int
    segments: tuple[str, ...]
    attributes: Mapping[str, Any] = msgspec.field(default_factory=dict)
    identities: tuple[str, ...] = ()
    unjoined: tuple[str, ...] = ()
    owner: str | None = None


class Profile(msgspec.Struct, frozen=True):
    """Both parts; either may not exist yet."""

    realtime: RealtimePart | None = None
    batch: BatchPart | None = None

    @property
    def run(self) -> str:
        """The run that the batch part is of; "" where there is none."""
        return self.batch.run if self.batch is not None else ""

    @property
    def exists(self) -> bool:
        """Whether anything at all is known; that somebody was erased is nothing."""
        return (self.realtime is not None and bool(self.realtime.state)) or (
            self.batch is not None and self.batch.owner is None
        )
