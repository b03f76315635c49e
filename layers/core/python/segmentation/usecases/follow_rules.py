"""Tell partners what other rules make of everybody, also of those who never have an event.

Whoever has an event, or is due, is evaluated by the rules that answer then. A rule that was edited may take in or let go
of people to whom nothing happens ("no purchase in 30 days", "is of the batch segment"). So once the rules that answer are
others, and every function has read them, all profiles of the store are gone through, and what changes for them is told.
Where the walk has come to is kept: an invocation may be cut off anywhere, and the next one goes on.
"""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace

from segmentation.domain.errors import Unavailable
from segmentation.domain.fill import SETTLE
from segmentation.domain.published import Published
from segmentation.ports import Clock, Lake, Profiles

from .edit_rules import rule_set_path
from .update_visitors import Cause, UpdateVisitors, Visit

AT_ONCE = 200
"""Profiles that are evaluated together."""
SHORTEST = 30.0
"""Seconds that are left for another page of the store."""

logger = logging.getLogger("segmentation.follow_rules")


@dataclass(frozen=True, slots=True)
class Walk:
    """How far partners know of rules. `rules`: a digest of those that are followed; `cursor`: where the walk has come to,
    `None` once it is over."""

    rules: str
    cursor: str | None = ""


@dataclass(slots=True)
class Followed:
    """What came of an invocation. `left`: the walk goes on with the next one."""

    profiles: int = 0
    changes: int = 0
    left: bool = False


def walk_path(audience: str) -> str:
    """Where the walk of an audience stands."""
    return f"fills/{audience}/followed.json"


@dataclass(frozen=True, slots=True)
class FollowRules:
    """Walks through the store."""

    lake: Lake
    profiles: Profiles
    update: UpdateVisitors
    clock: Clock

    def __call__(self, published: Published, seconds_left: Callable[[], float]) -> Followed:
        """Go on with the walk of an audience, if its rules are others than those that were followed.

        `Unavailable`: not all could be evaluated; the same page comes again.
        """
        audience, result = published.audience.id, Followed()
        stored = self.lake.get(walk_path(audience))
        walk = Walk(**json.loads(stored.data)) if stored else None
        digest = published.answering_digest
        if walk is None and "realtime" not in published.kinds.values():
            return result  # there never was a rule to follow
        if walk is None or walk.rules != digest:
            walk = Walk(digest)
        cursor = walk.cursor
        if cursor is None or not self._is_settled(audience):
            return result
        while cursor is not None:
            if seconds_left() < SHORTEST:
                result.left = True
                return result
            names, cursor = self.profiles.page(audience, cursor)
            self._evaluate(published, names, result)
            self.lake.put(walk_path(audience), json.dumps(asdict(replace(walk, cursor=cursor))).encode())
        logger.info("the rules of %s are followed through %d profiles", audience, result.profiles)
        return result

    def _is_settled(self, audience: str) -> bool:
        """Whether every function has read the rules: who had older ones could write what nobody looks at again."""
        path, now = rule_set_path(audience), self.clock.now()
        return any(one.path == path and now - one.put >= SETTLE for one in self.lake.entries(path))

    def _evaluate(self, published: Published, names: Iterable[str], result: Followed) -> None:
        keys = list(names)
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            visits = {key: Visit(published, key.partition("#")[2]) for key in some}
            updated = self.update(visits, {published.audience.id: published}, cause=Cause.RULES)
            result.profiles += len(some)
            result.changes += updated.changes
            if left := updated.failed - updated.broken.keys():
                raise Unavailable(f"{len(left)} profiles could not be evaluated; they come again")
