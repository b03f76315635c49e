"""Check everything that the service runs by, and publish it as one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation.domain.published import Published, document_of, parse_published
from segmentation.domain.run import instant
from segmentation.ports import Clock, Lake


def rule_set_path(audience: str) -> str:
    """Where an audience's rule set stands."""
    return f"rules/{audience}/ruleset.json"


@dataclass(frozen=True, slots=True)
class PublishRules:
    """Publish a rule set: one put, so a reader sees the old one or the new one."""

    lake: Lake
    clock: Clock

    def __call__(
        self,
        audience: Mapping[str, Any],
        segments: Sequence[Mapping[str, Any]],
        access: Mapping[str, Any],
        destinations: Sequence[Mapping[str, Any]],
    ) -> Published:
        """The published set; `RuleError` lists all problems of all documents and nothing is put."""
        document = document_of(audience, segments, access, destinations, instant(self.clock.now()))
        published = parse_published(document)
        self.lake.put(rule_set_path(published.audience.id), json.dumps(document, indent=1).encode())
        return published
