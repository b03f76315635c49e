"""Rule sets that are edited, and what answers of them."""

from dataclasses import dataclass, field
from typing import Any

from segmentation.domain.published import Published, parse_published
from segmentation.usecases.edit_rules import rule_set_path

from tests.fakes import FixedClock, MemoryLake
from tests.fakes.documents import documents
from tests.publishing import PublishRules


def events(item: str | None = None) -> Any:
    purchases: Any = {"var": "behaviors.purchases"}
    return purchases if item is None else {"filter": [purchases, {"==": [{"var": "item"}, item]}]}


def count(window: str, least: int, item: str | None = None) -> Any:
    return {">=": [{"count": [{"within": [events(item), window]}]}, least]}


def segment(identifier: str, rule: Any, kind: str = "realtime") -> dict[str, Any]:
    return {"id": identifier, "name": identifier, "audience": "shop", "kind": kind, "rule": rule}


@dataclass
class Rules:
    """A rule set that is published again and again."""

    lake: MemoryLake = field(default_factory=MemoryLake)

    def publish(self, *segments: dict[str, Any]) -> Published:
        document = documents()
        access: dict[str, Any] = {"write_keys": [], "tokens": [], "partners": []}
        return PublishRules(self.lake, FixedClock())(document["audience"], segments, access, [])

    def read(self) -> Published:
        return parse_published(self.lake.json(rule_set_path("shop")))
