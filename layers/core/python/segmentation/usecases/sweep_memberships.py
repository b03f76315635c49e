"""Let time pass: evaluate the visitors whose membership may have changed by itself, and tell what did.

Who is due stands in an index that is written together with the state, so nothing can be forgotten. A sweep may stop
anywhere and the next goes on; two at once are harmless, since one of their writes loses and finds nothing left to do.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from segmentation.domain.profile import SHARDS
from segmentation.domain.published import Published
from segmentation.ports import Clock, Profiles, RuleSets

from .update_visitors import Cause, UpdateVisitors, Visit

A_ROUND = 100
"""Visitors that are evaluated together."""
A_SHARD = 1_000
"""Visitors of one shard before the next shard has its turn."""
PUT_OFF = 3_600
"""Seconds for which a visitor who cannot be evaluated is left alone, so that the others have their turn."""

logger = logging.getLogger("segmentation.sweep_memberships")


@dataclass(slots=True)
class Swept:
    """What came of a run. `left`: some visitors that were due were left to the next one."""

    visitors: int = 0
    written: int = 0
    changes: int = 0
    failed: int = 0
    rules_failed: int = 0
    left: bool = False


@dataclass(frozen=True, slots=True)
class SweepMemberships:
    """The sweeper."""

    update: UpdateVisitors
    profiles: Profiles
    rule_sets: RuleSets
    clock: Clock

    def __call__(
        self, goes_on: Callable[[], bool] = lambda: True, shards: Sequence[int] = range(SHARDS)
    ) -> Swept:
        """Sweep shards until nobody is due, or for as long as `goes_on` says; asked before each hundred visitors."""
        result = Swept()
        sets = self.rule_sets.all()
        waiting = list(shards)
        while waiting:
            full = []
            for shard in waiting:
                written = result.written
                due = self.profiles.due(shard, self.clock.now(), A_SHARD)
                for start in range(0, len(due), A_ROUND):
                    if not goes_on():
                        result.left = True
                        return result
                    self._round(due[start : start + A_ROUND], sets, result)
                if len(due) == A_SHARD:
                    if result.written == written:  # nothing can be done just now
                        result.left = True
                    else:
                        full.append(shard)
            waiting = full
        return result

    def _round(self, due: list[str], sets: Mapping[str, Published], result: Swept) -> None:
        visits: dict[str, Visit] = {}
        orphans: list[str] = []
        for key in due:
            audience, _, profile = key.partition("#")
            if audience in sets:
                visits[key] = Visit(sets[audience], profile)
            else:
                orphans.append(key)
        updated = self.update(visits, sets, cause=Cause.TIME)
        result.visitors += len(due)
        result.written += updated.written
        result.changes += updated.changes
        result.failed += len(updated.failed) + len(orphans)
        result.rules_failed += updated.rules_failed
        put_off = {key: part for key, part in updated.broken.items() if part is not None}
        if orphans:
            logger.warning("%d visitors are of audiences without rules; they are put off", len(orphans))
            found = self.profiles.read(orphans)
            put_off |= {key: one.realtime for key, one in found.items() if one.realtime is not None}
        if put_off:
            self.profiles.postpone(put_off, self.clock.now() + PUT_OFF)
