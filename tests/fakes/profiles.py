"""Profiles in memory, written under guards as in the table. What goes wrong is set as plain attributes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace
from segmentation.domain.errors import Unavailable
from segmentation.domain.profile import BatchPart, Profile, RealtimePart, shard_of
from segmentation.ports import SaveResult


@dataclass
class MemoryProfiles:
    """`before_save` runs before each save: another writer. `broken` ids cannot be written."""

    realtime: dict[str, RealtimePart] = field(default_factory=dict)
    batch: dict[str, BatchPart] = field(default_factory=dict)
    before_save: list[Callable[["MemoryProfiles"], None]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    barred: dict[str, int] = field(default_factory=dict)
    unreadable: bool = False
    reads: int = 0
    room: int | None = None
    """So many batch parts are taken, then no more until it is set anew."""
    put_off: dict[str, int] = field(default_factory=dict)
    a_page: int = 1_000

    def read(self, ids: Collection[str]) -> dict[str, Profile]:
        if self.unreadable:
            raise Unavailable("profiles cannot be read")
        self.reads += 1
        return {one: Profile(self.realtime.get(one), self.batch.get(one)) for one in ids}

    def save(self, writes: Mapping[str, RealtimePart]) -> SaveResult:
        if self.before_save:
            self.before_save.pop(0)(self)
        lost, failed = set(), {}
        for one, part in writes.items():
            stored = self.realtime.get(one)
            if one in self.broken:
                failed[one] = "broken"
            elif (stored.revision if stored else 0) != part.revision - 1:
                lost.add(one)
            else:
                self.realtime[one] = part
                self.put_off.pop(one, None)
        return SaveResult(frozenset(lost), failed)

    def join(self, key: str, part: RealtimePart, others: Mapping[str, RealtimePart]) -> bool:
        if self.before_save:
            self.before_save.pop(0)(self)
        written = {key: part, **others}
        if self.broken & written.keys():
            raise Unavailable("a joined profile was not written: broken")
        for one, new in written.items():
            stored = self.realtime.get(one)
            if (stored.revision if stored else 0) != new.revision - 1:
                return False
        self.realtime.update(written)
        for one in written:
            self.put_off.pop(one, None)
        return True

    def told(self, parts: Mapping[str, RealtimePart]) -> None:
        for one, part in parts.items():
            stored = self.realtime.get(one)
            if stored is not None and stored.revision == part.revision:
                self.realtime[one] = replace(stored, untold=False)
                self.put_off.pop(one, None)

    def due(self, shard: int, now: int, most: int) -> list[str]:
        moments = {
            one: self.put_off.get(one, part.sweep_at)
            for one, part in self.realtime.items()
            if shard_of(one) == shard
        }
        found = sorted(
            (moment, one) for one, moment in moments.items() if moment is not None and moment <= now
        )
        return [one for _, one in found[:most]]

    def postpone(self, parts: Mapping[str, RealtimePart], until: int) -> None:
        for one, part in parts.items():
            if one in self.realtime and self.realtime[one].revision == part.revision:
                self.put_off[one] = until

    def publish(self, parts: Iterable[tuple[str, BatchPart]]) -> int:
        written = 0
        for one, part in parts:
            if self.room is not None:
                if not self.room:
                    raise Unavailable("a batch part was not written: ThrottlingException")
                self.room -= 1
            stored = self.batch.get(one)
            if one not in self.barred and (stored is None or stored.run <= part.run):
                self.batch[one] = part
                written += 1
        return written

    def unlink(self, parts: Iterable[tuple[str, str, BatchPart]]) -> int:
        return self.publish(
            (one, part)
            for one, owner, part in parts
            if (stored := self.batch.get(one)) is None or stored.run != part.run or stored.owner == owner
        )

    def page(self, audience: str, cursor: str) -> tuple[list[str], str | None]:
        if self.unreadable:
            raise Unavailable("profiles cannot be read")
        own = {one for one, part in self.realtime.items() if part.state}
        own |= {one for one, part in self.batch.items() if part.owner is None}
        left = sorted(one for one in own if one > cursor and one.startswith(f"{audience}#"))
        return left[: self.a_page], left[self.a_page - 1] if len(left) > self.a_page else None

    def remove(self, audience: str, cursor: str, has_time: Callable[[], bool]) -> str | None:
        for store in (self.realtime, self.batch, self.barred):
            for one in sorted(store):
                if one > cursor and one.startswith(f"{audience}#"):
                    del store[one]
                    if not has_time():
                        return cursor
        return None

    def unbar(self, keys: Collection[str]) -> None:
        if self.unreadable:
            raise Unavailable("profiles cannot be written")
        for one in keys:
            self.barred.pop(one, None)

    def bar(self, keys: Collection[str], at: int) -> None:
        if self.unreadable:
            raise Unavailable("profiles cannot be written")
        for one in keys:
            if self.barred.get(one, -1) < at:
                self.barred[one] = at
                self.batch.pop(one, None)
