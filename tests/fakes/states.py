"""A stream whose visitors' states are looked at."""

from typing import Any

from segmentation.domain.event import Event
from segmentation.domain.profile import RealtimePart
from segmentation.domain.published import Published

from tests.fakes import StaticRuleSets
from tests.fakes.documents import documents, published
from tests.fakes.stream import NOW
from tests.fakes.stream import Stream as EventPath

BUYS: dict[str, Any] = {"var": "behaviors.purchases"}

DAY = {"within": [BUYS, "1d"]}


def shop(**rules: Any) -> Published:
    document = documents()
    document["segments"] = [
        {"id": name.replace("_", "-"), "name": name, "audience": "shop", "kind": "realtime", "rule": rule}
        for name, rule in rules.items()
    ]
    document["access"] = {}
    document["destinations"][0]["segments"] = [one["id"] for one in document["segments"]]
    return published(**document)


class Stream(EventPath):
    """Of an audience with just these rules."""

    def __init__(self, rules: Published) -> None:
        super().__init__(sets=StaticRuleSets({"shop": rules}))

    def part(self, person: str = "1") -> RealtimePart:
        return self.profiles.realtime[f"shop#person_id:{person}"]


def event(identifier: str, person: str = "1", time: int = NOW, **columns: Any) -> Event:
    return Event(identifier, "shop", "purchases", f"person_id:{person}", time, NOW, columns)
