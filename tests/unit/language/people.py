"""What people did, as explanations are made of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from segmentation.language import RuleSet, Schema, Type, load_rule_set
from segmentation.language.evaluate import History, Row

HOUR, DAY = 3_600, 86_400

NOW = 1_772_366_400  # 2026-03-01T12:00:00Z, a Sunday, 07:00 in New York; clocks go forward a week later

SCHEMA = Schema(
    attributes={"age": Type.NUMBER, "signed_up": Type.TIMESTAMP, "birthday": Type.DATE, "tags": Type.STRINGS},
    behaviors={
        "purchases": {"department": Type.STRING, "price": Type.NUMBER, "shipped": Type.TIMESTAMP},
        "visits": {},
    },
    time_zone="America/New_York",
)

PURCHASES = {"var": "behaviors.purchases"}

VISITS = {"var": "behaviors.visits"}


def rules(*documents: tuple[str, str, Any]) -> RuleSet:
    return load_rule_set(
        [
            {"id": name, "name": name.title(), "audience": "a", "kind": kind}
            | ({} if rule is None else {"rule": rule})
            for name, kind, rule in documents
        ],
        SCHEMA,
        "a",
    )


def history(attributes: Mapping[str, Any] | None = None, **behaviors: Sequence[Row]) -> History:
    return History(attributes or {}, behaviors)
