"""Remove an audience with everything that was made of it, step by step."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from segmentation.domain.lists import lists_path
from segmentation.domain.removal import FOLDERS, SETTLED_SECONDS, Removal, is_of, removed_path
from segmentation.domain.run import table_name
from segmentation.ports import Clock, Lake, Profiles, RuleSets, Runs, Sizes, Warehouse

from .ask_removal import ask_removal

logger = logging.getLogger("segmentation.remove_audiences")


@dataclass(slots=True)
class Removed:
    """What came of one invocation: removals that still wait for something, and those that are done."""

    open: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RemoveAudiences:
    """Removes what nobody wants any more."""

    lake: Lake
    warehouse: Warehouse
    runs: Runs
    profiles: Profiles
    sizes: Sizes
    rule_sets: RuleSets
    clock: Clock

    def ask(self, audience: str) -> Removal:
        """Have an audience removed. From now on nothing is collected, computed or served of it."""
        return ask_removal(self.lake, self.rule_sets, audience, self.clock.now())

    def go_on(self, has_time: Callable[[], bool] = lambda: True) -> Removed:
        """Carry all removals on, as far as they go now."""
        result = Removed()
        for path in list(self.lake.list("removals/")):
            stored = self.lake.get(path)
            if stored is None:
                continue
            removal: Removal | None = Removal.from_document(json.loads(stored.data))
            assert removal is not None  # noqa: S101 - for the type
            audience, tag = removal.audience, stored.tag
            while removal is not None and has_time():
                after = self._step(removal, has_time)
                if after == removal:
                    break
                if after is None:
                    done = replace(removal, step="done", ended=self.clock.now(), segments=(), tables=())
                    self.lake.put(removed_path(audience), json.dumps(done.to_document()).encode())
                    self.lake.delete([path])
                    result.done.append(audience)
                    logger.info("audience %s is removed", audience)
                else:
                    # Whoever else is at it does the same; the one that comes second stops.
                    if not self.lake.put(path, json.dumps(after.to_document()).encode(), expected=tag):
                        break
                    again = self.lake.get(path)
                    tag = again.tag if again else ""
                removal = after
            if removal is not None:
                result.open.append(audience)
        return result

    def _step(self, removal: Removal, has_time: Callable[[], bool]) -> Removal | None:
        """The removal after its step, if that is done; the same one, if it has to wait."""
        audience, now = removal.audience, self.clock.now()
        if removal.step != "rules" and self.lake.get(f"rules/{audience}/ruleset.json") is not None:
            logger.error(
                "audience %s was published again while it is being removed; it stays as it is", audience
            )
            return removal
        match removal.step:
            case "rules":
                self.lake.delete_prefix(f"rules/{audience}/")
            case "settle" | "drain":
                if 0 <= now - removal.since < SETTLED_SECONDS:
                    return removal
            case "runs":
                if self._stop(audience):
                    return removal
            case "profiles":
                cursor = self.profiles.remove(audience, removal.cursor, has_time)
                if cursor is not None:
                    return replace(removal, cursor=cursor)
            case "data":
                self._data(removal)
        return removal.following(now)

    def _stop(self, audience: str) -> bool:
        """Stop what runs of an audience ask; whether any is still under way."""
        held = [one for one in self.runs.held() if one.audience == audience]
        for lock in held:
            run = self.runs.read(audience, lock.job, lock.holder or "")
            for query in run.active_queries if run else ():
                self.warehouse.stop(query)
        return bool(held)

    def _data(self, removal: Removal) -> None:
        """Tables first: nobody may find one whose data is gone."""
        audience = removal.audience
        for table in self.warehouse.named(table_name(audience) + "_"):
            if is_of(table, audience) or table in removal.tables:
                self.warehouse.drop(table)
        for folder in FOLDERS:
            self.lake.delete_prefix(f"{folder}/{audience}/")
        self.lake.delete([lists_path(audience)])
        for segment in removal.segments:
            self.sizes.forget(audience, segment)
        self.runs.forget(audience)
