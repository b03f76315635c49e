"""The rules of the soak test, and an oracle that keeps all events and evaluates them afresh."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from segmentation.domain.published import Published
from segmentation.language.evaluate import Compiler, Evaluation, History, Row
from segmentation.language.times import zone
from segmentation.language.values import parse_value

HOUR = 3_600
AUDIENCE, BEHAVIOR = "soak", "purchases"
WRITE_KEY, TOKEN = "soak-write-key", "soak-token"
"""Of this test alone."""
LATELY = 20
"""Seconds of the short window: what is in it leaves by itself while the test runs."""
WINDOWS = (6 * HOUR, 12 * HOUR, 24 * HOUR)
BUYS: dict[str, Any] = {"var": f"behaviors.{BEHAVIOR}"}
OF_A: dict[str, Any] = {"filter": [BUYS, {"==": [{"var": "item"}, "a"]}]}
OF_B: dict[str, Any] = {"filter": [BUYS, {"==": [{"var": "item"}, "b"]}]}


def within(events: Any, window: str) -> Any:
    return {"within": [events, window]}


RULES: dict[str, Any] = {
    "lately": {">=": [{"count": [within(BUYS, f"{LATELY}s")]}, 1]},
    "thrice": {">=": [{"count": [within(BUYS, "6h")]}, 3]},
    "once": {"==": [{"count": [within(BUYS, "12h")]}, 1]},
    "quiet": {"<": [{"count": [within(BUYS, "6h")]}, 2]},
    "never-a": {"==": [{"count": [OF_A]}, 0]},
    "spent": {">": [{"sum": [within(BUYS, "12h"), "amount"]}, 20]},
    "average": {"<": [{"avg": [within(BUYS, "1d"), "amount"]}, 4]},
    "two-items": {">=": [{"count_distinct": [within(BUYS, "6h"), "item"]}, 2]},
    "first-is-b": {"==": [{"first": [within(BUYS, "12h"), "item"]}, "b"]},
    "last-is-b": {"==": [{"last": [BUYS, "item"]}, "b"]},
    "a-then-b": {">=": [{"count": [within({"followed_by": [OF_A, OF_B, "1h"]}, "12h")]}, 1]},
    "of-both": {"and": [{"in": ["thrice", {"var": "segments"}]}, {"in": ["spent", {"var": "segments"}]}]},
    "neither": {"!": [{"or": [{"in": ["thrice", {"var": "segments"}]}, {"in": ["of-both", {"var": "segments"}]}]}]},
    "half": {"and": [{"<": [{"bucket": ["soak"]}, 50]}, {"in": ["quiet", {"var": "segments"}]}]},
}  # fmt: skip
TOLD = frozenset({"lately", "thrice", "spent", "never-a", "neither"})
"""Of which a partner is told: a message each would take moto too long."""
CAPPED = frozenset({"spent", "average", "two-items", "first-is-b", "a-then-b", "of-both", "neither"})
"""They need the events themselves, of which at most a thousand are kept: nothing is said of whoever has more."""


def documents(receiver: str) -> tuple[Any, ...]:
    """The audience, its segments, the access to it and the one destination; `receiver` is where partners are told."""

    def digest(key: str) -> str:
        return hashlib.sha256(key.encode()).hexdigest()

    columns = {"basket": {"type": "string"}, "item": {"type": "string"}, "amount": {"type": "number"}}
    audience = {
        "id": AUDIENCE,
        "name": "Soak",
        "database": "soak",
        "time_zone": "UTC",
        "master": {"table": "people", "key": "person_id"},
        "identities": ["person_id", "td_client_id"],
        "attributes": [],
        "behaviors": {BEHAVIOR: {"source": "events", "id": ["basket"], "columns": columns}},
    }
    segments = [
        {"id": name, "name": name, "audience": AUDIENCE, "kind": "realtime", "rule": rule}
        for name, rule in RULES.items()
    ]
    token = {
        "id": "site",
        "sha256": digest(TOKEN),
        "key_column": "person_id",
        "lookup": "open",
        "segments": list(RULES),
        "attributes": [],
        "origins": ["*"],
    }
    access = {
        "write_keys": [{"id": "site", "sha256": digest(WRITE_KEY), "origins": ["*"]}],
        "tokens": [token],
        "partners": [],
    }
    hook = {"type": "webhook", "audience": AUDIENCE, "segments": sorted(TOLD), "url": receiver}
    return audience, segments, access, [{"id": "hook", **hook}]


class Oracle:
    """Who is in what, of all events and nothing else."""

    def __init__(self, published: Published) -> None:
        self._schema = published.rules.schema
        compiler = Compiler()
        self._rules = [
            (one.id, compiler.compile(one.rule)) for one in published.rules.of_kind("realtime") if one.rule
        ]

    def __call__(self, person: str, events: Iterable[Mapping[str, Any]], now: int) -> frozenset[str]:
        """The segments of a person at a moment; `events` are records as they were sent, each once."""
        types = self._schema.behaviors[BEHAVIOR]
        rows = [
            Row(
                one["time"],
                one["basket"],
                {name: parse_value(kind, one.get(name)) for name, kind in types.items()},
            )
            for one in events
        ]
        evaluation = Evaluation(History({}, {BEHAVIOR: rows}), person, now, zone("UTC"), set())
        found = set()
        for name, holds in self._rules:
            if holds(evaluation, None):
                evaluation.segments.add(name)
                found.add(name)
        return frozenset(found)
