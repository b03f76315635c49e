"""A shop whose people are known by three keys, over a store in which functions die."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.event import Event
from segmentation.domain.profile import RealtimePart
from segmentation.domain.published import strength
from segmentation.ports import SaveResult

from .documents import documents, published, sha
from .profiles import MemoryProfiles
from .stores import StaticRuleSets
from .stream import NOW, Stream

HOUR = 3_600
P, E, C, D = "person_id:1", "email:aa", "td_client_id:c", "td_client_id:d"
RECENT = {"within": [{"var": "behaviors.purchases"}, "2h"]}


def realtime(identifier: str, rule: Any) -> dict[str, Any]:
    return {"id": identifier, "name": identifier, "audience": "shop", "kind": "realtime", "rule": rule}


SEGMENTS = [
    realtime("bought", {">=": [{"count": [RECENT]}, 1]}),
    realtime("bought-thrice", {">=": [{"count": [RECENT]}, 3]}),
    realtime("spent", {">": [{"sum": [RECENT, "amount"]}, 10]}),
    realtime("two-items", {">=": [{"count_distinct": [RECENT, "item"]}, 2]}),
    realtime("last-is-b", {"==": [{"last": [RECENT, "item"]}, "b"]}),
    realtime("quiet", {"<": [{"count": [RECENT]}, 2]}),
    realtime("german-buyer", {"and": [{"==": [{"var": "attributes.country"}, "DE"]}, {">=": [{"count": [RECENT]}, 1]}]}),
]  # fmt: skip
NAMES = [str(one["id"]) for one in SEGMENTS]


def rules() -> dict[str, Any]:
    document = documents()
    document["audience"]["identities"] = ["person_id", "email", "td_client_id"]
    document["segments"] = SEGMENTS
    document["access"]["partners"] = []
    document["access"]["tokens"] = [
        {
            "id": column,
            "sha256": sha(column),
            "key_column": column,
            "lookup": "open",
            "segments": NAMES,
            "attributes": ["country"],
            "origins": ["*"],
        }
        for column in document["audience"]["identities"]
    ]
    document["destinations"][0]["segments"] = NAMES
    return document


PUBLISHED = published(**rules())


class Crash(BaseException):
    """The function dies: nothing catches it."""


@dataclass
class Store(MemoryProfiles):
    """Dies before or after the writes that `deaths` says, counted from 0."""

    deaths: dict[int, str] = field(default_factory=dict)
    writes: int = 0

    def save(self, writes: Any) -> SaveResult:
        return self._dying(lambda: super(Store, self).save(writes))

    def join(self, key: str, part: RealtimePart, others: Any) -> bool:
        return self._dying(lambda: super(Store, self).join(key, part, others))

    def _dying(self, write: Callable[[], Any]) -> Any:
        death = self.deaths.pop(self.writes, None)
        self.writes += 1
        if death == "before":
            raise Crash
        written = write()
        if death == "after":
            raise Crash
        return written


@dataclass
class Shop(Stream):
    """The evaluator and the website's lookup over a store in which people may die."""

    profiles: Store = field(default_factory=Store)
    sets: StaticRuleSets = field(default_factory=lambda: StaticRuleSets({"shop": PUBLISHED}))

    def until_taken(self, *events: Event) -> None:
        """As the stream does: again until nothing failed."""
        for _ in range(50):
            try:
                if not self.deliver(*events).failed:
                    return
            except Crash:
                continue
        raise AssertionError("never taken")

    def answer(self, name: str) -> Any:
        column, _, value = name.partition(":")
        return self.personalize([column], {column: value})

    def values(self, name: str) -> list[str]:
        (entry,) = self.answer(name)
        values: list[str] = entry["values"]
        return values

    def item(self, name: str) -> RealtimePart:
        return self.profiles.realtime[f"shop#{name}"]


def event(identifier: str, *names: str, time: int = NOW - 60, **columns: Any) -> Event:
    """An event that carries keys, in any order."""
    rank = strength({"shop": PUBLISHED})
    first, *others = sorted(names, key=lambda name: rank(f"shop#{name}"))
    return Event(identifier, "shop", "purchases", first, time, NOW, columns, tuple(others))
